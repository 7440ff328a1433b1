"""The text of a measurement: documents, and the parts of them that each scenario takes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from subtok._text import decode, expand, read_rows
from subtok.bench.metrics import MB, METRICS, MIN_BYTES, SHORT_SIZES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subtok._text import Rows, StrPath

__all__ = ["Sample", "all_short", "load_part", "read_sample", "short_texts", "take"]

# Warm-up is the larger part: what is timed after it meets caches as a long run has them.
WARM_SHARE = 0.6
DOCUMENT = 4096
COLD, DECODED, WITH_OFFSETS, VERIFIED, SHORT = MB, 4 * MB, 3 * MB, MB, 2 * MB
SHORT_COUNT, VERIFY_COUNT = 200, 40


@dataclass(frozen=True)
class Sample:
    """Documents and their sizes in bytes.

    Attributes:
        name: What the user calls the text.
        documents: The texts that calls get.
        ends: The byte where each document ends, counted over all of them.
        warm: How many of the first documents are for warming up.
        timed: The document before which the timed part of a stream ends.
    """

    name: str
    documents: list[str]
    ends: Any
    warm: int
    timed: int

    @property
    def bytes(self) -> int:
        """The size of all documents."""
        return int(self.ends[-1]) if len(self.ends) else 0

    def part(self, group: str) -> dict[str, list[int]]:
        """Ranges of documents that a process of this group needs, by their use."""
        if group in ("stream", "threads"):
            return {"warm": [0, self.warm], "timed": [self.warm, self.timed]}
        if group == "verify":
            head = self._upto(VERIFIED, self.warm)
            return {
                "timed": [self.warm, min(head, self.timed)],
                "warm": [0, min(self._upto(VERIFIED), self.warm)],
                "short": [0, self._upto(SHORT)],
            }
        limit = {"cold": COLD, "short": SHORT, "decode": DECODED, "offsets": WITH_OFFSETS}[group]
        return {"texts": [0, self._upto(limit)]}

    def too_little(self, names: Sequence[str]) -> dict[str, str]:
        """The figures for which there is not enough text, and why."""
        return {
            name: f"{METRICS[name].scenario} needs {MIN_BYTES[name]:,} bytes of text, "
            f"and there are {self.bytes:,}"
            for name in names
            if self.bytes < MIN_BYTES.get(name, 0)
        }

    def save(self, folder: Path) -> dict[str, str]:
        """Write the documents for children to read; returns the paths."""
        text, ends = folder / "text.utf8", folder / "ends.npy"
        text.write_bytes("".join(self.documents).encode())
        np.save(ends, self.ends)
        return {"text": str(text), "ends": str(ends)}

    def _upto(self, limit: int, start: int = 0) -> int:
        """The document before which so many bytes have gone by."""
        before = int(self.ends[start - 1]) if start else 0
        found = int(np.searchsorted(self.ends, before + limit)) + 1
        return min(found, len(self.documents))


def read_sample(
    name: str, source: StrPath, rows: Rows, field: str, *, warm: int, timed: int
) -> Sample:
    """The first documents of a file, or of the files of a folder.

    Args:
        name: What to call the text.
        source: A file, a folder, or `-`.
        rows: What a row of plain text is; blocks are cut into documents of about 4 kB.
        field: The JSON field or Parquet column that holds the text.
        warm: The most bytes that are used for warming up.
        timed: The most bytes that a stream is timed on.
    """
    documents: list[str] = []
    size = 0
    for path in expand(source):
        for row in read_rows(path, rows=rows, field=field):
            for document in _cut(row) if rows == "blocks" else [row]:
                # An empty row would only measure the call.
                if document:
                    documents.append(document)
                    size += len(document.encode())
            if size >= warm + timed:
                break
        if size >= warm + timed:
            break
    ends = np.cumsum([len(document.encode()) for document in documents], dtype=np.int64)
    until = int(np.searchsorted(ends, min(warm, WARM_SHARE * size)))
    last = int(np.searchsorted(ends, (int(ends[until - 1]) if until else 0) + timed)) + 1
    return Sample(name, documents, ends, until, min(last, len(documents)))


def load_part(paths: dict[str, str], span: list[int]) -> list[str]:
    """A range of the documents that a sample has written."""
    first, last = span
    ends = np.load(paths["ends"], mmap_mode="r")
    start = int(ends[first - 1]) if first else 0
    stop = int(ends[last - 1]) if last else 0
    with Path(paths["text"]).open("rb") as file:
        file.seek(start)
        raw = file.read(stop - start)
    borders = [start, *ends[first:last].tolist()]
    return [decode(raw[a - start : b - start], paths["text"]) for a, b in pairwise(borders)]


def short_texts(documents: Sequence[str], size: int, count: int) -> list[str]:
    """Texts of at most `size` bytes that do not end in white space.

    Only there do the two spellings that one and the same split pattern has in rank files and in
    `tokenizer.json` files mean different things.
    """
    raw = "".join(documents).encode()
    cuts = (raw[at : at + size] for at in range(0, min(len(raw), count * size), size))
    found = (cut.decode("utf-8", "ignore").strip() for cut in cuts)
    return [text for text in found if text]


def all_short(documents: Sequence[str], count: int) -> list[str]:
    """Short texts of every size."""
    return [x for size in SHORT_SIZES.values() for x in short_texts(documents, size, count)]


def take(texts: Sequence[str], limit: float) -> int:
    """How many of the first texts together reach so many bytes."""
    size = 0
    for number, text in enumerate(texts):
        size += len(text.encode())
        if size >= limit:
            return number + 1
    return len(texts)


def _cut(row: str) -> list[str]:
    """A block of whole lines as documents, cut after a line feed where one is near."""
    found, start = [], 0
    while start < len(row):
        end = row.find("\n", start + DOCUMENT, start + 4 * DOCUMENT) + 1
        end = end or min(start + 4 * DOCUMENT, len(row))
        found.append(row[start:end])
        start = end
    return found
