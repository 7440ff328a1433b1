"""The embedding with numbers of another package: bfloat16 of ml_dtypes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from subtok import FactorizedEmbedding

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def ml_dtypes() -> Any:
    return pytest.importorskip("ml_dtypes")


def test_a_type_named_bfloat16_is_kept(ml_dtypes: Any) -> None:
    embedding = FactorizedEmbedding(50, 8, 12)
    ids = np.arange(50)
    got = embedding(ids, dtype=ml_dtypes.bfloat16)
    assert got.dtype == ml_dtypes.bfloat16
    want = embedding(ids).astype(ml_dtypes.bfloat16)
    assert got.tobytes() == want.tobytes()
    out = np.zeros((50, 12), ml_dtypes.bfloat16)
    assert embedding(ids, out) is out
    assert out.tobytes() == want.tobytes()
    assert embedding(ids, dtype="bfloat16").dtype == np.uint16


def test_other_readers_can_multiply_out_what_a_quantised_file_holds(
    tmp_path: Path,
) -> None:
    # For numbers of this type it needs the other package.
    pytest.importorskip("ml_dtypes")
    numpy_files = pytest.importorskip("safetensors.numpy")
    embedding = FactorizedEmbedding(50, 70, 12, bias=True)
    name = "embeddings.word_embeddings"
    for kind in ("int8", "int4"):
        small = embedding.quantize(kind)
        small.save(tmp_path / "small.safetensors")
        parts = numpy_files.load_file(tmp_path / "small.safetensors")
        numbers = parts[f"{name}.weight_q"]
        if kind == "int4":
            halves = np.stack([numbers & 15, numbers >> 4], axis=-1).reshape(50, -1)
            numbers = halves.astype(np.int8)[:, :70] - 8
        scales = parts[f"{name}.weight_scale"].astype(np.float32)
        scales = np.repeat(scales, 70 if kind == "int8" else 32, axis=1)[:, :70]
        assert np.array_equal(numbers * scales, small.factors()[0])
