"""Training: superwords, going on with a vocabulary, checkpoints, scores, models over characters."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import tokenizers
from tokenizers import normalizers, pre_tokenizers

import subtok
from subtok.errors import ArgumentError, FormatError, TrainingError, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ["of", "the", "in", "a", "to", "and", "it", "was", "not", "one", "for", "way", "best"]
WORDS += ["man", "house", "don't", "naïve", "12", "2001"]


def sentences(seed: int, count: int = 400) -> list[str]:
    rng = random.Random(seed)
    ends = [". ", ", ", "\n", "  ", " (", "! "]
    texts = []
    for _ in range(count):
        words = [rng.choice(WORDS[: 4 + rng.randrange(len(WORDS) - 4)]) for _ in range(12)]
        cut = rng.randrange(12)
        texts.append(" ".join(words[:cut]) + rng.choice(ends) + " ".join(words[cut:]))
    return texts


TEXTS = sentences(1)


def same_ids(tok: subtok.Tokenizer, texts: list[str]) -> None:
    theirs = tokenizers.Tokenizer.from_str(tok.to_str())
    for text in texts:
        assert list(tok.encode(text).ids) == theirs.encode(text).ids


def report(tok: subtok.Tokenizer) -> dict[str, Any]:
    found = tok.training_report
    assert found is not None
    return found


def merges(tok: subtok.Tokenizer) -> list[tuple[str, str]]:
    listed = json.loads(tok.to_str())["model"]["merges"]
    pairs = (m.split(" ") if isinstance(m, str) else m for m in listed)
    return [(left, right) for left, right in pairs]


# Superwords


@pytest.mark.parametrize("name", ["gpt2", "cl100k_base", "o200k_base", "qwen2", "qwen3.5"])
def test_superwords_encode_as_the_library_does(name: str) -> None:
    tok = subtok.train_bpe(iter(TEXTS), 400, pretokenizer=name, superwords_from=40)
    plain = subtok.train_bpe(iter(TEXTS), 400, pretokenizer=name)
    wide = [token for token in tok.get_vocab() if len(token.replace("Ġ", " ").split()) > 1]
    assert len(wide) == report(tok)["superwords"] > 10
    assert max(len(token.replace("Ġ", " ").split()) for token in wide) <= 4
    # The first merges are those of words.
    assert merges(tok)[:40] == merges(plain)[:40]
    same_ids(tok, TEXTS + sentences(2))
    used = sum(len(tok.encode(text).ids) for text in TEXTS)
    assert used == report(tok)["curve"][-1][1]
    assert used < report(plain)["curve"][-1][1]
    for text in TEXTS[:50]:
        assert tok.decode(tok.encode(text).ids) == text


def test_superwords_come_from_counts_and_from_one_reading() -> None:
    wide = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+(?: \p{L}+)*| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    counts = subtok.count(iter(TEXTS), wide)
    one = subtok.train_bpe(counts, 400, superwords_from=40)
    two = subtok.train_bpe(iter(TEXTS), 400, superwords_from=40, threads=1)
    assert one.to_str() == two.to_str()
    with pytest.raises(TrainingError, match="pretokenizer"):
        subtok.train_bpe(subtok.count(iter(TEXTS)), 400, superwords_from=40)


def test_superwords_have_limits_of_their_own() -> None:
    def widest(**options: Any) -> int:
        tok = subtok.train_bpe(iter(TEXTS), 1500, superwords_from=40, **options)
        return max(len(token.replace("Ġ", " ").split()) for token in tok.get_vocab())

    assert widest(superword_max_words=2) == 2
    assert widest(superword_max_words=1) == 1
    assert widest(superword_max_words=9) > 4
    assert widest(veto=["of the", "the of"]) > 1
    tok = subtok.train_bpe(iter(TEXTS), 400, superwords_from=40, veto=["of the"])
    assert not [token for token in tok.get_vocab() if "ofĠthe" in token]
    lines = r"[^\r\n]+|[\r\n]+"
    tok = subtok.train_bpe(iter(TEXTS), 400, superwords_from=40, superword_pretokenizer=lines)
    assert any("Ġ(" in token[1:] or ".Ġ" in token for token in tok.get_vocab())
    same_ids(tok, TEXTS)


def test_superwords_that_cannot_be_are_told() -> None:
    with pytest.raises(ArgumentError, match="superword_pretokenizer"):
        subtok.train_bpe(iter(TEXTS), 400, pretokenizer="[a-z]+", superwords_from=40)
    with pytest.raises(ArgumentError, match="superwords_from"):
        subtok.train_bpe(iter(TEXTS), 400, superword_max_words=3)
    with pytest.raises(UnsupportedError, match="superwords"):
        subtok.train_bpe(
            iter(TEXTS),
            400,
            pretokenizer="whitespace",
            superwords_from=9,
            superword_pretokenizer="gpt2",
        )


# Going on


def test_old_ids_keep_their_place() -> None:
    base = subtok.train_bpe(iter(TEXTS), 300, special_tokens=["<s>"])
    base = base.with_added_tokens(["<pad>", "<mask>"], special=True)
    more = [
        "completely other words, данные и числа: 77 sphinx quartz judge vow " * 3 + text
        for text in sentences(3)
    ]
    tok = subtok.extend_bpe(base, iter(more), 380)
    assert tok.vocab_size == 380
    old, new = base.get_vocab(), tok.get_vocab()
    assert {token: new[token] for token in old} == old
    assert sorted(new.values()) == list(range(380))
    assert report(tok)["kept"] == {"vocab_size": 302, "merges": len(merges(base))}
    assert report(tok)["merges"] == 78
    assert merges(tok)[: len(merges(base))] == merges(base)
    same_ids(tok, [text + "<pad><mask><s>" for text in more[:40] + TEXTS[:40]])
    theirs = tokenizers.Tokenizer.from_str(tok.to_str())
    assert [theirs.token_to_id(token) for token in ("<pad>", "<mask>", "<s>")] == [300, 301, 0]
    again = subtok.extend_bpe(tok, iter(more), 400)
    assert {token: again.get_vocab()[token] for token in new} == new


def test_with_its_own_text_it_is_as_if_it_had_never_stopped() -> None:
    whole = subtok.train_bpe(iter(TEXTS), 420)
    tok = subtok.train_bpe(iter(TEXTS), 290)
    for size in (291, 350, 420):
        tok = subtok.extend_bpe(tok, iter(TEXTS), size)
    assert tok.to_str() == whole.to_str()


def test_characters_that_were_missing_become_tokens() -> None:
    base = subtok.train_bpe(iter(["ab ab"]), 10, initial_alphabet=None)
    tok = subtok.extend_bpe(base, iter(["abc cab"]), 20)
    assert tok.get_vocab()["c"] == base.vocab_size
    same_ids(tok, ["abc cab", "ab"])


def test_a_vocabulary_from_elsewhere_goes_on() -> None:
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>"))
    theirs.normalizer = normalizers.Lowercase()
    theirs.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=60, special_tokens=["<unk>"], end_of_word_suffix="</w>", show_progress=False
    )
    theirs.train_from_iterator(TEXTS, trainer)
    base = subtok.Tokenizer.from_str(theirs.to_str())
    more = ["sphinx of black quartz judge my vow", *sentences(4)]
    tok = subtok.extend_bpe(base, iter(more), 90)
    assert {token: tok.get_vocab()[token] for token in base.get_vocab()} == base.get_vocab()
    assert tok.vocab_size == 90
    same_ids(tok, TEXTS)


def test_what_cannot_go_on_is_told() -> None:
    base = subtok.train_bpe(iter(TEXTS), 300)
    with pytest.raises(ArgumentError, match="at least 300"):
        subtok.extend_bpe(base, iter(TEXTS), 299)
    with pytest.raises(UnsupportedError, match="BPE"):
        subtok.extend_bpe(subtok.train_wordpiece(iter(TEXTS), 100), iter(TEXTS), 200)
    with pytest.raises(TypeError, match="tokenizer must be"):
        subtok.extend_bpe("tokenizer.json", iter(TEXTS), 200)  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match="different"):
        subtok.extend_bpe(base, subtok.count(iter(TEXTS), "bert"), 400)


# Checkpoints


def test_a_checkpoint_is_gone_on_from(tmp_path: Path) -> None:
    path = tmp_path / "merges.json"
    options: dict[str, Any] = {"superwords_from": 40, "veto": ["not"]}
    whole = subtok.train_bpe(iter(TEXTS), 400, **options)
    kept = subtok.train_bpe(iter(TEXTS), 400, **options, checkpoint=path)
    assert kept.to_str() == whole.to_str()
    content = json.loads(path.read_text())
    events = content["state"]["events"]
    assert len(events) == len(merges(whole))
    # As if it had been saved earlier. What was refused by then is found again.
    for length in (0, 7, 40, 41, 100):
        content["state"]["events"] = events[:length]
        content["state"]["stage_one"] = 40 if length > 40 else None
        path.write_text(json.dumps(content))
        again = subtok.train_bpe(iter(TEXTS), 400, **options, checkpoint=path)
        assert again.to_str() == whole.to_str()
    for changed in ({"veto": ["is"]}, {"vocab_size": 401}, {"ties": "cs336"}):
        with pytest.raises(TrainingError, match="other counts or to another configuration"):
            subtok.train_bpe(
                iter(TEXTS), **({"vocab_size": 400} | options | changed), checkpoint=path
            )
    with pytest.raises(TrainingError, match="other counts"):
        subtok.train_bpe(iter(TEXTS[1:]), 400, **options, checkpoint=path)
    for damage in (b"", b"{}", path.read_bytes()[:-9], path.read_bytes().replace(b"99", b"98765")):
        path.write_bytes(damage)
        with pytest.raises(FormatError, match="checkpoint"):
            subtok.train_bpe(iter(TEXTS), 400, **options, checkpoint=path)


KILLED = """
import sys, subtok
tok = subtok.train_bpe(sys.argv[1], 60_000, checkpoint="merges.json", checkpoint_seconds=0.02)
tok.save("out.json")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
def test_a_killed_training_goes_on(tmp_path: Path) -> None:
    rng = random.Random(9)
    text = tmp_path / "words.txt"
    letters = "abcdefghijklmnopqrstuvwxyz"
    text.write_text("\n".join("".join(rng.choices(letters, k=9)) for _ in range(60_000)))
    command = [sys.executable, "-c", KILLED, str(text)]
    checkpoint = tmp_path / "merges.json"
    sizes = [0]
    for _ in range(3):
        process = subprocess.Popen(command, cwd=tmp_path)
        while process.poll() is None:
            size = checkpoint.stat().st_size if checkpoint.exists() else 0
            if size > sizes[-1] + 50_000:
                process.send_signal(signal.SIGKILL)
            time.sleep(0.005)
        process.wait()
        sizes.append(checkpoint.stat().st_size)
    subprocess.run(command, cwd=tmp_path, check=True)
    assert sizes[1] > 0
    whole = subtok.train_bpe(text, 60_000)
    assert (tmp_path / "out.json").read_text() == whole.to_str() or (
        subtok.Tokenizer.from_file(tmp_path / "out.json").to_str() == whole.to_str()
    )


