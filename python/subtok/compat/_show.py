"""How components show themselves: `Sequence(normalizers=[NFD(), Lowercase()])`.

It follows what `tokenizers` prints, because people compare such lines; there it is written out of
the same data that `tokenizer.json` holds. What is a tuple or a variant's name is not told apart in
JSON, so it is said here by key.
"""

from __future__ import annotations

import struct
from typing import Any

__all__ = ["show"]

#: Keys whose values are written bare, without quotes.
_BARE = {"behavior", "prepend_scheme", "direction", "progress_format"}
#: Keys whose values are pairs.
_PAIRS = {"sep", "cls"}
#: Keys whose values are lists of pairs.
_PAIR_LISTS = {"merges"}
#: `repr` leaves out what follows so many elements.
_MANY = 99


def show(data: dict[str, Any], limit: int = _MANY) -> str:
    """A component; of lists and vocabularies at most `limit` elements."""
    return _struct(str(data["type"]), {k: v for k, v in data.items() if k != "type"}, limit)


def _struct(name: str, fields: dict[str, Any], limit: int) -> str:
    inner = ", ".join(f"{key}={_field(key, value, limit)}" for key, value in fields.items())
    return f"{name}({inner})"


def _field(key: str, value: Any, limit: int) -> str:  # noqa: PLR0911 (one for each kind)
    if key in _BARE and isinstance(value, str):
        return value
    if key in _PAIRS:
        return _tuple(value)
    if key in _PAIR_LISTS or (key == "vocab" and isinstance(value, list)):
        return _list([_tuple(pair) for pair in value[: limit + 1]], limit)
    if key == "pattern" and isinstance(value, dict):
        (kind, content), *_ = value.items()
        return f"{kind}({_value(content, limit)})"
    if key == "dropout" and isinstance(value, float):
        # Held in 32 bits there.
        return str(struct.unpack("f", struct.pack("f", value))[0])
    if key in {"single", "pair"} and isinstance(value, list):
        return _list([_piece(piece, limit) for piece in value[: limit + 1]], limit)
    if key == "special_tokens" and isinstance(value, dict):
        shown = (f'"{k}":{_struct("SpecialToken", v, limit)}' for k, v in value.items())
        return _map(list(shown), limit)
    if key == "special_tokens" and isinstance(value, list):
        return _list([_struct("AddedToken", v, limit) for v in value[: limit + 1]], limit)
    if key == "strategy":
        return str(value) if isinstance(value, str) else f"Fixed({value['Fixed']})"
    return _value(value, limit)


def _piece(piece: dict[str, Any], limit: int) -> str:
    (kind, fields), *_ = piece.items()
    if kind == "Sequence":
        return f"Sequence(id={fields['id']}, type_id={fields['type_id']})"
    return _struct(kind, fields, limit)


def _value(value: Any, limit: int) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, list):
        return _list([_value(item, limit) for item in value[: limit + 1]], limit)
    if isinstance(value, dict):
        if isinstance(value.get("type"), str):
            return show(value, limit)
        parts = []
        for key, item in value.items():
            parts.append(f'"{key}":{_value(item, limit)}')
            if len(parts) > limit:
                break
        return _map(parts, limit)
    return str(value)


def _number(value: float) -> str:
    """Whole numbers without a point."""
    return str(int(value)) if value == int(value) else repr(value)


def _tuple(pair: Any) -> str:
    return "(" + ", ".join(_value(item, _MANY) for item in pair) + ")"


def _list(parts: list[str], limit: int) -> str:
    return "[" + ", ".join(_cut(parts, limit)) + "]"


def _map(parts: list[str], limit: int) -> str:
    return "{" + ", ".join(_cut(parts, limit)) + "}"


def _cut(parts: list[str], limit: int) -> list[str]:
    return [*parts[:limit], "..."] if len(parts) > limit else parts
