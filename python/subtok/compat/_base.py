"""What all components share: a dict as `tokenizer.json` has it, with attributes over it.

A component holds its declaration and no compiled state; applying it hands the JSON to the
extension. Components are shared by reference, as in `tokenizers`: one that is changed after it was
given to a tokenizer changes that tokenizer. So that a tokenizer need not look through its parts
before every call, each change moves one clock (`touch`), and only when that moved are the parts
compared with what was built.
"""

from __future__ import annotations

import json
import sys
from typing import Any, ClassVar, Self

from subtok.compat._show import show
from subtok.errors import (
    ArgumentError,
    ArgumentTypeError,
    FormatError,
    RowIndexError,
    UnsupportedError,
)

__all__ = [
    "AddedToken",
    "Component",
    "Field",
    "Members",
    "Regex",
    "Token",
    "character",
    "clock",
    "compact",
    "ignored",
    "pattern",
    "text",
    "touch",
]

_moved = 0


def touch() -> None:
    """Something that a tokenizer may be made of has changed."""
    global _moved  # noqa: PLW0603 (one clock for all is what makes looking at it cheap)
    _moved += 1


def clock() -> int:
    """A number that differs whenever a component has changed in between."""
    return _moved


def compact(value: Any) -> str:
    """JSON as the extension and `tokenizers` write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def ignored(kwargs: dict[str, Any]) -> None:
    """Unknown keywords are told and ignored, as `tokenizers` does."""
    for name in kwargs:
        sys.stdout.write(f"Ignored unknown kwarg option {name}\n")


def text(value: Any, name: str) -> str:
    """A string, or an error that names the argument."""
    if not isinstance(value, str):
        message = f"{name} must be a string, not {type(value).__name__}"
        raise ArgumentTypeError(message)
    return value


def character(value: Any, name: str) -> str:
    """A string of one character."""
    if len(text(value, name)) != 1:
        raise ArgumentError(f"{name}: expected a string of length 1")
    return str(value)


class Field:
    """An attribute of a component: a key of its dict, converted on the way in and out."""

    def __init__(self, key: str = "", *, read: Any = None, write: Any = None) -> None:
        self.key = key
        self.read = read
        self.write = write

    def __set_name__(self, owner: type, name: str) -> None:
        self.key = self.key or name

    def __get__(self, component: Any, owner: type | None = None) -> Any:
        if component is None:
            return self
        value = component._fields()[self.key]
        return value if self.read is None else self.read(value)

    def __set__(self, component: Any, value: Any) -> None:
        component._fields()[self.key] = value if self.write is None else self.write(value)
        component._changed()


class Component:
    """A part of a tokenizer."""

    #: The slot of `tokenizer.json` that components of this family fill.
    _slot: ClassVar[str] = ""
    #: The `type` of this class in `tokenizer.json`; empty for the family itself.
    _type: ClassVar[str] = ""
    #: The key under which a sequence holds its members.
    _members: ClassVar[str] = ""

    _data: dict[str, Any]

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        if not cls._type:
            raise ArgumentTypeError(f"cannot create '{cls.__name__}' instances")
        return super().__new__(cls)

    def _fields(self) -> dict[str, Any]:
        return self._data

    def _changed(self) -> None:
        touch()

    def _dict(self) -> dict[str, Any]:
        """The component as `tokenizer.json` has it."""
        data = {"type": self._type, **self._fields()}
        if self._members:
            data[self._members] = [member._dict() for member in data[self._members]]
        return data

    def _json(self) -> str:
        return compact(self._dict())

    @classmethod
    def _family(cls) -> type[Component]:
        """The class of all components that fit where this one does."""
        return next(base for base in reversed(cls.__mro__) if getattr(base, "_slot", ""))

    @classmethod
    def _from_dict(cls, data: Any) -> Any:
        """The component that a dict declares, of the class that fits."""
        if not isinstance(data, dict):
            raise FormatError(f"{cls._slot}: expected an object")
        for kind in cls._kinds(cls._family()):
            if kind._type == data.get("type"):
                return kind._load(data)
        raise UnsupportedError(f"{cls._slot} type `{data.get('type')}` is not known")

    @classmethod
    def _kinds(cls, family: type[Component]) -> list[type[Component]]:
        """All classes of a family that stand for a type."""
        below = family.__subclasses__()
        return below + [kind for each in below for kind in cls._kinds(each)]

    @classmethod
    def _load(cls, data: dict[str, Any]) -> Self:
        made = cls.__new__(cls)
        made._read(data)
        return made

    def _read(self, data: dict[str, Any]) -> None:
        fields = {key: value for key, value in data.items() if key != "type"}
        if self._members:
            members = fields[self._members]
            fields[self._members] = [self._from_dict(member) for member in members]
        self._data = fields
        touch()

    @classmethod
    def _take(cls, value: Any) -> Any:
        """A component of ours as it is; one of `tokenizers` by what it declares."""
        family = cls._family()
        if isinstance(value, family):
            return value
        if type(value).__module__.split(".", 1)[0] == "tokenizers":
            state = value.__getstate__()
            if isinstance(state, bytes):
                return family._from_dict(json.loads(state))
        message = f"'{type(value).__name__}' object is not an instance of '{family.__name__}'"
        raise ArgumentTypeError(message)

    def __getstate__(self) -> bytes:
        return self._json().encode()

    def __setstate__(self, state: bytes) -> None:
        self._read(json.loads(state))

    def __repr__(self) -> str:
        return show(self._dict())

    def __str__(self) -> str:
        return show(self._dict(), limit=5)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Component):
            return NotImplemented
        return type(self) is type(other) and self._dict() == other._dict()

    # Components change, but code that keeps them in sets means the objects.
    __hash__ = object.__hash__


class Regex:
    """A pattern: a regular expression where a string would be taken literally."""

    def __init__(self, s: str) -> None:
        from subtok import _subtok  # noqa: PLC0415

        self._pattern = text(s, "s")
        # Compiled once for the error; what it is used in compiles it again.
        component = {"type": "Split", "pattern": {"Regex": s}, "behavior": "Isolated"}
        _subtok._pre_tokenize(compact({**component, "invert": False}), "", True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Regex) and self._pattern == other._pattern

    def __hash__(self) -> int:
        return hash(self._pattern)

    def __repr__(self) -> str:
        return f"Regex({self._pattern!r})"


def pattern(value: Any, name: str = "pattern") -> dict[str, str]:
    """A string or a `Regex` as `tokenizer.json` has it."""
    if isinstance(value, Regex):
        return {"Regex": value._pattern}
    return {"String": text(value, name)}


class Token:
    """What a model makes of a piece: an id, its string, and where it stands in the piece."""

    def __init__(self, id: int, value: str, offsets: tuple[int, int]) -> None:
        self._id, self._value, self._offsets = id, value, offsets

    @property
    def id(self) -> int:
        return self._id

    @property
    def value(self) -> str:
        return self._value

    @property
    def offsets(self) -> tuple[int, int]:
        return self._offsets

    def as_tuple(self) -> tuple[int, str, tuple[int, int]]:
        return (self._id, self._value, self._offsets)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token) and self.as_tuple() == other.as_tuple()

    def __hash__(self) -> int:
        return hash(self.as_tuple())

    def __repr__(self) -> str:
        return f"Token(id={self._id}, value={self._value!r}, offsets={self._offsets})"


class AddedToken:
    """A token beside the model's, and how it is looked for in a text."""

    _FLAGS: ClassVar[tuple[str, ...]] = ("single_word", "lstrip", "rstrip", "normalized", "special")

    def __init__(self, content: str | None = None, **kwargs: Any) -> None:
        self._content = "" if content is None else text(content, "content")
        unknown = [name for name in kwargs if name not in self._FLAGS]
        ignored(dict.fromkeys(unknown))
        given = {
            name: bool(value)
            for name, value in kwargs.items()
            if name in self._FLAGS and value is not None
        }
        self._special = given.get("special", False)
        self._single_word = given.get("single_word", False)
        self._lstrip = given.get("lstrip", False)
        self._rstrip = given.get("rstrip", False)
        # Unless said otherwise, special tokens are looked for in the raw text; which they are may
        # still change.
        self._normalized = given.get("normalized")

    @classmethod
    def _take(cls, value: Any, *, special: bool | None = None) -> AddedToken:
        """A string, an added token of ours, or one of `tokenizers`."""
        if isinstance(value, str):
            return cls(value, special=bool(special))
        if isinstance(value, AddedToken) or type(value).__name__ == "AddedToken":
            state = {name: getattr(value, name) for name in cls._FLAGS}
            made = cls(value.content, **state)
            if special:
                made._special = True
            if isinstance(value, AddedToken):
                made._normalized = value._normalized
            return made
        raise ArgumentTypeError("Input must be a List[Union[str, AddedToken]]")

    @property
    def content(self) -> str:
        return self._content

    @content.setter
    def content(self, content: str) -> None:
        self._content = text(content, "content")

    @property
    def special(self) -> bool:
        return self._special

    @special.setter
    def special(self, special: bool) -> None:
        self._special = bool(special)

    @property
    def single_word(self) -> bool:
        return self._single_word

    @property
    def lstrip(self) -> bool:
        return self._lstrip

    @property
    def rstrip(self) -> bool:
        return self._rstrip

    @property
    def normalized(self) -> bool:
        return not self._special if self._normalized is None else self._normalized

    def _dict(self) -> dict[str, Any]:
        """As `tokenizer.json` has it, but for the id."""
        return {"content": self.content} | {name: getattr(self, name) for name in self._FLAGS}

    def __getstate__(self) -> dict[str, Any]:
        return self._dict()

    def __setstate__(self, state: dict[str, Any]) -> None:
        AddedToken.__init__(self, **state)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AddedToken) and self._dict() == other._dict()

    def __hash__(self) -> int:
        return hash(tuple(self._dict().values()))

    def __str__(self) -> str:
        return self._content

    def __repr__(self) -> str:
        flags = ("rstrip", "lstrip", "single_word", "normalized", "special")
        shown = ", ".join(f"{name}={getattr(self, name)}" for name in flags)
        return f'AddedToken("{self._content}", {shown})'


class Members(Component):
    """A sequence whose members may be looked at and exchanged."""

    def _member(self, index: int) -> Any:
        members = self._data[self._members]
        if not 0 <= index < len(members):
            raise RowIndexError(f"Index not found: {index} is not one of {len(members)}")
        return members[index]

    def __getitem__(self, index: int) -> Any:
        return self._member(index)

    def __setitem__(self, index: int, value: Any) -> None:
        self._member(index)
        self._data[self._members][index] = self._take(value)
        self._changed()
