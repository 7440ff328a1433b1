"""Prove that a tokenizer gives what another library gives.

It is compared on texts, hostile strings, random strings and every code point.

Example:
    >>> result = subtok.verify(tok, against="tokenizers", texts=["a.txt"])
    >>> result.ok, result.differences
    (True, [])
"""

# Rows go through both libraries in batches; a difference is then narrowed to its first place. A
# code-point sweep puts many code points into one row, since a call costs more than a character.

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from subtok._cases import code_point_rows, fuzz_rows, hostile_rows
from subtok._reference import Aspect, aspects
from subtok._subtok import Tokenizer
from subtok._text import counted
from subtok.compare import read_texts
from subtok.compare.sources import require, wrap
from subtok.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from subtok._text import StrPath
    from subtok.compare import Texts

__all__ = ["Difference", "Result", "verify"]

_BATCH = 256


@dataclass(frozen=True)
class Difference:
    """One text on which the two do not agree.

    Attributes:
        source: Where the text is from: a name of `texts`, `hostile`, `fuzz` or `code points`.
        text: The text.
        aspect: What differs: `ids`, `tokens`, `offsets`, `decode` ...
        place: The index of the first differing item; none when the lengths alone differ or one side
            raised.
        expected: What the reference says there.
        got: What subtok says there.
    """

    source: str
    text: str
    aspect: str
    place: int | None
    expected: Any
    got: Any

    def __str__(self) -> str:
        where = "" if self.place is None else f"[{self.place}]"
        return (
            f"{self.source}: {self.aspect}{where}: expected {self.expected!r}, "
            f"got {self.got!r}, text {_cut(self.text)!r}"
        )


@dataclass
class Result:
    """What `verify` found.

    Attributes:
        reference: The library with its version.
        subject: The same of this side.
        texts: Texts compared, by source.
        comparisons: Comparisons made, by aspect.
        differing: Comparisons that differ, by aspect.
        differences: The first of them.
    """

    reference: str
    subject: str
    texts: Counter[str] = field(default_factory=Counter)
    comparisons: Counter[str] = field(default_factory=Counter)
    differing: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """No comparison differs."""
        return not self.differing

    def __str__(self) -> str:
        texts, comparisons = sum(self.texts.values()), sum(self.comparisons.values())
        found = counted(sum(self.differing.values()), "difference")
        lines = [
            f"{self.subject} against {self.reference}",
            f"{counted(comparisons, 'comparison')} on {counted(texts, 'text')}: {found}",
            "texts: " + ", ".join(f"{name} {count:,}" for name, count in self.texts.items()),
            f"compared: {_listed(self.comparisons)}",
        ]
        if self.differing:
            lines.append(f"differing: {_listed(self.differing)}")
        return "\n".join([*lines, *map(str, self.differences)])

    def to_dict(self) -> dict[str, Any]:
        """Plain values: numbers, strings, lists and dictionaries."""
        return {
            "ok": self.ok,
            "reference": self.reference,
            "subject": self.subject,
            "texts": dict(self.texts),
            "comparisons": dict(self.comparisons),
            "differing": dict(self.differing),
            "differences": [vars(difference) for difference in self.differences],
        }


def verify(
    tok: Tokenizer | StrPath,
    against: Any = "tokenizers",
    texts: Texts | None = None,
    *,
    fuzz: int = 1000,
    code_points: bool = True,
    seed: int = 0,
    max_differences: int = 20,
    progress: Callable[[str, int, int], None] | None = None,
) -> Result:
    """Compare a tokenizer with another library's on texts, hostile strings, fuzz and code points.

    Against `tokenizers`: ids, tokens, offsets, word ids, sequence ids, type ids and masks with and
    without special tokens, for single texts and pairs, and the decoded text; for code points ids
    and offsets. Against anything else: ids, and the decoded text where there is a way back.

    Args:
        tok: The tokenizer to prove, or the path of its file.
        against: `"tokenizers"` or `"tiktoken"`, which load what `tok` declares; or another
            tokenizer: one of subtok, `tokenizers`, `tiktoken` or `sentencepiece`, or a callable
            from a text to ids.
        texts: More texts to compare, as `compare` takes them. A set of hostile strings is always
            compared.
        fuzz: How many random strings to compare; the special tokens occur in them.
        code_points: Compare every code point, alone between spaces and inside a word.
        seed: Of the random strings.
        max_differences: How many differences to keep; all are counted.
        progress: Called with (phase, done, total).

    Raises:
        MissingDependencyError: The library is not installed.
        UnsupportedError: `tiktoken` has no way to express this tokenizer.
        FileError: A file cannot be read.
    """
    if isinstance(tok, (str, os.PathLike)):
        tok = Tokenizer.from_file(tok)
    if not isinstance(tok, Tokenizer):
        raise ArgumentTypeError(
            f"tok is {type(tok).__name__}, but must be a subtok.Tokenizer or a path"
        )
    if fuzz < 0:
        raise ArgumentError(f"fuzz is {fuzz}, but must be at least 0")
    subject = wrap(tok)
    reference = wrap(_load(tok, against))
    result = Result(reference.library, subject.library)
    literals = sorted({*subject.specials, *reference.specials})
    named: list[tuple[str, Iterable[str]]] = []
    if texts is not None:
        named.extend(read_texts(texts, "blocks", "text"))
    named.append(("hostile", hostile_rows(literals)))
    named.append(("fuzz", fuzz_rows(fuzz, literals, seed)))
    if code_points:
        named.append(("code points", code_point_rows()))
    for name, rows in named:
        checks = aspects(subject, reference, sweep=name == "code points")
        for batch in _batches(rows):
            result.texts[name] += len(batch)
            for check in checks:
                _check(result, check, name, batch, max_differences)
            if progress is not None:
                progress(f"verify {name}", result.texts[name], 0)
    return result


