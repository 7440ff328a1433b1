"""Counting the words of a Ray dataset: text that is too much for one machine, or lies on many.

>>> counts = subtok.ray.count(ray.data.read_parquet("s3://bucket/corpus/"))  # doctest: +SKIP
>>> subtok.train_bpe(counts, vocab_size=128_000).save("tokenizer.json")  # doctest: +SKIP

Needs Ray Data: ``pip install 'subtok[ray]'``.
"""

# Each block of text is counted where it lies, and its words are parted by a hash; one task then
# adds up one part of all blocks. So no machine holds all words until the end, and what moves
# between machines is a few per cent of the text. Between the two steps a part of a block is one
# row: Ray groups rows by the dozen and not words by the million, and sums are ours and checked.
#
# Not `groupby("word").sum("count")`: that sorts or hashes every word of every block in Python's
# process, and its sums wrap around. Not a tree of tasks: at its top one task holds all words, and
# adds them up alone.

from __future__ import annotations

import importlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from subtok._counts import _pyarrow
from subtok.counting import _handed, _table, count_batch, merge_counts, parts_of
from subtok.errors import ArgumentError, ArgumentTypeError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from subtok._subtok import Counts
    from subtok.counting import Nulls

__all__ = ["count", "count_dataset"]

_PART, _COUNTS = "part", "counts"


def count(
    dataset: Any,
    column: str = "text",
    *,
    pretokenizer: str | Mapping[str, Any] = "gpt2",
    normalizer: Mapping[str, Any] | None = None,
    nulls: Nulls = "error",
    partitions: int | None = None,
    num_cpus: float | None = None,
    memory: float | None = None,
    **options: Any,
) -> Counts:
    """Count the words of a Ray dataset on its cluster.

    The result is that of one local count over the same rows, whatever the order of rows, the size
    of blocks and the number of machines. A task that Ray runs again, because a process died or for
    any other reason, counts once.

    Args:
        dataset: A `ray.data.Dataset` with a column of text; each row is a document.
        column: Its name. Other columns are not read where the source can leave them out.
        pretokenizer: As in `subtok.count`.
        normalizer: As in `subtok.count`.
        nulls: Rows without a text are an `"error"`, or `"empty"` documents.
        partitions: In how many parts words are added up; by default twice the processors of the
            cluster. Words of all blocks together, divided by this, must fit into a task.
        num_cpus: The processors of a task, as in Ray.
        memory: The bytes of memory that Ray keeps for a task.
        options: Further options of `subtok.count`.

    Raises:
        ArgumentError: There is no such column, or the dataset may leave out blocks that fail.
        ArgumentTypeError: It is no Ray dataset.
        TrainingError: A sum is 2**63 or more.
        MissingDependencyError: Ray Data is not installed.
        ray.exceptions.RayTaskError: A task failed for good; the cause is an error of `count_batch`.
    """
    given = {"pretokenizer": pretokenizer, "normalizer": normalizer, "nulls": nulls, **options}
    counted = _counted(dataset, column, partitions, _task(num_cpus, memory), given)
    return merge_counts(counted.iter_batches(**_whole()))


def count_dataset(
    dataset: Any,
    column: str = "text",
    *,
    pretokenizer: str | Mapping[str, Any] = "gpt2",
    normalizer: Mapping[str, Any] | None = None,
    nulls: Nulls = "error",
    partitions: int | None = None,
    num_cpus: float | None = None,
    memory: float | None = None,
    **options: Any,
) -> Any:
    """The same as a Ray dataset: for more words than one machine shall hold.

    Write it with `write_parquet`; `subtok.counting.merge_counts` takes the files' tables later.

    Args:
        dataset: As in `count`, like all that follow.
        column: As in `count`.
        pretokenizer: As in `count`.
        normalizer: As in `count`.
        nulls: As in `count`.
        partitions: As in `count`.
        num_cpus: As in `count`.
        memory: As in `count`.
        options: As in `count`.

    Returns:
        A `ray.data.Dataset`, computed already and spread over the cluster, with the columns `word`
        (binary) and `count` (int64), each word once, and with the rows that say how it was counted
        (see `subtok.counting.count_batches`).

    Raises:
        ArgumentError: As `count`, like all that follow.
        ArgumentTypeError: As `count`.
        MissingDependencyError: As `count`.
    """
    given = {"pretokenizer": pretokenizer, "normalizer": normalizer, "nulls": nulls, **options}
    return _counted(dataset, column, partitions, _task(num_cpus, memory), given)


