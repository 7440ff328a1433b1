"""Ask the reference library what its normalizers do; write tests/data/normalize_golden.json.

Run it with tokenizers installed, from the root of the repository:

    python scripts/golden_normalize.py

Each line of a case is a text, what becomes of it, and the characters that each new character came
from; or the text alone, where the library dies of an index out of bounds. The cases are chosen by a
seeded generator, so that a new version of the library can be compared.
"""

import base64
import json
import random
import struct
from pathlib import Path

import tokenizers
from tokenizers import Tokenizer

OUT = Path("tests/data/normalize_golden.json")
TEXTS = [
    "",
    "a",
    " \u3000\x85",
    "  a  b  ",
    "Ça, l'été: ﬁn ŠIŇ ①½ﷺ",
    "\u0301e\u0323\u0301a\u0301\x01b",
    "\u1100\u1161\u11a8각 한\u1100가",
    "ΑΣ İ ẞ Ω Å K ǅ",
    "\x01\x02a\x01 \x0b\u200bb\x8f\x7f",
    "\r\n\ra\r\n\n\te\u0301",
    "👍🏽a 👨\u200d👩 🇦🇧🇨",
    "हिन्दी क़ กำ่ か\u3099 ﾊﾟ",
    "漢字\uf900\U0002f800 kana カナ",
    "\u0f71\u0f72\u0f73\u0f75\u0344\u0345\u302e",
    "xyx\x01\x02a 한a",
    "<unk> a--b ``c'' {2,}",
]
TROUBLE = (
    "aZxb.    \t\n\r\x01\x02\x7f\x85\xa0éÅİσ\u0301\u0323\u0344\u302e\u1100\u1161\u11a8가"
    "각한漢か\u3099"
    "ﬁ㌀½\u200b\u200d\u3000\ufffd▁👍🏽\U0001f1e6हि\u094d\u0e33\u0e48\u0f73\u0dd9\u0dca\U0001d15e\U0001d165"
)
RULES = {
    "\x01": "",
    "\x02": "",
    "a": "b",
    "e\u0301": "E",
    "x": "xyz",
    "é": "e\u0301!",
    "\r\n": "\n",
    "\r": "R",
    "한": "",
    "\u0301": "",
    "한\u1100": "q",
    "\u1100\u1161": "GA",
    "👍": "+1",
    "ab": "zz",
    "\U0001f1e6\U0001f1e7": "AB",
    "ﬁ": "fi",
}


def charsmap(rules: dict[str, str]) -> str:
    """Return a character map in base64: a double-array trie, and the texts it points at."""
    texts = b""
    root: dict = {}
    for key, text in rules.items():
        node = root
        for byte in key.encode():
            node = node.setdefault(byte, {})
        node[0] = len(texts)
        texts += text.encode() + b"\0"
    units = {0: 0}

    def place(node: dict) -> int:
        state = 1
        while any(state ^ byte in units for byte in node):
            state += 1
        units.update((state ^ byte, 0) for byte in node)
        for byte, child in node.items():
            if byte == 0:
                units[state] = child | 1 << 31
            else:
                offset = state ^ byte ^ place(child)
                units[state ^ byte] = byte | (0 in child) << 8 | offset << 10
        return state

    units[0] = place(root) << 10
    size = (max(units) | 255) + 1
    trie = struct.pack(f"<{size}I", *(units.get(at, 0) for at in range(size)))
    return base64.b64encode(struct.pack("<I", len(trie)) + trie + texts).decode()


def kind(name: str, **fields: object) -> dict:
    """Return a component."""
    return {"type": name, **fields}


def replace(how: str, pattern: str, content: str) -> dict:
    """Return a `Replace` of a `String` or a `Regex`."""
    return kind("Replace", pattern={how: pattern}, content=content)


def sequence(*members: dict) -> dict:
    """Return a `Sequence`."""
    return kind("Sequence", normalizers=list(members))


MAP = kind("Precompiled", precompiled_charsmap=charsmap(RULES))
NAMES = ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Nmt", "StripAccents", "ByteLevel"]
BERT = kind(
    "BertNormalizer",
    clean_text=True,
    handle_chinese_chars=True,
    strip_accents=None,
    lowercase=True,
)
SINGLES = [
    *map(kind, NAMES),
    kind("Strip", strip_left=True, strip_right=True),
    kind("Strip", strip_left=True, strip_right=False),
    kind("Strip", strip_left=False, strip_right=True),
    kind("Prepend", prepend="▁"),
    kind("Prepend", prepend=""),
    kind("Prepend", prepend="xy▁"),
    replace("String", " ", "▁"),
    replace("String", "", "_"),
    replace("String", "a", ""),
    replace("String", "``", '"'),
    replace("Regex", " {2,}", " "),
    replace("Regex", r"\s+", " "),
    replace("Regex", "(?=b)", "+"),
    replace("Regex", "b|", "X"),
    BERT,
]
KNOWN = [
    sequence(kind("Prepend", prepend="▁"), replace("String", " ", "▁")),
    sequence(MAP, replace("Regex", " {2,}", " ")),
    sequence(kind("NFD"), kind("StripAccents"), kind("Lowercase")),
    sequence(kind("Strip", strip_left=True, strip_right=True), kind("Prepend", prepend="▁")),
    sequence(kind("Nmt"), kind("NFKC"), replace("Regex", " {2,}", " ")),
    sequence(kind("NFC"), sequence(replace("Regex", r"\s+", " "), kind("Lowercase")), BERT),
    sequence(kind("Lowercase"), kind("ByteLevel"), kind("ByteLevel")),
    sequence(replace("String", "", "X"), kind("Lowercase")),
    sequence(replace("String", "", "X"), replace("String", "X", ""), kind("NFC")),
    sequence(kind("Prepend", prepend=""), kind("StripAccents"), kind("NFD")),
    sequence(),
]


def lines(normalizer: dict, texts: list[str]) -> list[list]:
    """Return each text, what becomes of it, and where its characters came from."""
    pattern = {"Regex": r"[\s\S]"}
    split = kind("Split", pattern=pattern, behavior="Isolated", invert=False)
    model = kind("WordLevel", vocab={"?": 0}, unk_token="?")
    single = Tokenizer.from_str(
        json.dumps({"model": model, "normalizer": normalizer, "pre_tokenizer": split})
    )
    found: list[list] = []
    for text in texts:
        try:
            normal = single.normalizer.normalize_str(text)
            origins = [bound for span in single.encode(text).offsets for bound in span]
        except BaseException as error:
            # A panic of the library; what ends this process is none.
            if type(error).__name__ != "PanicException":
                raise
            found.append([text])
        else:
            found.append([text, normal, origins])
    return found


def main() -> None:
    """Write the file."""
    chance = random.Random(5)

    def texts(count: int) -> list[str]:
        return ["".join(chance.choices(TROUBLE, k=chance.randrange(1, 14))) for _ in range(count)]

    cases = [(normalizer, TEXTS + texts(24)) for normalizer in [*SINGLES, MAP, *KNOWN]]
    for _ in range(150):
        members = chance.choices(SINGLES, k=chance.randrange(2, 5))
        cases.append((sequence(*members), chance.sample(TEXTS, 4) + texts(6)))
    short = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
    content = [
        short({"normalizer": normalizer, "texts": lines(normalizer, texts)})
        for normalizer, texts in cases
    ]
    head = f'{{"tokenizers": "{tokenizers.__version__}",\n"cases": ['
    OUT.write_text(head + ",\n".join(content) + "]}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
