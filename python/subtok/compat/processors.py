"""Post-processors: special tokens around one or two encoded texts."""

from __future__ import annotations

import re
from collections.abc import Iterable  # noqa: TC003 (get_type_hints works on public modules)
from typing import Any, ClassVar

from subtok.compat import _process
from subtok.compat._base import Component, Field, Members
from subtok.compat._encoding import Encoding
from subtok.errors import ArgumentError, ArgumentTypeError

__all__ = [
    "BertProcessing",
    "ByteLevel",
    "PostProcessor",
    "RobertaProcessing",
    "Sequence",
    "TemplateProcessing",
]


class PostProcessor(Component):
    """The base of all post-processors."""

    _slot = "post_processor"

    def num_special_tokens_to_add(self, is_pair: bool) -> int:
        """How many tokens are put around a text, or a pair."""
        return _process.added_tokens(self._dict(), pair=bool(is_pair))

    def process(self, encoding: Any, pair: Any = None, add_special_tokens: bool = True) -> Encoding:
        """Put special tokens around encodings, which stay as they are."""
        if not isinstance(encoding, Encoding) or not (pair is None or isinstance(pair, Encoding)):
            raise ArgumentTypeError("process() takes one or two Encoding")
        return _process.process(self._dict(), encoding, pair, special=add_special_tokens)


def _named(value: Any) -> list[Any]:
    """A token and its id."""
    if not isinstance(value, (tuple, list)) or [type(part) for part in value] != [str, int]:
        raise ArgumentTypeError("expected a tuple of a token and its id")
    return list(value)


class BertProcessing(PostProcessor):
    """`cls A sep`, and `cls A sep B sep` with type id 1 from B on."""

    _type = "BertProcessing"
    sep = Field(read=tuple, write=_named)
    cls = Field(read=tuple, write=_named)

    def __init__(self, sep: tuple[str, int], cls_token: tuple[str, int]) -> None:
        self._data = {"sep": _named(sep), "cls": _named(cls_token)}


class RobertaProcessing(PostProcessor):
    """`cls A sep`, and `cls A sep sep B sep`, all with type id 0."""

    _type = "RobertaProcessing"
    sep = Field(read=tuple, write=_named)
    cls = Field(read=tuple, write=_named)
    trim_offsets = Field(write=bool)
    add_prefix_space = Field(write=bool)

    def __init__(
        self,
        sep: tuple[str, int],
        cls_token: tuple[str, int],
        trim_offsets: bool = True,
        add_prefix_space: bool = True,
    ) -> None:
        self._data = {
            "sep": _named(sep),
            "cls": _named(cls_token),
            "trim_offsets": bool(trim_offsets),
            "add_prefix_space": bool(add_prefix_space),
        }


class ByteLevel(PostProcessor):
    """Adds no token; leaves white space out of offsets when asked to."""

    _type = "ByteLevel"
    add_prefix_space = Field(write=bool)
    trim_offsets = Field(write=bool)
    use_regex = Field(write=bool)

    def __init__(
        self,
        add_prefix_space: bool | None = None,
        trim_offsets: bool | None = None,
        use_regex: bool | None = None,
        **_kwargs: Any,
    ) -> None:
        given = {
            "add_prefix_space": add_prefix_space,
            "trim_offsets": trim_offsets,
            "use_regex": use_regex,
        }
        self._data = {name: True if flag is None else bool(flag) for name, flag in given.items()}


class TemplateProcessing(PostProcessor):
    """Pieces in a declared order, such as `"[CLS] $A [SEP]"`."""

    _type = "TemplateProcessing"

    def __init__(
        self,
        single: str | list[str] | None = None,
        pair: str | list[str] | None = None,
        special_tokens: Iterable[Any] | None = None,
    ) -> None:
        tokens = dict(_special(token) for token in special_tokens or ())
        one = _template("$A" if single is None else single)
        # A template for two texts that was not given is not checked: it has no special tokens.
        two = _template("$A:0 $B:1" if pair is None else pair)
        used = {str(piece["Sequence"]["id"]) for piece in two if "Sequence" in piece}
        if used != {"A", "B"}:
            raise ArgumentError("Template for `pair` must use both sequences")
        missing = sorted((_special_names(one) | _special_names(two)) - tokens.keys())
        if missing:
            raise ArgumentError(f"Missing SpecialToken(s) with id(s) `{', '.join(missing)}`")
        self._data = {
            "single": one,
            "pair": two,
            "special_tokens": dict(sorted(tokens.items())),
        }

    @property
    def single(self) -> str:
        """The template for one text."""
        shown = (
            f"Sequence {{ id: {piece['Sequence']['id']}, type_id: {piece['Sequence']['type_id']} }}"
            if "Sequence" in piece
            else f'SpecialToken {{ id: "{piece["SpecialToken"]["id"]}", '
            f"type_id: {piece['SpecialToken']['type_id']} }}"
            for piece in self._data["single"]
        )
        return f"Template([{', '.join(shown)}])"

    @single.setter
    def single(self, single: str | list[str]) -> None:
        self._data["single"] = _template(single)
        self._changed()


def _special_names(template: list[dict[str, Any]]) -> set[str]:
    return {str(piece["SpecialToken"]["id"]) for piece in template if "SpecialToken" in piece}


def _template(given: str | list[str]) -> list[dict[str, Any]]:
    parts = given.split(" ") if isinstance(given, str) else list(given)
    return [_piece(part) for part in parts]


def _piece(part: str) -> dict[str, Any]:
    """`$A`, `$B:1`, `$0`, `$`, `[CLS]`, `[SEP]:1`."""
    found = re.fullmatch(r"(\$?)([^:]*)(?::(\d+))?", part, re.DOTALL)
    if found is None:
        raise ArgumentError(f'Cannot build Piece from string "{part}"')
    dollar, name, type_id = found.groups()
    number = int(type_id or 0)
    if not dollar:
        return {"SpecialToken": {"id": name, "type_id": number}}
    if name.isdecimal() and type_id is None:
        return {"Sequence": {"id": "A", "type_id": int(name)}}
    if name not in {"", "a", "A", "b", "B"}:
        raise ArgumentError(f'Cannot build Piece from string "{part}"')
    return {"Sequence": {"id": "B" if name in {"b", "B"} else "A", "type_id": number}}


def _special(token: Any) -> tuple[str, dict[str, Any]]:
    """A special token: (name, id), (id, name), or a dict with `id`, `ids` and `tokens`."""
    if isinstance(token, dict):
        if len(token["ids"]) != len(token["tokens"]):
            raise ArgumentError("SpecialToken: ids and tokens must be of the same length")
        ids, tokens = list(token["ids"]), list(token["tokens"])
        return token["id"], {"id": token["id"], "ids": ids, "tokens": tokens}
    if isinstance(token, tuple) and {type(part) for part in token} == {str, int}:
        name, number = token if isinstance(token[0], str) else token[::-1]
        return name, {"id": name, "ids": [number], "tokens": [name]}
    raise ArgumentTypeError("Expected Union[Tuple[str, int], Tuple[int, str], dict]")


class Sequence(Members, PostProcessor):
    """One after the other."""

    _type = "Sequence"
    _members: ClassVar[str] = "processors"

    def __init__(self, processors_py: list[Any]) -> None:
        self._data = {"processors": [self._take(member) for member in processors_py]}
