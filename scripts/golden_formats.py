"""Write tests/data/formats_golden.json: tokenizer.json texts and what tokenizers makes of them.

Each case has a text as some file may hold it ("given") and the text that tokenizers 0.23.3 writes
after it has read that one ("compact", and the same with line breaks, "pretty"); or "refused", when
it does not read it. "components" are single ones, with what each is written as (null: refused).
"""

import json
import math
import pathlib

import tokenizers
from tokenizers import Tokenizer

LETTERS = {"a": 0, "b": 1, "Ġ": 2, "ab": 3, "Ġab": 4, 'é"\\\n\u2028': 5, "<s>": 6, "</s>": 7}
BPE = {
    "type": "BPE",
    "dropout": None,
    "unk_token": None,
    "continuing_subword_prefix": None,
    "end_of_word_suffix": None,
    "fuse_unk": False,
    "byte_fallback": False,
    "ignore_merges": False,
    "vocab": LETTERS,
    "merges": [["a", "b"], ["Ġ", "ab"]],
}
WORDPIECE = {
    "type": "WordPiece",
    "unk_token": "[UNK]",
    "continuing_subword_prefix": "##",
    "max_input_chars_per_word": 100,
    "vocab": {"[UNK]": 0, "a": 1, "##b": 2, "[CLS]": 3, "[SEP]": 4, "[PAD]": 5, "나": 6},
}
BYTES = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}
PAIRS = {"sep": ["</s>", 7], "cls": ["<s>", 6]}
BERT = {
    "type": "BertNormalizer",
    "clean_text": True,
    "handle_chinese_chars": False,
    "strip_accents": None,
    "lowercase": True,
}
SPLIT = {
    "type": "Split",
    "pattern": {"Regex": "\\p{N}{1,3}|'s"},
    "behavior": "Isolated",
    "invert": False,
}
FLAGS = {
    "single_word": False,
    "lstrip": False,
    "rstrip": False,
    "normalized": False,
    "special": True,
}
TEMPLATE = {
    "type": "TemplateProcessing",
    "single": [
        {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 3}},
    ],
    "pair": [
        {"Sequence": {"id": "B", "type_id": 1}},
        {"SpecialToken": {"id": "[CLS]", "type_id": 2}},
        {"Sequence": {"id": "A", "type_id": 0}},
    ],
    "special_tokens": {
        "[SEP]": {"id": "[SEP]", "ids": [4], "tokens": ["[SEP]"]},
        "[CLS]": {"id": "[CLS]", "ids": [3, 3], "tokens": ["[CLS]", "x"]},
    },
}
TRUNCATION = {"direction": "Left", "max_length": 9, "strategy": "OnlySecond", "stride": 2}
PADDING = {
    "strategy": {"Fixed": 7},
    "direction": "Left",
    "pad_to_multiple_of": 8,
    "pad_id": 5,
    "pad_type_id": 1,
    "pad_token": "[PAD]",
}


def without(component, *keys):
    return {key: value for key, value in component.items() if key not in keys}


def bpe(**parts):
    return {"pre_tokenizer": BYTES, **parts, "model": {**BPE, **parts.get("model", {})}}


def wordpiece(**parts):
    return {
        "normalizer": BERT,
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        **parts,
        "model": parts.get("model", WORDPIECE),
    }


SCORES = [["<unk>", 0], ["a", -1], ["b", -2.5], ["c", -13.27391243], ["d", 1e-07], ["e", -1e22]]
SCORES += [["f", -0.0], ["g", 5e-324], ["h", 1e16], ["i", 123456789012345680], ["j", 1e-5]]
SCORES += [[f"r{k}", -20 * math.sin(k) ** 2] for k in range(60)]

