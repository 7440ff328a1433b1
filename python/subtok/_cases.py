"""Texts that find differences: hostile strings, random strings, every code point."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["code_point_rows", "fuzz_rows", "hostile_rows"]

_HOSTILE = (
    "",
    " ",
    "  ",
    "   a",
    "a   ",
    "\n",
    "\n\n\n",
    "a\n\n  b\r\n\tc\r\rd",
    "\t\v\f\x1c\x1d\x1e\x1f\x85\xa0",
    " \u1680\u2000\u2003\u2028\u2029\u202f\u205f\u3000 x",
    "\u200b\u200c\u200d\u2060\ufeff\u180e",
    "\x00",
    "a\x00b\x01\x02\x7f\x80\x9f",
    "I'm you're we'll he'd I've it's don't I'M YOU'RE 'S ''s 's'",
    "\u2019s don\u2019t l\u2019\u00e9t\u00e9 '\u017f \u212a",
    "1 12 123 1234 12345 1,234.56 \u0661\u0662\u0663 \u00b2\u00bd \u2167 \U0001d7d8",
    "_under_score__ --dash-- ... !!! ?!?! @#$%^&*()[]{}<>|\\/~`",
    "camelCaseHTTPServer snake_case kebab-case v1.2.3-rc4",
    "\u00e9 e\u0301 \u00c5 A\u030a \u212b \ufb01 \ufb03 \u1e9e \u00df \u0130 \u0131 i\u0307",
    "\u0345\u0300\u0301\u0302 a\u0300\u0301\u0302\u0303\u0304\u0305 \u1ab0\u20dd",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002 \u6f22\u5b57\u304b\u306a\u30ab\u30ca \uff76\uff85",
    "\uc548\ub155\ud558\uc138\uc694 \u1100\u1161\u11a8 \u3131\u314f \uac00\u11a8",
    "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05c1\u05dc\u05d5\u05dd",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0ba8\u0bbf \u1019\u103c\u1014\u103a",
    "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\U0001f1e9\U0001f1ea \u2764\ufe0f 1\ufe0f\u20e3",
    "\U00020000\U0002f800\U000e0041\U0010ffff\ufffd\ufffe\uffff\ue000",
    "\u202eabc\u202c \u2066x\u2069 \u061c\u200e\u200f",
    "\u0120the\u010a \u2581the ##ing </w> @@ \u0100",
    "a" * 300,
    "ab" * 200,
    " " * 300 + "x",
    "!" * 300,
    "\u00e9" * 150,
    "\u4e2d" * 150,
    "\U0001f600" * 60,
    "0" * 200,
    "\n" * 100 + " " * 100 + "\n" * 10,
    "x" * 99 + " " + "y" * 100 + " " + "z" * 101,
    "[CLS] [SEP] [MASK] [UNK] [PAD] <s> </s> <pad> <unk> <mask> <|endoftext|> <|im_start|>",
    "[cls][SEP ][ MASK]<|endoftext|<|endoftext|>>",
)
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ALPHABETS = (
    _LETTERS,
    _LETTERS + "   \n\t",
    "0123456789 .,",
    " \n\r\t\xa0\u3000",
    "'\u2019sStTdDmM lLvVrReE",
    "!?.,;:-_()[]{}#@/\\\"'` ",
    "\u00e4\u00f6\u00fc\u00df\u00e9\u00e8\u00f1\u00e7\u0130\u0131\u017f\u0300\u0301\u0308 aeiou",
    "\u4e00\u4e2d\u56fd\u6f22\u3042\u30a2\u30fc\u3001\u3002\uff01",
    "\uac00\ub098\ub2e4\ud55c\uae00\u1100\u1161\u11a8",
    "\u0430\u0431\u0432\u0410\u0411\u0301 \u03b1\u03c3\u03c2\u03a3",
    "\u0627\u0644\u0645\u064e\u0651 \u05d0\u05d1\u05b0 \u0915\u094d\u0937\u0e01\u0e33",
    "\U0001f600\U0001f468\u200d\ufe0f\U0001f1e6\U0001f3fd\u20e3",
    "\u200b\u200c\u200d\ufeff\x00\x01\x7f\xad",
)
_LAST = 0x110000
_SURROGATES = range(0xD800, 0xE000)
_PER_ROW = 32


def hostile_rows(literals: Sequence[str]) -> list[str]:
    """Strings that are known to be hard; the special tokens stand at start, middle and end."""
    around = [
        text
        for token in literals
        for text in (
            token,
            token + token,
            f" {token} ",
            f"a{token}b",
            f"x {token[:-1]} {token}.",
        )
    ]
    return [*_HOSTILE, *around]


def fuzz_rows(count: int, literals: Sequence[str], seed: int) -> Iterator[str]:
    """Random strings: runs out of several alphabets, any code point, and the special tokens."""
    chance = random.Random(seed)  # noqa: S311 (repeatable, not secret)
    for _ in range(count):
        parts = []
        for _ in range(chance.randint(1, 8)):
            kind = chance.random()
            if literals and kind < 0.1:  # noqa: PLR2004
                parts.append(chance.choice(literals))
            elif kind < 0.2:  # noqa: PLR2004
                parts.append("".join(_any(chance) for _ in range(chance.randint(1, 6))))
            else:
                alphabet = chance.choice(_ALPHABETS)
                parts.append("".join(chance.choices(alphabet, k=chance.randint(1, 16))))
        yield "".join(parts)


def code_point_rows() -> Iterator[str]:
    """Every code point but the surrogates, several to a row.

    Each stands alone between spaces and inside a word.
    """
    row: list[str] = []
    for point in range(_LAST):
        if point in _SURROGATES:
            continue
        x = chr(point)
        row.append(f"{x} a{x}b")
        if len(row) == _PER_ROW:
            yield " ".join(row)
            row.clear()
    if row:
        yield " ".join(row)


def _any(chance: random.Random) -> str:
    # Half of them from the planes where most scripts are.
    while True:
        point = chance.randrange(0x3000 if chance.random() < 0.5 else _LAST)  # noqa: PLR2004
        if point not in _SURROGATES:
            return chr(point)
