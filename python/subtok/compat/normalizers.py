"""Normalizers: the text is rewritten before it is split."""

from __future__ import annotations

import base64
from collections.abc import Iterator  # noqa: TC003 (get_type_hints works on public modules)
from typing import Any, ClassVar

from subtok import _subtok
from subtok.compat._base import Component, Field, Members, Regex, pattern, text
from subtok.compat._strings import NormalizedString
from subtok.errors import ArgumentTypeError, UnsupportedError

__all__ = [
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
    "NORMALIZERS",
    "BertNormalizer",
    "ByteLevel",
    "Lowercase",
    "Nmt",
    "Normalizer",
    "Precompiled",
    "Prepend",
    "Replace",
    "Sequence",
    "Strip",
    "StripAccents",
    "unicode_normalizer_from_str",
]


class Normalizer(Component):
    """The base of all normalizers."""

    _slot = "normalizer"

    @staticmethod
    def custom(obj: Any) -> Normalizer:
        """Not here: a Python function cannot be stored in a file.

        Raises:
            UnsupportedError: Always.
        """
        raise UnsupportedError("custom components written in Python are not supported")

    def normalize(self, normalized: NormalizedString) -> None:
        """Rewrite a `NormalizedString` in place."""
        if not isinstance(normalized, NormalizedString):
            raise ArgumentTypeError("normalize() takes a NormalizedString")
        normalized._apply(self._json())

    def normalize_str(self, sequence: str) -> str:
        """The rewritten text."""
        return _subtok._normalize(self._json(), text(sequence, "sequence"))[0]


class BertNormalizer(Normalizer):
    """Clean text, space out ideographs, strip accents, lower case."""

    _type = "BertNormalizer"
    clean_text = Field(write=bool)
    handle_chinese_chars = Field(write=bool)
    strip_accents = Field()
    lowercase = Field(write=bool)

    def __init__(
        self,
        clean_text: bool = True,
        handle_chinese_chars: bool = True,
        strip_accents: bool | None = None,
        lowercase: bool = True,
    ) -> None:
        self._data = {
            "clean_text": bool(clean_text),
            "handle_chinese_chars": bool(handle_chinese_chars),
            "strip_accents": strip_accents,
            "lowercase": bool(lowercase),
        }


class _Plain(Normalizer):
    """What has no options."""

    def __init__(self) -> None:
        self._data = {}


class ByteLevel(_Plain):
    """Every byte as a character of the byte alphabet."""

    _type = "ByteLevel"


class Lowercase(_Plain):
    """Lower case."""

    _type = "Lowercase"


class NFC(_Plain):
    """Canonical composition."""

    _type = "NFC"


class NFD(_Plain):
    """Canonical decomposition."""

    _type = "NFD"


class NFKC(_Plain):
    """Compatibility composition."""

    _type = "NFKC"


class NFKD(_Plain):
    """Compatibility decomposition."""

    _type = "NFKD"


class Nmt(_Plain):
    """Control characters dropped and white space made plain, as sentencepiece's rules do."""

    _type = "Nmt"


class StripAccents(_Plain):
    """Marks without width dropped; use it after `NFD`."""

    _type = "StripAccents"


class Precompiled(Normalizer):
    """The character map of a sentencepiece model."""

    _type = "Precompiled"

    def __init__(self, precompiled_charsmap: bytes) -> None:
        charsmap = base64.b64encode(bytes(precompiled_charsmap)).decode()
        self._data = {"precompiled_charsmap": charsmap}
        _subtok._normalize(self._json(), "")


class Prepend(Normalizer):
    """A text in front of every text that is not empty."""

    _type = "Prepend"
    prepend = Field(write=lambda value: text(value, "prepend"))

    def __init__(self, prepend: str = "▁") -> None:
        self._data = {"prepend": text(prepend, "prepend")}


def _unreadable(_value: Any) -> Any:
    raise UnsupportedError("Cannot get pattern")


class Replace(Normalizer):
    """A text for every match."""

    _type = "Replace"
    pattern = Field(read=_unreadable, write=pattern)
    content = Field(write=lambda value: text(value, "content"))

    def __init__(self, pattern: str | Regex, content: str) -> None:
        self._data = {"pattern": _pattern(pattern), "content": text(content, "content")}


_pattern = pattern


class Strip(Normalizer):
    """White space at the ends dropped."""

    _type = "Strip"
    left = Field("strip_left", write=bool)
    right = Field("strip_right", write=bool)

    def __init__(self, left: bool = True, right: bool = True) -> None:
        self._data = {"strip_left": bool(left), "strip_right": bool(right)}


class Sequence(Members, Normalizer):
    """One after the other."""

    _type = "Sequence"
    _members: ClassVar[str] = "normalizers"

    def __init__(self, normalizers: list[Any]) -> None:
        self._data = {"normalizers": [self._take(member) for member in normalizers]}

    def __len__(self) -> int:
        return len(self._data["normalizers"])

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._data["normalizers"]))


NORMALIZERS = {"nfc": NFC, "nfd": NFD, "nfkc": NFKC, "nfkd": NFKD}


def unicode_normalizer_from_str(normalizer: str) -> Normalizer:
    """The normalizer of a Unicode normal form.

    Raises:
        ValueError: There is none of this name.
    """
    if normalizer not in NORMALIZERS:
        raise ValueError(
            f"{normalizer} is not a known unicode normalizer. Available are {NORMALIZERS.keys()}"
        )
    return NORMALIZERS[normalizer]()
