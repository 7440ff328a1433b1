"""Writes what tokenizers 0.23.3 makes of texts by every kind of pre-tokenizer, and by patterns.

    python scripts/golden_pretokenize.py                      # tests/data/pretokenize_golden.json
    python scripts/golden_pretokenize.py --random 2000 --seed 7 --out FILE

Each case is a declaration as `tokenizer.json` has it; each row a text and its pieces with the
characters they come from. `patterns` are regular expressions with the matches that Oniguruma finds.
"""

import argparse
import json
import random
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, pre_tokenizers

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = CL100K.replace(r"\p{N}{1,3}", r"\p{N}")
QWEN35 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+"
    r"[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
    r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEKKEN = O200K.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "").replace(r"\p{N}{1,3}", r"\p{N}")
DEEPSEEK = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
HAN = r"[一-龥぀-ゟ゠-ヿ]+"
KIMI = (
    r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*"
    r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?"
    r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
BLOOM = " ?[^(\\s|[.,!?…。，、।۔،])]+"
OLMO = CL100K.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)", "(?i:'s|'t|'re|'ve|'m|'ll|'d)")
LLM_JP = r"(?<=[a-z])(?=[A-Z])|(?<!\d)\d{1,3}(?=(?:\d{3})*\b)"
PATTERNS = [
    GPT2,
    CL100K,
    QWEN2,
    QWEN35,
    O200K,
    TEKKEN,
    DEEPSEEK,
    HAN,
    KIMI,
    CLIP,
    BLOOM,
    OLMO,
    LLM_JP,
    r"\p{N}{1,3}",
    "[0-9][0-9][0-9]",
    r"[\r\n]",
    r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿDŽ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽ]+",
    r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
    r"\s+$",
    r"[一-龥ࠀ-一가-퟿]+",
    r"\d{1,3}(?=(\d{3})*$)",
    r"(?:\d{3})+(?!\d)",
    r"\w+|[^\w\s]+",
    r" {2,}",
    r"^\s+|\s+$",
    r"(?m)^.*$",
    r"^.*$",
    r"(?i)straße",
    r"(?i:STRASSE)",
    r"(?i:ss)+",
    "(?i)[ß]",
    "(?i)[^ß]",
    r"(?<=\s)\S|\b",
    "",
    "a*",
    r"\G\w",
    r"\R",
    r"\p{N}{1,3}+",
    r"x{2}?",
    r"a{,2}",
    r"[[:alpha:]&&[^aeiou]]+",
    r"[a-z&&[^l]]+",
    r"\h+",
    r"\H+",
    r"(\w)\1",
    r"(?<q>['\"]).*?\k<q>",
    r"a\Kb|ac",
    r"\bl|o\B",
    r"\A\w+",
    r"\w+\z",
    r"\n\Z",
    r"(?>a+)b",
    r"(?x) l l  # two",
    r"[\]a-]+",
    r"\x{4e2d}|\u6587|\xE2\x96\x81",
    r"(?<!\w)'|'(?!\w)",
    r"(?-i:A)(?i:b)",
]
TEXTS = [
    "",
    " ",
    "Hello, world!",
    "  Hey there,\tyou!! ",
    "I'll SAY: it's  O'Reilly's\n\n 'tis ",
    "123456 7890 12.5 ½Ⅷ²",
    "中文字符ひらがなカタカナー漢字 한국어",
    "a\r\nb\n c\n\n",
    "▁x ▁▁y",
    "aaabbb\n",
    "naïve café e\u0301 ǅ ﬁ ß ẞ SS ss straße STRASSE",
    "\u200dx\u200cy 😀👍🏽 \u3000\xa0\u2028z",
    "foo_bar-baz.qux(1, 2) /* x */ http://a.b/c?d=e",
    "ال١٢٣ हिन्दी ไทย",
    "\n",
    "a b  c   d    ",
    "CamelCaseHTTPServer don'T WE'VE 'ſ K",
    "\"quoted\" 'it' l ll oo \\[]^`{|}~ x\x00y\x7f",
    "!!a?? …。 ۔ the_end…",
    "\U00011de0\U00016ff4٣५",
]
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]


def split(pattern, behavior="Isolated", invert=False):
    if isinstance(pattern, str):
        pattern = {"Regex": pattern}
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def byte_level(prefix=False, regex=True):
    return {
        "type": "ByteLevel",
        "add_prefix_space": prefix,
        "trim_offsets": True,
        "use_regex": regex,
    }


def metaspace(scheme="always", split_=True, replacement="▁"):
    return {
        "type": "Metaspace",
        "replacement": replacement,
        "prepend_scheme": scheme,
        "split": split_,
    }


def sequence(*parts):
    return {"type": "Sequence", "pretokenizers": list(parts)}


def punctuation(behavior="Isolated"):
    return {"type": "Punctuation", "behavior": behavior}


def digits(individual=False):
    return {"type": "Digits", "individual_digits": individual}


