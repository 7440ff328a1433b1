"""What is measured: how densely a tokenizer writes a text, and whether the text comes back.

Definitions, all over the same rows for every tokenizer, special tokens treated as plain text and
none added:

- bytes per token, characters per token: UTF-8 bytes and code points of the text over its tokens;
more is denser.
- tokens per word (fertility): a word is a maximal run of characters that are not white space. Not
defined for a
  text more than a quarter of whose letters belong to scripts written without spaces.
- round trip: the share of rows for which decoding the ids gives the row, character by character.
- vocabulary used: distinct ids seen over the vocabulary's size.
- unknown: the share of tokens that are the unknown token.
- speed: MB (10^6 bytes) of UTF-8 text per second, one call for all rows, the median of some rounds.
"""

from __future__ import annotations

import re
import statistics
import time
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from subtok.compare.sources import Source

__all__ = ["WORD_RULE", "Failure", "Measure", "Text", "count_words", "measure", "reason"]

WORD_RULE = "runs of characters that are not white space"
_SHOWN = 2
_EXCERPT = 20
_UNSPACED_SHARE = 0.25
_BATCH = 256
# Thai, Lao, Tibetan, Myanmar, Khmer, Tai Le to Tai Tham, Balinese, Kana, Bopomofo, Han, Yi,
# Javanese.
_UNSPACED = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u1b00-\u1b7f\u3005-\u3007"
    "\u3021-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua980-\ua9df"
    "\uf900-\ufaff\uff66-\uff9f\U0001b000-\U0001b16f\U00020000-\U000323af]"
)
_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True)
class Text:
    """The rows of one text, with what is counted once for all tokenizers."""

    name: str
    rows: list[str] = field(repr=False)
    bytes: int
    characters: int
    words: int | None

    @classmethod
    def of(cls, name: str, rows: list[str], words: Callable[[str], int | None]) -> Text:
        """Count a text."""
        return cls(
            name=name,
            rows=rows,
            bytes=sum(len(row.encode("utf-8", "surrogatepass")) for row in rows),
            characters=sum(map(len, rows)),
            words=words("\n".join(rows)),
        )


@dataclass(frozen=True)
class Failure:
    """A row that did not come back: why, and the place where it first differs."""

    text: str
    row: int
    reason: str
    at: int
    expected: str
    got: str


@dataclass
class Measure:
    """One tokenizer on one text, or on all of them."""

    rows: int = 0
    bytes: int = 0
    characters: int = 0
    tokens: int = 0
    words: int | None = 0
    unknown: int | None = 0
    returned: int | None = 0
    vocab_size: int | None = None
    seconds: float | None = None
    ids: set[int] = field(default_factory=set, repr=False)
    failures: list[Failure] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def figures(self) -> dict[str, float | None]:
        """The figures of the report; none where one is not defined."""
        return {
            "bytes_per_token": _ratio(self.bytes, self.tokens),
            "chars_per_token": _ratio(self.characters, self.tokens),
            "tokens_per_word": _ratio(self.tokens, self.words),
            "round_trip": _ratio(self.returned, self.rows),
            "vocab_used": _ratio(len(self.ids), self.vocab_size),
            "unknown": _ratio(self.unknown, self.tokens),
            "mb_per_s": _ratio(self.bytes / 1e6, self.seconds),
        }

    def add(self, other: Measure) -> None:
        """Take another text into the total."""
        self.rows += other.rows
        self.bytes += other.bytes
        self.characters += other.characters
        self.tokens += other.tokens
        self.vocab_size = other.vocab_size
        # A total without all of its parts would be wrong: none wins.
        self.words = _sum(self.words, other.words)
        self.unknown = _sum(self.unknown, other.unknown)
        self.returned = _sum(self.returned, other.returned)
        if other.seconds is not None:
            self.seconds = other.seconds + (self.seconds or 0.0)
        self.ids |= other.ids
        for failure in other.failures:
            self.note(failure)
        # Only the first of each reason are kept, but all are counted.
        self.reasons += other.reasons - Counter(x.reason for x in other.failures)

    def note(self, failure: Failure) -> None:
        """Count a row that did not come back, and keep the first ones of each reason."""
        self.reasons[failure.reason] += 1
        if sum(1 for x in self.failures if x.reason == failure.reason) < _SHOWN:
            self.failures.append(failure)


def measure(source: Source, text: Text, rounds: int) -> Measure:
    """Measure one tokenizer on one text; `rounds` of timing, 0 for none."""
    found = Measure(
        rows=len(text.rows),
        bytes=text.bytes,
        characters=text.characters,
        words=text.words,
        unknown=None if source.unknown is None else 0,
        returned=None if source.decode is None else 0,
        vocab_size=source.vocab_size,
    )
    for start in range(0, len(text.rows), _BATCH):
        rows = text.rows[start : start + _BATCH]
        encoded = source.plain(rows)
        for ids in encoded:
            found.tokens += len(ids)
            found.ids.update(ids.tolist() if isinstance(ids, np.ndarray) else ids)
            if found.unknown is not None:
                found.unknown += sum(1 for x in ids if x == source.unknown)
        if source.decode is not None and found.returned is not None:
            decoded = source.decode(encoded)
            for row, (wanted, got, ids) in enumerate(
                zip(rows, decoded, encoded, strict=True), start
            ):
                if wanted == got:
                    found.returned += 1
                else:
                    unknown = source.unknown is not None and source.unknown in ids
                    failure = _failure(text.name, row, wanted, got, unknown=unknown)
                    found.note(failure)
    if rounds:
        found.seconds = statistics.median(_time(source, text.rows) for _ in range(rounds))
    return found


def count_words(text: str) -> int | None:
    """How many words a text has; none where its script does not mark them by spaces."""
    unspaced = len(_UNSPACED.findall(text))
    if unspaced and unspaced > _UNSPACED_SHARE * len(_LETTER.findall(text)):
        return None
    return len(text.split())


def reason(expected: str, got: str, *, unknown: bool) -> str:
    """Why a text did not come back: the mildest explanation that fits."""
    if unknown:
        return "unknown tokens"
    if _squeezed(expected) == _squeezed(got):
        return "white space"
    if _squeezed(expected.lower()) == _squeezed(got.lower()):
        return "case"
    if _folded(expected) == _folded(got):
        return "accents or Unicode form"
    return "other characters"


def _time(source: Source, rows: Sequence[str]) -> float:
    started = time.perf_counter()
    source.plain(rows)
    return time.perf_counter() - started


def _failure(name: str, row: int, expected: str, got: str, *, unknown: bool) -> Failure:
    same = zip(expected, got, strict=False)
    shorter = min(len(expected), len(got))
    at = next((i for i, (a, b) in enumerate(same) if a != b), shorter)
    cut = slice(max(0, at - _EXCERPT // 2), at + _EXCERPT)
    why = reason(expected, got, unknown=unknown)
    return Failure(name, row, why, at, expected[cut], got[cut])


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _folded(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text).casefold()
    apart = unicodedata.normalize("NFKD", apart)
    kept = (x for x in apart if unicodedata.category(x) not in ("Mn", "Cc", "Cf"))
    return _squeezed("".join(kept))


def _ratio(part: Any, whole: Any) -> float | None:
    return None if part is None or not whole else part / whole


def _sum(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b
