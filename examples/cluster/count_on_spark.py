"""Count the words of a corpus on Spark, and train on the result.

    spark-submit count_on_spark.py corpus.parquet counts.parquet

Every executor needs subtok and pyarrow. Spark sums the counts of a word where it has them before it
moves anything; a task that is run again replaces its earlier result, so nothing is counted twice.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as sql

from subtok.counting import ENGINE_COLUMNS, count_batches, merge_counts

if TYPE_CHECKING:
    from subtok import Counts


def count(texts: Any, column: str = "text", **options: Any) -> Counts:
    """The counts of a Spark data frame.

    Args:
        texts: A `pyspark.sql.DataFrame`; each row is a document.
        column: The column of the text.
        options: How words are cut, as in `subtok.count`.
    """
    partial_counts = texts.select(column).mapInArrow(
        partial(count_batches, column=column, **options), ENGINE_COLUMNS
    )
    # Spark's long integers may wrap around (`spark.sql.ansi.enabled=false`), decimals do not.
    number = sql.col("count").cast("decimal(38,0)")
    summed = partial_counts.groupBy("word").agg(sql.sum(number).alias("count"))
    return merge_counts(summed.toArrow())


if __name__ == "__main__":
    spark = SparkSession.builder.appName("count words").getOrCreate()
    count(spark.read.parquet(sys.argv[1]), pretokenizer="gpt2").save(sys.argv[2])
    spark.stop()
