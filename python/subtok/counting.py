"""Counting the words of Arrow batches: what a cluster runs, as functions without state.

`count_batch` turns a batch of text into a table of words and counts, and `merge_counts` adds up any
number of such tables. Neither reads a file, remembers anything or depends on where it runs, so an
engine may cut the text as it likes and run a task again: the sum is that of one count over all.

A table says in the metadata of its schema how it was counted. Engines drop that when they group and
sum, so `count_batches` says it in rows, which survive everything that keeps words and adds up
counts. Their words begin with the byte 0xFF, which no text has.

Needs `pyarrow`: ``pip install 'subtok[parquet]'``.
"""

# Why rows for the manifest: Spark, DuckDB and Polars all forget schema metadata at the first
# aggregation. As rows the check that all words were cut alike costs no side channel: two ways of
# cutting are two rows.

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from subtok._counts import _MANIFEST, _pyarrow, to_arrow
from subtok._subtok import Counts, count
from subtok.errors import (
    ArgumentError,
    ArgumentTypeError,
    FormatError,
    TextError,
    TrainingError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy.typing as npt

    Nulls = Literal["error", "empty"]

__all__ = ["ENGINE_COLUMNS", "count_batch", "count_batches", "merge_counts"]

ENGINE_COLUMNS = "word binary, count bigint"
"""The columns that `count_batches` yields, as Spark spells a schema."""

_MARK = b"\xff"
_HOW, _TOTAL = _MARK + b"manifest ", _MARK + b"total "
# Of the rows that are taken out of Arrow at once, and of those that are handed to an engine.
_TAKEN, _HANDED = 1 << 10, 1 << 16
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFF_FFFF)


def count_batch(
    batch: Any,
    column: str = "text",
    *,
    pretokenizer: str | Mapping[str, Any] = "gpt2",
    normalizer: Mapping[str, Any] | None = None,
    nulls: Nulls = "error",
    threads: int = 1,
    **options: Any,
) -> Any:
    """Count the words of one batch of text.

    Args:
        batch: A record batch or table, or a column alone: of PyArrow or of whoever speaks the Arrow
            C data interface (Polars, pandas, DuckDB). Text is UTF-8 in any of Arrow's string or
            binary types; each row is a document.
        column: The column of the text, where the batch has columns.
        pretokenizer: As in `subtok.count`.
        normalizer: As in `subtok.count`.
        nulls: Rows without a text are an `"error"` that names the first, or `"empty"` documents.
        threads: Engines run a task on each processor, so one is enough.
        options: Further options of `subtok.count`.

    Returns:
        A `pyarrow.Table` ordered by word: `word` (large_binary) and `count` (uint64), none of them
        null; the schema's metadata say how it was counted. The same batch gives the same table.

    Raises:
        ArgumentError: There is no such column.
        ArgumentTypeError: The batch is no Arrow data, or the column holds no text.
        TextError: A row that is null or not UTF-8, with its number.
        MissingDependencyError: pyarrow is not installed.
    """
    pa = _pyarrow()
    texts = _texts(pa, batch, column, nulls)
    given = {"pretokenizer": pretokenizer, "normalizer": normalizer, "threads": threads, **options}
    try:
        counts = count(texts, **given)
    except UnsupportedError:
        # Arrow data is no source of this build, or the options are at fault and will say so again.
        counts = count(_rows(texts), **given)
    return _table(counts)


def count_batches(
    batches: Iterable[Any],
    column: str = "text",
    *,
    pretokenizer: str | Mapping[str, Any] = "gpt2",
    normalizer: Mapping[str, Any] | None = None,
    nulls: Nulls = "error",
    threads: int = 1,
    **options: Any,
) -> Iterator[Any]:
    """Count the words of many batches together, for an engine that groups and sums: a generator.

    It holds one batch and the distinct words at a time. This is what Spark's `mapInArrow` wants: an
    iterator in, an iterator out.

    Args:
        batches: The batches of one task, each as in `count_batch`.
        column: As in `count_batch`, like all that follow.
        pretokenizer: As in `subtok.count`.
        normalizer: As in `subtok.count`.
        nulls: As in `count_batch`.
        threads: As in `count_batch`.
        options: Further options of `subtok.count`.

    Yields:
        `pyarrow.RecordBatch`es with the columns `word` (binary) and `count` (int64): types that
        every engine has. A few rows are no words: they begin with the byte 0xFF and say how it was
        counted and from how much text. Sum `count` by `word`, and give what comes out to
        `merge_counts`.

    Raises:
        TrainingError: A count is 2**63 or more.
    """
    pa = _pyarrow()
    texts = (text for batch in batches for text in _rows(_texts(pa, batch, column, nulls)))
    counts = count(
        texts, pretokenizer=pretokenizer, normalizer=normalizer, threads=threads, **options
    )
    yield from _handed(pa, _table(counts))


