"""Vectors on their way to a file, batch by batch."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from subtok._files import atomic
from subtok.cli._common import output
from subtok.errors import MissingDependencyError

if TYPE_CHECKING:
    from types import TracebackType

    import numpy.typing as npt

# Room for the header of an .npy file, whose number of rows is known at the end.
_HEADER = 128


class VectorFile:
    """A file of vectors: `.parquet` with the columns `text` and `vector`, else `.npy`.

    It appears under its name when it is whole. Batches are written as they come; only an `.npy`
    for standard output, which cannot go back to its header, is held until the end.

    Args:
        path: The file, or `-` for standard output.
        width: The numbers of a vector.
    """

    def __init__(self, path: str, width: int) -> None:
        self.rows = 0
        self._path, self._width = path, width
        self._stack = contextlib.ExitStack()
        self._held: list[npt.NDArray[np.float32]] = []
        self._file: Any = None
        self._parquet: Any = None

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            if self._path.endswith(".parquet"):
                pa, parquet = _pyarrow()
                self._file = stack.enter_context(atomic(self._path))
                vector = pa.list_(pa.field("item", pa.float32(), nullable=False), self._width)
                schema = pa.schema([("text", pa.string()), ("vector", vector)])
                self._parquet = stack.enter_context(
                    parquet.ParquetWriter(self._file, schema, compression="zstd")
                )
            elif self._path != "-":
                self._file = stack.enter_context(atomic(self._path))
                self._file.write(b" " * _HEADER)
            self._stack = stack.pop_all()
        return self

    def add(self, texts: list[str], vectors: npt.NDArray[np.float32]) -> None:
        """Write the vectors of some texts."""
        self.rows += len(vectors)
        if self._parquet is not None:
            pa, _ = _pyarrow()
            schema = self._parquet.schema
            flat = pa.array(vectors.reshape(-1))
            column = pa.FixedSizeListArray.from_arrays(flat, type=schema.field("vector").type)
            columns = [pa.array(texts, pa.string()), column]
            self._parquet.write_table(pa.Table.from_arrays(columns, schema=schema))
        elif self._file is not None:
            self._file.write(vectors.astype("<f4", copy=False).data)
        else:
            self._held.append(vectors)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and self._parquet is None and self._file is not None:
            self._file.seek(0)
            self._file.write(_header(self.rows, self._width))
        self._stack.__exit__(kind, error, trace)
        if kind is None and self._file is None:
            with output(self._path) as file:
                empty = np.zeros((0, self._width), np.float32)
                buffer = io.BytesIO()
                np.save(buffer, np.concatenate([empty, *self._held]))
                file.write(buffer.getbuffer())


def _header(rows: int, width: int) -> bytes:
    """The header of an .npy file, of the size that was left for it."""
    shape = f"({rows}, {width})"
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    magic = b"\x93NUMPY\x01\x00"
    length = _HEADER - len(magic) - 2
    return magic + length.to_bytes(2, "little") + text.encode().ljust(length - 1) + b"\n"


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa  # noqa: PLC0415 (optional)
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise MissingDependencyError(
            "a .parquet file is written through pyarrow: pip install 'subtok[parquet]'"
        ) from error
    return pa, parquet
