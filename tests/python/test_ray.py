"""Counting on a real Ray cluster: several processes, one is killed, tasks that fail at first."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import CORPUS

import subtok
from subtok import counting

pytest.importorskip("ray")
pytest.importorskip("ray.data")

import ray
import ray.data
from ray.data.expressions import col

import subtok.ray

# What Ray itself leaves open or says of other libraries is not ours.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
]

DOCS = [f"{line} {index % 97}" for index, line in enumerate(CORPUS.splitlines() * 150)]
TABLE = pa.table({"n": range(len(DOCS)), "text": DOCS})
RECIPE = Path(__file__).parents[2] / "examples" / "cluster" / "count_on_ray.py"


@pytest.fixture(scope="module", autouse=True)
def cluster():
    ray.init(
        num_cpus=3,
        object_store_memory=200_000_000,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        configure_logging=False,
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    # The other processes cannot import this module.
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def want():
    return counting.count_batch(TABLE)


@pytest.fixture
def dataset():
    return ray.data.from_arrow([TABLE.slice(start, 90) for start in range(0, len(TABLE), 90)])


def same(counts: subtok.Counts, want: pa.Table) -> None:
    assert counts.to_arrow().equals(want, check_metadata=True)


def once(path: Path) -> bool:
    """Whether this is the first of all processes to come here."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def test_the_sum_is_that_of_one_count(dataset, want, tmp_path):
    def seen(batch: pa.Table) -> pa.Table:
        (tmp_path / f"process-{os.getpid()}").touch()
        # Until another process takes part, too.
        end = time.monotonic() + 60
        while len(list(tmp_path.iterdir())) == 1 and time.monotonic() < end:
            time.sleep(0.01)
        return batch

    counts = subtok.ray.count(dataset.map_batches(seen, batch_format="pyarrow", batch_size=None))
    same(counts, want)
    processes = {int(path.name.removeprefix("process-")) for path in tmp_path.iterdir()}
    assert len(processes) > 1
    assert os.getpid() not in processes
    counts.save(tmp_path / "ray.parquet")
    counting.merge_counts(want).save(tmp_path / "local.parquet")
    assert (tmp_path / "ray.parquet").read_bytes() == (tmp_path / "local.parquet").read_bytes()
    text = subtok.train_bpe(iter(DOCS), 500).to_str()
    assert subtok.train_bpe(counts, 500).to_str() == text


@pytest.mark.parametrize("partitions", [1, 2, 11])
def test_shuffled_and_cut_otherwise(dataset, want, partitions):
    shuffled = dataset.random_shuffle(seed=partitions).repartition(partitions + 2)
    same(subtok.ray.count(shuffled, partitions=partitions), want)


def test_options_and_column():
    renamed = ray.data.from_arrow(pa.table({"body": [*DOCS[:50], None], "other": range(51)}))
    how = {"pretokenizer": "bert", "normalizer": {"type": "Lowercase"}, "nulls": "empty"}
    counts = subtok.ray.count(renamed, "body", **how)
    same(counts, counting.count_batch(pa.array([*DOCS[:50], None]), **how))


def test_a_killed_process_counts_once(dataset, want, tmp_path):
    def die(batch: pa.Table) -> pa.Table:
        # Others of its blocks may have been counted before: they are counted again, in another one.
        if batch["n"][0].as_py() >= 180 and once(tmp_path / "killed"):
            os.kill(os.getpid(), signal.SIGKILL)
        return batch

    killed = dataset.map_batches(die, batch_format="pyarrow", batch_size=None)
    same(subtok.ray.count(killed), want)
    assert (tmp_path / "killed").exists()


def test_a_process_that_dies_when_it_has_counted(dataset, want, tmp_path, monkeypatch):
    here, count_block = os.getpid(), subtok.ray._count_block

    def die_after(batch: pa.Table, *given: object, **named: object) -> pa.Table:
        found = count_block(batch, *given, **named)
        if os.getpid() != here and once(tmp_path / "died"):
            os._exit(1)
        return found

    monkeypatch.setattr(subtok.ray, "_count_block", die_after)
    same(subtok.ray.count(dataset, num_cpus=1, memory=50_000_000), want)
    assert (tmp_path / "died").exists()


