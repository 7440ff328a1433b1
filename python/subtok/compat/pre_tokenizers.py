"""Pre-tokenizers: a text is cut into pieces that no token crosses."""

from __future__ import annotations

from typing import Any, ClassVar

from subtok import _subtok
from subtok.compat._base import Component, Field, Members, Regex, character, text
from subtok.compat._base import pattern as _pattern
from subtok.compat._strings import BEHAVIORS, PreTokenizedString, behavior_name
from subtok.compat.normalizers import _unreadable
from subtok.errors import ArgumentError, ArgumentTypeError, UnsupportedError

__all__ = [
    "BertPreTokenizer",
    "ByteLevel",
    "CharDelimiterSplit",
    "Digits",
    "FixedLength",
    "Metaspace",
    "PreTokenizer",
    "Punctuation",
    "Sequence",
    "Split",
    "UnicodeScripts",
    "Whitespace",
    "WhitespaceSplit",
]


class PreTokenizer(Component):
    """The base of all pre-tokenizers."""

    _slot = "pre_tokenizer"

    @staticmethod
    def custom(pretok: Any) -> PreTokenizer:
        """Not here: a Python function cannot be stored in a file.

        Raises:
            UnsupportedError: Always.
        """
        raise UnsupportedError("custom components written in Python are not supported")

    def pre_tokenize(self, pretok: PreTokenizedString) -> None:
        """Cut the pieces of a `PreTokenizedString` further, in place."""
        if not isinstance(pretok, PreTokenizedString):
            raise ArgumentTypeError("pre_tokenize() takes a PreTokenizedString")
        pretok._apply(self._json())

    def pre_tokenize_str(self, s: str) -> list[tuple[str, tuple[int, int]]]:
        """The pieces, each with its place in the text."""
        pieces = _subtok._pre_tokenize(self._json(), text(s, "s"), True)
        return [(piece, (places[0][0], places[-1][1])) for piece, places in pieces if places]


class _Plain(PreTokenizer):
    """What has no options."""

    def __init__(self) -> None:
        self._data = {}


class BertPreTokenizer(_Plain):
    """White space removed, every punctuation character a piece of its own."""

    _type = "BertPreTokenizer"


class UnicodeScripts(_Plain):
    """Cut where the script changes."""

    _type = "UnicodeScripts"


class Whitespace(_Plain):
    """Words and runs of punctuation; white space is dropped."""

    _type = "Whitespace"


class WhitespaceSplit(_Plain):
    """What lies between white space."""

    _type = "WhitespaceSplit"


class ByteLevel(PreTokenizer):
    """Bytes spelled in the byte alphabet, after cutting by GPT-2's pattern if asked for."""

    _type = "ByteLevel"
    add_prefix_space = Field(write=bool)
    trim_offsets = Field(write=bool)
    use_regex = Field(write=bool)

    def __init__(
        self,
        add_prefix_space: bool = True,
        trim_offsets: bool = True,
        use_regex: bool = True,
    ) -> None:
        self._data = {
            "add_prefix_space": bool(add_prefix_space),
            "trim_offsets": bool(trim_offsets),
            "use_regex": bool(use_regex),
        }

    @staticmethod
    def alphabet() -> list[str]:
        """The 256 characters that stand for bytes; by code point."""
        printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
        return [chr(byte) for byte in sorted(printable)] + [
            chr(256 + number) for number in range(256 - len(printable))
        ]


class CharDelimiterSplit(PreTokenizer):
    """Cut at a character, which is dropped."""

    _type = "CharDelimiterSplit"
    delimiter = Field(write=lambda value: character(value, "delimiter"))

    def __init__(self, delimiter: str) -> None:
        self._data = {"delimiter": character(delimiter, "delimiter")}


class Digits(PreTokenizer):
    """Digits apart from everything else."""

    _type = "Digits"
    individual_digits = Field(write=bool)

    def __init__(self, individual_digits: bool = False) -> None:
        self._data = {"individual_digits": bool(individual_digits)}


class FixedLength(PreTokenizer):
    """Pieces of so many characters."""

    _type = "FixedLength"
    length = Field()

    def __init__(self, length: int = 5) -> None:
        self._data = {"length": length}


SCHEMES = ("first", "never", "always")


def scheme(value: Any) -> str:
    """A prepend scheme, checked."""
    if value not in SCHEMES:
        raise ArgumentError(f"{value} is an unknown variant, should be one of {list(SCHEMES)}")
    return str(value)


class MetaspaceFields(Component):
    """What is declared of the visible space, where pieces are cut and where they are joined."""

    replacement = Field(write=lambda value: character(value, "replacement"))
    prepend_scheme = Field(write=scheme)
    split = Field(write=bool)

    def __init__(
        self, replacement: str = "▁", prepend_scheme: str = "always", split: bool = True
    ) -> None:
        self._data = {
            "replacement": character(replacement, "replacement"),
            "prepend_scheme": scheme(prepend_scheme),
            "split": bool(split),
        }

    def _read(self, data: dict[str, Any]) -> None:
        # Files of older versions say it with a flag.
        old = "always" if data.get("add_prefix_space", True) else "never"
        self.__init__(  # type: ignore[misc]
            data["replacement"], data.get("prepend_scheme", old), data.get("split", True)
        )


class Metaspace(MetaspaceFields, PreTokenizer):
    """Spaces become a visible character, and words begin with it."""

    _type = "Metaspace"


class Punctuation(PreTokenizer):
    """Punctuation apart from everything else."""

    _type = "Punctuation"
    behavior = Field(read=BEHAVIORS.get, write=behavior_name)

    def __init__(self, behavior: Any = "isolated") -> None:
        self._data = {"behavior": behavior_name(behavior)}


class Split(PreTokenizer):
    """Cut by a pattern."""

    _type = "Split"
    pattern = Field(read=_unreadable, write=_pattern)
    behavior = Field(read=BEHAVIORS.get, write=behavior_name)
    invert = Field(write=bool)

    def __init__(self, pattern: str | Regex, behavior: Any, invert: bool = False) -> None:
        self._data = {
            "pattern": _pattern(pattern),
            "behavior": behavior_name(behavior),
            "invert": bool(invert),
        }


class Sequence(Members, PreTokenizer):
    """One after the other."""

    _type = "Sequence"
    _members: ClassVar[str] = "pretokenizers"

    def __init__(self, pre_tokenizers: list[Any]) -> None:
        self._data = {"pretokenizers": [self._take(member) for member in pre_tokenizers]}
