"""The embedding stage against its definition in 64 bits; ids, types, positions, files, threads."""

from __future__ import annotations

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import subtok
from subtok import AlbertEmbeddings
from subtok.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path

SIZES = {"albert": (300, 20, 36), "whole": (300, 20, None), "odd": (60, 7, 33)}


def tensors(vocab: int, width: int, hidden: int | None, positions: int = 50) -> list[Any]:
    rng = np.random.default_rng(vocab)
    normal = lambda *shape: rng.standard_normal(shape, dtype=np.float32)  # noqa: E731
    parts = [
        normal(vocab, width),
        normal(positions, width),
        normal(2, width),
        normal(width) + 1,
        normal(width),
    ]
    return parts + ([] if hidden is None else [normal(hidden, width) / 3, normal(hidden)])


def twin(parts: list[Any], ids: Any, types: Any, positions: Any, eps: float = 1e-12) -> Any:
    words, places, kinds, gamma, beta, *projection = (part.astype(np.float64) for part in parts)
    x = words[ids] + places[positions] + kinds[types]
    x = x - x.mean(-1, keepdims=True)
    x /= np.sqrt((x**2).mean(-1, keepdims=True) + eps)
    x = x * gamma + beta
    return x @ projection[0].T + projection[1] if projection else x


def error_of(got: Any, want: Any) -> float:
    assert got.shape == want.shape
    assert got.dtype == np.float32
    gaps = np.linalg.norm(got - want, axis=-1) / np.linalg.norm(want, axis=-1)
    return float(gaps.max(initial=0))


@pytest.fixture(params=SIZES)
def parts(request: pytest.FixtureRequest) -> list[Any]:
    return tensors(*SIZES[request.param])


def test_vectors_equal_the_definition(parts: list[Any]) -> None:
    stage = AlbertEmbeddings(*parts)
    rng = np.random.default_rng(2)
    rows = len(parts[0])
    for shape in [(), (5,), (0,), (3, 0), (4, 50), (2, 3, 7)]:
        ids = rng.integers(0, rows, shape)
        own = np.broadcast_to(np.arange(shape[-1] if shape else 1), shape or (1,)).reshape(shape)
        assert error_of(stage(ids), twin(parts, ids, 0 * ids, own)) < 2e-6
        types, positions = rng.integers(0, 2, shape), rng.integers(0, 50, shape)
        want = twin(parts, ids, types, positions)
        assert error_of(stage(ids, types, positions), want) < 2e-6
        out = np.full(want.shape, np.nan, np.float32)
        assert stage(ids, token_type_ids=types, position_ids=positions, out=out) is out
        assert error_of(out, want) < 2e-6
    ids = rng.integers(0, rows, (4, 6))
    want = stage(ids.tolist(), (ids * 0 + 1).astype(np.uint8), ids.astype(np.int16) * 0 + 7)
    # As numpy and torch repeat: one row for all, one number for all.
    got = stage(np.asfortranarray(ids), np.ones((1, 6), int), np.full((1, 1), 7))
    assert got.tobytes() == want.tobytes()


def test_batches_and_threads_change_no_bit() -> None:
    parts = tensors(900, 64, 128, 200)
    stage = AlbertEmbeddings(*parts)
    rng = np.random.default_rng(3)
    ids = (rng.pareto(1, (40, 200)) * 20).astype(int) % 900
    want = stage(ids, threads=1)
    assert error_of(want, twin(parts, ids, 0, np.arange(200))) < 2e-6
    for threads in (2, 3, 16):
        assert stage(ids, threads=threads).tobytes() == want.tobytes()
    rows = np.concatenate([stage(ids[i : i + 1]) for i in range(40)])
    assert rows.tobytes() == want.tobytes()
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda _: stage(ids, threads=1), range(8)):
            assert got.tobytes() == want.tobytes()


def test_rows_that_cancel_and_rows_that_are_large() -> None:
    parts = tensors(200, 24, 30)
    noise = np.random.default_rng(4).standard_normal((200, 24), dtype=np.float32)
    ids = np.arange(200).reshape(20, 10)
    for size in (1e-1, 1e-3, 1e-6):
        parts[0] = size * noise - parts[1][3] - parts[2][0]
        want = twin(parts, ids, 0 * ids, np.arange(10))
        assert error_of(AlbertEmbeddings(*parts)(ids), want) < 2e-6
    for scale, mean in ((1e15, 0), (1, 1e5), (1e-8, 1)):
        parts[0] = (scale * noise.astype(np.float64) + mean).astype(np.float32)
        want = twin(parts, ids, 0 * ids, np.arange(10))
        assert error_of(AlbertEmbeddings(*parts)(ids), want) < 2e-6


def test_roberta_counts_positions_behind_the_padding() -> None:
    parts = tensors(30, 8, None, 12)
    stage = AlbertEmbeddings(*parts, layer_norm_eps=1e-5, position_padding_id=1)
    ids = np.array([[5, 6, 7, 1, 1], [1, 1, 9, 1, 2]])
    positions = np.array([[2, 3, 4, 1, 1], [1, 1, 2, 1, 3]])
    assert error_of(stage(ids), twin(parts, ids, 0 * ids, positions, 1e-5)) < 2e-6
    assert stage(np.full((2, 10), 5)).shape == (2, 10, 8)
    with pytest.raises(subtok.ArgumentError, match="11 long in row 0, but must be at most 10 long"):
        stage(np.full((2, 11), 5))
    assert stage(np.ones((2, 400), int)).shape == (2, 400, 8)


