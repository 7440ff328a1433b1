"""Word counts on disk and as Arrow: a Parquet file with the columns `word` and `count`.

Sources that are counted apart have columns of their own besides, `count:` and their name; `count`
is their weighted sum then. How the words were counted stands in the metadata of the schema, so that
every tool that reads Parquet reads the counts, and what was counted differently is still told
apart.
"""

from __future__ import annotations

import importlib
import json
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
    """A table with the columns `word` (binary) and `count` (unsigned), ordered by word.

    Sources that are counted apart have columns of their own besides: `count:` and their name.
    """
    pa = _pyarrow()
    data, offsets, numbers, manifest = counts._parts()  # noqa: SLF001
    words = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(numbers), [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    )
    columns = counts._columns()  # noqa: SLF001
    names = _names(json.loads(manifest)) if columns else []
    fields = [pa.field("word", pa.large_binary(), nullable=False)]
    fields += [pa.field(name, pa.uint64(), nullable=False) for name in ("count", *names)]
    schema = pa.schema(fields, metadata={_MANIFEST: manifest.encode()})
    numbers_of = [pa.array(column) for column in (numbers, *columns)]
    return pa.Table.from_arrays([words, *numbers_of], schema=schema)


def _names(manifest: Any) -> list[str]:
    """The columns of sources that are counted apart; none where `count` says it all."""
    try:
        sources = [(str(source["name"]), source["weight"]) for source in manifest["sources"]]
    except (KeyError, TypeError):
        return []
    if len(sources) == 1 and sources[0][1] == 1:
        return []
    return [f"count:{name}" for name, _ in sources]


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
    text = manifest.decode(errors="replace")
    try:
        names = _names(json.loads(text))
    except ValueError:
        names = []
    numbers = [_column(pa, table, name, pa.uint64()) for name in ("count", *names)]
    words = _column(pa, table, "word", pa.large_binary())
    _, ends, data = words.buffers()
    offsets = np.frombuffer(ends, np.int64)[words.offset :][: len(words) + 1]
    counts, *columns = (column.to_numpy() for column in numbers)
    return Counts._from_parts(  # noqa: SLF001
        b"" if data is None else data.to_pybytes(),
        np.zeros(1, np.int64) if len(words) == 0 else offsets.copy(),
        counts,
        text,
        columns,
    )


def _column(pa: Any, table: Any, name: str, kind: Any) -> Any:
    if name not in table.schema.names:
        raise FormatError(f"there is no column `{name}`")
    try:
        values = table[name].combine_chunks().cast(kind)
    except pa.ArrowException as error:
        raise FormatError(f"the column `{name}`: {error}") from error
    if values.null_count:
        raise FormatError(f"the column `{name}` has {values.null_count} empty values")
    return values