# WordPiece by likelihood


def by_likelihood(words: dict[str, int], size: int, at_least: int) -> list[str]:
    """The vocabulary, by the definition."""
    characters = sorted(set("".join(words)))
    rows = [([word[0], *("##" + c for c in word[1:])], n) for word, n in words.items()]
    forms = sorted({symbol for row, _ in rows for symbol in row} - set(characters))
    vocab = {token: number for number, token in enumerate(["[UNK]", *characters, *forms])}
    while len(vocab) < size:
        pairs: Counter[tuple[str, str]] = Counter()
        used: Counter[str] = Counter()
        for row, n in rows:
            for symbol in row:
                used[symbol] += n
            for pair in pairwise(row):
                pairs[pair] += n
        scores = {
            pair: Fraction(n, used[pair[0]] * used[pair[1]])
            for pair, n in pairs.items()
            if n >= at_least
        }
        if not scores:
            break
        best = min(scores, key=lambda pair: (-scores[pair], vocab[pair[0]], vocab[pair[1]]))
        token = best[0] + best[1].removeprefix("##")
        vocab.setdefault(token, len(vocab))
        for row, _ in rows:
            at = 0
            while at + 1 < len(row):
                if (row[at], row[at + 1]) == best:
                    row[at : at + 2] = [token]
                at += 1
    return list(vocab)


