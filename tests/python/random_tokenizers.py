"""Random tokenizers, as the reference library reads them, and texts to try them on.

A tokenizer is drawn from a seed: a normalizer, a pre-tokenizer, a model trained on a few lines
behind the two, a post-processor, a decoder, added tokens. Whatever the reference library accepts
may come out.
"""

import json
import random
from typing import Any

import tokenizers
from tokenizers import Tokenizer, models, trainers

TEXTS = [
    "Hello, world! It's 2024; don't panic... (really?)",
    "The quick brown fox jumps over the lazy dog. THE QUICK BROWN FOX!",
    "  leading and   inner    spaces \t tabs\nand\r\nlines \n\n end  ",
    "Größe, naïve café, Ångström, I\u0307stanbul, ß ẞ ﬁ ﬀ Ǆ ǆ",
    "e\u0301a\u0300 o\u0302\u0323 \u0301alone \u1112\u1161\u11ab 각각 한국어 텍스트입니다.",
    "日本語のテキスト、カタカナ。ｶﾀｶﾅ 中文字符 𠀀𠮷 ㍿ ①②③",
    "مرحبا بالعالم ﷺ שלום עולם हिन्दी क्षि ไทยภาษา",
    "😀👨‍👩‍👧🇫🇷🏽 𝔸𝕓 \U0001e922 \u200b\u200d\ufeff\u00ad x\u00a0y\u3000z",
    "int main() { return x[0x1F] + 3.14e-10; } // café\n\tif (a<=b && c!=d) {}\n",
    "1234567890 ١٢٣ ½ Ⅷ 12,345.67 -5 +6 a1b2c3",
    "<s>special</s> [MASK] <unk> <pad> <0x41> ▁meta▁space Ġbyte Ċ ##piece</w>",
    "aaaaaaaaaaaa bbbbbb abababab \x00\x01\x7f\x85 \u2028 \u2029",
    "",
    " ",
    "\n",
    "a",
    "é",
    "▁",
    "한",
    "😀",
    "\u0301",
    "<s>",
    "[MASK]",
    "##",
    "▁ ▁",
    " a",
    "a ",
]
ALPHABET = (
    list("abcdefghijXYZ 0123456789.,!?'\"-_()<>/&  \n\t")
    + list("éßİıſΩЖдأبतक्षि한국어日本語中文ーﬁ㍿ｶﷺำ▁Ġ")
    + [
        "e\u0301",
        "\u0301",
        "\u1112",
        "\u1161",
        "\u11ab",
        "😀",
        "👨‍👩‍👧",
        "🇫🇷",
        "𠀀",
        "\u200d",
        "\x00",
    ]
    + ["\u00a0", "\u3000", "\ufeff", "\ufffd", "<s>", "</s>", "[MASK]", "<unk>", "##", "'s", "'ll"]
    + ["hello", " world", "The ", "  ", "\r\n"]
)
PATTERNS = [
    {"String": " "},
    {"String": "a"},
    {"String": "▁"},
    {"Regex": r"\s+"},
    {"Regex": r"\d"},
    {"Regex": r"[^\s\p{L}\p{N}]+"},
    {"Regex": r" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"},
    {
        "Regex": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    },
    {"Regex": r"(?<=[a-z])(?=[A-Z])|\w+"},
    {"Regex": r"[一-龥぀-ゟ゠-ヿ]+"},
    {"Regex": r"\p{Lu}\p{Ll}*"},
    {"Regex": r"x*"},
    {"Regex": r"^|$"},
]
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]


def nasty_text(rng: random.Random) -> str:
    """A random string of what tokenizers stumble over."""
    length = rng.choice([1, 2, 3, 5, 8, 15, 40])
    return "".join(rng.choice(ALPHABET) for _ in range(length))


def _normalizer(rng: random.Random, depth: int = 0) -> dict[str, Any]:
    kinds = [
        "BertNormalizer",
        "ByteLevel",
        "Lowercase",
        "NFC",
        "NFD",
        "NFKC",
        "NFKD",
        "Nmt",
        "Prepend",
        "Replace",
        "Strip",
        "StripAccents",
        "Sequence",
    ]
    kind = rng.choice(kinds if depth < 2 else kinds[:-1])
    flag = lambda: rng.random() < 0.5  # noqa: E731
    match kind:
        case "BertNormalizer":
            strip = rng.choice([None, True, False])
            fields = {
                "clean_text": flag(),
                "handle_chinese_chars": flag(),
                "strip_accents": strip,
                "lowercase": flag(),
            }
        case "Prepend":
            fields = {"prepend": rng.choice(["▁", "ab", " ", "é"])}
        case "Replace":
            fields = {
                "pattern": rng.choice(PATTERNS),
                "content": rng.choice(["", " ", "▁", "xy", "é"]),
            }
        case "Strip":
            fields = {"strip_left": flag(), "strip_right": flag()}
        case "Sequence":
            members = [_normalizer(rng, depth + 1) for _ in range(rng.randint(0, 3))]
            fields = {"normalizers": members}
        case _:
            fields = {}
    return {"type": kind, **fields}


