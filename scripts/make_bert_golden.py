"""Ask the reference library what BERT does to texts; write tests/data/bert_golden.json.

Run it with tokenizers installed, from the root of the repository:

    python scripts/make_bert_golden.py

The cases are chosen by a seeded generator, so that a new version of the library can be compared.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import tokenizers
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel, WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer, Split

OUT = Path("tests/data/bert_golden.json")
TEXTS = [
    "",
    "\x00\x7f\ufffd",
    "\u200b\u200bHello, \tWorld!\r\n\u2028x",
    "Ça, c'est l'été à Århus: ﬁn ŠIŇ",
    "İstanbul ISPARTA ıI ſS ẞ Ω Å K ǅ",
    "漢字kana カナ 豈更車 𠀀 \U0002f800",
    "한국어 텍스트 값 각각",
    "ΌΣΟΣ ὈΔΥΣΣΕΎΣ ᾳ",
    "tiếng Việt Ế Ộ",
    "हिन्दी में क़ বাংলা ো தமிழ்",
    "שָׁלוֹם مُحَمَّد",
    "\u0301\u0323a\u0301\u0323\u0344\u302e\u0323b\u302f\u0301\U0001d165\u08d4",
    "é\u0323\u302eÉ\u302e\u0323\U0001d15e\U0001d16d",
    "\u0f71\u0f72\u0f73\u302e\u0f75 \U0001e944\U0001e00a",
    "\ue000\U000e0001\U000e0100\ufe0f👍🏽\u200d x\u00ad\u0600y",
    "a\x0bb\x0cc\x85d\xa0e\u3000f\u1680g\u180eh",
]
TROUBLE = (
    "aZ 9\t\n\0\x85\xa0\xadéÅİß"
    "\u0301\u0323\u0344\u302e\u302f"
    "\U0001d165\u08d4\u0f73한각漢\uf900\u2001\u200b\ufffd\u037e\u212aΣ。.-"
)
WORDS = [
    *["a", "ab", "unaffable", "unaffa", "漢", "漢字", "##able", "affable", "aé", "aéaé", "[UNK]"],
    *["x", "##", "ababababab", "abababababa"],
]
VOCAB = [
    *["[UNK]", "a", "ab", "un", "unaffa", "##aff", "##able", "##a", "##ab", "##é", "漢"],
    *["##able##", "##", "b"],
]


STEPS = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")


def settings() -> Iterator[dict[str, bool | None]]:
    """Yield the declared settings, no step, each step alone, and accents with lower case."""
    for lowercase in (True, False):
        yield dict(zip(STEPS, (True, True, None, lowercase), strict=True))
    for bits in (0, 1, 2, 4, 8, 12):
        yield {step: bool(bits >> n & 1) for n, step in enumerate(STEPS)}


def normalized(options: dict[str, bool | None], texts: list[str]) -> Iterator[list]:
    """Yield each text, what becomes of it, and the characters that each new character came from."""
    single = Tokenizer(WordLevel({"?": 0}, unk_token="?"))
    single.normalizer = BertNormalizer(**options)
    single.pre_tokenizer = Split(Regex(r"[\s\S]"), "isolated")
    for text in texts:
        origins = [bound for span in single.encode(text).offsets for bound in span]
        yield [text, single.normalizer.normalize_str(text), origins]


def main() -> None:
    """Write the file."""
    chance = random.Random(3)
    texts = TEXTS + ["".join(chance.choices(TROUBLE, k=chance.randrange(3, 25))) for _ in range(24)]
    vocab = {token: number for number, token in enumerate(VOCAB)}
    model = WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=10)
    split = BertPreTokenizer().pre_tokenize_str
    content = {
        "tokenizers": tokenizers.__version__,
        "normalizer": [
            {**options, "texts": list(normalized(options, texts))} for options in settings()
        ],
        "pre_tokenizer": [[text, [piece for piece, _ in split(text)]] for text in texts],
        "vocab": VOCAB,
        "max_input_chars_per_word": 10,
        "words": [
            [word, [(token.id, *token.offsets) for token in model.tokenize(word)]] for word in WORDS
        ],
    }
    short = json.JSONEncoder(separators=(",", ":")).encode
    lines = [f'"{key}": {short(value)}' for key, value in content.items()]
    OUT.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
