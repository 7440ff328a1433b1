"""Safetensors files as numpy arrays, and the factors of a table in them."""

from __future__ import annotations

import json
import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from subtok._files import atomic, file_error
from subtok._subtok import FactorizedEmbedding
from subtok.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    import numpy.typing as npt

    from subtok._text import StrPath

__all__ = ["encode", "factorized", "factors", "read", "shapes", "write"]

TABLE = "embeddings.word_embeddings.weight"
PROJECTION = "encoder.embedding_hidden_mapping_in.weight"
BIAS = "encoder.embedding_hidden_mapping_in.bias"
_PADDING = "subtok.padding_id"

_KINDS = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
    "BF16": "<u2",
}
_NAMES = {np.dtype(kind): name for name, kind in _KINDS.items() if name != "BF16"}
_LENGTH = 8
# As in the format's own implementation: a longer header is an attack.
_MAX_HEADER = 100_000_000
_ALIGNMENT = 64
# What every numpy can hold, even where a side of zero makes the rest come to nothing.
_MAX_AXES = 32
_MAX_BYTES = 2**63 - 1


def read(path: StrPath, names: Container[str] | None = None) -> dict[str, npt.NDArray[Any]]:
    """The tensors of a file by their names; BF16 becomes float32, which holds it exactly.

    Args:
        path: The file.
        names: Which tensors to read; all of them when missing. Others stay on the disk.

    Raises:
        FileError: The file cannot be read.
        FormatError: It is no safetensors file.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (any path)
            size = os.fstat(file.fileno()).st_size
            header, _, start = _header(file.read(_LENGTH), size, file.read)
            found = {}
            for name, entry in header.items():
                if names is None or name in names:
                    kind, shape, begin, end = _checked(name, entry, size - start)
                    file.seek(start + begin)
                    found[name] = _values(kind, shape, file.read(end - begin))
            return found
    except OSError as error:
        raise file_error("read", path, error) from error
    except FormatError as error:
        raise FormatError(f"{os.fspath(path)}: {error}") from error


def shapes(path: StrPath) -> dict[str, list[int]]:
    """The shapes of a file's tensors, by their names.

    Raises:
        FileError: The file cannot be read.
        FormatError: It is no safetensors file.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            size = os.fstat(file.fileno()).st_size
            header, _, start = _header(file.read(_LENGTH), size, file.read)
            return {name: _checked(name, header[name], size - start)[1] for name in header}
    except OSError as error:
        raise file_error("read", path, error) from error
    except FormatError as error:
        raise FormatError(f"{os.fspath(path)}: {error}") from error


def _header(
    length: bytes, size: int, read: Callable[[int], bytes]
) -> tuple[dict[str, Any], dict[str, str], int]:
    """The entries of a file of this size, its metadata, and where its data begin."""
    count = int.from_bytes(length, "little")
    if len(length) < _LENGTH or count > min(_MAX_HEADER, size - _LENGTH):
        raise FormatError("safetensors: the header is longer than the file")
    try:
        header = json.loads(read(count))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"safetensors: the header is no JSON: {error}") from error
    if not isinstance(header, dict):
        raise FormatError("safetensors: the header is no JSON object")
    metadata = header.pop("__metadata__", None)
    return header, metadata if isinstance(metadata, dict) else {}, _LENGTH + count


def _checked(name: str, entry: Any, size: int) -> tuple[str, list[int], int, int]:
    """What an entry says, where the data have this many bytes."""

    def refused(problem: str) -> FormatError:
        return FormatError(f"safetensors at {name}: {problem}")

    def sizes(key: str) -> list[int]:
        found = entry.get(key) if isinstance(entry, dict) else None
        if not isinstance(found, list) or not all(type(x) is int and x >= 0 for x in found):
            raise refused(f"`{key}` is no list of sizes")
        return found

    shape, ends = sizes("shape"), sizes("data_offsets")
    kind = entry.get("dtype")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise refused(f"numbers of kind {kind!r} are not read")
    if len(ends) != 2 or not ends[0] <= ends[1] <= size:  # noqa: PLR2004 (begin and end)
        raise refused(f"`data_offsets` are {ends}, and the data have {size} bytes")
    if len(shape) > _MAX_AXES:
        raise refused(f"`shape` has {len(shape)} axes, but must have at most {_MAX_AXES}")
    width = np.dtype(_KINDS[kind]).itemsize
    if math.prod(side or 1 for side in shape) * width > _MAX_BYTES:
        raise refused(f"the shape {shape} is beyond any memory")
    if math.prod(shape) * width != ends[1] - ends[0]:
        raise refused(f"the shape {shape} does not fit {ends[1] - ends[0]} bytes")
    return kind, shape, ends[0], ends[1]


def _values(kind: str, shape: list[int], content: bytes) -> npt.NDArray[Any]:
    values = np.frombuffer(content, _KINDS[kind]).reshape(shape)
    if kind == "BF16":
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values


def encode(
    tensors: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str] | None = None
) -> bytes:
    """The bytes of a file with these tensors, in this order."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt", **(metadata or {})}}
    parts, position = [], 0
    for name, tensor in tensors.items():
        little = np.ascontiguousarray(tensor)
        little = little.astype(little.dtype.newbyteorder("<"), copy=False)
        begin, position = position, position + little.nbytes
        header[name] = {
            "dtype": _NAMES[little.dtype],
            "shape": list(np.shape(tensor)),
            "data_offsets": [begin, position],
        }
        parts.append(little.tobytes())
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + _LENGTH) % _ALIGNMENT)
    return b"".join([len(text).to_bytes(_LENGTH, "little"), text, *parts])


def write(path: StrPath, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write a file, whole or not at all.

    Raises:
        FileError: The system refused.
    """
    with atomic(path) as file:
        file.write(encode(tensors))


def factors(
    embedding: FactorizedEmbedding,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32] | None]:
    """The factors A (V, E), P (E, H) and the bias (H,) of a table, as float32.

    A table that is kept whole has the unit matrix for P.
    """
    table, projection, bias = embedding.factors()
    if projection is None:
        projection = np.eye(table.shape[1], dtype=np.float32)
    return table, projection, bias


def factorized(
    table: npt.NDArray[Any],
    projection: npt.NDArray[Any],
    bias: npt.NDArray[Any] | None = None,
    padding_id: int | None = None,
) -> FactorizedEmbedding:
    """The table with these factors: A (V, E), P (E, H), and perhaps a bias (H,)."""
    tensors = {PROJECTION: np.ascontiguousarray(projection.T, np.float32)}
    if bias is not None:
        tensors[BIAS] = np.asarray(bias, np.float32)
    tensors[TABLE] = table
    metadata = {} if padding_id is None else {_PADDING: str(padding_id)}
    return FactorizedEmbedding._from_bytes(encode(tensors, metadata))  # noqa: SLF001
