"""A dense table as a product of two thin ones, and vectors for a batch of ids."""

import numpy as np

import subtok

rng = np.random.default_rng(0)
dense = rng.normal(size=(2000, 16)) @ rng.normal(size=(16, 256))
embedding, report = subtok.FactorizedEmbedding.from_dense(dense.astype(np.float32), rank=16)
print(report)
ids = rng.integers(0, 2000, size=(8, 32))
rows = embedding(ids)
print(rows.shape, rows.dtype)
assert rows.shape == (8, 32, 256)
assert np.allclose(rows, dense[ids], atol=1e-2)
