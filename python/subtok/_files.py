"""Files as subtok reads and writes them: typed errors, and no half file under a real name."""

from __future__ import annotations

import contextlib
import os
import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from subtok.errors import ArgumentError, FileError, SubtokError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["atomic", "check_writable", "file_error", "make_folder", "write_bytes"]


def file_error(action: str, path: str | os.PathLike[str], error: OSError) -> FileError:
    """The typed form of a refused system call.

    Args:
        action: What was tried: `"read"`, `"write"`, `"open"`.
        path: The file or folder.
        error: What the system said.
    """
    typed = FileError(f"cannot {action} {os.fspath(path)}: {error.strerror or error}")
    typed.errno, typed.filename = error.errno, os.fspath(path)
    return typed


def make_folder(path: Path) -> None:
    """Make a folder and those above it; one that is there already is fine.

    Raises:
        FileError: The system refused.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise file_error("make the folder", path, error) from error


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary file that takes the name `path` when the block ends well.

    The bytes are on the disk before the name is taken, so that whoever sees the name sees the whole
    file; when the block raises, an older file of that name stays as it was.

    Raises:
        ArgumentError: The path is a folder.
        FileError: The folder is missing or cannot be written, or the disk is full.
    """
    path = Path(path)
    if not path.name or path.is_dir():
        raise ArgumentError(f"cannot write {os.fspath(path)}: it is not a file")
    # Not `tempfile`: its files are private, and a result has the rights of any other new file.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and not isinstance(error, SubtokError):
            raise file_error("write", path, error) from error
        raise


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a whole file, or nothing.

    Raises:
        FileError: The folder is missing or cannot be written, or the disk is full.
    """
    with atomic(path) as file:
        file.write(content)


def check_writable(path: str | os.PathLike[str]) -> None:
    """See that a file could be written, before long work is done for it.

    Raises:
        ArgumentError: The path is a folder.
        FileError: The folder is missing or cannot be written.
    """

    class Enough(Exception):  # noqa: N818 (it is no error)
        pass

    with contextlib.suppress(Enough), atomic(path):
        raise Enough
