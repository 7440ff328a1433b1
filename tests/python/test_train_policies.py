"""Training: limits on tokens, forced tokens, the report."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

import subtok
from subtok.errors import ArgumentError, ArgumentTypeError

TEXTS = [
    "In 1984 and 2001, call 555-1234: the value is 1000000.\n",
    "слово слова словом wordслово wordслова wordслово\n",
    "日本語 日本人 日本 wordの wordの\n",
    "the other: the one: the other: the one\n",
] * 30


# Enough for any vocabulary here.
PADDING = [
    "".join(chr(97 + n * 7 % 26) + chr(97 + n * n % 26) for n in range(k, 60)) for k in range(9)
]


def tokens(tok: subtok.Tokenizer) -> list[bytes]:
    return [tok.token_bytes(number) for number in range(tok.vocab_size)]


def refused(tok: subtok.Tokenizer) -> dict[str, Any]:
    report = tok.training_report
    assert report is not None
    found: dict[str, Any] = report["refused"]
    return found


def merged(tok: subtok.Tokenizer) -> list[bytes]:
    return tokens(tok)[256:]


def test_each_limit_holds_and_is_reported() -> None:
    plain = subtok.train_bpe(iter(TEXTS), 320)
    assert refused(plain) == {}
    tok = subtok.train_bpe(iter(TEXTS), 320, max_token_bytes=5)
    assert max(map(len, merged(tok))) == 5 < max(map(len, merged(plain)))
    assert refused(tok)["max_token_bytes"]["pairs"] > 0
    tok = subtok.train_bpe(iter(TEXTS), 320, max_digits=2)
    digits = [sum(b in b"0123456789" for b in token) for token in merged(tok)]
    assert max(digits) == 2
    row = refused(tok)["max_digits"]
    assert row["pairs"] >= len(row["examples"]) > 0
    assert row["occurrences"] >= row["pairs"]
    tok = subtok.train_bpe(iter(TEXTS), 320, veto=[" the", "日本人"])
    assert b" the" in merged(plain)
    assert not [token for token in merged(tok) if b" the" in token or "日本人".encode() in token]
    assert refused(tok)["veto"]["examples"]


def test_one_script_keeps_letters_apart() -> None:
    def scripts(token: bytes) -> set[str]:
        names = (unicodedata.name(c, "NONE").split()[0] for c in token.decode(errors="ignore"))
        return {"CJK" if name == "HIRAGANA" else name for name in names} & {
            "LATIN",
            "CYRILLIC",
            "CJK",
        }

    plain = subtok.train_bpe(iter(TEXTS), 320, pretokenizer="none")
    tok = subtok.train_bpe(iter(TEXTS), 320, pretokenizer="none", one_script=True)
    assert max(len(scripts(token)) for token in merged(plain)) > 1
    assert max(len(scripts(token)) for token in merged(tok)) == 1
    assert refused(tok)["one_script"]["pairs"] > 0


def test_a_limit_is_asked_of_the_best_pair_and_nothing_else_changes() -> None:
    plain = subtok.train_bpe(iter(TEXTS), 320)
    idle = subtok.train_bpe(iter(TEXTS), 320, max_token_bytes=10**6, max_digits=100, veto=["xyz"])
    assert idle.to_str() == plain.to_str()


def test_a_limited_tokenizer_is_one_for_the_library_too() -> None:
    tok = subtok.train_bpe(iter(TEXTS), 320, max_digits=1, veto=["ther"], one_script=True)
    theirs = tokenizers.Tokenizer.from_str(tok.to_str())
    for text in TEXTS[:4]:
        assert list(tok.encode(text).ids) == theirs.encode(text).ids


@settings(max_examples=40, deadline=None)
@given(st.lists(st.from_regex(r"\A ?[a-z]{1,12}\Z"), max_size=6, unique=True))
def test_a_forced_token_is_one_id_where_it_stands_alone(forced: list[str]) -> None:
    size = 320 + 16 * len(forced)
    tok = subtok.train_bpe(iter([*TEXTS, *PADDING]), size, forced_tokens=forced)
    assert tok.vocab_size <= size
    theirs = tokenizers.Tokenizer.from_str(tok.to_str())
    for token in forced:
        assert len(tok.encode(token).ids) == len(theirs.encode(token).ids) == 1


def test_forced_tokens_rank_last() -> None:
    plain = subtok.train_bpe(iter(TEXTS), 313)
    tok = subtok.train_bpe(iter(TEXTS), 320, forced_tokens=[" zyzzyva"])
    assert tok.training_report is not None
    assert tok.training_report["forced_merges"] == 7
    assert tokens(tok)[:313] == tokens(plain)
    # A merge that a frequent word needs anyway is no extra one.
    tok = subtok.train_bpe(iter(TEXTS), 320, forced_tokens=[" the"])
    assert tok.training_report is not None
    assert tok.training_report["forced_merges"] == 0


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"forced_tokens": ["http://x"]}, ArgumentError, "one word for the pretokenizer"),
        ({"forced_tokens": [""]}, ArgumentError, "forced_tokens"),
        ({"forced_tokens": "the"}, ArgumentTypeError, "forced_tokens must be a list"),
        ({"forced_tokens": ["zyzzyvaszyzzyvas"], "vocab_size": 260}, ArgumentError, "at least 263"),
        ({"forced_tokens": ["é"], "initial_alphabet": None}, ArgumentError, "alphabet has"),
        ({"veto": [""]}, ArgumentError, "veto"),
        ({"veto": "the"}, ArgumentTypeError, "veto must be a list"),
        ({"max_digits": -1}, ArgumentError, "max_digits"),
        ({"max_token_bytes": "x"}, ArgumentTypeError, "max_token_bytes"),
    ],
)
def test_a_bad_limit_is_told(
    options: dict[str, Any], error: type[subtok.SubtokError], match: str
) -> None:
    with pytest.raises(error, match=match):
        subtok.train_bpe(iter(["a b the"]), **({"vocab_size": 300} | options))


def test_the_report_says_what_happened() -> None:
    tok = subtok.train_bpe(iter(TEXTS), 320, special_tokens=["<s>"])
    report = tok.training_report
    assert report is not None
    curve = report["curve"]
    sizes = [entries for entries, _, _ in curve]
    assert sizes == [257, 320]
    used = [count for _, count, _ in curve]
    assert used == sorted(used, reverse=True)
    total = sum(len(text.encode()) for text in TEXTS)
    assert used[0] == total
    assert used[-1] == sum(len(tok.encode(text).ids) for text in TEXTS)
    for _, count, ratio in curve:
        assert ratio == pytest.approx(total / count)
    assert 0 < report["near_ties"] <= report["merges"]
    assert set(report["seconds"]) == {"count", "merge", "build"}
    assert report["peak_bytes"] > 10**6
    assert report["dropped"] == {"characters": 0, "occurrences": 0, "examples": []}


def test_characters_that_a_limit_drops_are_reported() -> None:
    text = "aaaa bbb cc d"
    tok = subtok.train_bpe(
        iter([text]), 10, pretokenizer="whitespace", initial_alphabet=None, limit_alphabet=2
    )
    assert tok.training_report is not None
    dropped = tok.training_report["dropped"]
    assert dropped == {"characters": 2, "occurrences": 3, "examples": ["c", "d"]}


def test_near_ties_are_counted() -> None:
    def ties(texts: list[str]) -> int:
        tok = subtok.train_bpe(iter(texts), 258)
        assert tok.training_report is not None
        found: int = tok.training_report["near_ties"]
        return found

    assert ties(["ab cd"]) == 2
    assert ties(["ab ab ab ab cd cd xy"]) == 0
