"""The factorised embedding against numpy in 64 bits; errors, files, threads, pickling."""

from __future__ import annotations

import copy
import itertools
import json
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import subtok
from subtok import FactorizedEmbedding

TABLE = "embeddings.word_embeddings.weight"
PROJECTION = "encoder.embedding_hidden_mapping_in.weight"
BIAS = "encoder.embedding_hidden_mapping_in.bias"


def read_file(path: Path) -> dict[str, Any]:
    """A reader of safetensors that shares nothing with ours."""
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header.pop("__metadata__", None)
    arrays = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = np.frombuffer(content[start + begin : start + end], "<f4")
        arrays[name] = values.reshape(entry["shape"])
    return arrays


def all_vectors(embedding: FactorizedEmbedding, path: Path) -> Any:
    """Every vector in 64 bits, out of the factors in the file that the embedding saves."""
    embedding.save(path)
    parts = read_file(path)
    bias = parts.get(BIAS, np.zeros(1)).astype(np.float64)
    vectors = parts[TABLE].astype(np.float64) @ parts[PROJECTION].astype(np.float64).T + bias
    if embedding.padding_id is not None:
        vectors[embedding.padding_id] = 0
    return vectors


def error_of(got: Any, want: Any) -> float:
    assert got.shape == want.shape
    return float(np.linalg.norm(got - want) / max(np.linalg.norm(want), 1e-30))


def test_factors_are_those_of_the_file_and_give_the_vectors(
    embedding: FactorizedEmbedding, tmp_path: Path
) -> None:
    rows, projection, bias = embedding.factors()
    want = all_vectors(embedding, tmp_path / "x.safetensors")
    assert rows.shape == (1000, 48)
    assert projection.shape == (48, 80)
    assert bias is not None
    assert bias.shape == (80,)
    got = rows.astype(np.float64) @ projection.astype(np.float64) + bias
    got[3] = 0
    assert np.array_equal(got, want)
    assert all(array.flags.writeable and array.dtype == np.float32 for array in (rows, projection))
    assert FactorizedEmbedding(3, 2, 4).factors()[2] is None


@pytest.fixture(scope="module")
def embedding() -> FactorizedEmbedding:
    return FactorizedEmbedding(1000, 48, 80, seed=5, padding_id=3, bias=True)


