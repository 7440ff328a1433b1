"""The exceptions of subtok: one tree, each also the builtin that fits.

``except subtok.SubtokError`` catches everything that subtok raises on purpose, and code that
already catches ``ValueError``, ``IndexError`` or ``OSError`` keeps working. Messages say what was
given, which bound it broke, and where. Ctrl-C stays ``KeyboardInterrupt``.
"""

from __future__ import annotations

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "FileError",
    "FormatError",
    "MissingDependencyError",
    "PatternError",
    "RowIndexError",
    "SubtokError",
    "TextError",
    "TrainingError",
    "UnknownIdError",
    "UnknownPieceError",
    "UnsupportedError",
]


class SubtokError(Exception):
    """The base of everything that subtok raises on purpose."""


class ArgumentError(SubtokError, ValueError):
    """An argument is outside its bounds, or contradicts another one."""


class ArgumentTypeError(SubtokError, TypeError):
    """An argument has the wrong type."""


class TextError(SubtokError, ValueError):
    """A text is not valid Unicode: invalid UTF-8 in bytes, or a lone surrogate in a string."""


class RowIndexError(SubtokError, IndexError):
    """A row that a batch does not have."""


class UnknownIdError(SubtokError, IndexError):
    """An id that no token has, with its position."""


class UnknownPieceError(SubtokError, ValueError):
    """A piece of text for which a model has no token, nor one for the unknown."""


class FileError(SubtokError, OSError):
    """The operating system refused to read or write a file.

    `errno` and `filename` are set where they are known.
    """

    def __str__(self) -> str:
        # OSError would write its own sentence as soon as a file name is set.
        return str(self.args[0]) if len(self.args) == 1 else super().__str__()


class FormatError(SubtokError, ValueError):
    """The content of a file breaks the rules of its format."""


class UnsupportedError(FormatError, NotImplementedError):
    """The content is valid, but this version cannot do it justice; it is never approximated."""


class PatternError(SubtokError, ValueError):
    """A split pattern is not a valid regex, or gave up on a text within its bounds."""


class TrainingError(SubtokError, ValueError):
    """No vocabulary can be trained from what was given."""


class MissingDependencyError(SubtokError, ImportError):
    """An optional library is needed for this call; the message says how to install it."""