def _counted(
    dataset: Any,
    column: str,
    partitions: int | None,
    task: dict[str, Any],
    given: dict[str, Any],
) -> Any:
    ray = _ray()
    if not isinstance(dataset, ray.data.Dataset):
        raise ArgumentTypeError(f"dataset: a ray.data.Dataset, not {type(dataset).__name__}")
    if allowed := dataset.context.max_errored_blocks:
        raise ArgumentError(
            f"max_errored_blocks is {allowed}: Ray would leave out blocks that fail, and the counts"
            " would be short without a word; set it to 0"
        )
    if partitions is None:
        partitions = max(1, 2 * int(ray.cluster_resources().get("CPU", 1)))
    if partitions < 1:
        raise ArgumentError(f"partitions: {partitions} is not 1 or more")
    # What is wrong with the options is said here, and not by a task. And a dataset without rows has
    # no block to say how it was counted, nor can Ray group nothing.
    nothing = ray.data.from_arrow(_count_block(_no_rows(column), column, 1, given))
    parted = dataset.select_columns([column]).map_batches(
        _count_block,
        fn_kwargs={"column": column, "partitions": partitions, "options": given},
        zero_copy_batch=True,
        **_whole(),
        **task,
    )
    # As many blocks as parts: a shuffle has the square of its blocks in pieces, and text has many.
    joined = parted.union(nothing).repartition(partitions)
    with _shuffle_of_tasks(ray, joined.context):
        groups = joined.groupby(_PART)
        return groups.map_groups(_add_up, batch_format="pyarrow", **task).materialize()


@contextmanager
def _shuffle_of_tasks(ray: Any, context: Any) -> Iterator[None]:
    """See that Ray groups rows by its sort of tasks, and not of actors or by another experiment.

    A task that dies is run again, an actor may take its partial sums along. And the shuffle that
    Ray 2.60 takes by default fails where a block has no rows left, as after a filter.
    """
    before = context.shuffle_strategy
    context.shuffle_strategy = ray.data.context.ShuffleStrategy.SORT_SHUFFLE_PULL_BASED
    try:
        yield
    finally:
        context.shuffle_strategy = before


def _task(num_cpus: float | None, memory: float | None) -> dict[str, Any]:
    """What was asked of Ray's tasks; the rest is Ray's default."""
    given = {"num_cpus": num_cpus, "memory": memory}
    return {name: value for name, value in given.items() if value is not None}


def _ray() -> Any:
    try:
        importlib.import_module("ray.data")
        return importlib.import_module("ray")
    except ImportError as error:
        raise MissingDependencyError(
            f"counting on Ray needs Ray Data: pip install 'subtok[ray]' ({error})"
        ) from error


def _whole() -> dict[str, Any]:
    return {"batch_size": None, "batch_format": "pyarrow"}


def _no_rows(column: str) -> Any:
    pa = _pyarrow()
    return pa.table({column: pa.array([], pa.string())})


def _count_block(batch: Any, column: str, partitions: int, options: dict[str, Any]) -> Any:
    """The words of a block: a row for each part that has any."""
    pa = _pyarrow()
    parts = parts_of(count_batch(batch, column, **options), partitions)
    # The first part has the totals, even of a text without words.
    rows = [
        (part, _packed(pa, table)) for part, table in enumerate(parts) if len(table) or not part
    ]
    kinds = (pa.int64(), pa.large_binary())
    columns = [
        pa.array(list(values), kind)
        for values, kind in zip(zip(*rows, strict=True), kinds, strict=True)
    ]
    return pa.table(columns, names=[_PART, _COUNTS])


def _add_up(group: Any) -> Any:
    """One part of the words of all blocks."""
    pa = _pyarrow()
    tables = (pa.ipc.open_stream(row.as_buffer()).read_all() for row in group[_COUNTS])
    batches = list(_handed(pa, _table(merge_counts(tables))))
    # How words were counted is said once: by the part that has the totals.
    if group[_PART][0].as_py():
        batches.pop()
    return pa.Table.from_batches(batches)


def _packed(pa: Any, table: Any) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content
