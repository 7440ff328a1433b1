"""What a file stores of truncation, padding and dropout is a call's default."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
import tokenizers

import subtok

TEXTS = ["one text that is longer than a few tokens", "two", "", "a third one, of middling length"]
CORPUS_LINE = "the quick brown fox jumps over the lazy dog, again and again and again"
TRUNCATION = {"max_length": 7, "strategy": "LongestFirst", "stride": 2, "direction": "Right"}
PADDING = {
    "strategy": "BatchLongest",
    "direction": "Left",
    "pad_to_multiple_of": 4,
    "pad_id": 1,
    "pad_type_id": 3,
    "pad_token": "<pad>",
}


def _stored(tok: subtok.Tokenizer, **parts: Any) -> tuple[subtok.Tokenizer, tokenizers.Tokenizer]:
    text = json.dumps(json.loads(tok.to_str()) | parts)
    return subtok.Tokenizer.from_str(text), tokenizers.Tokenizer.from_str(text)


def _rows(batch: Any) -> list[tuple[list[int], list[int], list[int], int]]:
    return [
        (
            list(map(int, row.ids)),
            list(map(int, row.attention_mask)),
            list(map(int, row.type_ids)),
            len(row.overflowing),
        )
        for row in batch
    ]


@pytest.mark.parametrize(
    "parts",
    [
        {"truncation": TRUNCATION},
        {"padding": PADDING},
        {"padding": PADDING | {"strategy": {"Fixed": 12}, "direction": "Right"}},
        {"truncation": TRUNCATION | {"direction": "Left"}, "padding": PADDING},
    ],
)
def test_what_a_file_stores_is_what_a_call_does(wordpiece, parts):
    tok, oracle = _stored(wordpiece, **parts)
    assert _rows(tok.encode_batch(TEXTS)) == _rows(oracle.encode_batch(TEXTS))
    for text in TEXTS:
        assert _rows([tok.encode(text)]) == _rows([oracle.encode(text)])
    pairs = list(itertools.pairwise(TEXTS))
    first, second = map(list, zip(*pairs, strict=True))
    assert _rows(tok.encode_batch(first, second)) == _rows(oracle.encode_batch(pairs))


def test_a_call_may_say_otherwise(wordpiece):
    tok, _ = _stored(wordpiece, truncation=TRUNCATION, padding=PADDING)
    free = tok.encode_batch(TEXTS, truncation=False, padding=False)
    assert _rows(free) == _rows(wordpiece.encode_batch(TEXTS))
    assert len(tok.encode(TEXTS[0], max_length=5, padding=False).ids) == 5
    longer = tok.encode(TEXTS[0], max_length=9, padding="max_length", pad_to_multiple_of=1)
    assert len(longer.ids) == 9
    right = tok.encode(TEXTS[1], padding_side="right")
    assert right.ids[-1] == 1
    assert tok.encode(TEXTS[1]).ids[0] == 1


def test_what_counts_and_cuts_texts_takes_them_whole(wordpiece):
    tok, _ = _stored(wordpiece, truncation=TRUNCATION, padding=PADDING)
    text = TEXTS[0] * 3
    assert tok.count(text) == wordpiece.count(text) > TRUNCATION["max_length"]
    assert tok.count_batch([text]).tolist() == [wordpiece.count(text)]
    assert tok.chunk(text, 5) == wordpiece.chunk(text, 5)
    assert tok.truncate(text, 20) == wordpiece.truncate(text, 20)


def test_dropout_repeats_with_its_seed(bpe):
    texts = [CORPUS_LINE] * 3
    plain = bpe.encode_batch(texts)
    once = bpe.encode_batch(texts, dropout=0.5, seed=7)
    again = bpe.encode_batch(texts, dropout=0.5, seed=7, threads=2)
    other = bpe.encode_batch(texts, dropout=0.5, seed=8)
    assert once.ids.tolist() == again.ids.tolist() != other.ids.tolist()
    assert len(once.ids) > len(plain.ids)
    rows = [row.ids.tolist() for row in once]
    assert len(set(map(tuple, rows))) == 3, "every row draws for itself"
    assert bpe.decode_batch(rows) == texts
    for row in once:
        # Places are computed later, from the same draws.
        assert len(row.offsets) == len(row.ids)
        assert [bpe.id_to_token(x) for x in row.ids] == row.tokens
    assert bpe.encode_batch(texts).ids.tolist() == plain.ids.tolist(), "nothing random is kept"


def test_dropout_of_a_file_is_the_default(bpe):
    content = json.loads(bpe.to_str())
    content["model"]["dropout"] = 1.0
    tok = subtok.Tokenizer.from_str(json.dumps(content))
    ids = tok.encode(CORPUS_LINE).ids.tolist()
    assert ids == tokenizers.Tokenizer.from_str(json.dumps(content)).encode(CORPUS_LINE).ids
    assert tok.encode(CORPUS_LINE, dropout=0.0).ids.tolist() == bpe.encode(CORPUS_LINE).ids.tolist()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), "half"])
def test_a_share_is_from_0_to_1(bpe, share):
    with pytest.raises((subtok.ArgumentError, TypeError), match="dropout"):
        bpe.encode("x", dropout=share)
