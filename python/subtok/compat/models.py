"""Models: pieces of text become tokens of a vocabulary."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence  # noqa: TC003 (get_type_hints works on public modules)
from pathlib import Path
from typing import Any, ClassVar, Self

from subtok import _subtok
from subtok.compat._base import Component, Field, Token, compact, ignored, text
from subtok.compat._show import show
from subtok.errors import (
    ArgumentError,
    ArgumentTypeError,
    FileError,
    FormatError,
)

__all__ = ["BPE", "Model", "Unigram", "WordLevel", "WordPiece"]


class Model(Component):
    """The base of all models."""

    _slot = "model"
    _trainer: ClassVar[str] = ""

    #: The model as JSON, until somebody looks inside: vocabularies are large.
    _text: str | None = None
    _fast: _subtok.Tokenizer | None = None
    _ids: dict[int, str] | None = None
    #: Grows with every change, so that a tokenizer need not compare vocabularies.
    _version: int = 0

    @classmethod
    def _lazy(cls, document: str) -> Model:
        """The model in a piece of a `tokenizer.json` that subtok wrote."""
        kind = json.JSONDecoder().raw_decode(document, document.index(":") + 1)[0]
        for known in (BPE, WordPiece, WordLevel, Unigram):
            if known._type == kind:
                made = known.__new__(known)
                made._text = document
                return made
        raise FormatError(f"model type `{kind}` is not known")

    def _fields(self) -> dict[str, Any]:
        if self._text is not None:
            self._data = {k: v for k, v in json.loads(self._text).items() if k != "type"}
            self._text = None
        return self._data

    def _changed(self) -> None:
        self._fast = self._ids = None
        self._version += 1
        super()._changed()

    def _json(self) -> str:
        return self._text if self._text is not None else super()._json()

    def _vocab(self) -> dict[str, int]:
        return self._fields()["vocab"]  # type: ignore[no-any-return]

    def _alone(self) -> _subtok.Tokenizer:
        """A tokenizer of this model and nothing else."""
        if self._fast is None:
            self._fast = _subtok.Tokenizer.from_str(f'{{"model":{self._json()}}}')
        return self._fast

    def tokenize(self, sequence: str) -> list[Token]:
        """The tokens of a piece, with their places in it in bytes."""
        return [
            Token(number, token, place)
            for number, token, place in _subtok._tokenize_piece(
                self._alone(), text(sequence, "sequence")
            )
        ]

    def token_to_id(self, token: str) -> int | None:
        """The id of a token; none if it is not in the vocabulary."""
        return self._vocab().get(text(token, "token"))

    def id_to_token(self, id: int) -> str | None:
        """The token of an id; none if no token has it."""
        if self._ids is None:
            self._ids = {number: token for token, number in self._vocab().items()}
        return self._ids.get(_number(id))

    def get_trainer(self) -> Any:
        """The trainer of this kind of model."""
        from subtok.compat import trainers  # noqa: PLC0415

        return getattr(trainers, self._trainer)()

    def save(self, folder: str, prefix: str | None = None, name: str | None = None) -> list[str]:
        """Write the vocabulary to files in a folder; their names.

        Raises:
            OSError: A file cannot be written.
        """
        if name is not None:
            message = (
                "Deprecated in 0.10.0: Parameter `name` of Model.save has been renamed `prefix`"
            )
            warnings.warn(message, DeprecationWarning, stacklevel=2)
            prefix = prefix or name
        start = f"{prefix}-" if prefix else ""
        written = []
        for file, content in self._files().items():
            path = Path(folder) / f"{start}{file}"
            path.write_text(content, "utf-8", newline="\n")
            written.append(str(path))
        return written

    def _files(self) -> dict[str, str]:
        return {"vocab.json": compact(self._vocab())}

    def __getstate__(self) -> bytes:
        return self._json().encode()

    def __setstate__(self, state: bytes) -> None:
        self._read(json.loads(state))

    def __repr__(self) -> str:
        return show(self._dict())


def _number(value: Any) -> int:
    """An id as callers give it."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ArgumentTypeError(f"an id must be an integer, not {type(value).__name__}")
    number = int(value.__index__())
    if not 0 <= number < 2**32:
        raise OverflowError("an id must be from 0 to 2**32 - 1")
    return number


def _in_order(vocab: Any) -> dict[str, int]:
    """A vocabulary by id, as files have it."""
    if not isinstance(vocab, dict):
        raise ArgumentTypeError("`vocab` must be a dict of tokens and ids")
    return dict(sorted(vocab.items(), key=lambda entry: (entry[1], entry[0])))


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except OSError as error:
        made = FileError(f"cannot read {path}: {error.strerror}")
        made.filename, made.errno = path, error.errno
        raise made from error
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: invalid UTF-8 at byte {error.start}") from error


