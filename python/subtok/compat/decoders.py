"""Decoders: the strings of tokens become text again."""

from __future__ import annotations

from collections.abc import Sequence as _Row  # noqa: TC003 (get_type_hints works on public modules)
from typing import Any, ClassVar, Self

from subtok import _subtok
from subtok.compat._base import Component, Field, Regex, character, text
from subtok.compat._base import pattern as _pattern
from subtok.compat.pre_tokenizers import MetaspaceFields
from subtok.errors import SubtokError, UnsupportedError

__all__ = [
    "CTC",
    "BPEDecoder",
    "ByteFallback",
    "ByteLevel",
    "DecodeStream",
    "Decoder",
    "Fuse",
    "Metaspace",
    "Replace",
    "Sequence",
    "Strip",
    "WordPiece",
]


class Decoder(Component):
    """The base of all decoders."""

    _slot = "decoder"

    @staticmethod
    def custom(decoder: Any) -> Decoder:
        """Not here: a Python function cannot be stored in a file.

        Raises:
            UnsupportedError: Always.
        """
        raise UnsupportedError("custom components written in Python are not supported")

    def decode(self, tokens: _Row[str]) -> str:
        """The text of a list of tokens."""
        return _subtok._decode_tokens(self._json(), list(tokens))


class _Plain(Decoder):
    """What has no options."""

    def __init__(self) -> None:
        self._data = {}


class ByteFallback(_Plain):
    """Tokens such as `<0x61>` become their bytes."""

    _type = "ByteFallback"


class Fuse(_Plain):
    """All tokens become one."""

    _type = "Fuse"


class ByteLevel(Decoder):
    """Each character of a token stands for a byte."""

    _type = "ByteLevel"

    def __init__(self) -> None:
        self._data = {"add_prefix_space": True, "trim_offsets": True, "use_regex": True}


class BPEDecoder(Decoder):
    """The suffix that ends a word becomes a space."""

    _type = "BPEDecoder"
    suffix = Field(write=lambda value: text(value, "suffix"))

    def __init__(self, suffix: str = "</w>") -> None:
        self._data = {"suffix": text(suffix, "suffix")}


class CTC(Decoder):
    """Repeated tokens and padding are dropped, delimiters become spaces."""

    _type = "CTC"
    pad_token = Field(write=lambda value: text(value, "pad_token"))
    word_delimiter_token = Field(write=lambda value: text(value, "word_delimiter_token"))
    cleanup = Field(write=bool)

    def __init__(
        self, pad_token: str = "<pad>", word_delimiter_token: str = "|", cleanup: bool = True
    ) -> None:
        self._data = {
            "pad_token": text(pad_token, "pad_token"),
            "word_delimiter_token": text(word_delimiter_token, "word_delimiter_token"),
            "cleanup": bool(cleanup),
        }


class Metaspace(MetaspaceFields, Decoder):
    """The visible character becomes a space again."""

    _type = "Metaspace"


class Replace(Decoder):
    """A text for every match."""

    _type = "Replace"

    def __init__(self, pattern: str | Regex, content: str) -> None:
        self._data = {"pattern": _pattern(pattern), "content": text(content, "content")}


class Strip(Decoder):
    """So many of a character dropped at the ends of each token."""

    _type = "Strip"
    content = Field(write=lambda value: character(value, "content"))
    start = Field()
    stop = Field()

    def __init__(self, content: str = " ", left: int = 0, right: int = 0) -> None:
        self._data = {"content": character(content, "content"), "start": left, "stop": right}


class WordPiece(Decoder):
    """A space before every token but those with the prefix, which goes."""

    _type = "WordPiece"
    prefix = Field(write=lambda value: text(value, "prefix"))
    cleanup = Field(write=bool)

    def __init__(self, prefix: str = "##", cleanup: bool = True) -> None:
        self._data = {"prefix": text(prefix, "prefix"), "cleanup": bool(cleanup)}


class Sequence(Decoder):
    """One after the other."""

    _type = "Sequence"
    _members: ClassVar[str] = "decoders"

    def __init__(self, decoders_py: list[Any]) -> None:
        self._data = {"decoders": [self._take(member) for member in decoders_py]}


class DecodeStream:
    """Ids to text one after the other, as they are generated.

    A step gives what is new, or None as long as that is not a whole character.
    """

    def __init__(
        self, ids: _Row[int] | None = None, skip_special_tokens: bool | None = False
    ) -> None:
        self._ids = list(ids or [])
        self._skip = bool(skip_special_tokens)
        self._prefix = ""
        self._prefix_index = 0

    def step(self, tokenizer: Any, id: int | _Row[int]) -> str | None:
        """Take an id, or several; the text that they complete."""
        new = [id] if isinstance(id, int) else list(id)

        def decode() -> str:
            return str(tokenizer.decode(self._ids, skip_special_tokens=self._skip))

        if not self._prefix and self._ids:
            prefix = decode()
            if not prefix.endswith("\ufffd"):
                self._prefix, self._prefix_index = prefix, len(self._ids)
        self._ids.extend(new)
        whole = decode()
        if len(whole.encode()) <= len(self._prefix.encode()) or whole.endswith("\ufffd"):
            return None
        if not whole.startswith(self._prefix):
            raise SubtokError(
                f"Invalid prefix encountered while decoding stream. Token ID: {self._ids[-1]}, "
                f"Expected prefix: '{self._prefix}', Actual string: '{whole}'"
            )
        fresh = whole[len(self._prefix) :]
        index = len(self._ids) - self._prefix_index
        # Only the tokens of the last step are kept: what comes next is decoded behind them.
        self._ids = self._ids[self._prefix_index :]
        self._prefix = decode()
        self._prefix_index = index
        return fresh

    def __copy__(self) -> Self:
        other = type(self)(self._ids, self._skip)
        other._prefix, other._prefix_index = self._prefix, self._prefix_index
        return other

    def __deepcopy__(self, memo: Any) -> Self:
        return self.__copy__()
