"""Training: the merges of tokenizers, nothing depends on the way, errors are typed."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import random
import re
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import tokenizers
from conftest import hear_ctrl_c
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import models, normalizers, pre_tokenizers, trainers

import subtok
from subtok.errors import (
    ArgumentError,
    ArgumentTypeError,
    FileError,
    FormatError,
    SubtokError,
    TextError,
    TrainingError,
    UnsupportedError,
)

TEXTS = Path(__file__).parents[2] / "examples" / "text"
CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def documents(limit: int = 60_000) -> list[str]:
    """The first part of every text that ships with the sources, in blocks of lines."""
    blocks = []
    for path in sorted(TEXTS.rglob("*.txt")):
        text = path.read_text("utf-8")[:limit]
        lines = text.splitlines(keepends=True)
        blocks += ["".join(lines[at : at + 20]) for at in range(0, len(lines), 20)]
    assert len(blocks) > 50
    return blocks


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return documents()


def model(tok: subtok.Tokenizer | tokenizers.Tokenizer) -> tuple[dict[str, int], list[Any]]:
    content = json.loads(tok.to_str())["model"]
    merges = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in content["merges"]]
    return content["vocab"], merges


def reference(
    texts: list[str], pattern: str, vocab_size: int, **options: Any
) -> tokenizers.Tokenizer:
    tok = tokenizers.Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern == "gpt2")
    if pattern == "gpt2":
        tok.pre_tokenizer = byte_level
    else:
        split = pre_tokenizers.Split(tokenizers.Regex(CL100K), "isolated")
        tok.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    options = {"initial_alphabet": pre_tokenizers.ByteLevel.alphabet()} | options
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, show_progress=False, **options)
    tok.train_from_iterator(texts, trainer)
    return tok


@pytest.mark.parametrize("pattern", ["gpt2", "cl100k_base"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"special_tokens": ["<|endoftext|>", "the", "<|endoftext|>"]},
        {"min_frequency": 7},
        {"max_token_length": 4},
        {"max_token_length": 0},
        {"max_token_length": 1},
        {"initial_alphabet": []},
    ],
    ids=lambda options: " ".join(options) or "defaults",
)
def test_merges_and_ids_equal_those_of_tokenizers(
    texts: list[str], pattern: str, options: dict[str, Any]
) -> None:
    # Of text that is given to the trainer special tokens are cut out; tokenizers learns from them.
    tok = subtok.train_bpe(subtok.count(iter(texts), pattern), 3000, **options)
    assert model(tok) == model(reference(texts, pattern, 3000, **options))


@given(
    st.lists(st.text("ab '\n", max_size=12), min_size=1, max_size=30).filter(any),
    st.integers(256, 300),
    st.integers(0, 4),
    st.none() | st.integers(2, 6),
)
def test_small_texts_full_of_ties_equal_those_of_tokenizers(
    texts: list[str], vocab_size: int, min_frequency: int, max_token_length: int | None
) -> None:
    options = {"min_frequency": min_frequency, "max_token_length": max_token_length}
    tok = subtok.train_bpe(iter(texts), vocab_size, **options)
    assert model(tok) == model(reference(texts, "gpt2", vocab_size, **options))


@pytest.mark.parametrize("pattern", ["gpt2", "cl100k_base"])
def test_the_saved_file_works_in_tokenizers(texts: list[str], pattern: str, tmp_path: Path) -> None:
    tok = subtok.train_bpe(iter(texts), 2000, pretokenizer=pattern, special_tokens=["<|end|>"])
    tok.save(str(tmp_path / "tokenizer.json"))
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in [text + "<|end|>" for text in texts[::7]]:
        ids = theirs.encode(text).ids
        assert tok.encode(text).ids.tolist() == ids
        assert (
            theirs.decode(ids, skip_special_tokens=False)
            == text
            == tok.decode(ids, skip_special_tokens=False)
        )


def plain_wordpiece(texts: list[str], vocab_size: int, min_frequency: int) -> dict[str, int]:
    """The definition: count all pairs, merge the best; characters and forms in sorted order."""
    normalizer = normalizers.BertNormalizer(lowercase=True)
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    words: dict[str, int] = {}
    for text in texts:
        for word, _ in split(normalizer.normalize_str(text)):
            words[word] = words.get(word, 0) + 1
    rows = [([w[0], *("##" + c for c in w[1:])], n) for w, n in words.items()]
    forms = {form for symbols, _ in rows for form in symbols[1:]}
    entries = SPECIALS + sorted({c for w in words for c in w}) + sorted(forms)
    vocab = {token: number for number, token in enumerate(entries)}
    while len(vocab) < vocab_size:
        pairs: dict[tuple[str, str], int] = {}
        for symbols, count in rows:
            for pair in pairwise(symbols):
                pairs[pair] = pairs.get(pair, 0) + count
        left, right = min(pairs, key=lambda p: (-pairs[p], vocab[p[0]], vocab[p[1]]))
        if pairs[left, right] < min_frequency:
            break
        token = left + right.removeprefix("##")
        vocab.setdefault(token, len(vocab))
        for symbols, _ in rows:
            at = 0
            while at + 1 < len(symbols):
                if (symbols[at], symbols[at + 1]) == (left, right):
                    symbols[at : at + 2] = [token]
                at += 1
    return vocab


def test_wordpiece_is_that_of_the_definition(texts: list[str], tmp_path: Path) -> None:
    part = [text.replace("#", "") for text in texts[::9]]
    tok = subtok.train_wordpiece(iter(part), 2500, min_frequency=2)
    assert tok.get_vocab() == plain_wordpiece(part, 2500, 2)
    tok.save(str(tmp_path / "tokenizer.json"))
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in texts[::5]:
        assert tok.encode(text).tokens == theirs.encode(text).tokens
        pair = tok.encode(text, "and more")
        assert pair.type_ids.tolist() == theirs.encode(text, "and more").type_ids


def test_nothing_depends_on_the_way(texts: list[str], tmp_path: Path) -> None:
    rows = [json.dumps({"text": text}) + "\n" for text in texts]
    parts = [tmp_path / f"{part}.jsonl" for part in range(3)]
    for part, path in enumerate(parts):
        path.write_text("".join(rows[part::3]), "utf-8")
    shuffled = list(texts)
    random.Random(3).shuffle(shuffled)
    ways: list[Any] = [iter(texts), iter(shuffled), parts, [str(p) for p in reversed(parts)]]
    for train, options in [
        (subtok.train_bpe, {"vocab_size": 1500}),
        (subtok.train_wordpiece, {"vocab_size": 5000}),
    ]:
        first = train(iter(texts), threads=1, **options).to_str()
        for threads, way in enumerate(ways):
            source = iter(texts) if way is ways[0] else way
            source = iter(shuffled) if way is ways[1] else source
            assert train(source, threads=threads + 1, **options).to_str() == first


def test_a_text_file_is_one_document(texts: list[str], tmp_path: Path) -> None:
    path = tmp_path / "all.txt"
    path.write_text("".join(texts), "utf-8", newline="")
    want = subtok.train_bpe(iter(["".join(texts)]), 1500).to_str()
    assert subtok.train_bpe(path, 1500).to_str() == want
    assert subtok.train_bpe(str(path), 1500, threads=3).to_str() == want


def test_the_report_says_what_was_done(texts: list[str]) -> None:
    calls: list[tuple[str, int, int]] = []
    tok = subtok.train_bpe(iter(texts), 1000, progress=lambda *call: calls.append(call))
    report = tok.training_report
    assert report is not None
    size = sum(len(text.encode()) for text in texts)
    wanted = {"merges": 744, "stop_reason": "vocab_size", "documents": len(texts), "bytes": size}
    assert wanted.items() <= report.items()
    assert report["seconds"].keys() == {"count", "merge", "build"}
    assert {phase for phase, _, _ in calls} <= {"count", "merge"}
    assert subtok.train_bpe(iter(["ab"]), 300).training_report["stop_reason"] == "no_pairs"
    assert subtok.Tokenizer.from_str(tok.to_str()).training_report is None


# Counts


def words(counts: subtok.Counts) -> dict[bytes, int]:
    table = counts.to_arrow()
    found = dict(zip(table["word"].to_pylist(), table["count"].to_pylist(), strict=True))
    assert list(found) == sorted(found)
    return found


def test_counts_are_those_of_tokenizers(texts: list[str]) -> None:
    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    spelled = {chr(c): bytes([b]) for b, c in enumerate(byte_characters())}
    want: dict[bytes, int] = {}
    for text in texts:
        for word, _ in split.pre_tokenize_str(text):
            key = b"".join(spelled[c] for c in word)
            want[key] = want.get(key, 0) + 1
    counts = subtok.count(iter(texts))
    assert words(counts) == want
    assert len(counts) == len(want)


def byte_characters() -> list[int]:
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = iter(range(256, 512))
    return [b if b in plain else next(moved) for b in range(256)]


def test_counts_add_up_and_are_stored(texts: list[str], tmp_path: Path) -> None:
    whole = subtok.count(iter(texts))
    parts = [subtok.count(iter(texts[at::4])) for at in range(4)]
    assert words(subtok.Counts.merge(parts)) == words(whole)
    assert words(parts[0] + parts[1]) == words(subtok.count(iter(texts[0::4] + texts[1::4])))
    assert words(3 * whole) == words(whole * 3) == {w: 3 * n for w, n in words(whole).items()}
    assert words(sum(parts)) == words(whole)  # type: ignore[arg-type]
    assert words(0 + whole) == words(whole)
    path = tmp_path / "counts.parquet"
    whole.save(path)
    for copy in (subtok.Counts.load(path), pickle.loads(pickle.dumps(whole))):
        assert words(copy) == words(whole)
        assert copy.manifest == whole.manifest
    trained = subtok.train_bpe(subtok.Counts.load(path), 1200).to_str()
    assert trained == subtok.train_bpe(iter(texts), 1200).to_str()


def test_counts_that_do_not_go_together_are_refused(texts: list[str]) -> None:
    gpt2 = subtok.count(iter(texts[:2]))
    cl100k = subtok.count(iter(texts[:2]), "cl100k_base")
    for action in (
        lambda: gpt2 + cl100k,
        lambda: subtok.train_bpe(gpt2, 300, pretokenizer="cl100k_base"),
        lambda: subtok.train_wordpiece(gpt2, 300),
    ):
        with pytest.raises(TrainingError, match="do not add up"):
            action()
    with pytest.raises(TrainingError, match=r"2\^64"):
        gpt2 * (2**64 - 1)
    with pytest.raises(ArgumentError, match="the weight is -1"):
        gpt2 * -1
    with pytest.raises(ArgumentTypeError, match="must be Counts, not int"):
        gpt2 + 5  # type: ignore[operator]
    for other in (5, False, 0.0, None):
        with pytest.raises(ArgumentTypeError, match="the first operand must be Counts"):
            other + gpt2
    with pytest.raises(ArgumentTypeError, match=r"parts\[0\]"):
        subtok.Counts.merge([5])  # type: ignore[list-item]
    with pytest.raises(ArgumentError, match="parts is empty"):
        subtok.Counts.merge([])


def test_weights_above_32_bits_are_exact() -> None:
    counts = subtok.count(iter(["ab ab cab", "ca ca"])) * 3_000_000_000
    assert model(subtok.train_bpe(counts, 262)) == model(
        subtok.train_bpe(iter(["ab ab cab", "ca ca"]), 262)
    )


def test_damaged_files_of_counts_are_errors(texts: list[str], tmp_path: Path) -> None:
    good, bad = tmp_path / "good.parquet", tmp_path / "bad.parquet"
    subtok.count(iter(texts[:3])).save(good)
    table = pa.parquet.read_table(good)
    schema = table.schema
    content = good.read_bytes()

    def fails(match: str) -> None:
        with pytest.raises(FormatError, match=match) as error:
            subtok.Counts.load(bad)
        assert str(bad) in str(error.value)

    for length in (0, 3, len(content) // 2, len(content) - 1):
        bad.write_bytes(content[:length])
        fails("Parquet")
    tables = {
        "no `subtok.counts`": table.replace_schema_metadata({}),
        "manifest": table.replace_schema_metadata({b"subtok.counts": b"{"}),
        "no column `count`": table.select(["word"]),
        "occurs twice": pa.concat_tables([table, table]),
        "the column `count`": table.set_column(1, "count", pa.array(["x"] * len(table))),
        "empty values": pa.table(
            {"word": pa.array([None, b"a"]), "count": pa.array([1, 2])}, metadata=schema.metadata
        ),
        "a word is empty": pa.table(
            {"word": pa.array([b"", b"a"]), "count": pa.array([1, 2])}, metadata=schema.metadata
        ),
        "Integer value -1": pa.table(
            {"word": pa.array([b"a"]), "count": pa.array([-1])}, metadata=schema.metadata
        ),
    }
    for match, changed in tables.items():
        pa.parquet.write_table(changed, bad)
        fails(match)
    with pytest.raises(FileError, match="nope"):
        subtok.Counts.load(tmp_path / "nope.parquet")
    for offsets in ([0, 9], [1, 0], [-1, 1], [0]):
        with pytest.raises(FormatError, match="offsets"):
            subtok.Counts._from_parts(
                b"ab",
                np.array(offsets),
                np.array([1], np.uint64),
                schema.metadata[b"subtok.counts"].decode(),
            )


# Errors


@pytest.mark.parametrize(
    ("source", "error", "match"),
    [
        (None, ArgumentTypeError, "source must be a path"),
        (5, ArgumentTypeError, "source must be a path"),
        (b"bytes", ArgumentTypeError, "source must be a path"),
        ([None], ArgumentTypeError, r"source\[0\] must be a path"),
        (iter(["a", 5]), ArgumentTypeError, r"source\[1\] must be a string"),
        (iter(["a b", "c\ud800"]), TextError, "surrogate at character 1 of row 1"),
        ("no/such/file.txt", FileError, "no/such/file.txt"),
        ([], TrainingError, "no words: "),
        (iter([]), TrainingError, "no words in an iterator: "),
        (iter(["", ""]), TrainingError, "no words"),
        (pa.array(["a", None]), ArgumentError, "null in row 1"),
        (pa.array([1]), ArgumentTypeError, "a column of text"),
    ],
)
def test_a_bad_source_is_told(source: Any, error: type[SubtokError], match: str) -> None:
    with pytest.raises(error, match=match):
        subtok.train_bpe(source, 300)


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.txt", b"a \xff b", "a.txt: text at line 1, byte 2: invalid UTF-8"),
        ("a.jsonl", b'{"text": "a b"}\n{"text": ', "a.jsonl: JSON lines at line 2"),
        ("a.jsonl", b'{"other": "a b"}', "missing field `text`"),
        ("a.jsonl", b'{"text": "a b"}\n["hello"]', "a.jsonl: JSON lines at line 2: no object"),
        ("a.jsonl", rb'{"text": "\ud800"}', "a.jsonl: JSON lines at line 1: .*hex escape"),
        (
            "a.jsonl.gz",
            gzip.compress(rb'{"text": "\ud800"}'),
            "a.jsonl.gz: JSON lines at line 1: .*hex escape",
        ),
        ("a.txt.gz", b"\x1f\x8b\x08garbage", "a.txt.gz"),
        ("a.txt.zst", b"\x28\xb5\x2f\xfdgarbage", "a.txt.zst"),
        ("a.parquet", b"PAR1 garbage PAR1", "a.parquet"),
    ],
)
def test_a_bad_file_is_told_with_its_place(
    name: str, content: bytes, match: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises((FormatError, TextError), match=match):
        subtok.train_bpe(path, 300)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"vocab_size": 100}, ArgumentError, "at least 256: 0 special tokens and 256 bytes"),
        ({"vocab_size": -1}, ArgumentError, "vocab_size is -1"),
        ({"vocab_size": "x"}, ArgumentTypeError, "vocab_size must be an integer"),
        ({"pretokenizer": "["}, SubtokError, "regular expression"),
        ({"pretokenizer": 5}, ArgumentTypeError, "pretokenizer must be"),
        ({"pretokenizer": {"type": "Nope"}}, FormatError, "Nope"),
        (
            {
                "pretokenizer": {
                    "type": "Sequence",
                    "pretokenizers": [
                        {
                            "type": "ByteLevel",
                            "add_prefix_space": False,
                            "trim_offsets": True,
                            "use_regex": False,
                        },
                        {"type": "Digits", "individual_digits": True},
                    ],
                }
            },
            UnsupportedError,
            "spelled bytes",
        ),
        ({"normalizer": {"type": "Nope"}}, FormatError, "Nope"),
        ({"special_tokens": [5]}, ArgumentTypeError, r"special_tokens\[0\]"),
        ({"special_tokens": "<s>"}, ArgumentTypeError, "special_tokens must be a list"),
        ({"special_tokens": [""]}, ArgumentError, "special_tokens"),
        ({"min_frequency": -1}, ArgumentError, "min_frequency"),
        ({"max_token_length": -1}, ArgumentError, "max_token_length"),
        ({"limit_alphabet": 50}, ArgumentError, "at least 256, which initial_alphabet has"),
        ({"initial_alphabet": "nope"}, ArgumentError, "initial_alphabet"),
        ({"initial_alphabet": ["ab"]}, ArgumentError, "single characters"),
        ({"end_of_word_suffix": "</w>"}, UnsupportedError, "end_of_word_suffix"),
        ({"ties": "nope"}, ArgumentError, "ties"),
        ({"memory_limit": -1}, ArgumentError, "memory_limit"),
        ({"memory_limit": 10**6}, ArgumentError, "memory_limit is 1000000, .*16 MiB"),
        ({"memory_limit": "1 GX"}, ArgumentError, "memory_limit is"),
        ({"errors": "ignore"}, ArgumentError, "errors"),
        ({"weights": {"a": 1}}, ArgumentError, "give a dict of sources by name"),
        ({"max_bytes": -1}, ArgumentError, "max_bytes"),
        ({"threads": -1}, ArgumentError, "threads"),
        ({"progress": 5}, ArgumentTypeError, "progress"),
    ],
)
def test_a_bad_argument_is_told(
    options: dict[str, Any], error: type[SubtokError], match: str
) -> None:
    with pytest.raises(error, match=match):
        subtok.train_bpe(iter(["a b"]), **({"vocab_size": 300} | options))


def test_wordpiece_needs_room_and_an_unknown_token() -> None:
    with pytest.raises(ArgumentError, match="at least 10: 5 special tokens and 5 characters"):
        subtok.train_wordpiece(iter(["abc"]), 8)
    with pytest.raises(ArgumentError, match="UNK"):
        subtok.train_wordpiece(iter(["abc"]), 100, special_tokens=["[PAD]"])


@pytest.mark.parametrize("count", [1, 5])
def test_files_without_a_word_are_named(count: int, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.txt" for number in range(count)]
    for path in paths:
        path.write_text("")
    with pytest.raises(TrainingError, match=r"no words in .*0\.txt") as error:
        subtok.train_bpe(paths, 300)
    assert (" and 2 more: " in str(error.value)) == (count == 5)


def test_the_first_bad_line_is_told_for_any_number_of_threads(tmp_path: Path) -> None:
    lines = [json.dumps({"text": "some words " * 100})] * 9000
    lines[7500] = lines[8100] = "{"
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines))
    for threads in (1, 2, 4):
        with pytest.raises(FormatError, match="line 7501: "):
            subtok.count(path, threads=threads)


def test_a_long_document_is_not_cut_before_a_normalizer() -> None:
    bert = {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": True,
    }
    half = 200_000
    found = words(subtok.count(iter(["aa\nbb\n" * half]), "gpt2", normalizer=bert))
    assert found == {b"aa": 1, b" aa": half - 1, b" bb": half, b" ": 1}


def test_empty_documents_have_no_words() -> None:
    split = {
        "type": "ByteLevel",
        "add_prefix_space": True,
        "trim_offsets": True,
        "use_regex": True,
    }
    assert words(subtok.count(iter(["", ""]), split)) == {}  # type: ignore[arg-type]


def test_exceptions_of_the_caller_come_through() -> None:
    def failing() -> Any:
        yield "a b"
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        subtok.train_bpe(failing(), 300)

    def progress(phase: str, done: int, total: int) -> None:
        raise KeyError(phase, done, total)

    rng = random.Random(1)
    lines = (" ".join(str(rng.random()) for _ in range(20_000)) for _ in range(20))
    with pytest.raises(KeyError):
        subtok.train_bpe(lines, 100_000, progress=progress)


INTERRUPTED = """
import sys, subtok
print("ready", flush=True)
try:
    subtok.train_bpe(sys.argv[1:], 100_000).save("out.json")
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("phase", ["counting", "merging"])
def test_ctrl_c_stops_training(phase: str, tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    rng = random.Random(9)
    size, repeat = (300_000, 1) if phase == "merging" else (50_000, 400)
    letters = "abcdefghijklmnopqrstuvwxyz"
    path.write_text("\n".join("".join(rng.choices(letters, k=12)) for _ in range(size)))
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, *[str(path)] * repeat],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        text=True,
        preexec_fn=hear_ctrl_c,  # noqa: PLW1509 (it calls nothing but the system)
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.4)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "interrupted\n"
    assert [path.name for path in tmp_path.iterdir()] == ["words.txt"]


GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "train.md"
ACCEPTED = (
    *(r"a|b", r"\n|\r|\t|\.|\(", r"[^\r\n]+", r"\p{Han}+", r"\P{L}", r"\s+", r"\S+", r"\d", r"\D"),
    *(r"(a|b)", r"(?:ab)+", r"(?i:ab)", r"a(?=b)", r"a(?!b)", r"a?b*c+d{1,3}", r"a??b*?c+?"),
    *(r"a?+b*+c++", r"a{1,2}?", r"(?![\s\S])|a"),
)
ONIGURUMA = (
    *("^", "$", ".", r"\w", r"\W", r"\b", r"\B", r"\A", r"\z", r"\G", r"\K", r"\h", r"\R"),
    *(r"\x41", r"\u0041", "(?<=a)", "(?<!a)", "(?<n>a)", "(?>a)", r"(a)\1", "(?#c)", "(?i)a"),
    *("(?m)", "(?x:a)", "[[:alpha:]]", "[a-z&&b]", "[[a]b]", "a{1,2}+"),
)
# Of another engine's syntax, or not supported.
REFUSED = (r"\X", "(?P<n>a)", "(?s:a)", "(a", "[")


@pytest.mark.parametrize("pattern", ACCEPTED + ONIGURUMA)
def test_patterns_mean_what_the_library_means(pattern: str) -> None:
    tok = subtok.train_bpe(iter(["ab 12 ab"]), 258, pretokenizer=pattern)
    assert subtok.verify(tok, fuzz=50, code_points=False).ok


@pytest.mark.parametrize("pattern", REFUSED)
def test_patterns_that_are_none_are_refused(pattern: str) -> None:
    with pytest.raises((subtok.UnsupportedError, subtok.ArgumentError), match="split pattern"):
        subtok.train_bpe(iter(["ab 12 ab"]), 258, pretokenizer=pattern)


def test_the_examples_of_the_guide_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "corpus.txt").write_text("the cat sat on the mat\n" * 50)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    (block,) = [block for block in blocks if "BertNormalizer" in block]
    names: dict[str, Any] = {"subtok": subtok}
    exec(compile(block, "train.md", "exec"), names)  # noqa: S102 (it is our own page)
    assert len(names["counts"]) == 5


@pytest.mark.parametrize("most", [2, 3, 4])
def test_tokens_are_limited_in_bytes(most: int) -> None:
    tok = subtok.train_bpe(iter(["ééé ééé ééé"]), 270, max_token_length=most)
    assert max(len(tok.token_bytes(x)) for x in range(tok.vocab_size)) == max(2, most - 1)
