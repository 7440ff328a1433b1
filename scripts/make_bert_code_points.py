"""Ask the reference library about every code point; write tests/data/bert_code_points.json.

Run it with tokenizers installed, from the root of the repository:

    python scripts/make_bert_code_points.py

The file is frozen with the version that wrote it. `src/unicode/bert_tables.rs` takes its lower case
and white space from here, and a test holds all other tables against it.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import tokenizers
from tokenizers.normalizers import NFD, BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

OUT = Path("tests/data/bert_code_points.json")
STEPS = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")
OFF = dict.fromkeys(STEPS, False)


def code_points() -> Iterator[str]:
    """Yield every character except the surrogates."""
    yield from map(chr, range(0xD800))
    yield from map(chr, range(0xE000, 0x110000))


def ranges(chars: list[str]) -> list[list[int]]:
    """Return the code points of `chars`, in order, as inclusive ranges."""
    found = []
    for code in map(ord, chars):
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return found


def main() -> None:
    """Sweep all characters through each step alone."""
    clean, chinese, strip, lower = (
        BertNormalizer(**{**OFF, step: True}).normalize_str for step in OFF
    )
    decompose, split = NFD().normalize_str, BertPreTokenizer().pre_tokenize_str
    sets = {name: [] for name in ("removed", "white", "punctuation", "chinese", "mark")}
    lowered, longer = [], {}
    for c in code_points():
        pieces = [piece for piece, _ in split(f"a{c}b")]
        sets["removed"] += c * (clean(c) == "")
        sets["white"] += c * (pieces == ["a", "b"])
        sets["punctuation"] += c * (pieces == ["a", c, "b"])
        sets["chinese"] += c * (chinese(c) == f" {c} ")
        sets["mark"] += c * (strip(c) == "" and decompose(c) == c)
        small = lower(c)
        if len(small) > 1:
            longer[c] = small
        elif small != c:
            lowered.append((c, small))
    content = {
        "tokenizers": tokenizers.__version__,
        "ranges": {name: ranges(chars) for name, chars in sets.items()},
        "upper": "".join(c for c, _ in lowered),
        "lower": "".join(small for _, small in lowered),
        "longer": longer,
    }
    lines = [f'"{key}": {json.dumps(value, ensure_ascii=False)}' for key, value in content.items()]
    OUT.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