@pytest.mark.parametrize("at_least", [1, 2, 5])
def test_wordpiece_by_likelihood_is_its_definition(at_least: int) -> None:
    words = Counter(re.findall(r"\w+|[^\w\s]", " ".join(TEXTS).lower().replace("ï", "i")))
    tok = subtok.train_wordpiece(
        iter(TEXTS), 90, special_tokens=["[UNK]"], score="likelihood", min_frequency=at_least
    )
    vocab = tok.get_vocab()
    assert sorted(vocab, key=lambda token: vocab[token]) == by_likelihood(words, 90, at_least)
    plain = subtok.train_wordpiece(iter(TEXTS), 90, special_tokens=["[UNK]"])
    assert plain.get_vocab() != vocab
    same_ids(tok, TEXTS[:20])


def test_the_example_of_the_course() -> None:
    # https://huggingface.co/learn/llm-course/chapter6/6: "##gs" is first; then all pairs with "##u"
    # share a score, and "b" has the smallest id.
    words = {"hug": 10, "pug": 5, "pun": 12, "bun": 4, "hugs": 5}
    texts = [word for word, n in words.items() for _ in range(n)]
    tok = subtok.train_wordpiece(iter(texts), 14, special_tokens=["[UNK]"], score="likelihood")
    merged = sorted(tok.get_vocab().items(), key=lambda entry: entry[1])[12:]
    assert [token for token, _ in merged] == ["##gs", "bu"]