@pytest.fixture(scope="module")
def vectors(embedding: FactorizedEmbedding, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return all_vectors(embedding, tmp_path_factory.mktemp("table") / "table.safetensors")


class TestLookup:
    @pytest.mark.parametrize("shape", [(), (1,), (0,), (7,), (3, 0), (0, 5), (8, 64), (2, 3, 4)])
    def test_every_shape(self, embedding: FactorizedEmbedding, vectors: Any, shape: Any) -> None:
        ids = np.random.default_rng(1).integers(0, 1000, shape)
        got = embedding(ids)
        assert got.dtype == np.float32
        assert got.flags.c_contiguous
        assert got.flags.writeable
        assert error_of(got, vectors[ids]) < 1e-6

    @pytest.mark.parametrize(
        "dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
    )
    def test_every_integer_type_and_layout(
        self, embedding: FactorizedEmbedding, vectors: Any, dtype: str
    ) -> None:
        ids = np.random.default_rng(2).integers(0, 120, (6, 10)).astype(dtype)
        wide = np.zeros((12, 30), dtype)
        wide[::2, ::3] = ids
        unaligned = np.frombuffer(b"x" + ids.tobytes(), dtype, ids.size, 1).reshape(ids.shape)
        frozen = ids.copy()
        frozen.setflags(write=False)
        for same in (ids, wide[::2, ::3], np.asfortranarray(ids), unaligned, frozen):
            assert np.array_equal(embedding(same), embedding(ids.tolist()))
        for other in (ids[::-1, ::-1], ids.T, np.broadcast_to(ids[:1], ids.shape), ids[:, 3]):
            assert error_of(embedding(other), vectors[other.astype(int)]) < 1e-6

    def test_lists_and_scalars(self, embedding: FactorizedEmbedding, vectors: Any) -> None:
        assert error_of(embedding([[1, 2], [4, 5]]), vectors[[[1, 2], [4, 5]]]) < 1e-6
        assert error_of(embedding(7), vectors[7]) < 1e-6
        assert embedding([]).shape == (0, 80)
        assert embedding([[], []]).shape == (2, 0, 80)

    def test_the_padding_row_is_zero(self, embedding: FactorizedEmbedding) -> None:
        got = embedding(np.arange(1000))
        assert not got[3].any()
        assert np.delete(got, 3, 0).any(axis=1).all()

    def test_out_is_filled_and_returned(self, embedding: FactorizedEmbedding) -> None:
        ids = np.arange(20).reshape(4, 5)
        out = np.full((4, 5, 80), np.nan, np.float32)
        assert embedding(ids, out=out) is out
        assert np.array_equal(out, embedding(ids))

    def test_ids_inside_out(self, embedding: FactorizedEmbedding) -> None:
        ids = np.arange(20)
        buffer = np.zeros(20 * 80, np.float32)
        inside = buffer[-40:].view(np.int64)
        inside[:] = ids
        assert np.array_equal(embedding(inside, out=buffer.reshape(20, 80)), embedding(ids))

    def test_out_that_does_not_fit(self, embedding: FactorizedEmbedding) -> None:
        good = np.zeros((2, 80), np.float32)
        frozen = good.copy()
        frozen.setflags(write=False)
        wrong_type: list[Any] = [good.astype(float), good.astype(">f4"), [[0.0] * 80] * 2, 5]
        for out in wrong_type:
            with pytest.raises(subtok.ArgumentTypeError, match="float32"):
                embedding([1, 2], out=out)
        wrong = [np.zeros((3, 80), np.float32), good.reshape(-1), good.T, good[:, :79], frozen]
        for out in [*wrong, np.zeros((4, 80), np.float32)[::2], np.asfortranarray(good)]:
            with pytest.raises(subtok.ArgumentError, match="out "):
                embedding([1, 2], out=out)


class TestBadIds:
    @pytest.mark.parametrize(
        ("bad", "dtype"),
        [(1000, "int64"), (1000, "uint16"), (-1, "int8"), (2**63 + 5, "uint64"), (-(2**63), "i8")],
    )
    def test_the_id_and_its_position_are_named(
        self, embedding: FactorizedEmbedding, bad: int, dtype: str
    ) -> None:
        ids = np.zeros((8, 40), dtype)
        ids[3, 17] = bad
        with pytest.raises(subtok.UnknownIdError, match=f"id {bad} at position 137 ") as caught:
            embedding(ids)
        assert isinstance(caught.value, IndexError)

    @pytest.mark.parametrize(
        "ids",
        [
            None,
            "abc",
            ["a"],
            [1.5],
            [True],
            [[1, 2], [3]],
            [0, 10**30],
            np.zeros(3),
            np.zeros(0),
            np.zeros(3, bool),
            np.zeros(3, complex),
            np.zeros(3, ">i4"),
            np.zeros(3, "M8[s]"),
            np.array([1, None], object),
        ],
    )
    def test_what_is_no_integer_array_is_refused(
        self, embedding: FactorizedEmbedding, ids: Any
    ) -> None:
        with pytest.raises(subtok.ArgumentTypeError, match="ids "):
            embedding(ids)

    def test_nothing_is_written_on_an_error(self, embedding: FactorizedEmbedding) -> None:
        out = np.zeros((2, 80), np.float32)
        with pytest.raises(subtok.UnknownIdError):
            embedding([1, 1000], out=out)
        assert not out.any()


class TestSameBits:
    def test_batches_orders_and_threads(self, embedding: FactorizedEmbedding) -> None:
        ids = (np.random.default_rng(3).pareto(1, 20_000) * 20).astype(int) % 1000
        whole = embedding(ids, threads=1)
        for threads in (2, 3, 50):
            assert np.array_equal(embedding(ids, threads=threads), whole)
        for size in (1, 7, 250):
            used = ids[: 20 * size]
            parts = [embedding(used[i : i + size]) for i in range(0, len(used), size)]
            assert np.array_equal(np.concatenate(parts), whole[: len(used)])
        assert np.array_equal(embedding(ids[::-1]), whole[::-1])

    def test_concurrent_calls(self, embedding: FactorizedEmbedding) -> None:
        ids = np.random.default_rng(4).integers(0, 1000, (8, 3000))
        whole = embedding(ids)
        with ThreadPoolExecutor(4) as pool:
            for i, got in enumerate(pool.map(embedding, [ids[i % 8] for i in range(40)])):
                assert np.array_equal(got, whole[i % 8])

    def test_the_number_of_threads_from_the_environment(self) -> None:
        program = (
            "import hashlib, numpy as np, subtok\n"
            "emb = subtok.FactorizedEmbedding(3000, 96, 200, seed=1)\n"
            "ids = np.arange(40_000) * 7 % 3000\n"
            "table = emb(np.arange(3000))\n"
            "dense = subtok.FactorizedEmbedding.from_dense(table, rank=9)[0]\n"
            "pool = emb.pool(ids.reshape(100, 400))\n"
            "parts = emb(ids).tobytes() + dense(ids[:3000]).tobytes() + pool.tobytes()\n"
            "print(hashlib.sha256(parts).hexdigest())\n"
        )
        outputs = {
            subprocess.run(
                [sys.executable, "-c", program],
                env=os.environ | {"SUBTOK_NUM_THREADS": str(threads)},
                capture_output=True,
                check=True,
            ).stdout
            for threads in (1, 2, 3)
        }
        assert len(outputs) == 1

    def test_equal_seeds_equal_tables(self) -> None:
        tables = [FactorizedEmbedding(50, 8, 12, seed=s)(np.arange(50)) for s in (7, 7, 8)]
        assert np.array_equal(tables[0], tables[1])
        assert not np.array_equal(tables[0], tables[2])


class TestConstruction:
    @pytest.mark.parametrize(
        "sizes",
        [
            (-1, 8, 16),
            (0, 8, 16),
            (10, 0, 16),
            (10, 8, 0),
            (2**62, 8, 16),
            (2**40, 64, 64),
            (2**31, 2**20, 2**20),
            (2**70, 8, 16),
        ],
    )
    def test_sizes_out_of_bounds(self, sizes: tuple[int, int, int]) -> None:
        with pytest.raises(subtok.ArgumentError, match=r"vocab_size|_dim|the size of the table"):
            FactorizedEmbedding(*sizes)

    def test_wrong_types(self) -> None:
        wrong: Any = "a"
        with pytest.raises(
            subtok.ArgumentTypeError, match="vocab_size must be an integer, not str"
        ):
            FactorizedEmbedding(wrong, 8, 16)
        wrong = 1.5
        with pytest.raises(subtok.ArgumentTypeError, match="seed must be an integer, not float"):
            FactorizedEmbedding(10, 8, 16, seed=wrong)

    def test_padding_id_outside_the_vocabulary(self) -> None:
        for padding_id in (50, 2**40):
            with pytest.raises(subtok.ArgumentError, match="padding_id"):
                FactorizedEmbedding(50, 8, 12, padding_id=padding_id)

    def test_properties_and_repr(self, embedding: FactorizedEmbedding) -> None:
        sizes = embedding.vocab_size, embedding.embedding_dim, embedding.hidden_dim
        assert sizes == (1000, 48, 80)
        assert embedding.padding_id == 3
        assert repr(embedding) == (
            "FactorizedEmbedding(vocab_size=1000, embedding_dim=48, hidden_dim=80, "
            "padding_id=3, bias=True)"
        )
        assert FactorizedEmbedding(5, 2, 3).padding_id is None

    def test_pickle_and_copy(self, embedding: FactorizedEmbedding) -> None:
        ids = np.arange(1000)
        for same in (pickle.loads(pickle.dumps(embedding)), copy.deepcopy(embedding)):
            assert np.array_equal(same(ids), embedding(ids))
            assert repr(same) == repr(embedding)


class TestPool:
    @pytest.mark.parametrize("mode", ["mean", "sum", "max"])
    def test_matrices_masks_and_offsets(
        self, embedding: FactorizedEmbedding, vectors: Any, mode: str
    ) -> None:
        rng = np.random.default_rng(6)
        reduce = {"mean": np.mean, "sum": np.sum, "max": np.max}[mode]
        ids = rng.integers(0, 1000, (20, 30))
        assert error_of(embedding.pool(ids, mode=mode), reduce(vectors[ids], axis=1)) < 1e-6
        mask = rng.random((20, 30)) < 0.5
        mask[4] = False
        rows = [vectors[row[m]] for row, m in zip(ids, mask, strict=True)]
        want = np.stack([reduce(row, axis=0) if len(row) else np.zeros(80) for row in rows])
        for dtype in (bool, np.int64, np.float32):
            got = embedding.pool(ids, mask=mask.astype(dtype), mode=mode)
            assert error_of(got, want) < 1e-6
        offsets = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
        assert error_of(embedding.pool(ids[mask], offsets=offsets, mode=mode), want) < 1e-6
        length = np.linalg.norm(want, axis=1, keepdims=True)
        got = embedding.pool(ids, mask=mask, mode=mode, normalize=True)
        assert error_of(got, want / np.where(length > 0, length, 1)) < 1e-6

    def test_weights(self, embedding: FactorizedEmbedding, vectors: Any) -> None:
        rng = np.random.default_rng(7)
        ids, weights = rng.integers(0, 1000, (5, 9)), rng.random((5, 9))
        want = (weights[:, :, None] * vectors[ids]).sum(axis=1)
        assert error_of(embedding.pool(ids, mask=weights, mode="sum"), want) < 1e-6
        want /= weights.sum(axis=1, keepdims=True)
        assert error_of(embedding.pool(ids, mask=weights), want) < 1e-6

    def test_shapes(self, embedding: FactorizedEmbedding) -> None:
        assert embedding.pool([1, 2, 3]).shape == (80,)
        assert embedding.pool(np.zeros((2, 3, 4), int)).shape == (2, 3, 80)
        assert embedding.pool(np.zeros((0, 5), int)).shape == (0, 80)
        empty = embedding.pool(np.zeros((3, 0), int))
        assert empty.shape == (3, 80)
        assert not empty.any()

    @pytest.mark.parametrize(
        "offsets",
        [[0, 3, 2], [0, 100], [-1, 3], np.array([0, 2**63], np.uint64), [1, 3], [], [[0]]],
    )
    def test_bad_offsets(self, embedding: FactorizedEmbedding, offsets: Any) -> None:
        with pytest.raises(subtok.ArgumentError, match="offsets"):
            embedding.pool([1, 2, 3], offsets=offsets)

    def test_bad_arguments(self, embedding: FactorizedEmbedding) -> None:
        ids = [[1, 2], [3, 4]]
        with pytest.raises(subtok.ArgumentError, match="mask has shape"):
            embedding.pool(ids, mask=[[1, 1]])
        with pytest.raises(subtok.ArgumentError, match="mask is -1"):
            embedding.pool(ids, mask=[[1, 1], [-1, 1]])
        with pytest.raises(subtok.ArgumentTypeError, match="mask must be numbers"):
            embedding.pool(ids, mask=[["a", "b"], ["c", "d"]])
        mode: Any = "median"
        with pytest.raises(subtok.ArgumentError, match='mode is "median", but must be one of'):
            embedding.pool(ids, mode=mode)
        with pytest.raises(subtok.ArgumentError, match="no rows to pool"):
            embedding.pool(3)
        with pytest.raises(subtok.UnknownIdError, match="id 4000 at position 3 "):
            embedding.pool([[1, 2], [3, 4000]], mask=[[1, 1], [1, 0]])


def faded(rows: int, width: int) -> Any:
    """A table whose directions fade, turned at random."""
    rng = np.random.default_rng(8)
    turn = np.linalg.qr(rng.standard_normal((width, width)))[0]
    return (rng.standard_normal((rows, width)) * np.geomspace(1, 0.02, width)) @ turn


def truncated(table: Any, rank: int, weights: Any, center: bool) -> tuple[Any, Any]:
    """LAPACK's best approximation under row weights, and the shares of energy by rank."""
    mean = weights @ table / weights.sum() if center else np.zeros(table.shape[1])
    _, values, right = np.linalg.svd(
        np.sqrt(weights)[:, None] * (table - mean), full_matrices=False
    )
    shares = np.cumsum(values**2) / (values**2).sum()
    return (table - mean) @ right[:rank].T @ right[:rank] + mean, shares


class TestFromDense:
    @pytest.mark.parametrize("center", [False, True])
    @pytest.mark.parametrize("alpha", [0.0, 0.75])
    def test_it_equals_lapack(self, alpha: float, center: bool) -> None:
        table = faded(700, 60).astype(np.float32)
        counts = 10**6 // np.arange(1, 701) + 1
        weights = counts.astype(float) ** alpha
        want, shares = truncated(table.astype(float), 17, weights, center)
        embedding, report = FactorizedEmbedding.from_dense(
            table, rank=17, counts=counts, alpha=alpha, center=center
        )
        got = embedding(np.arange(700)).astype(float)
        scale = np.sqrt(weights)[:, None]
        assert error_of(scale * got, scale * want) < 1e-6
        assert report["rank"] == embedding.embedding_dim == 17
        assert abs(report["energy"] - shares[16]) < 1e-9
        lost, whole = ((got - table) ** 2).sum(axis=1), (table.astype(float) ** 2).sum(axis=1)
        assert abs(report["relative_error"] - np.sqrt(lost.sum() / whole.sum())) < 1e-6
        weighted = np.sqrt(counts @ lost / (counts @ whole))
        assert abs(report["weighted_error"] - weighted) < 1e-6
        assert report["bytes"] == 4 * (17 * 760 + (60 if center else 0))
        assert report["dense_bytes"] == table.nbytes
        assert isinstance(report["recommendation"], str)

    def test_energy_and_budget(self) -> None:
        table = faded(300, 40)
        shares = truncated(table, 1, np.ones(300), center=False)[1]
        for energy in (0.5, 0.9, 0.99):
            report = FactorizedEmbedding.from_dense(table, energy=energy)[1]
            assert report["rank"] == int(np.searchsorted(shares, energy)) + 1
        report = FactorizedEmbedding.from_dense(table, budget_bytes=20_000)[1]
        assert report["bytes"] <= 20_000 < report["bytes"] + 4 * 340

    def test_every_kind_of_array(self) -> None:
        table = np.round(faded(90, 12) * 100).astype(np.float32)
        want = FactorizedEmbedding.from_dense(table, rank=5)[0](np.arange(90))
        kinds = [table.astype(t) for t in (float, np.float16, ">f4", ">f8", np.int32)]
        kinds += [np.asfortranarray(table), np.repeat(table, 2, axis=0)[::2]]
        for kind in (*kinds, table.tolist()):
            got = FactorizedEmbedding.from_dense(kind, rank=5)[0](np.arange(90))
            assert np.array_equal(got, want)

    def test_bad_arguments(self) -> None:
        make: Any = FactorizedEmbedding.from_dense
        good = np.ones((9, 4))
        nan, inf, large = (np.full((9, 4), x) for x in (np.nan, np.inf, 1e300))
        for table in (np.zeros(5), np.zeros((0, 4)), np.zeros((4, 0)), nan, inf, large):
            with pytest.raises(subtok.ArgumentError, match=r"^W "):
                make(table, rank=2)
        for table in (None, np.ones((9, 4), complex), [["a"]], [[1.0], [2.0, 3.0]]):
            with pytest.raises(subtok.ArgumentTypeError, match=r"^W "):
                make(table, rank=2)
        for size in ({"rank": 0}, {"rank": 5}, {"rank": -1}, {"rank": 10**9}, {"energy": 2.0}):
            with pytest.raises(subtok.ArgumentError, match=next(iter(size))):
                make(good, **size)
        for size in ({"energy": np.nan}, {"energy": 0}, {"budget_bytes": 0}):
            with pytest.raises(subtok.ArgumentError, match=next(iter(size))):
                make(good, **size)
        for size in ({}, {"rank": 2, "energy": 0.5}):
            with pytest.raises(subtok.ArgumentError, match="exactly one of"):
                make(good, **size)
        for counts in ([1, 2], [-1] * 9, [0] * 9, [np.nan] * 9, [[1] * 9]):
            with pytest.raises(subtok.ArgumentError, match=r"^counts "):
                make(good, rank=2, counts=counts)
        with pytest.raises(subtok.ArgumentTypeError, match=r"^counts "):
            make(good, rank=2, counts=["a"] * 9)
        with pytest.raises(subtok.ArgumentTypeError, match="alpha must be a number, not str"):
            make(good, rank=2, alpha="a")


class TestFiles:
    def test_saved_is_loaded(self, embedding: FactorizedEmbedding, tmp_path: Path) -> None:
        path = tmp_path / "table.safetensors"
        embedding.save(path)
        assert {name: array.shape for name, array in read_file(path).items()} == {
            PROJECTION: (80, 48),
            BIAS: (80,),
            TABLE: (1000, 48),
        }
        content = path.read_bytes()
        ids = np.arange(1000)
        for mmap, name in itertools.product((True, False), (path, str(path))):
            loaded = FactorizedEmbedding.load(name, mmap=mmap)
            assert np.array_equal(loaded(ids), embedding(ids))
            assert loaded.padding_id == 3
            loaded.save(name)
            assert np.array_equal(loaded(ids), embedding(ids))
            assert path.read_bytes() == content
        assert [p.name for p in tmp_path.iterdir()] == ["table.safetensors"]

    def test_the_old_map_survives_a_new_file(
        self, embedding: FactorizedEmbedding, tmp_path: Path
    ) -> None:
        path = tmp_path / "table.safetensors"
        embedding.save(path)
        mapped = FactorizedEmbedding.load(path, mmap=True)
        FactorizedEmbedding(20, 8, 12).save(path)
        assert np.array_equal(mapped(np.arange(1000)), embedding(np.arange(1000)))
        assert FactorizedEmbedding.load(path)([19]).shape == (1, 12)

    @pytest.mark.parametrize("mmap", [True, False])
    def test_broken_files(self, embedding: FactorizedEmbedding, tmp_path: Path, mmap: bool) -> None:
        path = tmp_path / "table.safetensors"
        embedding.save(path)
        good = path.read_bytes()
        broken = [good[:size] for size in (0, 7, 8, 200, 1000, len(good) - 1)]
        broken += [good + b"\0", b"\0" * len(good), (2**63).to_bytes(8, "little") + good[8:]]
        broken.append(good.replace(TABLE.encode(), TABLE.replace("word", "deed").encode()))
        for content in broken:
            path.write_bytes(content)
            with pytest.raises(subtok.FormatError, match="safetensors"):
                FactorizedEmbedding.load(path, mmap=mmap)

    def test_paths_that_cannot_be_used(
        self, embedding: FactorizedEmbedding, tmp_path: Path
    ) -> None:
        for path in (tmp_path / "none.safetensors", tmp_path):
            with pytest.raises(subtok.FileError):
                FactorizedEmbedding.load(path)
        for path in (tmp_path / "none" / "x.safetensors", tmp_path, Path("/")):
            with pytest.raises(subtok.FileError):
                embedding.save(path)
        wrong: Any = 5
        with pytest.raises(subtok.ArgumentTypeError, match="path"):
            embedding.save(wrong)
        assert list(tmp_path.iterdir()) == []
