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
    from collections.abc import Mapping

    import numpy.typing as npt

    from subtok._text import StrPath

__all__ = ["encode", "factorized", "factors", "read", "write"]

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
}
_NAMES = {np.dtype(kind): name for name, kind in _KINDS.items()}
_LENGTH = 8
# As in the format's own implementation: a longer header is an attack.
_MAX_HEADER = 100_000_000
_ALIGNMENT = 64


def read(path: StrPath) -> dict[str, npt.NDArray[Any]]:
    """All tensors of a file by their names; BF16 becomes float32, which holds it exactly.

    Raises:
        FileError: The file cannot be read.
        FormatError: It is no safetensors file.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (any path)
            content = file.read()
    except OSError as error:
        raise file_error("read", path, error) from error
    try:
        return decode(content)[0]
    except FormatError as error:
        raise FormatError(f"{os.fspath(path)}: {error}") from error


def decode(content: bytes) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    """The tensors in the bytes of a file, and its metadata.

    Raises:
        FormatError: They are no safetensors file.
    """
    length = int.from_bytes(content[:_LENGTH], "little")
    if len(content) < _LENGTH or length > min(_MAX_HEADER, len(content) - _LENGTH):
        raise FormatError("safetensors: the header is longer than the file")
    try:
        header = json.loads(content[_LENGTH : _LENGTH + length])
    except (ValueError, RecursionError) as error:
        raise FormatError(f"safetensors: the header is no JSON: {error}") from error
    if not isinstance(header, dict):
        raise FormatError("safetensors: the header is no JSON object")
    metadata = header.pop("__metadata__", None)
    data = memoryview(content)[_LENGTH + length :]
    tensors = {name: _tensor(name, entry, data) for name, entry in header.items()}
    return tensors, metadata if isinstance(metadata, dict) else {}


def _tensor(name: str, entry: Any, data: memoryview) -> npt.NDArray[Any]:
    """One tensor, checked."""

    def refused(problem: str) -> FormatError:
        return FormatError(f"safetensors at {name}: {problem}")

    def sizes(key: str) -> list[int]:
        found = entry.get(key) if isinstance(entry, dict) else None
        if not isinstance(found, list) or not all(type(x) is int and x >= 0 for x in found):
            raise refused(f"`{key}` is no list of sizes")
        return found

    shape, ends = sizes("shape"), sizes("data_offsets")
    kind = entry.get("dtype")
    if kind != "BF16" and kind not in _KINDS:
        raise refused(f"numbers of kind {kind!r} are not read")
    dtype = np.dtype("<u2" if kind == "BF16" else _KINDS[kind])
    if len(ends) != 2 or not ends[0] <= ends[1] <= len(data):  # noqa: PLR2004 (begin and end)
        raise refused(f"`data_offsets` are {ends}, and the data have {len(data)} bytes")
    if math.prod(shape) * dtype.itemsize != ends[1] - ends[0]:
        raise refused(f"the shape {shape} does not fit {ends[1] - ends[0]} bytes")
    values = np.frombuffer(data[ends[0] : ends[1]], dtype).reshape(shape)
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