def merge_counts(tables: Any) -> Counts:
    """Add up counts: partial ones, or what an engine made of them.

    Args:
        tables: `Counts`, tables of `count_batch`, or tables with the columns `word` and `count`
            that an engine made of `count_batches`, in any order; one or several. A word may occur
            any number of times. Counts may be integers or decimals.

    Returns:
        What one count over all the text would have given.

    Raises:
        ArgumentError: There are none.
        ArgumentTypeError: One of them is no table.
        TrainingError: They were not counted in the same way, or a sum is 2**64 or more.
        FormatError: One of them does not say how it was counted, or is damaged.
        MissingDependencyError: pyarrow is not installed.
    """
    pa = _pyarrow()
    sums, bare, rows = _Sums(), [], _Rows()
    for index, item in enumerate(_items(tables)):
        if isinstance(item, Counts):
            sums.add(item)
            continue
        with _named(index):
            words, manifest = _read(pa, item, rows)
            if manifest is None:
                bare.append((index, words))
            else:
                sums.add(Counts._from_parts(*words, manifest))  # noqa: SLF001
    # An engine's batches part from the rows that say how they were counted.
    for manifest in rows.manifests():
        sums.add(Counts._from_parts(*_NO_WORDS, manifest))  # noqa: SLF001
    for index, words in bare:
        with _named(index):
            sums.add(Counts._from_parts(*words, rows.plain()))  # noqa: SLF001
    return sums.total()


def _items(tables: Any) -> Iterator[Any]:
    arrow = any(hasattr(tables, name) for name in ("__arrow_c_stream__", "__arrow_c_array__"))
    try:
        return iter([tables] if arrow or isinstance(tables, Counts) else tables)
    except TypeError:
        raise ArgumentTypeError(
            f"tables: counts or tables of them, not {type(tables).__name__}"
        ) from None


@contextmanager
def _named(index: int) -> Iterator[None]:
    """Errors say which table they are about."""
    try:
        yield
    except (ArgumentTypeError, FormatError, TrainingError) as error:
        raise type(error)(f"tables[{index}]: {error}") from error


_Words = tuple[bytes, "npt.NDArray[np.int64]", "npt.NDArray[np.uint64]"]
_NO_WORDS: _Words = (b"", np.zeros(1, np.int64), np.zeros(0, np.uint64))