def _load(tok: Tokenizer, against: Any) -> Any:
    if against == "tokenizers":
        return require("tokenizers").Tokenizer.from_str(tok.to_str())
    if against == "tiktoken":
        from subtok._tiktoken import encoding  # noqa: PLC0415 (only when it is asked for)

        return encoding(tok)
    return against


def _check(result: Result, check: Aspect, source: str, batch: list[str], keep: int) -> None:
    expected, got = _both(check, batch)
    for text, wanted, found in zip(batch, expected, got, strict=True):
        for aspect in wanted:
            label = check.label + aspect
            result.comparisons[label] += 1
            if _equal(aspect, wanted, found):
                continue
            result.differing[label] += 1
            if len(result.differences) < keep:
                result.differences.append(
                    _narrowed(check, source, aspect, text, wanted=wanted, found=found)
                )


def _both(check: Aspect, batch: list[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """For each side one dictionary per text; a text that raises has the one aspect `error`."""
    try:
        return check.reference(batch), check.subject(batch)
    except Exception:  # noqa: BLE001 (another library may raise anything)
        # Both sides again one by one, so that both see the same calls.
        return [_one(check.reference, text) for text in batch], [
            _one(check.subject, text) for text in batch
        ]


def _one(call: Callable[[Sequence[str]], list[dict[str, Any]]], text: str) -> dict[str, Any]:
    try:
        return call([text])[0]
    except Exception as error:  # noqa: BLE001 (another library may raise anything)
        return {"error": f"{type(error).__name__}: {error}"}


def _equal(aspect: str, wanted: dict[str, Any], found: dict[str, Any]) -> bool:
    if aspect == "error":
        return "error" in found
    return aspect in found and bool(wanted[aspect] == found[aspect])


def _narrowed(
    check: Aspect,
    source: str,
    aspect: str,
    text: str,
    *,
    wanted: dict[str, Any],
    found: dict[str, Any],
) -> Difference:
    """The difference on the shortest text that halving finds."""
    shorter = True
    while shorter and len(text) > 1:
        shorter = False
        half = len(text) // 2
        for part in (text[:half], text[half:]):
            one, other = _one(check.reference, part), _one(check.subject, part)
            if aspect in one and not _equal(aspect, one, other):
                text, wanted, found, shorter = part, one, other, True
                break
    got = found.get(aspect, found.get("error"))
    place, expected, got = _first(wanted[aspect], got)
    return Difference(source, text, check.label + aspect, place, expected, got)


def _first(expected: Any, got: Any) -> tuple[int | None, Any, Any]:
    """The first place where two sequences differ, with what stands there."""
    if not isinstance(expected, (list, str)) or not isinstance(got, type(expected)):
        return None, _cut(expected), _cut(got)
    for place, (one, other) in enumerate(zip(expected, got, strict=False)):
        if one != other:
            if isinstance(expected, str):
                return place, expected[place : place + 20], got[place : place + 20]
            return place, one, other
    return None, f"{len(expected)} items", f"{len(got)} items"


def _batches(rows: Iterable[str]) -> Iterator[list[str]]:
    source = iter(rows)
    while batch := list(islice(source, _BATCH)):
        yield batch


def _cut(value: Any, limit: int = 120) -> Any:
    if isinstance(value, (str, list)) and len(value) > limit:
        return value[:limit]
    return value


def _listed(counts: Counter[str]) -> str:
    """Counts in a line; `no-special ids` and `pair ids` are counted with `ids`."""
    together: Counter[str] = Counter()
    for name, count in counts.items():
        together[name.removeprefix("no-special ").removeprefix("pair ")] += count
    return ", ".join(f"{name} {count:,}" for name, count in together.items())