def test_a_process_that_is_killed_while_it_adds_up(dataset, want, tmp_path, monkeypatch):
    add_up = subtok.ray._add_up

    def die_after(group: pa.Table) -> pa.Table:
        found = add_up(group)
        if once(tmp_path / "killed"):
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    monkeypatch.setattr(subtok.ray, "_add_up", die_after)
    same(subtok.ray.count(dataset), want)
    assert (tmp_path / "killed").exists()


def test_a_task_that_fails_at_first_counts_once(dataset, want, tmp_path):
    def fail(batch: pa.Table) -> pa.Table:
        if once(tmp_path / f"failed-{batch['n'][0].as_py() // 400}"):
            raise RuntimeError("the first attempt")
        return batch

    again = {"retry_exceptions": True, "max_retries": 3}
    with warnings.catch_warnings():
        # There is no other way to make Ray try again what raised.
        warnings.simplefilter("ignore", ray.util.annotations.RayDeprecationWarning)
        failing = dataset.map_batches(fail, batch_format="pyarrow", batch_size=None, **again)
    same(subtok.ray.count(failing), want)
    assert len(list(tmp_path.iterdir())) > 1


def test_a_task_that_always_fails_is_an_error():
    dataset = ray.data.from_arrow(pa.table({"text": ["a", None, "b"]}))
    with pytest.raises(ray.exceptions.RayTaskError, match="row 1 of 'text' is null"):
        subtok.ray.count(dataset)


def test_blocks_without_rows(dataset):
    found = subtok.ray.count(dataset.filter(expr=col("n") >= 700))
    same(found, counting.count_batch(TABLE.slice(700)))
    assert found.manifest["documents"] == len(DOCS) - 700
    nothing = subtok.ray.count(dataset.filter(expr=col("n") < 0))
    assert (len(nothing), nothing.manifest["documents"]) == (0, 0)
    assert len(subtok.ray.count(ray.data.from_arrow(TABLE.slice(0, 0)))) == 0


def test_counts_that_stay_on_the_cluster(dataset, want, tmp_path):
    found = subtok.ray.count_dataset(dataset, partitions=4)
    found.write_parquet(tmp_path / "counts")
    rows = pq.read_table(tmp_path / "counts")["word"].to_pylist()
    # The others say how it was counted.
    assert sum(not row.startswith(b"\xff") for row in rows) == len(want)
    same(counting.merge_counts(pq.read_table(tmp_path / "counts")), want)


def test_refusals(dataset):
    with pytest.raises(subtok.ArgumentTypeError, match=r"a ray\.data\.Dataset, not Table"):
        subtok.ray.count(TABLE)
    with pytest.raises(subtok.ArgumentError, match="partitions: 0"):
        subtok.ray.count(dataset, partitions=0)
    with pytest.raises(subtok.ArgumentError, match="does not close"):
        subtok.ray.count(dataset, pretokenizer="(")
    lossy = ray.data.from_arrow(TABLE)
    lossy.context.max_errored_blocks = 1
    with pytest.raises(subtok.ArgumentError, match="max_errored_blocks is 1"):
        subtok.ray.count(lossy)


def test_the_recipe(tmp_path, want):
    pq.write_table(TABLE, tmp_path / "corpus.parquet", row_group_size=200)
    done = subprocess.run(
        [sys.executable, RECIPE, tmp_path / "corpus.parquet", tmp_path / "counts.parquet"],
        # In the cluster that is there, as a job of its own.
        env={**os.environ, "RAY_ADDRESS": ray.get_runtime_context().gcs_address},
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert subtok.Counts.load(tmp_path / "counts.parquet").to_arrow().equals(want)
