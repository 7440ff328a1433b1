"""Training where the pretokenizer rewrites its text: words are what it makes of it."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest
import tokenizers
from tokenizers import models, normalizers, pre_tokenizers, trainers

import subtok

if TYPE_CHECKING:
    from pathlib import Path

WORDS = [
    "of",
    " the",
    "▁in",
    "a",
    "  to",
    "naïve",
    "Ünder",
    "12",
    "don't",
    "漢字",
    "\n",
    "한국어",
    " ",
]


def texts() -> list[str]:
    rng = random.Random(5)
    return [
        rng.choice(["", " ", "\t"]) + rng.choice([" ", "", "  "]).join(rng.choices(WORDS, k=9))
        for _ in range(300)
    ]


METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
DIGITS = {"type": "Digits", "individual_digits": True}
PRETOKENIZERS: dict[str, dict[str, Any]] = {
    "always": METASPACE,
    "first": METASPACE | {"prepend_scheme": "first"},
    "never": METASPACE | {"prepend_scheme": "never"},
    "whole": METASPACE | {"split": False},
    "in turn": {"type": "Sequence", "pretokenizers": [DIGITS, METASPACE]},
    "first in turn": {
        "type": "Sequence",
        "pretokenizers": [DIGITS, METASPACE | {"prepend_scheme": "first"}],
    },
}
NORMALIZERS: dict[str, dict[str, Any] | None] = {
    "": None,
    "stripped": {"type": "Strip", "strip_left": True, "strip_right": False},
    "lower": {"type": "Lowercase"},
}


def load(kind: Any, component: dict[str, Any]) -> Any:
    state = tokenizers.Tokenizer(models.BPE())
    state.normalizer = normalizers.Lowercase()
    state.pre_tokenizer = pre_tokenizers.Whitespace()
    content = json.loads(state.to_str())
    content[kind] = component
    return getattr(tokenizers.Tokenizer.from_str(json.dumps(content)), kind)


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("pretokenizer", PRETOKENIZERS)
def test_vocabularies_equal_those_of_tokenizers(
    pretokenizer: str, normalizer: str, tmp_path: Path
) -> None:
    cut, change = PRETOKENIZERS[pretokenizer], NORMALIZERS[normalizer]
    reference = tokenizers.Tokenizer(models.BPE())
    reference.pre_tokenizer = load("pre_tokenizer", cut)
    if change is not None:
        reference.normalizer = load("normalizer", change)
    trainer = trainers.BpeTrainer(vocab_size=160, show_progress=False)
    reference.train_from_iterator(texts(), trainer)
    tok = subtok.train_bpe(
        iter(texts()), 160, pretokenizer=cut, normalizer=change, initial_alphabet=None
    )
    given, wanted = (json.loads(each.to_str())["model"] for each in (tok, reference))
    assert (given["vocab"], given["merges"]) == (wanted["vocab"], wanted["merges"])
    counts = subtok.count(iter(texts()), pretokenizer=cut, normalizer=change, threads=2)
    counts.save(tmp_path / "counts.parquet")
    counts = subtok.Counts.load(tmp_path / "counts.parquet")
    again = subtok.train_bpe(counts, 160, initial_alphabet=None)
    assert again.to_str() == tok.to_str()
    tok.save(tmp_path / "tokenizer.json")
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in texts()[::9]:
        assert tok.encode(text).ids.tolist() == theirs.encode(text).ids


def test_between_special_tokens_only_the_first_text_is_first() -> None:
    cut = PRETOKENIZERS["first"]
    counts = subtok.count(iter(["a b<s>a b"]), pretokenizer=cut, special_tokens=["<s>"])
    words = dict(zip(*(column.to_pylist() for column in counts.to_arrow().columns), strict=True))
    assert words == {"▁a".encode(): 1, b"a": 1, "▁b".encode(): 2}
