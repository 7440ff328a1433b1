"""Word counts on disk and as Arrow: a Parquet file with the columns `word` and `count`.

How the words were counted stands in the metadata of the schema, so that every tool that reads
Parquet reads the counts, and what was counted differently is still told apart.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from subtok._files import atomic, file_error
from subtok._subtok import Counts
from subtok.errors import FormatError, MissingDependencyError, SubtokError

if TYPE_CHECKING:
    from subtok._text import StrPath

__all__ = ["load", "save", "to_arrow"]

_MANIFEST = b"subtok.counts"
_ROWS = 1 << 18


def _pyarrow(name: str = "pyarrow") -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependencyError(
            "word counts are stored through pyarrow: pip install 'subtok[parquet]'"
        ) from error


def to_arrow(counts: Counts) -> Any:
    """A table with the columns `word` (binary) and `count` (unsigned), ordered by word."""
    pa = _pyarrow()
    data, offsets, numbers, manifest = counts._parts()  # noqa: SLF001
    words = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(numbers), [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    )
    schema = pa.schema(
        [
            pa.field("word", pa.large_binary(), nullable=False),
            pa.field("count", pa.uint64(), nullable=False),
        ],
        metadata={_MANIFEST: manifest.encode()},
    )
    return pa.Table.from_arrays([words, pa.array(numbers)], schema=schema)


def save(counts: Counts, path: StrPath) -> None:
    """Write counts to a Parquet file, whole or not at all."""
    parquet = _pyarrow("pyarrow.parquet")
    table = to_arrow(counts)
    with (
        atomic(path) as file,
        parquet.ParquetWriter(file, table.schema, compression="zstd") as writer,
    ):
        # Ctrl-C is heard between the calls: one of these takes some tens of milliseconds.
        for start in range(0, len(table), _ROWS):
            writer.write_table(table.slice(start, _ROWS))


def load(path: StrPath) -> Counts:
    """Read counts from a Parquet file.

    Raises:
        FileError: The file cannot be read.
        FormatError: It holds no counts, or damaged ones.
    """
    pa, parquet = _pyarrow(), _pyarrow("pyarrow.parquet")
    name = os.fspath(path)
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return _from_table(pa, _table(pa, parquet, file))
    except SubtokError as error:
        raise FormatError(f"{name}: {error}") from error
    except OSError as error:
        raise file_error("read", path, error) from error


def _table(pa: Any, parquet: Any, file: Any) -> Any:
    try:
        # On this thread alone: threads of its own that still read when a damaged page ends the call
        # have brought the process down.
        return parquet.ParquetFile(file, pre_buffer=False).read(use_threads=False)
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        # An OSError with a number is the system's; without one it is pyarrow's word for damage.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise FormatError(f"not a Parquet file that can be read: {error}") from error


def _from_table(pa: Any, table: Any) -> Counts:
    manifest = (table.schema.metadata or {}).get(_MANIFEST)
    if manifest is None:
        raise FormatError("the schema does not say how words were counted: no `subtok.counts`")
    columns = []
    for column, kind in (("word", pa.large_binary()), ("count", pa.uint64())):
        if column not in table.schema.names:
            raise FormatError(f"there is no column `{column}`")
        try:
            values = table[column].combine_chunks().cast(kind)
        except pa.ArrowException as error:
            raise FormatError(f"the column `{column}`: {error}") from error
        if values.null_count:
            raise FormatError(f"the column `{column}` has {values.null_count} empty values")
        columns.append(values)
    words, counts = columns
    _, ends, data = words.buffers()
    offsets = np.frombuffer(ends, np.int64)[words.offset :][: len(words) + 1]
    return Counts._from_parts(  # noqa: SLF001
        b"" if data is None else data.to_pybytes(),
        np.zeros(1, np.int64) if len(words) == 0 else offsets.copy(),
        counts.to_numpy(),
        manifest.decode(errors="replace"),
    )
