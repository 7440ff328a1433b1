"""The recipes of examples/cluster on real engines: Polars, DuckDB, Spark. Each gives one count."""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import CORPUS

import subtok
from subtok import counting

RECIPES = Path(__file__).parents[2] / "examples" / "cluster"
DOCS = [f"{line} {index % 97}" for index, line in enumerate(CORPUS.splitlines() * 60)]
TABLE = pa.table({"n": range(len(DOCS)), "text": DOCS})
HOW = [{}, {"pretokenizer": "cl100k_base", "normalizer": {"type": "NFC"}}]


@pytest.fixture
def corpus(tmp_path):
    """A folder of files of several row groups, in an order of their own."""
    order = list(range(len(TABLE)))
    random.Random(5).shuffle(order)
    folder = tmp_path / "corpus"
    folder.mkdir()
    for part in range(3):
        pq.write_table(TABLE.take(order[part::3]), folder / f"{part}.parquet", row_group_size=50)
    return folder


@pytest.fixture
def recipe(monkeypatch):
    monkeypatch.syspath_prepend(RECIPES)
    return importlib.import_module


def same(counts: subtok.Counts, **how: object) -> None:
    want = counting.count_batch(TABLE, **how)
    assert counts.to_arrow().equals(want, check_metadata=True)


@pytest.mark.parametrize("how", HOW, ids=["plain", "options"])
class TestPolars:
    @pytest.fixture
    def pl(self):
        return pytest.importorskip("polars")

    def test_a_scan(self, pl, corpus, recipe, how):
        module = recipe("count_with_polars")
        same(module.count(pl.scan_parquet(corpus / "*.parquet"), **how), **how)

    def test_frames_in_memory(self, pl, recipe, how):
        module = recipe("count_with_polars")
        frame = pl.from_arrow(TABLE).sample(fraction=1, shuffle=True, seed=3)
        same(module.count(frame.lazy(), **how), **how)
        parts = [module.partial_counts(frame[start::5], **how) for start in range(5)]
        same(counting.merge_counts(pl.concat(parts)), **how)
        same(counting.merge_counts(parts), **how)
        # The library takes Polars' own columns and frames, too.
        assert counting.count_batch(frame, **how).equals(counting.count_batch(TABLE, **how))
        assert counting.count_batch(frame["text"], **how).equals(counting.count_batch(TABLE, **how))

    def test_sums_do_not_wrap_around(self, pl, recipe, how, monkeypatch):
        module = recipe("count_with_polars")
        row = {"word": [b"a", b"a"], "count": [2**63 - 1, 2**63 - 1]}
        rows = pl.DataFrame(row, schema={"word": pl.Binary, "count": pl.Int64})
        counted = module.partial_counts

        def high(batch, **options):
            return pl.concat([rows, counted(batch, **options)])

        monkeypatch.setattr(module, "partial_counts", high)
        found = module.count(pl.LazyFrame({"text": ["b"]}), **how)
        assert found.to_arrow()["count"].to_pylist() == [2**64 - 2, 1]


@pytest.mark.parametrize("how", HOW, ids=["plain", "options"])
def test_duckdb(corpus, recipe, how, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    folder = tmp_path / "partial"
    folder.mkdir()
    with duckdb.connect() as connection:
        query = connection.read_parquet(str(corpus / "*.parquet"))
        same(recipe("count_with_duckdb").count(query, folder, **how), **how)


@pytest.mark.parametrize("name", ["polars", "duckdb"])
def test_programs(name, corpus, tmp_path):
    pytest.importorskip(name)
    out = tmp_path / "counts.parquet"
    command = [sys.executable, RECIPES / f"count_with_{name}.py", corpus / "*.parquet", out]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
    same(subtok.Counts.load(out))


SPARK = """
import os, sys
from pyspark.sql import SparkSession, functions as sql
import count_on_spark
from subtok import counting

MARKER = sys.argv[3]

def fail_once(batches):
    for batch in batches:
        try:
            os.close(os.open(MARKER, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            yield batch
            continue
        raise RuntimeError("the first attempt")

def die_once(batches):
    for batch in batches:
        try:
            os.close(os.open(MARKER + "-died", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            yield batch
            continue
        os._exit(1)

spark = SparkSession.builder.getOrCreate()
texts = spark.read.parquet(sys.argv[1])
frames = {
    "plain": texts,
    "shuffled": texts.repartition(5).orderBy(sql.rand(3)),
    "one": texts.coalesce(1),
    "failed": texts.repartition(3).mapInArrow(fail_once, texts.schema),
    "died": texts.repartition(3).mapInArrow(die_once, texts.schema),
    "empty": texts.filter("n < 0"),
}
for name, frame in frames.items():
    count_on_spark.count(frame).save(f"{sys.argv[2]}/{name}.parquet")
how = {"pretokenizer": "cl100k_base", "normalizer": {"type": "NFC"}}
count_on_spark.count(texts, **how).save(f"{sys.argv[2]}/options.parquet")
spark.stop()
"""


def test_spark(corpus, tmp_path):
    pytest.importorskip("pyspark")
    assert shutil.which("java"), "Spark needs Java: on Debian, apt-get install default-jre-headless"
    (tmp_path / "program.py").write_text(SPARK, "utf-8")
    # Two tasks at once, each may fail three times; files are read in parts.
    options = {
        "spark.master": "local[2,4]",
        "spark.ui.enabled": "false",
        "spark.driver.memory": "512m",
        "spark.sql.shuffle.partitions": "3",
        "spark.sql.files.maxPartitionBytes": "9000",
        "spark.sql.ansi.enabled": "false",
        "spark.sql.warehouse.dir": str(tmp_path / "warehouse"),
    }
    arguments = " ".join(f"--conf {name}={value}" for name, value in options.items())
    environment = {
        **os.environ,
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": f"{arguments} pyspark-shell",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYTHONPATH": os.pathsep.join([str(RECIPES), *filter(None, sys.path)]),
    }
    marker = tmp_path / "failed"
    done = subprocess.run(
        [sys.executable, tmp_path / "program.py", corpus, tmp_path, marker],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    assert marker.exists()
    assert Path(f"{marker}-died").exists()
    for name in ("plain", "shuffled", "one", "failed", "died"):
        same(subtok.Counts.load(tmp_path / f"{name}.parquet"))
    same(subtok.Counts.load(tmp_path / "options.parquet"), **HOW[1])
    assert len(subtok.Counts.load(tmp_path / "empty.parquet")) == 0
    program = [sys.executable, RECIPES / "count_on_spark.py", corpus, tmp_path / "recipe.parquet"]
    done = subprocess.run(
        program, env=environment, cwd=tmp_path, capture_output=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    same(subtok.Counts.load(tmp_path / "recipe.parquet"))
