"""`encode_files`: texts to shards of ids with an index of rows, and a manifest that comes last."""

# Why a journal: a run that was cut off goes on after its last finished shard. That is sound because
# every shard starts with a fresh batch, so where it ends depends on the rows alone.

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from subtok._files import atomic, file_error, make_folder, write_bytes
from subtok._text import Rows, StrPath, expand, read_rows
from subtok.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from subtok._subtok import Tokenizer

__all__ = ["JOURNAL", "LAYOUT", "MANIFEST", "SHARD_TOKENS", "encode_files", "encode_shards"]

MANIFEST = "manifest.json"
JOURNAL = "incomplete.json"
LAYOUT = "subtok shards 1"
_BATCH_CHARACTERS = 1 << 20
SHARD_TOKENS = 100_000_000
_HEADER = 128


def encode_files(
    tok: Tokenizer,
    sources: StrPath | Iterable[str | os.PathLike[str]],
    out_dir: StrPath,
    format: Literal["bin", "npy"] = "bin",  # noqa: A002 (the name that users know)
    *,
    rows: Rows = "lines",
    field: str = "text",
    add_special_tokens: bool = True,
    shard_tokens: int = SHARD_TOKENS,
    threads: int | None = None,
    overwrite: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Encode texts into shards of ids in a folder.

    Each shard is a file of little-endian ids (uint16 where the vocabulary allows it, else uint32)
    and `NAME.offsets.npy`, where each row starts in it: int64, one more than there are rows.
    `manifest.json` is written last: a folder without it is an unfinished run, and the same call
    goes on with it after its last finished shard. A call whose result is already there returns at
    once. Shards are taken to be there when both files have their size; from the first that has not
    they are written again.

    Args:
        tok: The tokenizer.
        sources: Paths; a folder stands for the files beneath it. Any iterable other than a list or
            a tuple gives the texts themselves, one row each; such a run cannot be resumed.
        out_dir: The folder; it is made when it is missing.
        format: `"bin"`, bare ids; or `"npy"`, the same with NumPy's header.
        rows: What a row of a plain text file is: `"lines"`, each line without its line feed;
            `"blocks"`, whole lines of about 16 KiB. A JSONL line and a Parquet value are always one
            row.
        field: The JSON field or Parquet column that holds the text.
        add_special_tokens: Add those that the tokenizer's template adds.
        shard_tokens: Begin a new shard once one has this many ids.
        threads: As in `Tokenizer.encode_batch`.
        overwrite: Replace what another call left in the folder.
        progress: Called with (phase, bytes of text, total bytes or 0).

    Returns:
        The manifest: `tokenizer` (the fingerprint), `dtype`, `rows`, `sources`, `shards` and
        `totals`.

    Raises:
        ArgumentError: An argument is out of its bounds, or the folder holds the result of another
            call.
        ArgumentTypeError: The sources are neither paths nor texts.
        FileError: A file cannot be read or written.
        TextError: Bytes that are not UTF-8.
    """
    manifest, _ = encode_shards(
        tok,
        sources,
        out_dir,
        format,
        rows=rows,
        field=field,
        add_special_tokens=add_special_tokens,
        shard_tokens=shard_tokens,
        threads=threads,
        overwrite=overwrite,
        progress=progress,
    )
    return manifest


def encode_shards(
    tok: Tokenizer,
    sources: Any,
    out_dir: StrPath,
    format: str,  # noqa: A002 (as `encode_files` has it)
    *,
    rows: Rows,
    field: str,
    add_special_tokens: bool,
    shard_tokens: int,
    threads: int | None,
    overwrite: bool,
    progress: Callable[[str, int, int], None] | None,
) -> tuple[dict[str, Any], bool]:
    """What `encode_files` does; its manifest, and whether anything had to be done for it."""
    if format not in ("bin", "npy"):
        raise ArgumentError(f'format is {format!r}, but must be "bin" or "npy"')
    if rows not in ("lines", "blocks", "whole"):
        raise ArgumentError(f'rows is {rows!r}, but must be "lines", "blocks" or "whole"')
    if shard_tokens < 1:
        raise ArgumentError(f"shard_tokens is {shard_tokens}, but must be at least 1")
    corpus = _Corpus.of(sources, rows, field, progress)
    limit = tok.id_limit
    job: dict[str, Any] = {
        "layout": LAYOUT,
        "tokenizer": tok.fingerprint,
        "format": format,
        "dtype": "<u2" if limit <= 1 << 16 else "<u4",
        "rows": rows if corpus.paths is not None else "texts",
        "field": field,
        "add_special_tokens": add_special_tokens,
        "shard_tokens": shard_tokens,
        "sources": corpus.described(),
    }
    folder = Path(out_dir)
    make_folder(folder)
    run = _Run(tok, job, folder, threads)
    finished = run.found(overwrite=overwrite, resumable=corpus.paths is not None)
    return (run.manifest, False) if finished else (run.write(corpus.rows(run.start)), True)


@dataclass
class _Corpus:
    """Where the rows come from."""

    paths: list[StrPath] | None
    texts: Iterable[str]
    how: dict[str, Any]
    progress: Callable[[str, int, int], None] | None

    @classmethod
    def of(cls, sources: Any, rows: Rows, field: str, progress: Any) -> _Corpus:
        how = {"rows": rows, "field": field}
        if isinstance(sources, (str, os.PathLike)):
            sources = [sources]
        if isinstance(sources, (list, tuple)):
            for source in sources:
                if not isinstance(source, (str, os.PathLike)):
                    raise _wrong("a source", source, "str or a path")
            return cls(expand(sources), (), how, progress)
        if not isinstance(sources, Iterable):
            raise _wrong("sources", sources, "paths or an iterable of texts")
        return cls(None, sources, how, progress)

    def described(self) -> list[dict[str, Any]]:
        """What tells these sources from others: names, sizes and times."""
        if self.paths is None:
            return []
        found: list[dict[str, Any]] = []
        for path in self.paths:
            if os.fspath(path) == "-":
                found.append({"path": "-"})
                continue
            try:
                status = Path(path).stat()
            except OSError as error:
                raise file_error("read", path, error) from error
            found.append(
                {"path": os.fspath(path), "bytes": status.st_size, "changed": status.st_mtime_ns}
            )
        return found

    def rows(self, skip: int) -> Iterator[str]:
        """The rows after the first `skip`."""
        for index, row in enumerate(self._all()):
            if index >= skip:
                yield row

    def _all(self) -> Iterator[str]:
        if self.paths is None:
            for number, text in enumerate(self.texts):
                if not isinstance(text, str):
                    raise _wrong(f"text {number} of the sources", text, "str")
                yield text
            return
        total = sum(source.get("bytes", 0) for source in self.described())
        packed = any(os.fspath(path).endswith((".gz", ".zst")) for path in self.paths)
        done = 0

        def read(size: int) -> None:
            nonlocal done
            done += size
            if self.progress is not None:
                # Packed bytes say nothing of the text's size.
                self.progress("encode", done, 0 if packed else total)

        for path in self.paths:
            yield from read_rows(path, read=read, **self.how)


class _Run:
    """The state of one call: what is in the folder, and what is still to come."""

    def __init__(
        self, tok: Tokenizer, job: dict[str, Any], folder: Path, threads: int | None
    ) -> None:
        self._tok = tok
        self._job = job
        self._folder = folder
        self._threads = threads
        self._shards: list[dict[str, Any]] = []
        self.manifest: dict[str, Any] = {}

    @property
    def start(self) -> int:
        """How many rows stand in finished shards."""
        return sum(shard["rows"] for shard in self._shards)

    def found(self, *, overwrite: bool, resumable: bool) -> bool:
        """Look at what the folder holds; true when it is the whole result already."""
        self._remove_temporary()
        manifest = _load(self._folder / MANIFEST)
        journal = _load(self._folder / JOURNAL)
        if manifest is not None and resumable and manifest.get("job") == self._digest():
            shards = manifest.get("shards", [])
            self._shards = list(takewhile(self._is_whole, shards))
            if len(self._shards) == len(shards):
                self.manifest = manifest
                self._forget(JOURNAL)
                return True
            # The journal first: at any time one of the two says what is there.
            self._write_journal()
            self._forget(MANIFEST)
            return False
        if manifest is not None and not overwrite:
            raise ArgumentError(
                f"{self._folder} already holds shards of other sources, options or tokenizer; "
                "give overwrite=True to replace them"
            )
        if resumable and journal is not None and journal.get("job") == self._digest():
            self._shards = list(takewhile(self._is_whole, journal.get("shards", [])))
            return False
        if manifest is not None or journal is not None:
            for shard in [*(manifest or {}).get("shards", []), *(journal or {}).get("shards", [])]:
                self._forget(shard["ids"])
                self._forget(shard["offsets"])
            self._forget(MANIFEST)
        return False

    def write(self, rows: Iterable[str]) -> dict[str, Any]:
        """Write the remaining shards and the manifest."""
        self._write_journal()
        batches = _batches(rows)
        more = True
        while more:
            more = self._write_shard(batches)
        totals = {key: sum(x[key] for x in self._shards) for key in ("rows", "tokens", "bytes")}
        self.manifest = {
            **self._job,
            "job": self._digest(),
            "vocab_size": self._tok.vocab_size,
            "shards": self._shards,
            "totals": totals,
        }
        write_bytes(self._folder / MANIFEST, _dumps(self.manifest))
        self._forget(JOURNAL)
        return self.manifest

    def _write_shard(self, batches: Iterator[list[str]]) -> bool:
        """Write one shard; false when the rows have come to an end."""
        first = next(batches, None)
        if first is None and self._shards:
            return False
        name = f"shard-{len(self._shards):05}"
        shard: dict[str, Any] = {
            "ids": f"{name}.{self._job['format']}",
            "offsets": f"{name}.offsets.npy",
        }
        offsets = [np.zeros(1, np.int64)]
        tokens = size = 0
        batch, ended = first, first is None
        with atomic(self._folder / shard["ids"]) as file:
            if self._job["format"] == "npy":
                file.write(_header(self._job["dtype"], 0))
            while batch is not None:
                encoded = self._tok.encode_batch(
                    batch,
                    add_special_tokens=self._job["add_special_tokens"],
                    # Whatever the tokenizer's file says: nothing is lost from a data set.
                    truncation=False,
                    padding=False,
                    threads=self._threads,
                )
                file.write(encoded.ids.astype(self._job["dtype"]).tobytes())
                offsets.append(encoded.row_offsets[1:] + tokens)
                tokens += len(encoded.ids)
                size += sum(len(row.encode()) for row in batch)
                if tokens >= self._job["shard_tokens"]:
                    break
                batch = next(batches, None)
                ended = batch is None
            if self._job["format"] == "npy":
                file.seek(0)
                file.write(_header(self._job["dtype"], tokens))
        starts = np.concatenate(offsets).astype("<i8")
        with atomic(self._folder / shard["offsets"]) as file:
            file.write(_header("<i8", len(starts)) + starts.tobytes())
        self._shards.append({**shard, "rows": len(starts) - 1, "tokens": tokens, "bytes": size})
        self._write_journal()
        return not ended

    def _write_journal(self) -> None:
        content = {"layout": LAYOUT, "job": self._digest(), "shards": self._shards}
        write_bytes(self._folder / JOURNAL, _dumps(content))

    def _digest(self) -> str:
        return hashlib.sha256(_dumps(self._job)).hexdigest()

    def _is_whole(self, shard: dict[str, Any]) -> bool:
        """Whether both files of a shard have the size that it states."""
        try:
            header = _HEADER if self._job["format"] == "npy" else 0
            ids = header + shard["tokens"] * np.dtype(self._job["dtype"]).itemsize
            sizes = {shard["ids"]: ids, shard["offsets"]: _HEADER + 8 * (shard["rows"] + 1)}
            return all(
                (self._folder / Path(name).name).stat().st_size == size
                for name, size in sizes.items()
            )
        except (OSError, KeyError, TypeError):
            return False

    def _remove_temporary(self) -> None:
        """What a killed run left behind under temporary names."""
        for pattern in ("shard-*", MANIFEST, JOURNAL):
            for path in self._folder.glob(f".{pattern}.*.tmp"):
                self._forget(path.name)

    def _forget(self, name: str) -> None:
        # Only bare names: a manifest from elsewhere must not reach beyond its folder.
        with suppress(FileNotFoundError):
            (self._folder / Path(name).name).unlink()


def _batches(rows: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row)
        if size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _header(dtype: str, length: int) -> bytes:
    """A header of NumPy's format 1.0 whose size does not depend on the length."""
    content = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': ({length},), }}"
    return (
        b"\x93NUMPY\x01\x00"
        + (_HEADER - 10).to_bytes(2, "little")
        + (content.ljust(_HEADER - 11) + "\n").encode("ascii")
    )


def _wrong(what: str, given: object, wanted: str) -> ArgumentTypeError:
    return ArgumentTypeError(f"{what} is {type(given).__name__}, but must be {wanted}")


def _dumps(content: dict[str, Any]) -> bytes:
    try:
        return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError:
        # The name of a file that is not UTF-8: escapes bring back the same name.
        return (json.dumps(content, indent=1) + "\n").encode()


def _listed(content: dict[str, Any]) -> bool:
    """Whether a manifest or journal names the files of its shards."""
    shards = content.get("shards")
    return isinstance(shards, list) and all(
        isinstance(x, dict) and isinstance(x.get("ids"), str) and isinstance(x.get("offsets"), str)
        for x in shards
    )


def _load(path: Path) -> dict[str, Any] | None:
    """A manifest or journal of ours; none when there is none."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise file_error("read", path, error) from error
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.get("layout") != LAYOUT or not _listed(content):
        raise ArgumentError(f"{path} was not written by this version of subtok")
    return content