def _read_vocab(path: str) -> dict[str, int]:
    try:
        vocab = json.loads(_read(path))
    except ValueError as error:
        raise FormatError(f"{path}: {error}") from error
    if not isinstance(vocab, dict) or any(type(number) is not int for number in vocab.values()):
        raise FormatError(f"{path}: expected an object of tokens and ids")
    return vocab


def _share(value: float | None) -> float | None:
    if value is not None and not 0 <= value <= 1:
        raise ArgumentError("Error while initializing BPE: Dropout should be between 0 and 1")
    return value


class BPE(Model):
    """Byte-pair encoding."""

    _type = "BPE"
    _trainer = "BpeTrainer"
    _OPTIONS: ClassVar[dict[str, Any]] = {
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
    }

    dropout = Field(write=_share)
    unk_token = Field()
    continuing_subword_prefix = Field()
    end_of_word_suffix = Field()
    fuse_unk = Field(write=bool)
    byte_fallback = Field(write=bool)
    ignore_merges = Field(write=bool)

    def __init__(
        self,
        vocab: dict[str, int] | str | None = None,
        merges: Sequence[tuple[str, str]] | str | None = None,
        **kwargs: Any,
    ) -> None:
        if (vocab is None) != (merges is None):
            raise ArgumentError("`vocab` and `merges` must be both specified")
        kwargs.pop("cache_capacity", None)
        ignored({name: 0 for name in kwargs if name not in self._OPTIONS})
        options = {**self._OPTIONS, **{k: v for k, v in kwargs.items() if k in self._OPTIONS}}
        _share(options["dropout"])
        if isinstance(vocab, str) and isinstance(merges, str):
            vocab, merges = self.read_file(vocab, merges)
        # Of a merge that is listed twice the last place counts.
        listed = [tuple(_pair(pair)) for pair in merges or ()]
        pairs = [list(pair) for pair in reversed(dict.fromkeys(reversed(listed)))]
        self._data = {**options, "vocab": _in_order(vocab or {}), "merges": pairs}
        known = self._data["vocab"]
        for left, right in pairs:
            for token in (left, right):
                if token not in known:
                    raise FormatError(
                        f"Error while initializing BPE: Token `{token}` out of vocabulary"
                    )

    def _read(self, data: dict[str, Any]) -> None:
        merges = [m.split(" ", 1) if isinstance(m, str) else m for m in data["merges"]]
        self._text = None
        super()._read({**self._OPTIONS, **data, "merges": merges})

    @staticmethod
    def read_file(vocab: str, merges: str) -> tuple[dict[str, int], list[tuple[str, str]]]:
        """The contents of a `vocab.json` and a `merges.txt`."""
        lines = _read(merges).split("\n")
        pairs = []
        for number, line in enumerate(lines, 1):
            if line.startswith("#version") or (number == len(lines) and not line):
                continue
            parts = line.removesuffix("\r").split(" ")
            if len(parts) != 2:  # noqa: PLR2004
                raise FormatError(f"{merges}: line {number} is not a pair of tokens")
            pairs.append((parts[0], parts[1]))
        return _read_vocab(vocab), pairs

    @classmethod
    def from_file(cls, vocab: str, merges: str, **kwargs: Any) -> Self:
        """A model out of a `vocab.json` and a `merges.txt`."""
        return cls(*cls.read_file(vocab, merges), **kwargs)

    def _files(self) -> dict[str, str]:
        merges = "".join(f"{left} {right}\n" for left, right in self._fields()["merges"])
        return super()._files() | {"merges.txt": f"#version: 0.2\n{merges}"}

    def _clear_cache(self) -> None:
        if self._fast is not None:
            self._fast.cache_clear()

    def _resize_cache(self, capacity: int) -> None:
        """Caches have one size here; nothing to do."""


def _pair(pair: Any) -> list[str]:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:  # noqa: PLR2004
        raise ArgumentTypeError("`merges` must be a list of pairs of tokens, or a file name")
    return [text(pair[0], "merges"), text(pair[1], "merges")]


