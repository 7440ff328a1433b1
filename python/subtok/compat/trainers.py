"""Trainers: what a vocabulary shall be like."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 (get_type_hints works on public modules)
from typing import Any, ClassVar

from subtok.compat._base import AddedToken, Component, Field, compact
from subtok.compat._show import show
from subtok.errors import ArgumentError, UnsupportedError

__all__ = [
    "BpeTrainer",
    "ParityBpeTrainer",
    "Trainer",
    "UnigramTrainer",
    "WordLevelTrainer",
    "WordPieceTrainer",
]

_FORMATS = {"indicatif": "Indicatif", "json": "JsonLines", "silent": "Silent"}


def _format(value: Any) -> str:
    if value not in _FORMATS:
        raise ArgumentError(f"progress_format is {value!r}, but must be one of {list(_FORMATS)}")
    return _FORMATS[value]


def _format_name(value: Any) -> str:
    return next(name for name, spelled in _FORMATS.items() if spelled == value)


def _tokens(value: Any) -> list[dict[str, Any]]:
    taken = [AddedToken._take(token, special=True) for token in value]
    return [token._dict() for token in taken]


def _tokens_back(value: Any) -> list[AddedToken]:
    return [AddedToken(**token) for token in value]


def _chars(value: Any) -> list[str]:
    """The first character of each string."""
    return sorted({given[0] for given in value if given})


class Trainer(Component):
    """The base of all trainers."""

    _slot = "trainer"
    #: What the settings stand under in the state, when they do not stand at the top.
    _inner: ClassVar[str] = ""
    #: What the trainer makes.
    _model: ClassVar[str] = ""

    def _dict(self) -> dict[str, Any]:
        settings = {**self._data, "words": {}}
        return {self._inner: settings} if self._inner else settings

    def _json(self) -> str:
        return compact({self._type: self._dict()})

    def _read(self, data: dict[str, Any]) -> None:
        inner = data[self._type]
        self._data = dict(inner[self._inner] if self._inner else inner)
        self._data.pop("words", None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trainer) and self.__getstate__() == other.__getstate__()

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return self._shown(99)

    def __str__(self) -> str:
        return self._shown(5)

    def _shown(self, limit: int) -> str:
        settings = {"type": self._type, **self._data, "words": {}}
        if not self._inner:
            return f"{self._type}({show(settings, limit)})"
        inner = show({**settings, "type": "BpeTrainer"}, limit)
        return f"{self._type}({self._type}({self._inner}={inner}))"


class _Shared(Trainer):
    """What several trainers have."""

    vocab_size = Field()
    min_frequency = Field()
    show_progress = Field(write=bool)
    special_tokens = Field(read=_tokens_back, write=_tokens)


class _Merging(_Shared):
    """What learns merges."""

    limit_alphabet = Field()
    initial_alphabet = Field(read=list, write=_chars)
    continuing_subword_prefix = Field()
    end_of_word_suffix = Field()


class BpeTrainer(_Merging):
    """Byte-pair encoding: the most frequent pair is merged, again and again."""

    _model = "BPE"
    _type = "BpeTrainer"

    max_token_length = Field()
    progress_format = Field(read=_format_name, write=_format)
    _counted = 0

    def __init__(
        self,
        *,
        vocab_size: int = 30000,
        min_frequency: int = 0,
        show_progress: bool = True,
        progress_format: str = "indicatif",
        special_tokens: Sequence[Any] = (),
        limit_alphabet: int | None = None,
        initial_alphabet: Sequence[str] = (),
        continuing_subword_prefix: str | None = None,
        end_of_word_suffix: str | None = None,
        max_token_length: int | None = None,
    ) -> None:
        self._data = {
            "min_frequency": min_frequency,
            "vocab_size": vocab_size,
            "show_progress": bool(show_progress),
            "progress_format": _format(progress_format),
            "special_tokens": _tokens(special_tokens),
            "limit_alphabet": limit_alphabet,
            "initial_alphabet": _chars(initial_alphabet),
            "continuing_subword_prefix": continuing_subword_prefix,
            "end_of_word_suffix": end_of_word_suffix,
            "max_token_length": max_token_length,
        }

    def get_word_count(self) -> int:
        """The number of different words that the last training saw."""
        return self._counted


class WordPieceTrainer(_Merging):
    """Merges as in byte-pair encoding, for a model that only needs the vocabulary."""

    _model = "WordPiece"
    _type = "WordPieceTrainer"
    _inner = "bpe_trainer"

    def __init__(
        self,
        *,
        vocab_size: int = 30000,
        min_frequency: int = 0,
        show_progress: bool = True,
        special_tokens: Sequence[Any] = (),
        limit_alphabet: int | None = None,
        initial_alphabet: Sequence[str] = (),
        continuing_subword_prefix: str | None = "##",
        end_of_word_suffix: str | None = None,
    ) -> None:
        self._data = {
            "min_frequency": min_frequency,
            "vocab_size": vocab_size,
            "show_progress": bool(show_progress),
            "progress_format": "Indicatif",
            "special_tokens": _tokens(special_tokens),
            "limit_alphabet": limit_alphabet,
            "initial_alphabet": _chars(initial_alphabet),
            "continuing_subword_prefix": continuing_subword_prefix,
            "end_of_word_suffix": end_of_word_suffix,
            "max_token_length": None,
        }


class WordLevelTrainer(_Shared):
    """The most frequent words."""

    _model = "WordLevel"
    _type = "WordLevelTrainer"

    def __init__(
        self,
        *,
        vocab_size: int = 30000,
        min_frequency: int = 0,
        show_progress: bool = True,
        special_tokens: Sequence[Any] = (),
    ) -> None:
        self._data = {
            "min_frequency": min_frequency,
            "vocab_size": vocab_size,
            "show_progress": bool(show_progress),
            "special_tokens": _tokens(special_tokens),
        }


class UnigramTrainer(Trainer):
    """Settings only: subtok does not train Unigram models, and training with it says so."""

    _model = "Unigram"
    _type = "UnigramTrainer"

    vocab_size = Field()
    show_progress = Field(write=bool)
    special_tokens = Field(read=_tokens_back, write=_tokens)
    initial_alphabet = Field(read=list, write=_chars)

    def __init__(
        self,
        *,
        vocab_size: int = 8000,
        show_progress: bool = True,
        special_tokens: Sequence[Any] = (),
        initial_alphabet: Sequence[str] = (),
        shrinking_factor: float = 0.75,
        unk_token: str | None = None,
        max_piece_length: int = 16,
        n_sub_iterations: int = 2,
    ) -> None:
        self._data = {
            "show_progress": bool(show_progress),
            "vocab_size": vocab_size,
            "n_sub_iterations": n_sub_iterations,
            "shrinking_factor": shrinking_factor,
            "special_tokens": _tokens(special_tokens),
            "initial_alphabet": _chars(initial_alphabet),
            "unk_token": unk_token,
            "max_piece_length": max_piece_length,
            "seed_size": 1_000_000,
        }


class ParityBpeTrainer:
    """Not here: parity-aware training over several languages is not supported."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise UnsupportedError("ParityBpeTrainer is not supported")