def _pre_tokenizer(rng: random.Random, depth: int = 0) -> dict[str, Any]:
    kinds = [
        "BertPreTokenizer",
        "ByteLevel",
        "CharDelimiterSplit",
        "Digits",
        "FixedLength",
        "Metaspace",
        "Punctuation",
        "Split",
        "UnicodeScripts",
        "Whitespace",
        "WhitespaceSplit",
        "Sequence",
    ]
    kind = rng.choice(kinds if depth < 2 else kinds[:-1])
    flag = lambda: rng.random() < 0.5  # noqa: E731
    match kind:
        case "ByteLevel":
            fields = {"add_prefix_space": flag(), "trim_offsets": flag(), "use_regex": flag()}
        case "CharDelimiterSplit":
            fields = {"delimiter": rng.choice("a -é▁")}
        case "Digits":
            fields = {"individual_digits": flag()}
        case "FixedLength":
            fields = {"length": rng.randint(1, 6)}
        case "Metaspace":
            scheme = rng.choice(["always", "first", "never"])
            fields = {"replacement": rng.choice("▁▁▁_é"), "prepend_scheme": scheme, "split": flag()}
        case "Punctuation":
            fields = {"behavior": rng.choice(BEHAVIORS)}
        case "Split":
            fields = {
                "pattern": rng.choice(PATTERNS),
                "behavior": rng.choice(BEHAVIORS),
                "invert": flag(),
            }
        case "Sequence":
            members = [_pre_tokenizer(rng, depth + 1) for _ in range(rng.randint(0, 3))]
            fields = {"pretokenizers": members}
        case _:
            fields = {}
    return {"type": kind, **fields}


def _decoder(rng: random.Random, depth: int = 0) -> dict[str, Any]:
    kinds = [
        "BPEDecoder",
        "ByteFallback",
        "ByteLevel",
        "CTC",
        "Fuse",
        "Metaspace",
        "Replace",
        "Strip",
        "WordPiece",
        "Sequence",
    ]
    kind = rng.choice(kinds if depth < 2 else kinds[:-1])
    flag = lambda: rng.random() < 0.5  # noqa: E731
    match kind:
        case "BPEDecoder":
            fields = {"suffix": rng.choice(["</w>", "e", "##"])}
        case "ByteLevel":
            fields = {"add_prefix_space": True, "trim_offsets": True, "use_regex": True}
        case "CTC":
            fields = {"pad_token": "<pad>", "word_delimiter_token": "a", "cleanup": flag()}
        case "Metaspace":
            scheme = rng.choice(["always", "first", "never"])
            fields = {"replacement": "▁", "prepend_scheme": scheme, "split": True}
        case "Replace":
            fields = {"pattern": rng.choice(PATTERNS), "content": rng.choice(["", " ", "x", "ab"])}
        case "Strip":
            fields = {
                "content": rng.choice(" ▁a"),
                "start": rng.randint(0, 2),
                "stop": rng.randint(0, 1),
            }
        case "WordPiece":
            fields = {"prefix": rng.choice(["##", "a"]), "cleanup": flag()}
        case "Sequence":
            members = [_decoder(rng, depth + 1) for _ in range(rng.randint(0, 4))]
            fields = {"decoders": members}
        case _:
            fields = {}
    return {"type": kind, **fields}


def _post_processor(rng: random.Random, depth: int = 0) -> dict[str, Any]:
    kinds = [
        "BertProcessing",
        "ByteLevel",
        "RobertaProcessing",
        "TemplateProcessing",
        "TemplateProcessing",
        "Sequence",
    ]
    kind = rng.choice(kinds if depth < 1 else kinds[:-1])
    flag = lambda: rng.random() < 0.5  # noqa: E731
    match kind:
        case "BertProcessing":
            fields: dict[str, Any] = {"sep": ["</s>", 1], "cls": ["<s>", 0]}
        case "RobertaProcessing":
            fields = {
                "sep": ["</s>", 1],
                "cls": ["<s>", 0],
                "trim_offsets": flag(),
                "add_prefix_space": flag(),
            }
        case "ByteLevel":
            fields = {"add_prefix_space": flag(), "trim_offsets": flag(), "use_regex": flag()}
        case "TemplateProcessing":
            special = lambda name, kind: {"SpecialToken": {"id": name, "type_id": kind}}  # noqa: E731
            first = {"Sequence": {"id": "A", "type_id": 0}}
            second = {"Sequence": {"id": "B", "type_id": rng.randint(0, 1)}}
            begin = [special("<s>", 0)] if flag() else []
            end = [special("</s>", rng.randint(0, 1))] if flag() else []
            specials = {
                "<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]},
                "</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]},
            }
            fields = {
                "single": [*begin, first, *end],
                "pair": [*begin, first, *end, second, *end],
                "special_tokens": specials,
            }
        case _:
            members = [_post_processor(rng, depth + 1) for _ in range(rng.randint(0, 2))]
            fields = {"processors": members}
    return {"type": kind, **fields}


