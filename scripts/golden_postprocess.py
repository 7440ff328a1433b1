"""Write tests/data/postprocess_golden.json: what tokenizers makes of lengths and windows.

Every text is a run of one-token words; word k of the first text has id 100 + k, of the second
200 + k, so that ids show which window stands where. Run it with tokenizers 0.23.3; a case in which
the library panics is left out.
"""

import json
import pathlib
import random
import sys

import tokenizers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

SEP, CLS = ("</s>", 1), ("<s>", 0)
WORDS = {f"{text}{k}": base + k for text, base in (("a", 100), ("b", 200)) for k in range(20)}
SEQUENCE = [processors.ByteLevel(trim_offsets=False), processors.BertProcessing(SEP, CLS)]
PROCESSORS = {
    "none": None,
    "bert": processors.BertProcessing(SEP, CLS),
    "roberta": processors.RobertaProcessing(SEP, CLS),
    "byte_level": processors.ByteLevel(trim_offsets=False),
    "sequence": processors.Sequence(SEQUENCE),
    "template": processors.TemplateProcessing(
        single="<s> $A:3 </s>:4", pair="$B:5 <s>:6 $A:7 </s>", special_tokens=[CLS, SEP]
    ),
    "only_b": processors.TemplateProcessing(
        single="$A", pair="<s> $A $B:2 </s>", special_tokens=[CLS, SEP]
    ),
}


def piece(rng, single):
    type_id = rng.randrange(4)
    if rng.random() < 0.5:
        return {
            "Sequence": {"id": "A" if single or rng.random() < 0.5 else "B", "type_id": type_id}
        }
    return {"SpecialToken": {"id": rng.choice(["<s>", "two", "none"]), "type_id": type_id}}


def random_processor(rng, depth=0):
    """Any processor or sequence of them, whether anybody would want it or not."""
    if rng.random() < (0.8 if depth == 0 else 0.1):
        members = [random_processor(rng, depth + 1) for _ in range(rng.randint(1, 4))]
        return {"type": "Sequence", "processors": members}
    kind = rng.randrange(4)
    if kind == 0:
        return {"type": "BertProcessing", "sep": SEP, "cls": CLS}
    flags = {"trim_offsets": rng.random() < 0.5, "add_prefix_space": rng.random() < 0.5}
    if kind == 1:
        return {"type": "RobertaProcessing", "sep": SEP, "cls": CLS, **flags}
    if kind == 2:
        return {"type": "ByteLevel", "use_regex": True, **flags}
    return {
        "type": "TemplateProcessing",
        "single": [piece(rng, True) for _ in range(rng.randint(1, 3))],
        "pair": [piece(rng, False) for _ in range(rng.randint(1, 4))],
        "special_tokens": {
            "<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]},
            "two": {"id": "two", "ids": [0, 1], "tokens": ["<s>", "</s>"]},
            "none": {"id": "none", "ids": [], "tokens": []},
        },
    }


def fields(encoding):
    sequences = [-1 if s is None else s for s in encoding.sequence_ids]
    return [encoding.ids, encoding.type_ids, sequences, encoding.special_tokens_mask]


def case(tokenizer, name, rng):
    a, b = rng.randint(0, 9), rng.choice([None, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    strategy = rng.choice(["longest_first", "longest_first", "only_first", "only_second"])
    direction, special = rng.choice(["right", "left"]), rng.random() < 0.6
    max_length, stride = rng.randint(0, 14), rng.choice([0, 0, 1, 2, 3])
    result = {
        "processor": name,
        "a": a,
        "b": b,
        "strategy": strategy,
        "direction": direction,
        "special": special,
        "max_length": max_length,
        "stride": stride,
    }
    if max_length < tokenizer.num_special_tokens_to_add(b is not None):
        return None
    texts = (
        " ".join(f"a{k}" for k in range(a)),
        None if b is None else " ".join(f"b{k}" for k in range(b)),
    )
    try:
        tokenizer.enable_truncation(
            max_length, stride=stride, strategy=strategy, direction=direction
        )
    except Exception:
        # Here the library asks for room for the special tokens of one text, whatever is encoded.
        return None
    try:
        encoding = tokenizer.encode(*texts, add_special_tokens=special)
    except Exception:
        return result | {"error": True}
    except BaseException:
        return None
    return result | {"rows": [fields(encoding), *map(fields, encoding.overflowing)]}


def main():
    rng, cases = random.Random(1), []
    for name, processor in PROCESSORS.items():
        tokenizer = Tokenizer(models.WordLevel({"<s>": 0, "</s>": 1, **WORDS}, unk_token="<s>"))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        if processor is not None:
            tokenizer.post_processor = processor
        found = [c for c in (case(tokenizer, name, rng) for _ in range(90)) if c]
        cases += [c for c in found if len(c.get("rows", ())) < 12]
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    rng, few = random.Random(seed), int(sys.argv[2]) if len(sys.argv) > 2 else 60
    for _ in range(few):
        declared = random_processor(rng)
        model = {"type": "WordLevel", "vocab": {"<s>": 0, "</s>": 1, **WORDS}, "unk_token": "<s>"}
        pre_tokenizer = {"type": "WhitespaceSplit"}
        text = {"model": model, "pre_tokenizer": pre_tokenizer, "post_processor": declared}
        tokenizer = Tokenizer.from_str(json.dumps(text))
        found = [c for c in (case(tokenizer, declared, rng) for _ in range(8)) if c]
        cases += [c for c in found if len(c.get("rows", ())) < 40]
    path = pathlib.Path(__file__).parent.parent / "tests/data/postprocess_golden.json"
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    path.write_text(
        f'{{"tokenizers":"{tokenizers.__version__}","cases":[\n{lines}\n]}}\n', encoding="utf-8"
    )


if __name__ == "__main__":
    main()