CASES = {
    "bpe": bpe(version="1.0", decoder=BYTES, post_processor=BYTES),
    "bpe ignore_merges": bpe(model={"ignore_merges": True}),
    "bpe holes": bpe(model={"vocab": {**LETTERS, "x": 50}}),
    "bpe vocabulary out of order": bpe(model={"vocab": dict(reversed(list(LETTERS.items())))}),
    "bpe without type, old merges": bpe(
        model={"type": None, "merges": ["#version: 0.2", "a b", "Ġ ab"]}
    ),
    "bpe empty affixes": bpe(model={"merges": [], "dropout": None}),
    "bpe fewest fields": {
        "pre_tokenizer": BYTES,
        "model": {"type": "BPE", "vocab": LETTERS, "merges": []},
    },
    "roberta": bpe(
        post_processor={
            "type": "RobertaProcessing",
            **PAIRS,
            "trim_offsets": True,
            "add_prefix_space": False,
        }
    ),
    "roberta without type": bpe(
        post_processor={**PAIRS, "trim_offsets": True, "add_prefix_space": False}
    ),
    "bert processing": bpe(post_processor={"type": "BertProcessing", **PAIRS}),
    "bert processing without type": bpe(post_processor={**PAIRS}),
    "post sequence": bpe(
        post_processor={
            "type": "Sequence",
            "processors": [BYTES, {"type": "BertProcessing", **PAIRS}],
        }
    ),
    "split": bpe(
        pre_tokenizer={
            "type": "Sequence",
            "pretokenizers": [SPLIT, {**BYTES, "use_regex": False, "add_prefix_space": False}],
        }
    ),
    "wordpiece": wordpiece(
        post_processor=TEMPLATE, decoder={"type": "WordPiece", "prefix": "##", "cleanup": True}
    ),
    "wordpiece without types": wordpiece(
        model=without(WORDPIECE, "type"),
        normalizer=without(BERT, "type", "strip_accents"),
        post_processor=without(TEMPLATE, "type"),
        decoder={"prefix": "##", "cleanup": False},
    ),
    "truncation, padding": wordpiece(truncation=TRUNCATION, padding=PADDING),
    "truncation, padding, fewest fields": wordpiece(
        truncation=without(TRUNCATION, "direction"),
        padding={**without(PADDING, "pad_to_multiple_of"), "strategy": "BatchLongest"},
    ),
    "added tokens": wordpiece(
        added_tokens=[
            {"id": 3, "content": "[CLS]", **FLAGS},
            {"id": 7, "content": "<x>", **FLAGS, "lstrip": True, "rstrip": True},
            {
                "id": 8,
                "content": "plain text",
                **FLAGS,
                "special": False,
                "normalized": True,
                "single_word": True,
            },
        ]
    ),
    "bpe with options": bpe(
        model={
            "dropout": 0.1234567890123,
            "unk_token": "<s>",
            "fuse_unk": True,
            "byte_fallback": True,
        }
    ),
    "bpe with empty affixes": bpe(
        model={"continuing_subword_prefix": "", "end_of_word_suffix": "", "merges": []}
    ),
    "bpe with a whole dropout": bpe(model={"dropout": 1, "ignore_merges": None}),
    "bpe with a merge twice": bpe(model={"merges": [["a", "b"], ["Ġ", "ab"], ["a", "b"]]}),
    "wordlevel": {"model": {"type": "WordLevel", "unk_token": "b", "vocab": {"b": 4, "a": 0}}},
    "wordlevel without type": {"model": {"unk_token": "b", "vocab": {"a": 0, "b": 1}}},
    "unigram": {"model": {"type": "Unigram", "unk_id": 0, "byte_fallback": True, "vocab": SCORES}},
    "unigram without type": {"model": {"vocab": SCORES}},
    "refused: unigram flag null": {
        "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": None, "vocab": SCORES}
    },
    "refused: score": {"model": {"type": "Unigram", "vocab": [["a", "x"]]}},
    "refused: score too large": {"model": {"type": "Unigram", "vocab": [["a", 10**400]]}},
    "refused: dropout": bpe(model={"dropout": 1.5}),
    "byte level from before use_regex": bpe(decoder=without(BYTES, "use_regex")),
    "unknown fields inside": bpe(decoder={**BYTES, "more": [1]}, model={"more": 1}),
    "refused: unknown key": bpe(more=1),
    "refused: version": bpe(version="2.0"),
    "refused: version null": bpe(version=None),
    "refused: added token without a field": bpe(added_tokens=[{"id": 9, "content": "x"}]),
    "refused: added tokens null": bpe(added_tokens=None),
    "refused: strategy": bpe(truncation={**TRUNCATION, "strategy": "only_second"}),
    "refused: behaviour": bpe(pre_tokenizer={**SPLIT, "behavior": "isolated"}),
    "refused: byte level without type": bpe(decoder=without(BYTES, "type")),
    "refused: mixed merges": bpe(model={"merges": ["a b", ["Ġ", "ab"]]}),
    "refused: float id": bpe(model={"vocab": {**LETTERS, "x": 9.0}}),
    "refused: merge of three": bpe(model={"merges": ["a b a"]}),
    "refused: unknown merge": bpe(model={"merges": [["a", "z"]]}),
    "refused: wordpiece without a field": wordpiece(
        model=without(WORDPIECE, "continuing_subword_prefix")
    ),
}


