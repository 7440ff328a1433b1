"""Texts out of files: what a row is, by the file's kind.

| kind | a row is |
|---|---|
| `.jsonl`, `.ndjson` | the field `text` (or `field=`) of one line |
| `.parquet` | one value of the column `text` (or `field=`) |
| other | by `rows=`: a line without its line feed, a block of whole lines, or the whole file |

Each of the first and the last may also end in `.gz` or `.zst`. `-` is the standard input. Text is
UTF-8 and is never repaired: invalid bytes are an error that names the file and the byte.
"""

# Lines end at "\n" alone, as in every Unix tool; a "\r" before it is text and survives a round
# trip.

from __future__ import annotations

import gzip
import importlib
import io
import json
import os
import sys
import zlib
from contextlib import ExitStack, contextmanager
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from subtok._files import file_error
from subtok.errors import ArgumentError, FileError, FormatError, MissingDependencyError, TextError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = [
    "Rows",
    "StrPath",
    "Unpacked",
    "counted",
    "decode",
    "expand",
    "is_plain",
    "parquet_column",
    "read_rows",
    "read_whole",
    "split_lines",
    "table_column",
]

StrPath = str | os.PathLike[str]
Rows = Literal["lines", "blocks", "whole"]

# Blocks of whole lines are about as long as a document.
_BLOCK = 1 << 14
_READ = 1 << 20
# Rows of a table at a time: documents may be long, and all of a batch are in memory.
_ROWS = 1 << 10
_JSONL = (".jsonl", ".ndjson")


def is_plain(path: StrPath) -> bool:
    """Whether a file is uncompressed text whose rows are lines."""
    kind, packing = _kind(path)
    return kind == "text" and not packing and os.fspath(path) != "-"


def read_rows(
    path: StrPath,
    *,
    rows: Rows = "lines",
    field: str = "text",
    read: Callable[[int], None] | None = None,
) -> Iterator[str]:
    """The rows of one source, in order and one at a time.

    Args:
        path: A file, or `-` for the standard input.
        rows: What a row of plain text is.
        field: The JSON field or Parquet column that holds the text.
        read: Called with the number of bytes of text read since the last call.

    Raises:
        FileError: The file cannot be read.
        TextError: Bytes that are not UTF-8.
        FormatError: A damaged archive, or a record without the field.
        MissingDependencyError: A Parquet or `.zst` file, and no library that reads it.
    """
    kind, _ = _kind(path)
    if kind == "parquet":
        yield from _parquet(path, field, read)
        return
    if kind == "text" and rows == "whole":
        text = read_whole(path)
        if read is not None:
            read(len(text.encode()))
        yield text
        return
    size = _BLOCK if rows == "blocks" and kind == "text" else 0
    place = 0
    number = 0
    with _open(path) as file:
        for chunk in _chunks(file, path):
            text = decode(chunk, path, place)
            place += len(chunk)
            if read is not None:
                read(len(chunk))
            if kind == "jsonl":
                for line in split_lines(text):
                    number += 1
                    if line.strip():
                        yield _record(line, field, f"{os.fspath(path)}: line {number}")
            elif size:
                yield from _blocks(text, size)
            else:
                yield from split_lines(text)


def read_whole(path: StrPath) -> str:
    """The whole text of a plain source, unchanged.

    Raises:
        FileError: The file cannot be read.
        TextError: Bytes that are not UTF-8.
        FormatError: A damaged archive.
    """
    with _open(path) as file:
        return decode(b"".join(_chunks(file, path)), path, 0)


def expand(sources: StrPath | Iterable[StrPath]) -> list[StrPath]:
    """Every file that is meant by paths.

    A folder stands for all files beneath it, in the order of their names; a pattern with `*`, `?`
    or `[` (`**` for any folders) for the files that match, unless there is a file of that very
    name. Hidden files and folders are left out.

    Raises:
        ArgumentError: A folder without any file, or a pattern that nothing matches.
    """
    if isinstance(sources, (str, os.PathLike)):
        sources = [sources]
    found: list[StrPath] = []
    for source in sources:
        folder = Path(source)
        if os.fspath(source) != "-" and _is_pattern(folder):
            # Not `Path.glob`: the pattern may be absolute, and hidden files stay hidden.
            found_here = glob(os.fspath(source), recursive=True)  # noqa: PTH207
            matches = sorted(Path(path) for path in found_here)
            files = [path for path in matches if path.is_file()]
            if not files:
                raise ArgumentError(f"no file matches {os.fspath(source)}")
            found.extend(files)
            continue
        if os.fspath(source) == "-" or not folder.is_dir():
            found.append(source)
            continue
        inside = [
            path
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not any(x.startswith(".") for x in path.relative_to(folder).parts)
        ]
        if not inside:
            raise ArgumentError(f"the folder {folder} holds no files")
        found.extend(inside)
    return found