def test_a_score_must_be_known() -> None:
    with pytest.raises(ArgumentError, match="score"):
        subtok.train_wordpiece(iter(TEXTS), 90, score="x")  # type: ignore[arg-type]


# BPE over characters


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"end_of_word_suffix": "</w>"},
        {"continuing_subword_prefix": "##"},
        {"continuing_subword_prefix": "@@", "end_of_word_suffix": "</w>", "min_frequency": 3},
        {"special_tokens": ["<s>"], "limit_alphabet": 12},
    ],
)
def test_a_model_over_characters_is_the_library_s(options: dict[str, Any]) -> None:
    tok = subtok.train_bpe(
        iter(TEXTS), 90, pretokenizer="whitespace", initial_alphabet=None, **options
    )
    if not {"end_of_word_suffix", "continuing_subword_prefix"} & set(options):
        theirs = tokenizers.Tokenizer(tokenizers.models.BPE())
        theirs.pre_tokenizer = pre_tokenizers.Whitespace()
        trainer = tokenizers.trainers.BpeTrainer(vocab_size=90, show_progress=False, **options)
        theirs.train_from_iterator(TEXTS, trainer)
        assert theirs.get_vocab() == tok.get_vocab()
    same_ids(tok, TEXTS)


def test_tokens_that_were_added_are_not_learned_again() -> None:
    tok = subtok.train_bpe(iter(sentences(3)), 300).with_added_tokens(["qwzxv"], special=False)
    texts = [text + " qwzxvs qwzxv" for text in sentences(4)]
    longer = subtok.extend_bpe(tok, iter(texts), 330)
    vocab = longer.get_vocab(with_added_tokens=True)
    assert [token for token in vocab if "qwz" in token or "zxv" in token] == ["qwzxv"]


def test_a_checkpoint_that_was_made_up_is_told(tmp_path: Path) -> None:
    path = tmp_path / "training.checkpoint"
    train = lambda: subtok.train_bpe(iter(sentences(5)), 280, checkpoint=path)  # noqa: E731
    train()
    content = json.loads(path.read_text())
    events = content["state"]["events"]
    first = len(events)
    last = events[-1]["new"] if isinstance(events[-1], dict) else events[-1][-1]

    def event(left: int, right: int, new: int) -> Any:
        if isinstance(events[0], dict):
            return events[0] | {"left": left, "right": right, "new": new}
        return [left, right, new]

    # Each merges the last token with itself: twice as long every time.
    events += [event(last + n, last + n, last + n + 1) for n in range(46)]
    path.write_text(json.dumps(content))
    with pytest.raises(FormatError, match="longer than every word"):
        train()
    content["state"]["events"] = events[:first]
    content["state"]["stage_one"] = 3
    path.write_text(json.dumps(content))
    with pytest.raises(FormatError, match="a second stage"):
        train()
