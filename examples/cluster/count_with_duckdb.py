"""Count the words of a DuckDB query, and train on the result.

    python count_with_duckdb.py corpus.parquet counts.parquet

subtok counts the batches of the query as they come and leaves partial counts as a Parquet file
each; DuckDB sums them, and spills to disk where they do not fit into memory.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow.parquet as pq

from subtok.counting import count_batches, merge_counts

if TYPE_CHECKING:
    from subtok import Counts


def count(
    query: duckdb.DuckDBPyRelation, folder: Path, column: str = "text", **options: Any
) -> Counts:
    """The counts of a query.

    Args:
        query: Each row is a document.
        folder: An empty folder for partial counts.
        column: The column of the text.
        options: How words are cut, as in `subtok.count`.
    """
    for number, batch in enumerate(query.select(column).to_arrow_reader(100_000)):
        parts = list(count_batches([batch], column, **options))
        with pq.ParquetWriter(folder / f"{number:06}.parquet", parts[0].schema) as file:
            for part in parts:
                file.write_batch(part)
    # DuckDB's sum of integers has 128 bits: it does not wrap around.
    with duckdb.connect() as connection:
        summed = connection.sql(
            "SELECT word, sum(count) AS count FROM read_parquet(?) GROUP BY word",
            params=[str(folder / "*.parquet")],
        )
        return merge_counts(summed.to_arrow_table())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as partial_counts:
        count(duckdb.read_parquet(sys.argv[1]), Path(partial_counts)).save(sys.argv[2])