def _is_pattern(path: Path) -> bool:
    return any(x in os.fspath(path) for x in "*?[") and not path.exists()


def counted(number: int, what: str) -> str:
    """`1 shard`, `2 shards`."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def split_lines(text: str) -> list[str]:
    """The lines of a text without their line feeds; a last line need not end in one."""
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def decode(content: bytes, path: StrPath, place: int = 0) -> str:
    """UTF-8 bytes as a string.

    Args:
        content: The bytes.
        path: Where they came from, for the message.
        place: The index of their first byte in that file.

    Raises:
        TextError: They are not UTF-8.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        name = "standard input" if os.fspath(path) == "-" else os.fspath(path)
        raise TextError(f"{name}: invalid UTF-8 at byte {place + error.start}") from None


def _kind(path: StrPath) -> tuple[str, str]:
    """The kind of a source by its name: text, jsonl or parquet; and its packing."""
    name = os.fspath(path).lower()
    packing = ""
    for ending in (".gz", ".zst"):
        if name.endswith(ending):
            name, packing = name.removesuffix(ending), ending
    if name.endswith(".parquet"):
        return "parquet", packing
    return ("jsonl" if name.endswith(_JSONL) else "text"), packing


@contextmanager
def _open(path: StrPath) -> Iterator[BinaryIO]:
    """A source, unpacked; standard input stays open."""
    if os.fspath(path) == "-":
        if sys.stdin is None:
            raise FileError("cannot read standard input: it is closed")
        yield sys.stdin.buffer
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(Path(path).open("rb"))
        except (OSError, ValueError) as error:
            # An embedded NUL is a ValueError.
            problem = error if isinstance(error, OSError) else OSError(str(error))
            raise file_error("read", path, problem) from error
        packing = _kind(path)[1]
        if packing == ".gz":
            yield io.BufferedReader(stack.enter_context(gzip.GzipFile(fileobj=file)))
        else:
            yield stack.enter_context(_zstd(file)) if packing == ".zst" else file


def _zstd(file: BinaryIO) -> Any:
    # Both notice a file that ends early; the reader of the package zstandard does not.
    for name, reader in (("compression.zstd", "ZstdFile"), ("pyarrow", "CompressedInputStream")):
        try:
            opener = getattr(importlib.import_module(name), reader)
        except ImportError:
            continue
        return opener(file, "zstd") if name == "pyarrow" else opener(file)
    raise MissingDependencyError(
        "reading .zst needs Python 3.14 or pyarrow: pip install 'subtok[parquet]'"
    )


def _damaged() -> tuple[type[Exception], ...]:
    """What the decompressors say about damaged input."""
    zstd = sys.modules.get("compression.zstd")
    return (EOFError, zlib.error, gzip.BadGzipFile, *([zstd.ZstdError] if zstd else []))


def _chunks(file: BinaryIO, path: StrPath) -> Iterator[bytes]:
    """Whole lines, about a MiB at a time: a character never stands on both sides of a border."""
    live = os.fspath(path) == "-" and file.isatty()
    rest: list[bytes] = []
    try:
        while chunk := file.readline() if live else file.read(_READ):
            end = chunk.rfind(b"\n") + 1
            if end:
                yield b"".join((*rest, chunk[:end]))
                rest.clear()
            rest.append(chunk[end:])
    except (FileError, GeneratorExit):
        raise
    except _damaged() as error:
        raise FormatError(f"{os.fspath(path)}: damaged archive: {error}") from error
    except OSError as error:
        if error.errno is None:
            raise FormatError(f"{os.fspath(path)}: damaged archive: {error}") from error
        raise file_error("read", path, error) from error
    if last := b"".join(rest):
        yield last


