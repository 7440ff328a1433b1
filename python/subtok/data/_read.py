"""Shards on disk as a sequence of rows."""

from __future__ import annotations

import json
import operator
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from subtok._files import file_error
from subtok.data._write import LAYOUT, MANIFEST
from subtok.errors import ArgumentTypeError, FormatError, RowIndexError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from subtok._text import StrPath

__all__ = ["Shards"]


class Shards:
    """The rows that `encode_files` wrote, mapped from the disk.

    Attributes:
        manifest: What `encode_files` returned.

    Args:
        folder: The folder with `manifest.json`.

    Raises:
        FileError: The folder, its manifest or a shard cannot be read.
        FormatError: The manifest is not one, or a shard does not have the size it states.
    """

    def __init__(self, folder: StrPath) -> None:
        self._folder = Path(folder)
        self.manifest = _manifest(self._folder / MANIFEST)
        self._ids: list[npt.NDArray[Any]] = []
        self._offsets: list[npt.NDArray[np.int64]] = []
        for shard in self.manifest["shards"]:
            self._add(shard)
        rows = [len(offsets) - 1 for offsets in self._offsets]
        self._first = np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)

    def _add(self, shard: dict[str, Any]) -> None:
        try:
            path = self._folder / Path(shard["ids"]).name
            ids = _array(path, np.dtype(self.manifest["dtype"]), shard["tokens"])
            path = self._folder / Path(shard["offsets"]).name
            offsets = _array(path, np.dtype("<i8"), shard["rows"] + 1)
        except OSError as error:
            raise file_error("read", path, error) from error
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"{self._folder}: damaged shard {shard!r}: {error}") from error
        if offsets[0] != 0 or offsets[-1] != len(ids) or (np.diff(offsets) < 0).any():
            raise FormatError(f"{path}: the row offsets do not fit {len(ids)} ids")
        self._ids.append(ids)
        self._offsets.append(offsets)

    def __len__(self) -> int:
        return int(self._first[-1])

    @overload
    def __getitem__(self, index: int) -> npt.NDArray[Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[npt.NDArray[Any]]: ...
    def __getitem__(self, index: int | slice) -> npt.NDArray[Any] | list[npt.NDArray[Any]]:
        """The ids of one row, a view of the file; or of several."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        try:
            given = operator.index(index)
        except TypeError:
            raise ArgumentTypeError(
                f"a row index is {type(index).__name__}, but must be int or slice"
            ) from None
        row = given + len(self) if given < 0 else given
        if not 0 <= row < len(self):
            raise RowIndexError(f"row {index} of {len(self)}")
        shard = int(np.searchsorted(self._first, row, side="right")) - 1
        start, end = self._offsets[shard][row - self._first[shard] :][:2]
        return self._ids[shard][start:end]

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        for ids, offsets in zip(self._ids, self._offsets, strict=True):
            for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
                yield ids[start:end]


def _manifest(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise file_error("read", path, error) from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: not JSON: {error}") from error
    if not isinstance(content, dict) or content.get("layout") != LAYOUT:
        raise FormatError(f"{path}: not a manifest of {LAYOUT!r}")
    return content


def _array(path: Path, dtype: np.dtype[Any], length: int) -> npt.NDArray[Any]:
    """A mapped array of exactly the stated length."""
    if path.suffix == ".npy":
        found: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        if found.dtype != dtype:
            raise ValueError(f"{path.name} holds {found.dtype}, not {dtype}")
    elif path.stat().st_size == 0:
        found = np.zeros(0, dtype)
    else:
        found = np.memmap(path, dtype, mode="r")
    if found.shape != (length,):
        raise ValueError(f"{path.name} has shape {found.shape}, not {(length,)}")
    return found
