"""Count the words of a lazy Polars frame, and train on the result.

    python count_with_polars.py corpus.parquet counts.parquet

Polars runs the function on batches as they come (`streamable`), and sums over all processors.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from subtok.counting import count_batches, merge_counts

if TYPE_CHECKING:
    from subtok import Counts


def partial_counts(batch: pl.DataFrame, **options: Any) -> pl.DataFrame:
    """The words of one batch; a pure function."""
    return pl.DataFrame(
        pl.concat([pl.from_arrow(part) for part in count_batches([batch], **options)])
    )


def count(texts: pl.LazyFrame, column: str = "text", **options: Any) -> Counts:
    """The counts of a lazy frame.

    Args:
        texts: Each row is a document.
        column: The column of the text.
        options: How words are cut, as in `subtok.count`.
    """
    counted = texts.select(column).map_batches(
        partial(partial_counts, column=column, **options),
        schema={"word": pl.Binary, "count": pl.Int64},
        streamable=True,
    )
    # Sums of 64-bit integers would wrap around, those of decimals do not.
    number = pl.col("count").cast(pl.Decimal(38, 0)).sum()
    return merge_counts(counted.group_by("word").agg(number).collect(engine="streaming"))


if __name__ == "__main__":
    count(pl.scan_parquet(sys.argv[1]), pretokenizer="gpt2").save(sys.argv[2])