class WordPiece(Model):
    """The longest token first, again and again, with a prefix inside words."""

    _type = "WordPiece"
    _trainer = "WordPieceTrainer"
    _OPTIONS: ClassVar[dict[str, Any]] = {
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
    }

    unk_token = Field(write=lambda value: text(value, "unk_token"))
    continuing_subword_prefix = Field(write=lambda value: text(value, "continuing_subword_prefix"))
    max_input_chars_per_word = Field()

    def __init__(self, vocab: dict[str, int] | str | None = None, **kwargs: Any) -> None:
        for name in kwargs:
            if name not in self._OPTIONS:
                ignored({name: 0})
        if isinstance(vocab, str):
            vocab = self.read_file(vocab)
        options = {**self._OPTIONS, **{k: v for k, v in kwargs.items() if k in self._OPTIONS}}
        self._data = {**options, "vocab": _in_order(vocab or {})}

    def _read(self, data: dict[str, Any]) -> None:
        self._text = None
        super()._read({**self._OPTIONS, **data})

    @staticmethod
    def read_file(vocab: str) -> dict[str, int]:
        """The content of a `vocab.txt`: one token a line, in the order of ids."""
        lines = _read(vocab).split("\n")
        if lines and not lines[-1]:
            lines.pop()
        return {line.rstrip(): number for number, line in enumerate(lines)}

    @classmethod
    def from_file(cls, vocab: str, **kwargs: Any) -> Self:
        """A model out of a `vocab.txt`."""
        return cls(cls.read_file(vocab), **kwargs)

    def _files(self) -> dict[str, str]:
        return {"vocab.txt": "".join(f"{token}\n" for token in self._vocab())}


class WordLevel(Model):
    """Whole pieces."""

    _type = "WordLevel"
    _trainer = "WordLevelTrainer"

    unk_token = Field(write=lambda value: text(value, "unk_token"))

    def __init__(
        self, vocab: dict[str, int] | str | None = None, unk_token: str | None = None
    ) -> None:
        if isinstance(vocab, str):
            vocab = self.read_file(vocab)
        unk = "<unk>" if unk_token is None else unk_token
        self._data = {"vocab": _in_order(vocab or {}), "unk_token": unk}

    @staticmethod
    def read_file(vocab: str) -> dict[str, int]:
        """The content of a `vocab.json`."""
        return _read_vocab(vocab)

    @classmethod
    def from_file(cls, vocab: str, unk_token: str | None = None) -> Self:
        """A model out of a `vocab.json`."""
        return cls(cls.read_file(vocab), unk_token)


class Unigram(Model):
    """The most likely segmentation; tokens with the logarithms of their probabilities."""

    _type = "Unigram"
    _trainer = "UnigramTrainer"

    _alpha: float | None = None
    _nbest_size: int | None = None

    def __init__(
        self,
        vocab: Sequence[tuple[str, float]] | None = None,
        unk_id: int | None = None,
        byte_fallback: bool | None = None,
        alpha: float | None = None,
        nbest_size: int | None = None,
    ) -> None:
        if vocab is None:
            if unk_id is not None:
                raise ArgumentError("`vocab` and `unk_id` must be both specified")
            vocab, unk_id = [("<unk>", 0.0)], 0
        entries = [[text(token, "vocab"), float(score)] for token, score in vocab]
        if unk_id is not None and unk_id >= len(entries):
            raise FormatError(
                "Error while loading Unigram: The `unk_id` is larger than vocabulary size"
            )
        self._data = {"unk_id": unk_id, "vocab": entries, "byte_fallback": bool(byte_fallback)}
        self._alpha, self._nbest_size = alpha, nbest_size
        self._sampling()

    def _read(self, data: dict[str, Any]) -> None:
        self._text = None
        super()._read({"unk_id": None, **data, "byte_fallback": data.get("byte_fallback", False)})

    def _vocab(self) -> dict[str, int]:
        return {token: number for number, (token, _) in enumerate(self._fields()["vocab"])}

    def _sampling(self) -> None:
        if self._alpha is not None or self._nbest_size is not None:
            from subtok.errors import UnsupportedError  # noqa: PLC0415

            raise UnsupportedError("sampling with Unigram (alpha, nbest_size) is not supported")

    @property
    def alpha(self) -> float | None:
        """How sampling weighs; always None, as there is none."""
        return self._alpha

    @alpha.setter
    def alpha(self, alpha: float | None) -> None:
        self._alpha = alpha
        self._sampling()

    @property
    def nbest_size(self) -> int | None:
        """How many segmentations sampling draws from; always None, as there is none."""
        return self._nbest_size

    @nbest_size.setter
    def nbest_size(self, nbest_size: int | None) -> None:
        self._nbest_size = nbest_size
        self._sampling()

    def _files(self) -> dict[str, str]:
        return {"unigram.json": json.dumps(self._dict(), ensure_ascii=False, indent=2)}

    def _clear_cache(self) -> None:
        if self._fast is not None:
            self._fast.cache_clear()

    def _resize_cache(self, capacity: int) -> None:
        """Caches have one size here; nothing to do."""