METASPACE = {"type": "Metaspace", "replacement": "▁"}
A, B = ({"Sequence": {"id": text, "type_id": 0}} for text in "AB")
X = {"SpecialToken": {"id": "X", "type_id": 5}}
COMPONENTS = {
    "normalizer": [
        *(
            {"type": t}
            for t in ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Nmt", "StripAccents", "ByteLevel"]
        ),
        {"type": "NFC", "more": 1},
        {"type": "Strip", "strip_left": True, "strip_right": False},
        {"strip_left": False, "strip_right": True},
        {"type": "Prepend", "prepend": "▁"},
        {"prepend": ""},
        {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": '"\\\n\t\u0001\u007f'},
        {"pattern": {"String": "a"}, "content": ""},
        {"type": None, "prepend": "x"},
        {"normalizers": [{"prepend": "x"}]},
        {"type": "Sequence", "normalizers": []},
        {
            "type": "Sequence",
            "normalizers": [{"type": "NFD"}, {"type": "Sequence", "normalizers": []}],
        },
        {**BERT, "strip_accents": False, "clean_text": False},
        {"clean_text": True, "handle_chinese_chars": True, "lowercase": False},
        {"type": "Strip", "strip_left": True},
        {"type": "Replace", "pattern": "a", "content": "b"},
        {"type": "Replace", "pattern": {"String": "a", "Regex": "b"}, "content": "b"},
        {"type": "Sequence"},
        {"precompiled_charsmap": "AAAAAA=="},
        {},
        "NFC",
    ],
    "pre_tokenizer": [
        *(
            {"type": t}
            for t in ("BertPreTokenizer", "Whitespace", "WhitespaceSplit", "UnicodeScripts")
        ),
        {"type": "CharDelimiterSplit", "delimiter": "é"},
        {"type": "Digits", "individual_digits": True},
        {"type": "FixedLength"},
        {"type": "FixedLength", "length": 3},
        {"type": "Punctuation"},
        {"type": "Punctuation", "behavior": "Contiguous"},
        METASPACE,
        {**METASPACE, "add_prefix_space": True, "str_rep": "▁"},
        {**METASPACE, "add_prefix_space": True, "prepend_scheme": "never", "split": False},
        {**METASPACE, "add_prefix_space": False, "prepend_scheme": "never"},
        {**METASPACE, "add_prefix_space": None, "split": None, "prepend_scheme": "first"},
        {**METASPACE, "add_prefix_space": False},
        {**METASPACE, "add_prefix_space": False, "prepend_scheme": "first"},
        {**METASPACE, "prepend_scheme": None},
        {**METASPACE, "str_rep": 5},
        {**METASPACE, "replacement": "▁▁"},
        {**METASPACE, "replacement": ""},
        without(METASPACE, "type"),
        without(METASPACE, "replacement"),
        {"type": "Sequence", "pretokenizers": [{"type": "Whitespace"}, SPLIT, BYTES]},
        {**SPLIT, "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": True},
        without(SPLIT, "invert"),
        without(SPLIT, "type"),
        {**BYTES, "use_regex": None},
        without(BYTES, "trim_offsets"),
        {"type": "CharDelimiterSplit", "delimiter": "ab"},
        {"type": "Digits"},
        {"individual_digits": True},
        {"type": "FixedLength", "length": -1},
        {"type": "FixedLength", "length": None},
        {"type": "Punctuation", "behavior": "isolated"},
        {"type": "Punctuation", "behavior": None},
        {"pretokenizers": []},
        {},
    ],
    "post_processor": [
        {"type": "BertProcessing", **PAIRS},
        {"type": "BertProcessing", **PAIRS, "trim_offsets": True, "add_prefix_space": False},
        {**TEMPLATE, **PAIRS},
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True},
        {"type": "Sequence", "processors": [TEMPLATE, BYTES, {**PAIRS}]},
        {"type": "TemplateProcessing", "single": [A, A], "pair": [B, A, B], "special_tokens": {}},
        {
            "type": "TemplateProcessing",
            "single": [X],
            "pair": [],
            "special_tokens": {"X": {"id": "Y", "ids": [1], "tokens": ["x"]}},
        },
        {"processors": []},
        without(BYTES, "type"),
        {"type": "TemplateProcessing", "single": ["$A"], "pair": [], "special_tokens": {}},
        {"type": "TemplateProcessing", "single": [A], "pair": []},
        {},
    ],
    "decoder": [
        *({"type": t} for t in ("ByteFallback", "Fuse")),
        {"type": "BPEDecoder", "suffix": "</w>"},
        {"suffix": ""},
        {"type": "WordPiece", "prefix": "##", "cleanup": False},
        {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": True},
        {"pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": True},
        {**METASPACE, "add_prefix_space": True},
        {**METASPACE, "prepend_scheme": "first", "split": False},
        {"type": "Replace", "pattern": {"Regex": "a+"}, "content": "b"},
        {"pattern": {"String": "a"}, "content": "b"},
        {"type": "Strip", "content": "▁", "start": 1, "stop": 2**64 - 1},
        {"content": "a", "start": 0, "stop": 0},
        BYTES,
        {"type": "Sequence", "decoders": [{"suffix": "x"}, {"type": "Sequence", "decoders": []}]},
        {"type": "Strip", "content": "ab", "start": 1, "stop": 0},
        {"type": "Strip", "content": "a", "start": 2**64, "stop": 0},
        {"type": "Strip", "content": "a", "start": 1},
        {"type": "Replace", "pattern": {"Regex": "("}, "content": "b"},
        {"decoders": []},
        without(METASPACE, "type"),
        without(BYTES, "type"),
        {"type": "BPEDecoder"},
        {},
    ],
}


def component(slot, given):
    model = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}
    try:
        tokenizer = Tokenizer.from_str(json.dumps({"model": model, slot: given}))
    except BaseException:
        written = None
    else:
        written = json.loads(tokenizer.to_str())[slot]
        written = json.dumps(written, ensure_ascii=False, separators=(",", ":"))
    return {"slot": slot, "given": given, "written": written}


def case(name, document):
    if document["model"].get("type", "") is None:
        del document["model"]["type"]
    given = json.dumps(document, ensure_ascii=len(name) % 2 == 0)
    try:
        tokenizer = Tokenizer.from_str(given)
    except BaseException as error:
        assert name.startswith("refused"), (name, error)
        return {"name": name, "given": given, "refused": str(error)}
    assert not name.startswith("refused"), name
    return {
        "name": name,
        "given": given,
        "compact": tokenizer.to_str(),
        "pretty": tokenizer.to_str(pretty=True),
    }


def main():
    path = pathlib.Path(__file__).parent.parent / "tests/data/formats_golden.json"
    lines = ",\n".join(json.dumps(case(*item), ensure_ascii=False) for item in CASES.items())
    all_parts = [component(slot, part) for slot, parts in COMPONENTS.items() for part in parts]
    parts = ",\n".join(json.dumps(part, ensure_ascii=False) for part in all_parts)
    path.write_text(
        f'{{"tokenizers":"{tokenizers.__version__}","cases":[\n{lines}\n],"components":[\n{parts}\n]}}\n',
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
