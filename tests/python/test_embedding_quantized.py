"""Quantised and whole tables, outputs of 16 bits, memory used again, files cut short."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import subtok
from subtok import FactorizedEmbedding

KINDS = ("float32", "float16", "bfloat16", "int8", "int4")
# The largest mean row error that is documented.
ERRORS = {"float32": 0.0, "float16": 0.0005, "bfloat16": 0.003, "int8": 0.01, "int4": 0.09}


@pytest.fixture(scope="module")
def embedding() -> FactorizedEmbedding:
    return FactorizedEmbedding(600, 70, 90, seed=5, padding_id=3, bias=True)


def bits_equal(left: Any, right: Any) -> bool:
    return (
        left.dtype == right.dtype
        and left.shape == right.shape
        and left.tobytes() == right.tobytes()
    )


def row_errors(got: Any, want: Any) -> Any:
    size = np.linalg.norm(want, axis=1)
    return np.linalg.norm(got - want, axis=1)[size > 0] / size[size > 0]


def to_bfloat16(array: Any) -> Any:
    """The upper halves, rounded half to even."""
    bits = array.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


class TestQuantize:
    @pytest.mark.parametrize("kind", KINDS)
    def test_errors_are_as_documented_and_padding_stays_zero(
        self, embedding: FactorizedEmbedding, kind: str
    ) -> None:
        before = embedding(np.arange(600))
        small = embedding.quantize(kind)
        got = small(np.arange(600))
        assert small.kind == kind
        assert embedding.kind == "float32"
        assert row_errors(got, before).mean() <= ERRORS[kind]
        assert not got[3].any()
        assert bits_equal(embedding(np.arange(600)), before)
        assert small.nbytes <= embedding.nbytes
        assert f'kind="{kind}"' in repr(small) or kind == "float32"

    @pytest.mark.parametrize("kind", KINDS)
    def test_results_depend_on_neither_batch_nor_threads(
        self, embedding: FactorizedEmbedding, kind: str
    ) -> None:
        small = embedding.quantize(kind, threads=2)
        assert small.quantize(kind, threads=1).factors()[0].shape == (600, 70)
        ids = np.arange(3000) * 7 % 600
        whole = small(ids, threads=1)
        assert bits_equal(whole, small(ids, threads=3))
        assert bits_equal(whole, np.concatenate([small(ids[:999]), small(ids[999:])]))
        assert bits_equal(small.pool(ids.reshape(30, 100)), embedding_pool(small, ids))

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_float_export_gives_the_same_vectors(
        self, embedding: FactorizedEmbedding, kind: str, tmp_path: Path
    ) -> None:
        small = embedding.quantize(kind)
        rows, projection, bias = small.factors()
        assert projection is not None
        assert bias is not None
        assert rows.dtype == projection.dtype == bias.dtype == np.float32
        want = rows.astype(np.float64) @ projection.astype(np.float64) + bias
        want[3] = 0
        assert row_errors(small(np.arange(600)), want).max() < 1e-6
        exported = small.quantize("float32")
        assert exported.kind == "float32"
        assert bits_equal(exported(np.arange(600)), small(np.arange(600)))
        ids = np.arange(600).reshape(20, 30)
        assert bits_equal(exported.pool(ids), small.pool(ids))
        exported.save(tmp_path / "plain.safetensors")
        assert FactorizedEmbedding.load(tmp_path / "plain.safetensors").kind == "float32"

    @pytest.mark.parametrize("kind", KINDS)
    def test_saved_copied_and_pickled(
        self, embedding: FactorizedEmbedding, kind: str, tmp_path: Path
    ) -> None:
        small = embedding.quantize(kind)
        want = small(np.arange(600))
        path = tmp_path / "small.safetensors"
        small.save(path)
        others = [FactorizedEmbedding.load(path, mmap=mmap) for mmap in (True, False)]
        others += [copy.copy(small), copy.deepcopy(small), pickle.loads(pickle.dumps(small))]
        for other in others:
            assert other.kind == kind
            assert other.nbytes == small.nbytes
            assert bits_equal(other(np.arange(600)), want)
        assert path.stat().st_size < small.nbytes + 2048

    def test_rows_that_no_half_can_hold(self) -> None:
        table = np.ones((5, 8), np.float32)
        table[2, 3] = 70_000
        large = FactorizedEmbedding.from_table(table)
        with pytest.raises(subtok.ArgumentError, match=r"70000 at \[2, 3\].*65504"):
            large.quantize("float16")
        for kind in ("bfloat16", "int8", "int4"):
            assert np.isfinite(large.quantize(kind)(np.arange(5))).all()

    def test_unknown_kinds(self, embedding: FactorizedEmbedding) -> None:
        for kind in ("int3", "INT8", ""):
            with pytest.raises(subtok.ArgumentError, match="int4"):
                embedding.quantize(kind)
        for wrong in (None, 8, np.int8):
            with pytest.raises(subtok.ArgumentTypeError):
                embedding.quantize(wrong)  # type: ignore[arg-type]


def embedding_pool(embedding: FactorizedEmbedding, ids: Any) -> Any:
    """The pooled rows, one call for each."""
    return np.concatenate([embedding.pool(row[None]) for row in ids.reshape(30, 100)])


class TestWholeTables:
    def test_a_table_is_kept_to_the_last_bit(self, tmp_path: Path) -> None:
        table = np.random.default_rng(1).standard_normal((50, 33), dtype=np.float32)
        whole = FactorizedEmbedding.from_table(table, padding_id=7)
        want = table.copy()
        want[7] = 0
        ids = np.arange(200) % 50
        assert bits_equal(whole(ids), want[ids])
        assert (whole.embedding_dim, whole.hidden_dim, whole.padding_id) == (33, 33, 7)
        assert whole.nbytes == table.nbytes
        assert "projection=False" in repr(whole)
        assert whole.factors()[1:] == (None, None)
        assert np.array_equal(whole.factors()[0], table)
        whole.save(tmp_path / "whole.safetensors")
        assert bits_equal(FactorizedEmbedding.load(tmp_path / "whole.safetensors")(ids), want[ids])
        pooled = whole.pool(ids.reshape(4, 50))
        assert np.allclose(pooled, want[ids].reshape(4, 50, 33).mean(1), atol=1e-6)
        assert bits_equal(whole.pool(ids.reshape(4, 50), mode="max"), pool_max(want[ids], 4))

    @pytest.mark.parametrize("kind", KINDS)
    def test_it_can_be_quantised(self, kind: str) -> None:
        table = np.random.default_rng(2).standard_normal((400, 65)).astype(np.float16)
        small = FactorizedEmbedding.from_table(table).quantize(kind)
        want = table.astype(np.float32)
        assert row_errors(small(np.arange(400)), want).mean() <= ERRORS[kind]
        assert bits_equal(small(np.arange(400)), small.factors()[0])

    def test_tables_that_are_refused(self) -> None:
        bad = np.ones((4, 3), np.float32)
        bad[2, 1] = np.nan
        with pytest.raises(subtok.ArgumentError, match=r"NaN at \[2, 1\]"):
            FactorizedEmbedding.from_table(bad)
        for shape in ((0, 4), (4, 0), (4,), (2, 2, 2)):
            with pytest.raises(subtok.ArgumentError):
                FactorizedEmbedding.from_table(np.ones(shape, np.float32))
        for padding in (4, -1, 2**40):
            with pytest.raises(subtok.ArgumentError, match="padding_id"):
                FactorizedEmbedding.from_table(np.ones((4, 3)), padding_id=padding)
        with pytest.raises(subtok.ArgumentTypeError):
            FactorizedEmbedding.from_table(np.ones((4, 3), complex))


def pool_max(vectors: Any, rows: int) -> Any:
    return vectors.reshape(rows, -1, vectors.shape[-1]).max(1)


class TestHalves:
    @pytest.mark.parametrize("shape", [(), (0,), (7,), (40, 30)])
    def test_they_are_the_nearest_to_the_full_vectors(
        self, embedding: FactorizedEmbedding, shape: tuple[int, ...]
    ) -> None:
        ids = np.random.default_rng(1).integers(0, 600, shape)
        full = embedding(ids)
        assert bits_equal(embedding(ids, dtype="float32"), full)
        for dtype in ("float16", np.float16, np.dtype("float16")):
            assert bits_equal(embedding(ids, dtype=dtype), full.astype(np.float16))
        assert bits_equal(embedding(ids, dtype="bfloat16"), to_bfloat16(full))

    def test_into_arrays_of_the_caller(self, embedding: FactorizedEmbedding) -> None:
        ids = np.arange(50)
        half = np.zeros((50, 90), np.float16)
        assert embedding(ids, half) is half
        assert bits_equal(half, embedding(ids).astype(np.float16))
        assert embedding(ids, half, dtype="float16") is half
        brain = np.zeros((50, 90), np.uint16)
        assert embedding(ids, brain, dtype="bfloat16") is brain
        assert bits_equal(brain, to_bfloat16(embedding(ids)))

    def test_types_that_do_not_fit(self, embedding: FactorizedEmbedding) -> None:
        outs: list[tuple[Any, Any]] = [
            (np.zeros((2, 90), np.uint16), None),
            (np.zeros((2, 90), np.uint16), "float16"),
            (np.zeros((2, 90), np.float16), "float32"),
            (np.zeros((2, 90), np.float16), "bfloat16"),
            (np.zeros((2, 90), np.float32), "float16"),
            (np.zeros((2, 90), ">f2"), None),
            (np.zeros((2, 90)), None),
        ]
        for out, dtype in outs:
            with pytest.raises(subtok.ArgumentTypeError, match="out must be an array of"):
                embedding([1, 2], out, dtype=dtype)
        with pytest.raises(subtok.ArgumentError, match="shape"):
            embedding([1, 2], np.zeros((2, 89), np.float16))
        frozen = np.zeros((2, 90), np.float16)
        frozen.setflags(write=False)
        with pytest.raises(subtok.ArgumentError, match="out"):
            embedding([1, 2], frozen)
        for dtype in ("float64", "half", np.int8):
            with pytest.raises(subtok.ArgumentError, match="float16"):
                embedding([1, 2], dtype=dtype)
        with pytest.raises(subtok.ArgumentTypeError, match="dtype"):
            embedding([1, 2], dtype=object())  # type: ignore[arg-type]


class TestMemory:
    """Large outputs lie in memory that is used again once nobody has them."""

    LARGE = np.arange(20_000) % 600

    def address(self, array: Any) -> int:
        return int(array.__array_interface__["data"][0])

    def test_memory_is_used_again_after_the_last_view_is_gone(
        self, embedding: FactorizedEmbedding
    ) -> None:
        FactorizedEmbedding.release_buffers()
        want = embedding(self.LARGE).copy()
        first = embedding(self.LARGE)
        place, view, gone = self.address(first), first[5:, ::2], weakref.ref(first)
        del first
        # The view keeps the memory, if not the array.
        second = embedding(self.LARGE)
        assert self.address(second) != place
        assert bits_equal(second, want)
        assert np.array_equal(view, want[5:, ::2])
        second[:] = 7
        assert np.array_equal(view, want[5:, ::2])
        del view, second
        gc.collect()
        assert gone() is None
        third = embedding(self.LARGE)
        assert third.flags.writeable
        assert third.flags.c_contiguous
        assert bits_equal(third, want)

    def test_what_was_in_it_never_shows(self, embedding: FactorizedEmbedding) -> None:
        want = embedding(self.LARGE).copy()
        for _ in range(5):
            array = embedding(self.LARGE)
            array[:] = np.nan
            del array
            assert bits_equal(embedding(self.LARGE), want)
            half = embedding(self.LARGE, dtype="float16")
            assert bits_equal(half, want.astype(np.float16))

    def test_what_is_kept_is_bounded_and_can_be_released(
        self, embedding: FactorizedEmbedding
    ) -> None:
        FactorizedEmbedding.release_buffers()
        assert FactorizedEmbedding.release_buffers() == 0
        arrays = [embedding(self.LARGE) for _ in range(12)]
        size = arrays[0].nbytes
        del arrays
        gc.collect()
        kept = FactorizedEmbedding.release_buffers()
        assert size <= kept <= 8 * (size + size // 4)
        assert FactorizedEmbedding.release_buffers() == 0
        # Small outputs are numpy's own.
        assert embedding([1, 2]).base is None

    def test_threads_never_share_an_output(self, embedding: FactorizedEmbedding) -> None:
        wants = [embedding((self.LARGE + i) % 600).copy() for i in range(4)]
        wrong = []

        def work(i: int) -> None:
            for _ in range(20):
                got = embedding((self.LARGE + i) % 600, threads=1)
                if not bits_equal(got, wants[i]):
                    wrong.append(i)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_a_forked_child_has_its_own(self, embedding: FactorizedEmbedding) -> None:
        want = embedding(self.LARGE).copy()
        array = embedding(self.LARGE)
        child = os.fork()
        if not child:
            good = bits_equal(array, want)
            del array
            good &= all(bits_equal(embedding(self.LARGE), want) for _ in range(3))
            os._exit(0 if good else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert bits_equal(array, want)

    @pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
    def test_ten_thousand_calls_leave_nothing_behind(self, embedding: FactorizedEmbedding) -> None:
        def resident() -> int:
            gc.collect()
            FactorizedEmbedding.release_buffers()
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            return pages * os.sysconf("SC_PAGE_SIZE")

        small = embedding.quantize("int8")
        ids = np.arange(640).reshape(32, 20) % 600

        def calls(count: int) -> None:
            for i in range(count):
                embedding(ids)
                small(ids, dtype="float16")
                small.pool(ids)
                with pytest.raises(IndexError):
                    embedding([600])
                if i % 100 == 0:
                    embedding(self.LARGE)
                    small.factors()
                    pickle.loads(pickle.dumps(small))

        calls(300)
        before = resident()
        calls(10_000)
        assert resident() - before < 4 << 20


class TestFilesCutShort:
    def test_a_mapped_file_that_was_shortened_is_an_error(self, tmp_path: Path) -> None:
        path = tmp_path / "table.safetensors"
        FactorizedEmbedding(20_000, 64, 8).save(path)
        mapped = FactorizedEmbedding.load(path)
        copied = FactorizedEmbedding.load(path, mmap=False)
        want = mapped([1, 19_999])
        os.truncate(path, 10_000)
        calls: list[Any] = [
            lambda: mapped([19_999]),
            lambda: mapped.pool([[19_999]]),
            mapped.factors,
            lambda: mapped.quantize("int8"),
            lambda: mapped.save(tmp_path / "other"),
            lambda: pickle.dumps(mapped),
        ]
        for call in calls:
            with pytest.raises(subtok.FormatError, match="shortened"):
                call()
        assert not (tmp_path / "other").exists()
        assert bits_equal(copied([1, 19_999]), want)