def _added(rng: random.Random) -> list[dict[str, Any]]:
    flag = lambda share: rng.random() < share  # noqa: E731
    contents = ["<s>", "</s>", "<unk>", "<pad>", "[MASK]"]
    if flag(0.4):
        contents += rng.sample(["hello", "The", "é", "한국", " world", "ab", "▁meta", "Hello"], 2)
    return [
        {
            "id": number,
            "content": content,
            "single_word": flag(0.2),
            "lstrip": flag(0.2),
            "rstrip": flag(0.2),
            "normalized": flag(0.4),
            "special": number < 5 and flag(0.9),
        }
        for number, content in enumerate(contents)
    ]


SPECIALS = ["<s>", "</s>", "<unk>", "<pad>"]


def _model(rng: random.Random, kind: str) -> tuple[Any, Any]:
    size = rng.choice([80, 200, 400])
    quiet: dict[str, Any] = {"vocab_size": size, "show_progress": False, "special_tokens": SPECIALS}
    match kind:
        case "BPE":
            affixes = {}
            if rng.random() < 0.3:
                affixes["continuing_subword_prefix"] = "##"
            if rng.random() < 0.3:
                affixes["end_of_word_suffix"] = "</w>"
            trainer = trainers.BpeTrainer(limit_alphabet=rng.choice([30, 1000]), **quiet, **affixes)
            return models.BPE(**affixes), trainer
        case "WordPiece":
            trainer = trainers.WordPieceTrainer(limit_alphabet=rng.choice([30, 1000]), **quiet)
            return models.WordPiece(unk_token="<unk>"), trainer
        case "WordLevel":
            return models.WordLevel(unk_token="<unk>"), trainers.WordLevelTrainer(**quiet)
        case _:
            return models.Unigram(), trainers.UnigramTrainer(unk_token="<unk>", **quiet)


def draw(seed: int) -> str | None:
    """The `tokenizer.json` of a seed; none where the reference library does not make one of it."""
    rng = random.Random(seed)
    maybe = lambda make, share: make(rng) if rng.random() < share else None  # noqa: E731
    parts = {
        "normalizer": maybe(_normalizer, 0.6),
        "pre_tokenizer": maybe(_pre_tokenizer, 0.8),
    }
    kind = rng.choice(["BPE", "BPE", "WordPiece", "WordLevel", "Unigram"])
    try:
        model, trainer = _model(rng, kind)
        shell = json.loads(Tokenizer(model).to_str()) | parts
        oracle = Tokenizer.from_str(json.dumps(shell))
        oracle.train_from_iterator(TEXTS[: rng.randint(4, len(TEXTS))], trainer)
        content = json.loads(oracle.to_str())
        options = content["model"]
        if kind == "BPE":
            options["unk_token"] = rng.choice([None, "<unk>", "<unk>"])
            options["fuse_unk"] = rng.random() < 0.5
            options["ignore_merges"] = rng.random() < 0.3
            if rng.random() < 0.3:
                options["byte_fallback"] = True
        if kind in ("BPE", "Unigram") and options.get("byte_fallback"):
            tokens = [f"<0x{byte:02X}>" for byte in range(256 if rng.random() < 0.8 else 200)]
            for token in tokens:
                options["vocab"].setdefault(token, len(options["vocab"]))
        if kind == "Unigram" and rng.random() < 0.3:
            options["byte_fallback"] = True
            options["vocab"] += [[f"<0x{byte:02X}>", -20.0] for byte in range(256)]
        if kind == "WordPiece" and rng.random() < 0.3:
            options["max_input_chars_per_word"] = rng.randint(1, 8)
        content["post_processor"] = maybe(_post_processor, 0.6)
        content["decoder"] = maybe(_decoder, 0.7)
        content["added_tokens"] = _added(rng)
        return Tokenizer.from_str(json.dumps(content)).to_str()
    except (Exception, BaseException) as error:
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        return None


__all__ = ["TEXTS", "draw", "nasty_text", "tokenizers"]
