"""Training: which of equally frequent pairs is merged first."""

from __future__ import annotations

import json
import random
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

import subtok
from subtok.errors import ArgumentError, ArgumentTypeError

GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
SHOWN = sorted(pre_tokenizers.ByteLevel.alphabet())
PLAIN = [*range(33, 127), *range(161, 173), *range(174, 256)]
MOVED = [byte for byte in range(256) if byte not in PLAIN]
BYTE_OF = dict(zip(SHOWN, PLAIN + MOVED, strict=True))

Pair = tuple[bytes, bytes]


def spelled(token: str) -> bytes:
    return bytes(BYTE_OF[c] for c in token)


def words_of(texts: list[str], pretokenizer: str) -> dict[bytes, int]:
    if pretokenizer == "none":
        return Counter(text.encode() for text in texts)
    pieces = (piece for text in texts for piece, _ in GPT2.pre_tokenize_str(text))
    return Counter(spelled(piece) for piece in pieces)


def by_definition(
    words: dict[bytes, int], rule: str, most: int, at_least: int = 1
) -> tuple[list[Pair], list[int]]:
    """The merges, by counting all pairs before each, and how many pairs were equals."""
    rows = [([bytes([b]) for b in word], n) for word, n in words.items()]
    merges: list[Pair] = []
    shared: list[int] = []
    while len(merges) < most:
        counts: Counter[Pair] = Counter()
        for symbols, n in rows:
            for pair in pairwise(symbols):
                counts[pair] += n
        highest = max(counts.values(), default=0)
        if highest < at_least:
            break
        equals = [pair for pair, n in counts.items() if n == highest]
        best = max(equals) if rule == "cs336" else min(equals)
        merges.append(best)
        shared.append(len(equals))
        for symbols, _ in rows:
            at = 0
            while at + 1 < len(symbols):
                if (symbols[at], symbols[at + 1]) == best:
                    symbols[at : at + 2] = [best[0] + best[1]]
                at += 1
    return merges, shared


def learned(tok: subtok.Tokenizer) -> list[Pair]:
    merges = json.loads(tok.to_str())["model"]["merges"]
    pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in merges]
    return [(spelled(left), spelled(right)) for left, right in pairs]


@pytest.mark.parametrize("rule", ["cs336", "raw_bytes"])
@given(
    st.lists(st.text("abz \n~é", max_size=12), min_size=1, max_size=30).filter(any),
    st.sampled_from(["gpt2", "none"]),
    st.integers(0, 60),
    st.integers(1, 3),
)
def test_small_texts_full_of_ties_equal_the_definition(
    rule: str, texts: list[str], pretokenizer: str, merges: int, min_frequency: int
) -> None:
    tok = subtok.train_bpe(
        iter(texts),
        257 + merges,
        pretokenizer=pretokenizer,
        special_tokens=["<|end|>"],
        min_frequency=min_frequency,
        ties=rule,
    )
    expected, _ = by_definition(words_of(texts, pretokenizer), rule, merges, min_frequency)
    assert learned(tok) == expected
    plain = subtok.train_bpe(iter(texts), 257, special_tokens=["<|end|>"])
    assert plain.get_vocab().items() <= tok.get_vocab().items()
    text = "<|end|>".join(texts)
    assert tok.decode(tok.encode(text).ids, skip_special_tokens=False) == text


def weighted_words() -> dict[str, int]:
    """Words with few distinct counts, so that most merges are decided by the rule."""
    draw = random.Random(5)
    words = {"".join(draw.choices(" \tabcéß\x7f", k=draw.randint(2, 9))) for _ in range(400)}
    return {word: draw.choice([1, 1, 2, 50, 2**33]) for word in sorted(words)}


@pytest.mark.parametrize("rule", ["cs336", "raw_bytes"])
def test_weighted_counts_equal_the_definition_on_any_number_of_threads(rule: str) -> None:
    words = weighted_words()
    expected, shared = by_definition({w.encode(): n for w, n in words.items()}, rule, 250)
    assert sum(n > 1 for n in shared) > 50
    for threads in (1, 3):
        parts = [
            subtok.count(iter([word]), "none", threads=threads) * n for word, n in words.items()
        ]
        random.Random(threads).shuffle(parts)
        counts = subtok.Counts.merge(parts)
        tok = subtok.train_bpe(counts, 506, pretokenizer="none", ties=rule, threads=threads)
        assert learned(tok) == expected
        assert tok.training_report is not None
        assert tok.training_report["ties"] == rule


def test_the_default_is_that_of_tokenizers() -> None:
    texts = ["low lower lowest", "newer wider new"]
    plain = subtok.train_bpe(iter(texts), 280)
    assert subtok.train_bpe(iter(texts), 280, ties="tokenizers").to_str() == plain.to_str()
    assert plain.training_report is not None
    assert plain.training_report["ties"] == "tokenizers"


def test_without_a_pre_tokenizer_every_text_is_one_word() -> None:
    tok = subtok.train_bpe(iter(["ab ab", "ab ab", "é"]), 264, pretokenizer="none")
    assert tok.encode("ab ab").tokens == ["abĠab"]
    assert tok.decode(tok.encode("é ab\n").ids) == "é ab\n"
    theirs = tokenizers.Tokenizer.from_str(tok.to_str())
    assert theirs.encode("ab abé").ids == tok.encode("ab abé").ids.tolist()


@pytest.mark.parametrize(
    ("ties", "error", "match"),
    [
        ("nope", ArgumentError, '"tokenizers", "cs336", "raw_bytes"'),
        ("CS336", ArgumentError, '"cs336"'),
        (5, ArgumentTypeError, '"cs336"'),
    ],
)
def test_another_name_is_told(ties: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        subtok.train_bpe(iter(["a b"]), 300, ties=ties)