class _Sums:
    """Counts are added to others of about their size: few are held, and a word moves seldom."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, Counts]] = []

    def add(self, counts: Counts) -> None:
        level = 0
        while self._parts and self._parts[-1][0] == level:
            counts = self._parts.pop()[1] + counts
            level += 1
        self._parts.append((level, counts))

    def total(self) -> Counts:
        return Counts.merge(counts for _, counts in self._parts)


class _Rows:
    """The rows that are no words: how words were counted, and from how much text."""

    def __init__(self) -> None:
        self._totals: dict[str, int] = {}
        self._how: set[bytes] = set()

    def add(self, row: bytes, number: int) -> None:
        if row.startswith(_TOTAL):
            place = row[len(_TOTAL) :].decode(errors="replace")
            self._totals[place] = self._totals.get(place, 0) + number
        elif row.startswith(_HOW):
            self._how.add(row[len(_HOW) :])
        else:
            raise FormatError(f"the row {row[:80]!r} is no word and says nothing known")

    def manifests(self) -> list[str]:
        """All that was said, the totals with the first: more than one where it was not the same."""
        if self._totals and not self._how:
            raise FormatError("there are rows of totals, and none that says how words were counted")
        found = [_parsed(how) for how in sorted(self._how)]
        for place, total in self._totals.items():
            _put(found[0], place, total)
        return [_dump(manifest) for manifest in found]

    def plain(self) -> str:
        """How words were counted, without totals."""
        if not self._how:
            raise FormatError(
                "the table does not say how words were counted: it has neither metadata nor rows"
            )
        return min(self._how).decode(errors="replace")


def _parsed(how: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(how)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"a row that says how words were counted: {error}") from None
    if not isinstance(manifest, dict):
        raise FormatError("a row that says how words were counted holds no object")
    return manifest


def _totals(manifest: dict[str, Any]) -> dict[str, int]:
    """What of a manifest adds up, by its place; there it is zero afterwards."""
    found: dict[str, int] = {}

    def take(holder: dict[str, Any], keys: Iterable[str], place: str) -> None:
        for key in keys:
            if key in holder:
                found[f"{place}{key}"], holder[key] = holder[key], 0

    take(manifest, ("documents", "bytes"), "")
    for index, source in enumerate(manifest["sources"]):
        take(source, ("documents", "bytes", "replaced"), f"sources/{index}/")
    special = manifest.get("special_tokens", {})
    take(special, list(special), "special_tokens/")
    return found


def _put(manifest: dict[str, Any], place: str, total: int) -> None:
    """The reverse of `_totals`, for one of them."""
    if total >> 64:
        raise TrainingError(f"the total {place!r} is {total}, and does not fit into 64 bits")
    first, _, rest = place.partition("/")
    holder: Any = manifest
    try:
        if first == "special_tokens":
            holder, first = manifest[first], rest
        elif first == "sources":
            index, _, rest = rest.partition("/")
            holder, first = manifest[first][int(index)], rest
        else:
            first = place
        if holder[first] != 0:
            raise FormatError(f"the total {place!r} is said twice")
        holder[first] = total
    except (KeyError, IndexError, ValueError, TypeError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"the total {place!r} has no place in the manifest") from None


def _read(pa: Any, item: Any, rows: _Rows) -> tuple[_Words, str | None]:
    """The words of a table and what its metadata say; what its rows say goes to `rows`."""
    table = _struct(pa, item)
    if table is None:
        raise ArgumentTypeError(f"Counts or Arrow data, not {type(item).__name__}")
    columns = []
    for column, kind in (("word", pa.large_binary()), ("count", pa.uint64())):
        if column not in table.schema.names:
            raise FormatError(f"there is no column `{column}`; there is {table.schema.names}")
        try:
            values = table[column].cast(kind)
        except pa.ArrowException as error:
            raise FormatError(f"the column `{column}`: {error}") from error
        if values.null_count:
            raise FormatError(f"the column `{column}` has {values.null_count} empty values")
        columns.append(values)
    words, numbers = _summed(pa, *columns)
    # The rows that are no words come last: text has no byte as high as theirs.
    end = len(words)
    while end and (word := words[end - 1].as_py()).startswith(_MARK):
        end -= 1
        rows.add(word, int(numbers[end]))
    metadata = (table.schema.metadata or {}).get(_MANIFEST)
    manifest = None if metadata is None else metadata.decode(errors="replace")
    if not end:
        return _NO_WORDS, manifest
    _, ends, data = words.buffers()
    offsets = np.frombuffer(ends, np.int64)[words.offset :][: end + 1]
    content = b"" if data is None else data.to_pybytes()
    return (content, offsets.copy(), numbers[:end]), manifest


def _summed(pa: Any, words: Any, numbers: Any) -> tuple[Any, npt.NDArray[np.uint64]]:
    """Words in order, each once, and how often each occurs."""
    pc = _pyarrow("pyarrow.compute")
    words, counts = _one(pa, words), _one(pa, numbers).to_numpy(zero_copy_only=False)
    if len(words) < 2 or pc.all(pc.less(words[:-1], words[1:])).as_py():  # noqa: PLR2004
        return words, counts
    order = pc.sort_indices(words)
    words, counts = words.take(order), counts[order.to_numpy()]
    new = pc.not_equal(words[:-1], words[1:]).to_numpy(zero_copy_only=False)
    starts = np.concatenate(([0], np.flatnonzero(new) + 1))
    # Halves, because a sum of 64-bit numbers would wrap around in silence.
    high = np.add.reduceat(counts >> _HALF, starts)
    low = np.add.reduceat(counts & _LOW, starts)
    high += low >> _HALF
    if (high > _LOW).any():
        word = words[int(starts[int(np.argmax(high > _LOW))])].as_py()
        shown = word.decode(errors="replace")
        raise TrainingError(f"the word {shown!r} occurs 2^64 times or more")
    return words.take(pa.array(starts)), (high << _HALF) | (low & _LOW)


def _one(pa: Any, column: Any) -> Any:
    """A chunked array as one array."""
    joined = column.combine_chunks()
    return pa.concat_arrays(joined.chunks) if isinstance(joined, pa.ChunkedArray) else joined


def _struct(pa: Any, data: Any) -> Any:
    """Arrow data with columns as a table; none where it has none."""
    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    found = _import(pa, data)
    if found is None or not pa.types.is_struct(found.type):
        return None
    chunks = found.chunks if isinstance(found, pa.ChunkedArray) else [found]
    schema = pa.schema(list(found.type))
    batches = [pa.RecordBatch.from_struct_array(chunk) for chunk in chunks]
    return pa.Table.from_batches(batches, schema) if batches else schema.empty_table()


def _import(pa: Any, data: Any) -> Any:
    """Arrow data of any library as an array of PyArrow; none where it is no Arrow data."""
    if isinstance(data, (pa.Array, pa.ChunkedArray)):
        return data
    for name, make in (("__arrow_c_stream__", pa.chunked_array), ("__arrow_c_array__", pa.array)):
        if hasattr(data, name):
            return make(data)
    return None


def _texts(pa: Any, batch: Any, column: str, nulls: str) -> Any:
    """The column of text, without nulls."""
    if nulls not in ("error", "empty"):
        raise ArgumentError(f"nulls: {nulls!r} is not one of 'error', 'empty'")
    table = _struct(pa, batch)
    if table is not None:
        if column not in table.schema.names:
            raise ArgumentError(f"there is no column {column!r}; there is {table.schema.names}")
        if table.schema.names.count(column) > 1:
            raise ArgumentError(f"there are several columns {column!r}")
        texts = table[column]
    else:
        texts = _import(pa, batch)
    if texts is None:
        raise ArgumentTypeError(
            "batch: a record batch, a table or a column of the Arrow C data interface, not "
            f"{type(batch).__name__}"
        )
    kind = texts.type
    if isinstance(kind, pa.DictionaryType):
        kind = kind.value_type
        texts = texts.cast(kind)
    if pa.types.is_null(kind):
        texts = texts.cast(pa.large_string())
    elif not any(test(kind) for test in _tests(pa)):
        raise ArgumentTypeError(f"the column {column!r} holds {kind}, and no text")
    if texts.null_count:
        texts = _filled(texts, column, nulls)
    return texts


def _tests(pa: Any) -> tuple[Any, ...]:
    kinds = pa.types
    return (
        kinds.is_string,
        kinds.is_large_string,
        kinds.is_string_view,
        kinds.is_binary,
        kinds.is_large_binary,
        kinds.is_binary_view,
    )


def _filled(texts: Any, column: str, nulls: str) -> Any:
    if nulls == "error":
        row = int(np.argmax(texts.is_null().to_numpy(zero_copy_only=False)))
        raise TextError(
            f"row {row} of {column!r} is null; nulls='empty' counts it as an empty text"
        )
    views = {"string_view": "large_string", "binary_view": "large_binary"}
    texts = texts.cast(views.get(str(texts.type), texts.type))
    return texts.fill_null("" if "string" in str(texts.type) else b"")


def _rows(texts: Any) -> Iterator[Any]:
    """The texts one by one, a block of Python objects at a time."""
    for start in range(0, len(texts), _TAKEN):
        yield from texts[start : start + _TAKEN].to_pylist()


def _table(counts: Counts) -> Any:
    """The counts as Arrow, saying how they were made but not what from.

    A task is as good as any other that counts the same words: so its table is the same, too, and a
    hundred thousand of them do not add up to a list of as many names.
    """
    table = to_arrow(counts)
    manifest = json.loads(table.schema.metadata[_MANIFEST])
    sources = [{**x, "inputs": []} for x in manifest["sources"] if isinstance(x, dict)]
    manifest["sources"] = sources
    return table.replace_schema_metadata({_MANIFEST: _dump(manifest).encode()})


def _dump(manifest: dict[str, Any]) -> str:
    return json.dumps(manifest, ensure_ascii=False, separators=(",", ":"))


def _handed(pa: Any, table: Any) -> Iterator[Any]:
    """A table in batches for an engine, with its manifest in rows."""
    manifest = json.loads(table.schema.metadata[_MANIFEST])
    totals = _totals(manifest)
    rows = {_TOTAL + place.encode(): total for place, total in totals.items()}
    rows[_HOW + _dump(manifest).encode()] = 1
    kinds = (pa.binary(), pa.int64())
    schema = pa.schema(list(zip(("word", "count"), kinds, strict=True)))
    for start in range(0, len(table), _HANDED):
        part = table.slice(start, _HANDED)
        try:
            columns = [_one(pa, part[index]).cast(kind) for index, kind in enumerate(kinds)]
        except pa.ArrowException as error:
            raise TrainingError(f"counts that an engine cannot hold: {error}") from error
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
    columns = [
        pa.array(list(part), kind)
        for part, kind in zip(zip(*rows.items(), strict=True), kinds, strict=True)
    ]
    yield pa.RecordBatch.from_arrays(columns, schema=schema)


def parts_of(table: Any, parts: int) -> list[Any]:
    """A table of `count_batch` by the hash of its words, in so many tables of the same kind.

    A word is in the same part on every machine. The first part has the totals of the manifest, so
    that they are added up once.
    """
    pa = _pyarrow()
    words = _one(pa, table["word"])
    _, ends, data = words.buffers()
    offsets = np.frombuffer(ends, np.int64)[words.offset :][: len(words) + 1]
    content = np.frombuffer(b"" if data is None else data, np.uint8)
    # The high half times the number of parts: no part is favoured, whatever their number.
    hashes = _hashes(content, offsets) >> _HALF
    place = ((hashes * np.uint64(parts)) >> _HALF).astype(np.int64)
    order = np.argsort(place, kind="stable")
    sorted_table = table.take(pa.array(order))
    borders = np.searchsorted(place[order], np.arange(parts + 1))
    manifest = json.loads(table.schema.metadata[_MANIFEST])
    _totals(manifest)
    bare = {_MANIFEST: _dump(manifest).encode()}
    found = []
    for part in range(parts):
        start, end = int(borders[part]), int(borders[part + 1])
        piece = sorted_table.slice(start, end - start)
        found.append(piece if part == 0 else piece.replace_schema_metadata(bare))
    return found


_BASE = 0x9E37_79B9_7F4A_7C15
_CHUNK = 1 << 18


def _hashes(
    content: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint64]:
    """A hash of 64 bits of each word: a polynomial of its bytes, mixed.

    Sums of products up to each place are taken for many words at once, and divided by the power
    where a word begins; so no word is looked at by itself. Never a security boundary: what collides
    is only worked on by the same task.
    """
    found = np.empty(len(offsets) - 1, np.uint64)
    first = 0
    while first < len(found):
        last = int(np.searchsorted(offsets, offsets[first] + _CHUNK, "right")) - 1
        last = min(max(last, first + 1), len(found))
        start, end = int(offsets[first]), int(offsets[last])
        size = end - start + 1
        powers, inverse = (_powers(base, size) for base in (_BASE, pow(_BASE, -1, 1 << 64)))
        sums = np.zeros(size, np.uint64)
        np.cumsum((content[start:end].astype(np.uint64) + np.uint64(1)) * powers[:-1], out=sums[1:])
        borders = offsets[first : last + 1] - start
        found[first:last] = (sums[borders[1:]] - sums[borders[:-1]]) * inverse[borders[:-1]]
        first = last
    found ^= found >> np.uint64(32)
    found *= np.uint64(0xD6E8_FEB8_6659_FD93)
    found ^= found >> np.uint64(32)
    found *= np.uint64(0xD6E8_FEB8_6659_FD93)
    return found


def _powers(base: int, size: int) -> npt.NDArray[np.uint64]:
    powers = np.full(size, base, np.uint64)
    powers[0] = 1
    return np.cumprod(powers, dtype=np.uint64)
