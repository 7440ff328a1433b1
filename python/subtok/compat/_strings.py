"""Texts on their way through the components: `NormalizedString` and `PreTokenizedString`.

Both are plain Python: they are for looking at what a component does and for writing small tools.
Tokenizers do not use them. Each character of the normalised text carries the range of characters
of the original that it came from; a stretch covers the original from its first character's range
to its last one's, as everywhere in subtok.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from subtok import _subtok
from subtok.compat._base import Regex, Token, compact, pattern, text
from subtok.errors import ArgumentError, ArgumentTypeError, SubtokError

if TYPE_CHECKING:
    from collections.abc import Callable

    from subtok.compat._encoding import Encoding

__all__ = ["BEHAVIORS", "NormalizedString", "PreTokenizedString", "behavior_name"]

#: What becomes of the matches of a split, by the name that files have.
BEHAVIORS = {
    "Removed": "removed",
    "Isolated": "isolated",
    "MergedWithPrevious": "merged_with_previous",
    "MergedWithNext": "merged_with_next",
    "Contiguous": "contiguous",
}


def behavior_name(value: Any) -> str:
    """The name that files have, from the name in Python or the member of the enumeration."""
    given = getattr(value, "value", value)
    for name, spelled in BEHAVIORS.items():
        if given == spelled:
            return name
    wanted = ", ".join(BEHAVIORS.values())
    raise ArgumentError(
        f"Wrong value for SplitDelimiterBehavior, expected one of: `{wanted}`, not {given!r}"
    )


_Place = tuple[int, int]


class NormalizedString:
    """A text, what it was rewritten to, and which character came from where."""

    def __init__(self, sequence: str) -> None:
        self._original = text(sequence, "sequence")
        self._normalized = sequence
        self._places: list[_Place] = [(at, at + 1) for at in range(len(sequence))]
        # Where the original begins in the text that this is a slice of.
        self._shift = 0

    @property
    def original(self) -> str:
        return self._original

    @property
    def normalized(self) -> str:
        return self._normalized

    def _set(self, chars: list[str], places: list[_Place]) -> None:
        self._normalized = "".join(chars)
        self._places = places

    def _through(self, first: int, last: int) -> _Place:
        """The place in the original of the normalised characters from `first` before `last`."""
        if first < last <= len(self._places):
            return (self._places[first][0], self._places[last - 1][1])
        return (first, last)

    def _apply(self, component: str) -> None:
        """Rewrite the normalised text by a normalizer."""
        normal, places = _subtok._normalize(component, self._normalized)
        self._places = [self._through(start, end) for start, end in places]
        self._normalized = normal

    def _pieces(self, component: str, *, at_start: bool) -> list[NormalizedString]:
        """The pieces that a pre-tokenizer makes of the normalised text."""
        pieces = []
        for piece, places in _subtok._pre_tokenize(component, self._normalized, at_start):
            if not places:
                continue
            start, end = self._through(places[0][0], places[-1][1])
            part = NormalizedString(self._original[start:end])
            part._normalized = piece
            moved = (self._through(*place) for place in places)
            part._places = [(first - start, last - start) for first, last in moved]
            part._shift = self._shift + start
            pieces.append(part)
        return pieces

    def nfd(self) -> None:
        self._apply('{"type":"NFD"}')

    def nfkd(self) -> None:
        self._apply('{"type":"NFKD"}')

    def nfc(self) -> None:
        self._apply('{"type":"NFC"}')

    def nfkc(self) -> None:
        self._apply('{"type":"NFKC"}')

    def lowercase(self) -> None:
        self._apply('{"type":"Lowercase"}')

    def strip(self) -> None:
        self._strip(left=True, right=True)

    def lstrip(self) -> None:
        self._strip(left=True, right=False)

    def rstrip(self) -> None:
        self._strip(left=False, right=True)

    def _strip(self, *, left: bool, right: bool) -> None:
        self._apply(compact({"type": "Strip", "strip_left": left, "strip_right": right}))

    def replace(self, pattern: str | Regex, content: str) -> None:
        component = {"type": "Replace", "pattern": _pattern(pattern), "content": content}
        self._apply(compact(component))

    def uppercase(self) -> None:
        chars, places = [], []
        for char, place in zip(self._normalized, self._places, strict=True):
            upper = char.upper()
            chars.append(upper)
            places.extend([place] * len(upper))
        self._set(chars, places)

    def prepend(self, s: str) -> None:
        if self._normalized:
            self._places = [self._places[0]] * len(s) + self._places
            self._normalized = s + self._normalized

    def append(self, s: str) -> None:
        last = self._places[-1] if self._places else (0, 0)
        self._places = self._places + [last] * len(s)
        self._normalized += s

    def filter(self, func: Callable[[str], bool]) -> None:
        kept = [at for at, char in enumerate(self._normalized) if func(char)]
        self._set([self._normalized[at] for at in kept], [self._places[at] for at in kept])

    def map(self, func: Callable[[str], Any]) -> None:
        mapped = [func(char) for char in self._normalized]
        if any(not isinstance(char, str) or len(char) != 1 for char in mapped):
            raise ArgumentError("map: the function must return a string of one character")
        self._set(mapped, self._places)

    def for_each(self, func: Callable[[str], object]) -> None:
        for char in self._normalized:
            func(char)

    def clear(self) -> None:
        self._set([], [])

    def slice(self, range: Any) -> NormalizedString | None:
        """A part, by characters of the normalised text; None outside of it."""
        length = len(self._normalized)
        if isinstance(range, int):
            start = range + length if range < 0 else range
            if not 0 <= start < length:
                return None
            stop = start + 1
        elif isinstance(range, tuple):
            start, stop = range
        elif isinstance(range, slice):
            start, stop, _ = range.indices(length)
        else:
            raise ArgumentTypeError("a range is an index, a tuple or a slice")
        if not 0 <= start <= stop <= length:
            return None
        first, last = self._through(start, stop)
        part = NormalizedString(self._original[first:last])
        part._normalized = self._normalized[start:stop]
        part._places = [(a - first, b - first) for a, b in self._places[start:stop]]
        part._shift = self._shift + first
        return part

    def __getitem__(self, range: Any) -> NormalizedString | None:
        return self.slice(range)

    def split(self, pattern: str | Regex, behavior: Any) -> list[NormalizedString]:
        component = {
            "type": "Split",
            "pattern": _pattern(pattern),
            "behavior": behavior_name(behavior),
            "invert": False,
        }
        return self._pieces(compact(component), at_start=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NormalizedString) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment] # it changes

    def __str__(self) -> str:
        return self._normalized

    def __repr__(self) -> str:
        return f'NormalizedString(original="{self._original}", normalized="{self._normalized}")'


_pattern = pattern


class _Split:
    __slots__ = ("normalized", "tokens")

    def __init__(self, normalized: NormalizedString, tokens: list[Token] | None = None) -> None:
        self.normalized = normalized
        self.tokens = tokens


class PreTokenizedString:
    """A text in pieces; a piece that was tokenized stays as it is."""

    def __init__(self, s: str) -> None:
        self._original = text(s, "s")
        self._splits = [_Split(NormalizedString(s))]

    def _apply(self, component: str) -> None:
        """Cut the pieces by a pre-tokenizer."""
        # "At the start" is what the text itself begins with.
        self.split(lambda _, part: part._pieces(component, at_start=part._shift == 0))

    def split(self, func: Callable[[int, NormalizedString], list[Any]]) -> None:
        """Cut each piece by a function of its number and itself."""
        splits: list[_Split] = []
        for number, split in enumerate(self._splits):
            if split.tokens is not None:
                splits.append(split)
                continue
            for part in func(number, split.normalized):
                if not isinstance(part, NormalizedString):
                    kind = type(part).__name__
                    raise ArgumentTypeError(f"'{kind}' is not an instance of 'NormalizedString'")
                if part.normalized:
                    splits.append(_Split(part))
        self._splits = splits

    def normalize(self, func: Callable[[NormalizedString], object]) -> None:
        """Rewrite each piece by a function."""
        for split in self._splits:
            if split.tokens is None:
                func(split.normalized)

    def tokenize(self, func: Callable[[str], list[Token]]) -> None:
        """Make tokens of each piece by a function."""
        for split in self._splits:
            if split.tokens is None:
                split.tokens = list(func(split.normalized.normalized))

    def get_splits(
        self, offset_referential: Any = "original", offset_type: Any = "char"
    ) -> list[tuple[str, tuple[int, int], list[Token] | None]]:
        """The pieces with their places and tokens."""
        referential = getattr(offset_referential, "value", offset_referential)
        unit = getattr(offset_type, "value", offset_type)
        if referential not in {"original", "normalized"}:
            wanted = "expected one of `original, normalized`"
            raise ArgumentError(f"Wrong value for OffsetReferential, {wanted}")
        if unit not in {"byte", "char"}:
            raise ArgumentError("Wrong value for OffsetType, expected one of `byte, char`")
        found = []
        done = 0
        for split in self._splits:
            normal = split.normalized
            if referential == "original":
                start = normal._shift
                end = start + len(normal.original)
                if unit == "byte":
                    start = len(self._original[:start].encode())
                    end = start + len(normal.original.encode())
            else:
                start, end = done, done + len(normal.normalized.encode())
                done = end
                if unit == "char":
                    start, end = _as_if_original(self._original, start, end)
            found.append((normal.normalized, (start, end), split.tokens))
        return found

    def to_encoding(self, type_id: int = 0, word_idx: int | None = None) -> Encoding:
        """The tokens of all pieces."""
        from subtok.compat._encoding import Encoding, Rows  # noqa: PLC0415

        rows = Rows()
        for number, split in enumerate(self._splits):
            if split.tokens is None:
                raise SubtokError(
                    "Split has not been tokenized, call `PreTokenizedString::tokenize` first"
                )
            normal = split.normalized
            for token in split.tokens:
                place = normal._through(*_in_characters(normal.normalized, token.offsets))
                shift = normal._shift
                offsets = (place[0] + shift, place[1] + shift)
                word = number if word_idx is None else word_idx
                rows.push(token.id, token.value, offsets, word, type_id)
        return Encoding._from_rows(rows)


def _as_if_original(original: str, start: int, end: int) -> tuple[int, int]:
    """Bytes of the normalised text in characters, as `tokenizers` counts them.

    It takes them for bytes of the original; what is beyond that stays as it is.
    """
    number = [at for at, char in enumerate(original) for _ in char.encode()]
    if start >= len(number):
        return (start, end)
    if end < len(number):
        return (number[start], number[end])
    return (number[start], (number[end - 1] if end <= len(number) else number[start] + 1) + 1)


def _in_characters(given: str, offsets: tuple[int, int]) -> tuple[int, int]:
    """Places in bytes, as models count, in whole characters."""
    start = end = at = 0
    for number, char in enumerate(given):
        if at <= offsets[0]:
            start = number
        if at < offsets[1]:
            end = number + 1
        at += len(char.encode())
    return (len(given), len(given)) if offsets[0] >= at else (start, max(start, end))