def plain(name):
    return {"type": name}


def fixed(length):
    return {"type": "FixedLength", "length": length}


def delimiter(c):
    return {"type": "CharDelimiterSplit", "delimiter": c}


SIMPLE = [plain(n) for n in ("BertPreTokenizer", "Whitespace", "WhitespaceSplit", "UnicodeScripts")]
BYTE_LEVELS = [byte_level(p, r) for p in (False, True) for r in (False, True)]
METASPACES = [metaspace(s, x) for s in ("always", "first", "never") for x in (True, False)]
OTHERS = [
    digits(),
    digits(True),
    fixed(1),
    fixed(3),
    delimiter(" "),
    delimiter("é"),
    *(punctuation(b) for b in BEHAVIORS),
]
FALCON = sequence(punctuation("Contiguous"), byte_level(), digits(), split("[0-9][0-9][0-9]"))
CASES = [
    *SIMPLE,
    *BYTE_LEVELS,
    *METASPACES,
    metaspace("always", True, "_"),
    *OTHERS,
    FALCON,
    *(split(p, b, i) for p in (r"\d", r"\w+", "x*") for b in BEHAVIORS for i in (False, True)),
    *(split({"String": s}, b) for s in (" ", "ll", ".") for b in BEHAVIORS),
    split({"String": ""}),
    split({"String": "l"}, "Removed", True),
    sequence(split(r"\p{N}{1,3}"), split(HAN), split(DEEPSEEK), byte_level(False, False)),
    sequence(split(r"[\r\n]"), split(r"\s?\p{L}+"), byte_level(False, False)),
    sequence(digits(True), byte_level(False, True)),
    sequence(split(CL100K), byte_level(True, False)),
    sequence(plain("WhitespaceSplit"), metaspace()),
    sequence(plain("Whitespace"), metaspace("first")),
    sequence(metaspace("first", False), metaspace("first")),
    sequence(metaspace("never"), digits()),
    sequence(byte_level(True, True), byte_level(True, False)),
    sequence(),
    sequence(plain("BertPreTokenizer"), byte_level(True, False), metaspace("first")),
    sequence(plain("UnicodeScripts"), fixed(2), byte_level()),
    sequence(byte_level(), fixed(2)),
    sequence(split({"String": " "}, "MergedWithPrevious"), metaspace("first", True, "é")),
]


def component(declared):
    tokenizer = Tokenizer(models.WordLevel({"x": 0}, unk_token="x"))
    state = json.loads(tokenizer.to_str())
    state["pre_tokenizer"] = declared
    return Tokenizer.from_str(json.dumps(state)).pre_tokenizer


def pieces(declared, texts):
    pre_tokenizer = component(declared)
    return [
        [text, [[p, *o] for p, o in pre_tokenizer.pre_tokenize_str(text)] if text else []]
        for text in texts
    ]


def matches(pattern, texts):
    found = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    return [[text, [list(o) for _, o in found.pre_tokenize_str(text)]] for text in texts if text]


def random_declaration(rng, depth=2):
    pools = [SIMPLE, BYTE_LEVELS, METASPACES, OTHERS]
    kind = rng.randrange(7)
    if kind == 0:
        return split(rng.choice(PATTERNS), rng.choice(BEHAVIORS), rng.random() < 0.4)
    if kind == 1:
        literal = rng.choice([" ", "l", "ll", "", ".", "▁", "Ġ", "é", "a b"])
        return split({"String": literal}, rng.choice(BEHAVIORS), rng.random() < 0.4)
    if kind == 2 and depth:
        return sequence(*(random_declaration(rng, depth - 1) for _ in range(rng.randrange(4))))
    return rng.choice(pools[rng.randrange(4)])


def random_text(rng):
    parts = [
        *" \t\n\r'.,!?-_/▁Ġé中あア1٣½aAzZß😀",
        "\u0301",
        "\u200d",
        "\u3000",
        "ll",
        "'s",
        "  ",
        "한",
    ]
    if rng.random() < 0.4:
        return rng.choice(TEXTS)
    return "".join(rng.choice(parts) for _ in range(rng.randrange(1, 24)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--random", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    default = Path(__file__).parent.parent / "tests/data/pretokenize_golden.json"
    parser.add_argument("--out", type=Path, default=default)
    args = parser.parse_args()
    if args.random:
        rng = random.Random(args.seed)
        cases = []
        for _ in range(args.random):
            declared = sequence(*(random_declaration(rng) for _ in range(rng.randrange(1, 4))))
            cases.append([declared, pieces(declared, [random_text(rng) for _ in range(12)])])
        found = []
    else:
        cases = [[declared, pieces(declared, TEXTS)] for declared in CASES]
        found = [[pattern, matches(pattern, TEXTS)] for pattern in PATTERNS]
    golden = {"library": "tokenizers 0.23.3", "pre_tokenizers": cases, "patterns": found}
    args.out.write_text(
        json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
