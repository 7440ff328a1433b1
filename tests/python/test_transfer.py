"""A table for another vocabulary: rows that are kept, rows that are made, and the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import CORPUS

import subtok
from subtok import FactorizedEmbedding

if TYPE_CHECKING:
    from pathlib import Path

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def wordpiece(folder: Path, tokens: list[str], name: str = "vocab.txt") -> subtok.Tokenizer:
    path = folder / name
    path.write_text("".join(f"{token}\n" for token in SPECIAL + tokens), encoding="utf8")
    return subtok.Tokenizer.from_wordpiece(path)


def factors(embedding: FactorizedEmbedding) -> Any:
    """The vector of every id."""
    return embedding(np.arange(embedding.vocab_size))


def test_rows_are_kept_and_composed(tmp_path: Path) -> None:
    old = wordpiece(tmp_path, ["low", "##er", "##est", "new", "##s"], "old.txt")
    new = wordpiece(tmp_path, ["lowest", "low", "news", "##er", "東"], "new.txt")
    embedding = FactorizedEmbedding(old.vocab_size + 3, 16, 24, seed=3, padding_id=0, bias=True)
    moved, report = embedding.transfer(old, new)
    assert (moved.vocab_size, moved.embedding_dim, moved.hidden_dim) == (new.vocab_size, 16, 24)
    assert moved.padding_id == 0
    was, now = factors(embedding), factors(moved)
    for token in [*SPECIAL, "low", "##er"]:
        was_id, now_id = old.token_to_id(token), new.token_to_id(token)
        assert was[was_id].tobytes() == now[now_id].tobytes(), token
    for token, pieces in {"lowest": {"low": 3, "##est": 3}, "news": {"new": 3, "##s": 1}}.items():
        rows = [was[old.token_to_id(piece)] for piece in pieces]
        want = np.average(rows, axis=0, weights=list(pieces.values()))
        np.testing.assert_allclose(now[new.token_to_id(token)], want, atol=1e-6)
    assert (report["matched"], report["composed"], report["drawn"], report["holes"]) == (7, 2, 1, 0)
    assert report["by_role"] == []
    assert report["drawn_examples"] == ["東"]
    assert report["composed_examples"][0]["pieces"] == [("low", 3), ("##est", 3)]
    assert (report["rows"], report["old_rows"]) == (10, 13)
    assert report["unused_old_rows"] == 3


def test_marks_and_roles_are_crossed(tmp_path: Path, bpe: subtok.Tokenizer) -> None:
    old = wordpiece(tmp_path, ["the", "##the", "text", "##s"])
    embedding = FactorizedEmbedding(old.vocab_size, 8, 12, seed=3)
    moved, report = embedding.transfer(old, bpe)
    was, now = factors(embedding), factors(moved)
    assert now[bpe.token_to_id("Ġthe")].tobytes() == was[old.token_to_id("the")].tobytes()
    assert now[bpe.token_to_id("s")].tobytes() == was[old.token_to_id("##s")].tobytes()
    end = report["by_role"][0]
    assert (end["token"], end["role"], end["from"]) == ("<|endoftext|>", "end", "[SEP]")
    assert moved.padding_id is None
    counted = report["matched"] + len(report["by_role"]) + report["composed"] + report["drawn"]
    assert counted == bpe.vocab_size == report["rows"]
    # Tokens of which nothing is known are told apart.
    assert len(np.unique(now, axis=0)) > 0.9 * len(now)


def test_a_round_trip_keeps_what_both_have(bpe: subtok.Tokenizer) -> None:
    small = subtok.train_bpe(
        iter(CORPUS.splitlines()), vocab_size=330, special_tokens=["<|endoftext|>"]
    )
    embedding = FactorizedEmbedding(bpe.vocab_size, 8, 12, seed=5)
    there, _ = embedding.transfer(bpe, small)
    back, report = there.transfer(small, bpe)
    was, now = factors(embedding), factors(back)
    for token, number in bpe.get_vocab().items():
        if small.token_to_id(token) is not None:
            assert was[number].tobytes() == now[number].tobytes(), token
    assert report["composed"] > 0
    assert report["drawn"] == 0


def test_the_stage_of_albert_moves_too(tmp_path: Path) -> None:
    old = wordpiece(tmp_path, ["low", "##er"], "old.txt")
    new = wordpiece(tmp_path, ["lower", "low"], "new.txt")
    rng = np.random.default_rng(1)
    normal = lambda *shape: rng.standard_normal(shape, dtype=np.float32)  # noqa: E731
    parts = (
        normal(7, 8),
        normal(9, 8),
        normal(2, 8),
        normal(8),
        normal(8),
        normal(12, 8),
        normal(12),
    )
    stage = subtok.AlbertEmbeddings(*parts)
    moved, report = stage.transfer(old, new)
    assert report["matched"] == 6
    assert moved([2, 6]).tobytes() == stage([2, 5]).tobytes()
    table = parts[0]
    by_hand = np.concatenate([table[:5], [(3 * table[5] + 2 * table[6]) / 5], table[5:6]])
    want = subtok.AlbertEmbeddings(by_hand, *parts[1:])
    np.testing.assert_allclose(moved([5, 1]), want([5, 1]), atol=1e-5)
    padded = subtok.AlbertEmbeddings(*parts, position_padding_id=1)
    with pytest.raises(subtok.ArgumentError, match="behind which positions count"):
        padded.transfer(old, subtok.train_bpe(iter(["ab"]), vocab_size=257))


def test_what_does_not_fit_is_refused(bpe: subtok.Tokenizer) -> None:
    small = FactorizedEmbedding(20, 4, 6)
    with pytest.raises(subtok.ArgumentError, match="below 20, the rows of the table"):
        small.transfer(bpe, bpe)
    with pytest.raises(subtok.ArgumentTypeError, match="new_tok must be a Tokenizer, not str"):
        small.transfer(bpe, "gpt2")  # type: ignore[arg-type]