def test_what_is_out_of_range_is_named() -> None:
    stage = AlbertEmbeddings(*tensors(30, 8, 6, 12))
    ids = np.zeros((3, 4), int)

    def spoilt(value: int, dtype: str = "int64") -> Any:
        array = ids.astype(dtype)
        array[1, 2] = value
        return array

    for value, dtype in ((30, "int64"), (-1, "int8"), (2**64 - 1, "uint64")):
        with pytest.raises(subtok.UnknownIdError, match=f"id {value} at position 2 of row 1 "):
            stage(spoilt(value, dtype))
    with pytest.raises(subtok.UnknownIdError, match="id 30 at position 1 is"):
        stage([3, 30])
    for value in (2, -1):
        with pytest.raises(
            subtok.ArgumentError, match=f"token_type_ids is {value} at position 2 of row 1"
        ):
            stage(ids, spoilt(value))
    for value in (12, -5):
        with pytest.raises(
            subtok.ArgumentError, match=f"position_ids is {value} at position 2 of row 1"
        ):
            stage(ids, None, spoilt(value))
    with pytest.raises(
        subtok.ArgumentError, match="ids is 13 long in row 0, but must be at most 12"
    ):
        stage(np.zeros((2, 13), int))
    with pytest.raises(
        subtok.ArgumentError, match=r"token_type_ids has shape \[3, 3\], but ids have"
    ):
        stage(ids, np.zeros((3, 3), int))
    with pytest.raises(subtok.ArgumentTypeError, match="position_ids must be integers"):
        stage(ids, None, np.zeros((3, 4)))
    with pytest.raises(subtok.ArgumentError, match="out has shape"):
        stage(ids, out=np.zeros((3, 4, 5), np.float32))


def test_parts_that_do_not_fit_are_refused() -> None:
    parts = tensors(30, 8, 6)
    for at, array, words in [
        (1, parts[1][:, :7], "position_embeddings has rows of 7"),
        (2, parts[2][0], "token_type_embeddings has 1 axes"),
        (3, parts[3][:5], "layer_norm_weight is 5 numbers long"),
        (4, np.full(8, np.nan), "layer_norm_bias is NaN at position 0"),
        (5, parts[5][:, :3], "projection has rows of 3"),
        (6, parts[6][:2], "bias is 2 numbers long"),
        (0, parts[0][:0], "word_embeddings is 0 numbers"),
    ]:
        wrong = [*parts[:at], array, *parts[at + 1 :]]
        with pytest.raises(subtok.ArgumentError, match=words):
            AlbertEmbeddings(*wrong)
    with pytest.raises(subtok.ArgumentError, match="no bias without a projection"):
        AlbertEmbeddings(*parts[:5], bias=parts[6])
    with pytest.raises(subtok.ArgumentError, match="layer_norm_eps is 0"):
        AlbertEmbeddings(*parts, layer_norm_eps=0)


def test_files_and_pickles_are_the_same_stage(parts: list[Any], tmp_path: Path) -> None:
    stage = AlbertEmbeddings(*parts, layer_norm_eps=1e-6, position_padding_id=3)
    ids = np.arange(40).reshape(2, 20)
    want = stage(ids).tobytes()
    path = tmp_path / "stage.safetensors"
    stage.save(path)
    loaded = [AlbertEmbeddings.load(path, mmap=mmap) for mmap in (True, False)]
    for other in (*loaded, pickle.loads(pickle.dumps(stage))):
        assert other(ids).tobytes() == want
        assert repr(other) == repr(stage)
        assert (other.layer_norm_eps, other.position_padding_id) == (1e-6, 3)
    loaded[0].save(path)
    assert loaded[0](ids).tobytes() == want
    with pytest.raises(subtok.FileError):
        AlbertEmbeddings.load(tmp_path / "none.safetensors")
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(subtok.FormatError, match=r"stage\.safetensors"):
        AlbertEmbeddings.load(path)


def test_the_factors_are_the_plain_layout(parts: list[Any]) -> None:
    stage = AlbertEmbeddings(*parts)
    assert stage.layout == "albert"
    assert (stage.vocab_size, stage.embedding_dim) == parts[0].shape
    assert (stage.max_position_embeddings, stage.type_vocab_size) == (50, 2)
    factors = stage.plain
    arrays = stage.factors()
    assert arrays[0].tobytes() == parts[0].tobytes()
    if len(parts) == 5:
        assert factors is None
        assert arrays[1:] == (None, None)
        assert stage.hidden_dim == stage.embedding_dim
        return
    assert factors is not None
    assert factors.layout == "plain"
    assert np.array_equal(arrays[1], parts[5].T)
    assert np.array_equal(arrays[2], parts[6])
    want = parts[0].astype(np.float64) @ parts[5].T.astype(np.float64) + parts[6]
    assert error_of(factors(np.arange(len(parts[0]))), want) < 1e-5


def test_a_file_that_became_shorter_is_told(tmp_path: Path) -> None:
    made = np.random.default_rng(5)
    stage = subtok.AlbertEmbeddings(
        *(
            made.normal(size=size).astype("f4")
            for size in [(3000, 16), (8, 16), (2, 16), (16,), (16,)]
        ),
        made.normal(size=(32, 16)).astype("f4"),
    )
    stage.save(tmp_path / "stage.safetensors")
    mapped = subtok.AlbertEmbeddings.load(tmp_path / "stage.safetensors")
    os.truncate(tmp_path / "stage.safetensors", 20_000)
    for use in (
        lambda: pickle.dumps(mapped),
        lambda: mapped.save(tmp_path / "other.safetensors"),
        lambda: mapped([1, 2999]),
        lambda: pickle.dumps(mapped.plain),
    ):
        with pytest.raises(FormatError, match="shortened"):
            use()
    assert not (tmp_path / "other.safetensors").exists()
