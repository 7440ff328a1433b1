"""`Encoding`: the tokens of a text with everything about them, as Python lists.

It stands over a `subtok.Encoding`, whose arrays are turned into lists when they are asked for. What
changes it (`pad`, `truncate`, `merge`, `set_sequence_id`) copies the arrays into lists first.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from subtok.compat._base import compact, ignored
from subtok.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from subtok._subtok import Encoding as Core

__all__ = ["Encoding", "Rows"]

_LISTS = ("ids", "type_ids", "tokens", "words", "offsets", "special_tokens_mask", "attention_mask")


class Rows:
    """The lists of an encoding that may change."""

    __slots__ = (*_LISTS, "overflowing", "ranges")

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.type_ids: list[int] = []
        self.tokens: list[str] = []
        self.words: list[int | None] = []
        self.offsets: list[tuple[int, int]] = []
        self.special_tokens_mask: list[int] = []
        self.attention_mask: list[int] = []
        self.overflowing: list[Encoding] = []
        # Where each text lies. Empty: not known, and then everything belongs to the first one.
        self.ranges: dict[int, range] = {}

    def push(
        self,
        id: int,
        token: str,
        offsets: tuple[int, int],
        word: int | None,
        type_id: int,
    ) -> None:
        """Append a token of a text."""
        self.ids.append(id)
        self.tokens.append(token)
        self.offsets.append(offsets)
        self.words.append(word)
        self.type_ids.append(type_id)
        self.special_tokens_mask.append(0)
        self.attention_mask.append(1)

    def special(self, ids: list[int], tokens: list[str], type_id: int) -> None:
        """Append special tokens."""
        count = len(ids)
        self.ids += ids
        self.tokens += tokens
        self.offsets += [(0, 0)] * count
        self.words += [None] * count
        self.type_ids += [type_id] * count
        self.special_tokens_mask += [1] * count
        self.attention_mask += [1] * count

    def part(self, start: int, stop: int) -> Rows:
        """A window of it, which no longer knows its texts."""
        rows = Rows()
        for name in _LISTS:
            setattr(rows, name, getattr(self, name)[start:stop])
        return rows

    def copy(self) -> Rows:
        """Lists of its own; the overflowing parts too."""
        rows = self.part(0, len(self.ids))
        rows.overflowing = [part._copy() for part in self.overflowing]
        rows.ranges = dict(self.ranges)
        return rows


class Encoding:
    """The tokens of a text or pair."""

    __slots__ = ("__weakref__", "_core", "_processed", "_rows", "_sparse", "_texts")

    def __init__(self) -> None:
        self._core: Core | None = None
        self._rows: Rows | None = Rows()
        self._texts = 1
        self._processed = self._sparse = False

    @classmethod
    def _from_core(
        cls, core: Core, *, texts: int, processed: bool, sparse: bool = False
    ) -> Encoding:
        """Of what subtok gave, for one text or two.

        `processed`: by a post-processor, which knows where the texts lie. `sparse`: without
        strings, places and words, as `encode_batch_fast` promises no more.
        """
        made = cls.__new__(cls)
        made._core, made._rows = core, None
        made._texts, made._processed, made._sparse = texts, processed, sparse
        return made

    @classmethod
    def _from_rows(cls, rows: Rows) -> Encoding:
        made = cls()
        made._rows = rows
        return made

    def _copy(self) -> Encoding:
        if self._rows is not None:
            return self._from_rows(self._rows.copy())
        assert self._core is not None  # noqa: S101 (one of the two is there)
        return self._part(self._core)

    def _part(self, core: Core) -> Encoding:
        """Of what subtok gave for the same call."""
        return self._from_core(
            core, texts=self._texts, processed=self._processed, sparse=self._sparse
        )

    def _lists(self) -> Rows:
        """Lists to change; from now on they are what counts."""
        if self._rows is None:
            rows = Rows()
            for name in _LISTS:
                setattr(rows, name, getattr(self, name))
            rows.overflowing = self.overflowing
            rows.ranges = self._ranges()
            self._rows, self._core = rows, None
        return self._rows

    def _ranges(self) -> dict[int, range]:
        if self._rows is not None:
            return self._rows.ranges
        assert self._core is not None  # noqa: S101 (one of the two is there)
        sequences = self._core.sequence_ids
        found: dict[int, range] = {}
        for sequence in range(self._texts):
            places = np.flatnonzero(sequences == sequence)
            found[sequence] = (
                range(int(places[0]), int(places[-1]) + 1) if len(places) else range(0)
            )
        everything = len(found[0]) == len(sequences) > 0
        return {} if not self._processed and (self._texts == 1 or everything) else found

    def __len__(self) -> int:
        return len(self._rows.ids if self._core is None and self._rows else self._core or ())

    @property
    def ids(self) -> list[int]:
        if self._core is None:
            return list(self._lists().ids)
        return _integers(self._core.ids)

    @property
    def type_ids(self) -> list[int]:
        if self._core is None:
            return list(self._lists().type_ids)
        return _integers(self._core.type_ids)

    @property
    def tokens(self) -> list[str]:
        if self._core is None:
            return list(self._lists().tokens)
        if self._sparse:
            both = zip(self._core.tokens, self._core.special_tokens_mask.tolist(), strict=True)
            return [token if special else "" for token, special in both]
        return self._core.tokens

    @property
    def offsets(self) -> list[tuple[int, int]]:
        if self._core is None:
            return list(self._lists().offsets)
        if self._sparse:
            return [(0, 0)] * len(self._core)
        return [(start, end) for start, end in self._core.offsets.tolist()]

    @property
    def attention_mask(self) -> list[int]:
        if self._core is None:
            return list(self._lists().attention_mask)
        return _integers(self._core.attention_mask)

    @property
    def special_tokens_mask(self) -> list[int]:
        if self._core is None:
            return list(self._lists().special_tokens_mask)
        return _integers(self._core.special_tokens_mask)

    @property
    def words(self) -> list[int | None]:
        if self._core is None:
            return list(self._lists().words)
        if self._sparse:
            return [None] * len(self._core)
        return [None if word < 0 else word for word in self._core.word_ids.tolist()]

    @property
    def word_ids(self) -> list[int | None]:
        return self.words

    @property
    def overflowing(self) -> list[Encoding]:
        if self._core is None:
            return list(self._lists().overflowing)
        return [self._part(part) for part in self._core.overflowing]

    @property
    def n_sequences(self) -> int:
        return len(self._ranges()) or 1

    @property
    def sequence_ids(self) -> list[int | None]:
        found: list[int | None] = [None] * len(self)
        for sequence in range(self.n_sequences):
            for at in self._range(sequence):
                found[at] = sequence
        return found

    def _range(self, sequence: int) -> range:
        return self._ranges().get(sequence, range(len(self)))

    def set_sequence_id(self, sequence_id: int) -> None:
        rows = self._lists()
        rows.ranges[sequence_id] = range(len(rows.ids))

    def token_to_sequence(self, token_index: int) -> int | None:
        if _position(token_index) > len(self):
            return None
        ranges = self._ranges()
        if not ranges:
            return 0
        return next((sequence for sequence, at in ranges.items() if token_index in at), None)

    def token_to_chars(self, token_index: int) -> tuple[int, int] | None:
        if self.token_to_sequence(token_index) is None or token_index >= len(self):
            return None
        return self.offsets[token_index]

    def token_to_word(self, token_index: int) -> int | None:
        if self.token_to_sequence(token_index) is None or token_index >= len(self):
            return None
        return self.words[token_index]

    def char_to_token(self, char_pos: int, sequence_index: int = 0) -> int | None:
        at = _position(char_pos)
        offsets = self.offsets
        return next(
            (i for i in self._range(sequence_index) if offsets[i][0] <= at < offsets[i][1]), None
        )

    def char_to_word(self, char_pos: int, sequence_index: int = 0) -> int | None:
        token = self.char_to_token(char_pos, sequence_index)
        return None if token is None else self.token_to_word(token)

    def word_to_tokens(self, word_index: int, sequence_index: int = 0) -> tuple[int, int] | None:
        _position(word_index)
        words = self.words
        found = []
        for at in self._range(sequence_index):
            word = words[at]
            # Words ascend; what belongs to none comes before all of them.
            if word is not None and word > word_index:
                break
            if word == word_index:
                found.append(at)
        return (found[0], found[-1] + 1) if found else None

    def word_to_chars(self, word_index: int, sequence_index: int = 0) -> tuple[int, int] | None:
        tokens = self.word_to_tokens(word_index, sequence_index)
        if tokens is None:
            return None
        offsets = self.offsets
        return (offsets[tokens[0]][0], offsets[tokens[1] - 1][1])

    def truncate(self, max_length: int, stride: int = 0, direction: str = "right") -> None:
        """Cut to at most `max_length` tokens; the rest is kept as `overflowing`."""
        if direction not in {"left", "right"}:
            raise ArgumentError(f"Invalid truncation direction value : {direction}")
        rows = self._lists()
        total = len(rows.ids)
        if _position(max_length) >= total:
            return
        if max_length == 0:
            whole = Encoding._from_rows(rows)
            self._rows = Rows()
            self._rows.overflowing = [whole]
            return
        if stride >= max_length:
            raise ArgumentError(f"stride is {stride}, but must be less than max_length")
        step = max_length - stride
        windows = []
        if direction == "right":
            for start in range(0, total, step):
                windows.append((start, min(start + max_length, total)))
                if windows[-1][1] == total:
                    break
        else:
            for stop in range(total, 0, -step):
                windows.append((max(0, stop - max_length), stop))
                if windows[-1][0] == 0:
                    break
        parts = [rows.part(*window) for window in windows]
        parts[0].overflowing = [Encoding._from_rows(part) for part in parts[1:]]
        self._rows = parts[0]

    def pad(self, length: int, **kwargs: Any) -> None:
        """Fill up to `length` tokens, the overflowing parts too.

        Keywords: `direction="right"`, `pad_id=0`, `pad_type_id=0`, `pad_token="[PAD]"`.
        """
        names = ("direction", "pad_id", "pad_type_id", "pad_token")
        ignored({name: 0 for name in kwargs if name not in names})
        direction = kwargs.get("direction", "right")
        if direction not in {"left", "right"}:
            raise ArgumentError(f"Unknown `direction`: `{direction}`. Use one of `left` or `right`")
        self._pad(
            _position(length),
            direction,
            kwargs.get("pad_id", 0),
            kwargs.get("pad_type_id", 0),
            kwargs.get("pad_token", "[PAD]"),
        )

    def _pad(
        self, length: int, direction: str, pad_id: int, pad_type_id: int, pad_token: str
    ) -> None:
        rows = self._lists()
        for part in rows.overflowing:
            part._pad(length, direction, pad_id, pad_type_id, pad_token)
        count = length - len(rows.ids)
        if count <= 0:
            return
        filling = Rows()
        filling.special([pad_id] * count, [pad_token] * count, pad_type_id)
        filling.attention_mask = [0] * count
        for name in _LISTS:
            old, new = getattr(rows, name), getattr(filling, name)
            setattr(rows, name, new + old if direction == "left" else old + new)
        if direction == "left":
            shifted = {
                key: range(r.start + count, r.stop + count) for key, r in rows.ranges.items()
            }
            rows.ranges = shifted

    @staticmethod
    def merge(encodings: Iterable[Encoding], growing_offsets: bool = True) -> Encoding:
        """One after the other in one; overflowing parts in all combinations."""
        merged = Encoding()
        for encoding in encodings:
            if not isinstance(encoding, Encoding):
                raise ArgumentTypeError("merge() takes a list of Encoding")
            merged._append(encoding._copy(), growing=growing_offsets)
        return merged

    def _append(self, other: Encoding, *, growing: bool) -> None:
        rows, new = self._lists(), other._lists()
        overflowing: list[Encoding] = []

        def joined(first: Encoding, second: Encoding) -> None:
            both = first._copy()
            both._append(second._copy(), growing=growing)
            overflowing.append(both)

        for part in rows.overflowing:
            joined(part, other)
            for second in new.overflowing:
                joined(part, second)
        for second in new.overflowing:
            joined(self, second)
        done = len(rows.ids)
        for sequence, at in new.ranges.items():
            rows.ranges[sequence] = range(done + at.start, done + at.stop)
        shift = rows.offsets[-1][1] if growing and rows.offsets else 0
        offsets = [(start + shift, end + shift) for start, end in new.offsets]
        for name in _LISTS:
            getattr(rows, name).extend(offsets if name == "offsets" else getattr(new, name))
        rows.overflowing = overflowing

    def _state(self) -> dict[str, Any]:
        ranges = {
            str(sequence): {"start": at.start, "end": at.stop}
            for sequence, at in self._ranges().items()
        }
        state: dict[str, Any] = {name: getattr(self, name) for name in _LISTS}
        state["overflowing"] = [part._state() for part in self.overflowing]
        state["sequence_ranges"] = ranges
        return state

    def __getstate__(self) -> bytes:
        return compact(self._state()).encode()

    def __setstate__(self, state: bytes | dict[str, Any]) -> None:
        data = json.loads(state) if isinstance(state, bytes) else state
        rows = Rows()
        for name in _LISTS:
            setattr(rows, name, data[name])
        rows.offsets = [(start, end) for start, end in data["offsets"]]
        for part in data["overflowing"]:
            encoding = Encoding()
            encoding.__setstate__(part)
            rows.overflowing.append(encoding)
        for sequence, at in data["sequence_ranges"].items():
            rows.ranges[int(sequence)] = range(at["start"], at["end"])
        self._core, self._rows, self._texts = None, rows, 1
        self._processed = self._sparse = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Encoding) and self._state() == other._state()

    __hash__ = None  # type: ignore[assignment] # it changes

    def __repr__(self) -> str:
        names = "ids, type_ids, tokens, offsets, attention_mask, special_tokens_mask, overflowing"
        return f"Encoding(num_tokens={len(self)}, attributes=[{names}])"


def _integers(array: Any) -> list[int]:
    """An array as the list that people expect."""
    numbers: list[int] = array.tolist()
    return numbers


def _position(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise ArgumentTypeError(f"an index must be an integer, not {type(value).__name__}")
    if value < 0:
        raise OverflowError("can't convert negative int to unsigned")
    return int(value)
