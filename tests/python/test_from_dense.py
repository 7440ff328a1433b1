"""`FactorizedEmbedding.from_dense`: counts of every kind, and a report that names things."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from conftest import CORPUS

import subtok
from subtok import FactorizedEmbedding


def table(rows: int, width: int, seed: int = 1) -> Any:
    scales = np.geomspace(1, 0.05, width)
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((rows, width)) * scales).astype(np.float32)


def best(matrix: Any, rank: int, weights: Any) -> Any:
    """The direct solution, by LAPACK: the truncated SVD of sqrt(D) W, taken back."""
    root = np.sqrt(weights)[:, None]
    u, s, v = np.linalg.svd(root * matrix.astype(np.float64), full_matrices=False)
    return (u[:, :rank] * s[:rank]) @ v[:rank] / root


def test_counts_weigh_rows() -> None:
    matrix = table(600, 40)
    counts = np.arange(600)[::-1] ** 2 + 1
    for given in (counts, counts.tolist(), counts.astype(np.float32), counts.astype(np.uint64)):
        embedding, report = FactorizedEmbedding.from_dense(matrix, rank=9, counts=given)
        weights = counts.astype(np.float64) ** 0.75
        want, got = best(matrix, 9, weights), embedding(np.arange(600))
        root = np.sqrt(weights)[:, None]
        assert np.linalg.norm(root * (got - want)) < 1e-5 * np.linalg.norm(root * want)
        lost = ((matrix - want) ** 2).sum(1)
        size = (matrix.astype(np.float64) ** 2).sum(1)
        assert math.isclose(
            report["weighted_error"], math.sqrt(counts @ lost / (counts @ size)), rel_tol=1e-4
        )
        assert report["counts"] == "counts of ids"


def test_the_prior_by_rank() -> None:
    matrix = table(300, 20)
    prior, report = FactorizedEmbedding.from_dense(matrix, rank=5, counts="rank")
    same, _ = FactorizedEmbedding.from_dense(matrix, rank=5, counts=1 / (np.arange(300) + 10))
    assert prior(np.arange(300)).tobytes() == same(np.arange(300)).tobytes()
    assert report["counts"].startswith("rank")
    with pytest.raises(subtok.ArgumentError, match='counts is "zipf", but must be'):
        FactorizedEmbedding.from_dense(matrix, rank=5, counts="zipf")


def test_counts_of_words_become_counts_of_tokens(bpe: subtok.Tokenizer) -> None:
    counts = subtok.count(iter(CORPUS.splitlines()), pretokenizer="gpt2")
    rows = bpe.vocab_size + 7
    matrix = table(rows, 24)
    ids = np.concatenate([bpe.encode(line).ids for line in CORPUS.splitlines()])
    want = np.bincount(ids, minlength=rows)
    by_words, report = FactorizedEmbedding.from_dense(matrix, rank=6, counts=counts, tokenizer=bpe)
    by_ids, _ = FactorizedEmbedding.from_dense(matrix, rank=6, counts=want)
    assert by_words(np.arange(rows)).tobytes() == by_ids(np.arange(rows)).tobytes()
    assert "cut as the tokenizer cuts" in report["counts"]
    costly = report["costliest_tokens"]
    assert [row["token"] for row in costly] == [bpe.id_to_token(row["id"]) for row in costly]
    assert all(row["count"] == want[row["id"]] for row in costly)
    # Words that were cut otherwise are encoded as texts, and the report says so.
    other = subtok.count(iter(CORPUS.splitlines()), pretokenizer="whitespace")
    _, report = FactorizedEmbedding.from_dense(matrix, rank=6, counts=other, tokenizer=bpe)
    assert "in another way" in report["counts"]


def test_counts_of_words_need_their_tokenizer(bpe: subtok.Tokenizer) -> None:
    counts = subtok.count(iter(["a b"]), pretokenizer="gpt2")
    with pytest.raises(subtok.ArgumentError, match="tokenizer="):
        FactorizedEmbedding.from_dense(table(500, 8), rank=2, counts=counts)
    with pytest.raises(subtok.ArgumentError, match="has 10 rows"):
        FactorizedEmbedding.from_dense(table(10, 8), rank=2, counts=counts, tokenizer=bpe)
    with pytest.raises(subtok.ArgumentTypeError, match="must be a Tokenizer"):
        FactorizedEmbedding.from_dense(table(9, 8), rank=2, tokenizer="bert")  # type: ignore[arg-type]


def test_the_report_names_tokens_and_measures_alternatives(bpe: subtok.Tokenizer) -> None:
    rows = bpe.vocab_size
    matrix = table(rows, 64)
    odd = bpe.token_to_id("Ġthe")
    assert odd is not None
    matrix[odd] = 0
    matrix[odd, 63] = 1.0
    embedding, report = FactorizedEmbedding.from_dense(matrix, rank=20, tokenizer=bpe)
    got = embedding(np.arange(rows))
    worst = report["worst_tokens"]
    assert (worst[0]["id"], worst[0]["token"]) == (odd, "Ġthe")
    gaps = np.linalg.norm(got - matrix, axis=1) / np.linalg.norm(matrix, axis=1)
    assert [row["id"] for row in worst] == np.argsort(-gaps, kind="stable")[:10].tolist()
    for row in worst:
        assert math.isclose(row["relative_error"], gaps[row["id"]], rel_tol=1e-4)
    assert sum(row["share"] for row in report["costliest_tokens"]) < 1
    int8, int4 = report["alternatives"]
    assert (int8["name"], int4["name"]) == ("int8", "int4")
    # All rows are measured, there are so few of them.
    scale = np.abs(matrix).max(1, keepdims=True) / 127
    rounded = np.round(matrix / scale) * scale
    error = np.linalg.norm(rounded - matrix) / np.linalg.norm(matrix)
    assert math.isclose(int8["relative_error"], error, rel_tol=1e-3)
    assert int8["bytes"] == rows * 66


def test_the_recommendation_is_plain() -> None:
    flat = np.random.default_rng(5).standard_normal((3000, 256), dtype=np.float32)
    text = FactorizedEmbedding.from_dense(flat, rank=128)[1]["recommendation"]
    assert text.startswith("quantise the table instead: as int8 it takes 258 bytes a token")
    assert "as int4 it takes 144" in text
    assert "these as int8" in text
    steep = (
        np.random.default_rng(5).standard_normal((3000, 256)) * np.geomspace(1, 1e-9, 256)
    ).astype("f4")
    text = FactorizedEmbedding.from_dense(steep, rank=40)[1]["recommendation"]
    assert text.startswith("factorise: at 174 bytes a token")
    text = FactorizedEmbedding.from_dense(flat, rank=256)[1]["recommendation"]
    assert text.startswith("keep the table as it is")


def test_threads_change_nothing() -> None:
    matrix = table(2000, 130)
    made = [
        FactorizedEmbedding.from_dense(matrix, rank=17, counts="rank", threads=n) for n in (1, 2, 5)
    ]
    rows = [embedding(np.arange(2000)).tobytes() for embedding, _ in made]
    assert rows[0] == rows[1] == rows[2]
    assert made[0][1] == made[1][1] == made[2][1]


def test_counts_of_any_size_have_a_report():
    table = np.random.default_rng(3).normal(size=(300, 8)).astype("f4")
    counts = np.linspace(0, 1, 300)
    _, want = subtok.FactorizedEmbedding.from_dense(table, rank=2, counts=counts)
    for scale in (1e308, 1e-300):
        _, report = subtok.FactorizedEmbedding.from_dense(table, rank=2, counts=counts * scale)
        assert report["weighted_error"] == pytest.approx(want["weighted_error"])
        assert report["recommendation"] == want["recommendation"]
        assert len(report["costliest_tokens"]) == len(want["costliest_tokens"])