class Unpacked:
    """The unpacked bytes of a `.gz` or `.zst` file, for the counter.

    Raises:
        FileError: The file cannot be read.
        FormatError: A damaged archive.
        MissingDependencyError: A `.zst` file, and no library that reads it.
    """

    def __init__(self, path: StrPath) -> None:
        self._path = path
        try:
            self._raw = Path(path).open("rb")  # noqa: SIM115 (closed with the object)
        except OSError as error:
            raise file_error("read", path, error) from error
        packing = _kind(path)[1]
        self._file: Any = gzip.GzipFile(fileobj=self._raw) if packing == ".gz" else _zstd(self._raw)

    def read(self, size: int) -> bytes:
        """At most so many bytes; none at the end."""
        try:
            content: bytes = self._file.read(size)
        except _damaged() as error:
            raise FormatError(f"{os.fspath(self._path)}: damaged archive: {error}") from error
        except OSError as error:
            if error.errno is None:
                message = f"{os.fspath(self._path)}: damaged archive: {error}"
                raise FormatError(message) from error
            raise file_error("read", self._path, error) from error
        return content

    def place(self) -> int:
        """The bytes of the packed file that were read."""
        return self._raw.tell()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        self._raw.close()


def _blocks(text: str, size: int) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find("\n", start + size) + 1 or len(text)
        yield text[start:end]
        start = end


def _record(line: str, field: str, place: str) -> str:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{place}: not JSON: {error}") from None
    text = record.get(field) if isinstance(record, dict) else record
    if not isinstance(text, str):
        keys = ", ".join(map(repr, record)) if isinstance(record, dict) else type(record).__name__
        raise FormatError(f"{place}: no text in field {field!r}; there is {keys[:200]}")
    return text


def _parquet(path: StrPath, field: str, read: Callable[[int], None] | None) -> Iterator[str]:
    index = 0
    for column in parquet_column(path, field):
        if read is not None:
            read(column.nbytes)
        for row in column.to_pylist():
            if not isinstance(row, str):
                raise FormatError(f"{os.fspath(path)}: row {index} of {field!r} is no text")
            index += 1
            yield row


def parquet_column(path: StrPath, name: str) -> Iterator[Any]:
    """A column of a Parquet file as Arrow arrays, one at a time.

    Raises:
        ArgumentError: There is no such column.
        FileError: The file cannot be read.
        FormatError: It is damaged.
        MissingDependencyError: There is no `pyarrow`.
    """
    try:
        parquet: Any = importlib.import_module("pyarrow.parquet")
        arrow: Any = importlib.import_module("pyarrow")
    except ImportError as error:
        raise MissingDependencyError(
            "reading Parquet needs pyarrow: pip install 'subtok[parquet]'"
        ) from error
    if _kind(path)[1]:
        raise ArgumentError(f"{os.fspath(path)}: Parquet is packed by itself; unpack the file")
    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if name not in names:
                raise ArgumentError(f"{os.fspath(path)}: no column {name!r}; there is {names}")
            # One column is read by one thread anyway; a pool would outlive a damaged page.
            for batch in file.iter_batches(_ROWS, columns=[name], use_threads=False):
                yield batch.column(0)
    except (ArgumentError, FormatError):
        raise
    except arrow.ArrowException as error:
        raise FormatError(f"{os.fspath(path)}: {error}") from error
    except OSError as error:
        raise file_error("read", path, error) from error


def table_column(table: Any, name: str) -> Iterator[Any]:
    """A column of a table that speaks Arrow's stream interface, one array at a time.

    Raises:
        ArgumentError: There is no such column.
        MissingDependencyError: There is no `pyarrow`.
    """
    try:
        arrow: Any = importlib.import_module("pyarrow")
    except ImportError as error:
        raise MissingDependencyError(
            "reading a table needs pyarrow (a column alone does not): pip install 'subtok[parquet]'"
        ) from error
    reader = arrow.RecordBatchReader.from_stream(table)
    if name not in reader.schema.names:
        raise ArgumentError(f"source has no column {name!r}; there is {reader.schema.names}")
    return (batch.column(name) for batch in reader)
