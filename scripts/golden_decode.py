"""Writes tests/data/decode_golden.json: what the reference library decodes lists of tokens to.

    python scripts/golden_decode.py [seed [decoders]]

Needs tokenizers==0.23.3. Decoders are all kinds alone and random sequences of them, tokens are made
of what the decoders look for. Lists for which the library panics (an end that `Strip` takes twice)
are left out; what is done for them has tests of its own.
"""

import json
import os
import random
import sys
from importlib.metadata import version
from pathlib import Path

VERSION = "0.23.3"
assert version("tokenizers") == VERSION
os.environ["RUST_BACKTRACE"] = "0"

from tokenizers import Tokenizer  # noqa: E402

ATOMS = [
    "a",
    "b",
    "Hello",
    "Ġ",
    "Ġw",
    "▁",
    "▁a",
    "▁▁",
    " ",
    "  ",
    "##",
    "##a",
    "</w>",
    "a</w>",
    "</w>b",
    "<0x0A>",
    "<0xE2>",
    "<0x96>",
    "<0x81>",
    "<0xFF>",
    "<0x41>",
    "<0x+A>",
    "<0xé>",
    "<0xZZ>",
    "<pad>",
    "|",
    ".",
    ",",
    "'s",
    "n't",
    " do not",
    "'",
    "?",
    "é",
    "한",
    "Ã",
    "©",
    "ð",
    "Ł",
    "",
    "x</w",
    ">",
    "aa",
    "aaa",
    "<s>",
]


def leaf(rng):
    """One decoder."""
    char = rng.choice(["a", "▁", " ", "é", "Ġ"])
    text = rng.choice(["a", "▁", " ", "aa", "aba", "</w>", "", "é", "ab"])
    flag = rng.random() < 0.5
    return rng.choice(
        [
            {"type": "BPEDecoder", "suffix": rng.choice(["</w>", "a", "aa", ""])},
            {"type": "ByteFallback"},
            {"type": "ByteFallback"},
            {
                "type": "ByteLevel",
                "add_prefix_space": flag,
                "trim_offsets": True,
                "use_regex": True,
            },
            {
                "type": "CTC",
                "pad_token": rng.choice(["<pad>", "a", ""]),
                "word_delimiter_token": rng.choice(["|", "", "a"]),
                "cleanup": flag,
            },
            {"type": "Fuse"},
            {"type": "Fuse"},
            {
                "type": "Metaspace",
                "replacement": rng.choice(["▁", "a"]),
                "prepend_scheme": rng.choice(["always", "never", "first"]),
                "split": flag,
            },
            {
                "type": "Replace",
                "pattern": {"String": text},
                "content": rng.choice(["", " ", "aa", "x▁", "é"]),
            },
            {
                "type": "Replace",
                "pattern": {"Regex": rng.choice(["a+", r"\s+", "x*", "[ab]c?", "▁", "(?:a|ab)b"])},
                "content": rng.choice(["", " ", "a", "▁▁"]),
            },
            {
                "type": "Strip",
                "content": char,
                "start": rng.choice([0, 1, 2, 9]),
                "stop": rng.choice([0, 0, 1, 2]),
            },
            {"type": "WordPiece", "prefix": rng.choice(["##", "", "a"]), "cleanup": flag},
        ]
    )


def decoder(rng, depth=0):
    """One decoder, often a sequence."""
    if depth < 3 and rng.random() < (0.6 if depth == 0 else 0.15):
        members = [decoder(rng, depth + 1) for _ in range(rng.randrange(5))]
        return {"type": "Sequence", "decoders": members}
    return leaf(rng)


KNOWN = [
    None,
    {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ],
    },
    {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
        ],
    },
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
    {"type": "BPEDecoder", "suffix": "</w>"},
    {"type": "WordPiece", "prefix": "##", "cleanup": True},
    {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": True},
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
]


def token(rng):
    """One token."""
    return "".join(rng.choice(ATOMS) for _ in range(rng.choice([1, 1, 1, 1, 2, 3])))


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 400
    rng = random.Random(seed)
    model = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}
    cases = []
    for declared in KNOWN + [decoder(rng) for _ in range(count)]:
        tokenizer = Tokenizer.from_str(json.dumps({"model": model, "decoder": declared}))
        rows = []
        for _ in range(6 if declared not in KNOWN else 25):
            tokens = [token(rng) for _ in range(rng.choice([0, 1, 1, 2, 3, 6, 12]))]
            try:
                text = tokenizer.decoder.decode(tokens) if declared else " ".join(tokens)
            except BaseException as error:
                if type(error).__name__ != "PanicException":
                    raise
                continue
            rows.append([tokens, text])
        cases.append({"decoder": declared, "rows": rows})
    golden = {"tokenizers": VERSION, "cases": cases}
    path = Path(__file__).parent.parent / "tests" / "data" / "decode_golden.json"
    path.write_text(json.dumps(golden, ensure_ascii=False) + "\n", encoding="utf-8")
    print(sum(len(case["rows"]) for case in cases), "rows")


main()
