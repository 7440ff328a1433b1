"""Counting: a bound of memory, sources apart, special tokens, counts as a calculus, resuming."""

from __future__ import annotations

import json
import os
import pickle
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import subtok
from subtok.errors import (
    ArgumentError,
    ArgumentTypeError,
    FormatError,
    SubtokError,
    TrainingError,
)

LEAST = "16MiB"


def words(counts: subtok.Counts) -> dict[bytes, int]:
    table = counts.to_arrow()
    return dict(zip(table["word"].to_pylist(), table["count"].to_pylist(), strict=True))


def split(texts: list[str]) -> dict[bytes, int]:
    """Words and their counts where a word is what white space leaves."""
    return {word.encode(): n for word, n in Counter(" ".join(texts).split()).items()}


def random_texts(count: int, seed: int) -> list[str]:
    rnd = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyzäöü中文"
    word = lambda: "".join(rnd.choices(letters, k=rnd.choice((2, 5, 9, 24))))  # noqa: E731
    return [" ".join(word() for _ in range(100)) + "\n" for _ in range(count)]


# A bound of memory


def test_a_bound_of_memory_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    texts = random_texts(1500, 1)
    whole = subtok.count(iter(texts), "whitespace")
    # Tables of a few hundred kB: they are written out again and again.
    for threads in (1, 4):
        limited = subtok.count(iter(texts), "whitespace", memory_limit=LEAST, threads=threads)
        assert limited == whole
    assert list(tmp_path.iterdir()) == []
    assert words(whole) == split(texts)
    tok = subtok.train_bpe(iter(texts), 2000, memory_limit="500MB")
    assert tok.to_str() == subtok.train_bpe(iter(texts), 2000).to_str()


def test_words_that_do_not_fit_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    texts = random_texts(6000, 2)
    with pytest.raises(TrainingError, match="memory_limit is 16777216 bytes, and the words alone"):
        subtok.count(iter(texts), "whitespace", memory_limit=LEAST)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nothing" / "there"))
    with pytest.raises(subtok.FileError, match="nothing"):
        subtok.count(iter(texts), memory_limit=LEAST)


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
def test_a_line_that_does_not_fit_is_told(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    long = "中" * 3_000_000
    text = "short\nshorter\n" + long
    path.write_text(
        "\n".join(json.dumps({"text": line}, ensure_ascii=False) for line in text.split("\n"))
        if name == "a.jsonl"
        else text
    )
    with pytest.raises(FormatError, match=rf"{name}: .* from line \d on, byte \d+, .*memory_limit"):
        subtok.count(path, memory_limit=LEAST)
    assert len(subtok.count(path, "whitespace")) == 3
    assert len(subtok.count(path, "whitespace", memory_limit="100MB")) == 3


def test_sizes_may_have_units() -> None:
    for given_size in (10**9, "1000000000", "1000MB", "1 gb", "1GiB", "1000000 kB"):
        assert len(subtok.count(iter(["a b"]), memory_limit=given_size)) == 2
    for wrong in ("", "MB", "1.5GB", "-1GB", "+1GB", "1 zb", "9" * 30, "99999999999999TB"):
        with pytest.raises(ArgumentError, match="memory_limit"):
            subtok.count(iter(["a"]), memory_limit=wrong)
    with pytest.raises(ArgumentTypeError, match="memory_limit"):
        subtok.count(iter(["a"]), memory_limit=1.5)  # type: ignore[arg-type]


# Sources apart


def test_sources_are_counted_apart(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    for number in range(3):
        (tmp_path / "en" / f"{number}.txt").write_text("the cat sat\n" * (number + 1))
    sources = {"en": tmp_path / "en", "de": iter(["die Katze sat\n"] * 4)}
    counts = subtok.count(sources, "whitespace", weights={"de": 10})
    table = counts.to_arrow().to_pydict()
    assert table == {
        "word": [b"Katze", b"cat", b"die", b"sat", b"the"],
        "count": [40, 6, 40, 46, 6],
        "count:en": [0, 6, 0, 6, 6],
        "count:de": [4, 0, 4, 4, 0],
    }
    assert counts.weights == {"en": 1, "de": 10}
    en, de = counts.manifest["sources"]
    assert [Path(file["name"]).name for file in en["inputs"]] == ["0.txt", "1.txt", "2.txt"]
    assert [file["bytes"] for file in en["inputs"]] == [12, 24, 36]
    assert all(re.fullmatch("xxh64:[0-9a-f]{16}", file["digest"]) for file in en["inputs"])
    assert de["inputs"] == [{"name": "an iterator", "bytes": 56, "digest": None}]
    assert (en["documents"], de["documents"], de["bytes"]) == (3, 4, 56)
    path = tmp_path / "counts.parquet"
    counts.save(path)
    for copy in (subtok.Counts.load(path), pickle.loads(pickle.dumps(counts))):
        assert copy == counts
        assert copy.manifest == counts.manifest
    # Other weights need no other pass over the text.
    assert words(counts.weighted({"de": 1, "en": 0})) == {
        b"Katze": 4,
        b"cat": 0,
        b"die": 4,
        b"sat": 4,
        b"the": 0,
    }
    assert counts.weighted({"de": 1}).weighted({"de": 10}) == counts
    texts = {"en": tmp_path / "en", "de": iter(["die Katze sat\n"] * 4)}
    counts = subtok.count(texts, weights={"de": 10})
    for weights in ({"de": 3}, {"en": 2, "de": 1}):
        told = subtok.train_bpe(counts, 270, weights=weights)
        assert told.to_str() == subtok.train_bpe(counts.weighted(weights), 270).to_str()
    report = subtok.train_bpe(counts, 270).training_report
    assert report is not None
    assert [source["name"] for source in report["sources"]] == ["en", "de"]


def test_damaged_columns_of_sources_are_told(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    counts = subtok.count({"a": iter(["a b"]), "b": iter(["b c"])}, "whitespace")
    path = tmp_path / "counts.parquet"
    counts.save(path)
    table = parquet.read_table(path)
    wrong = {
        "there is no column `count:b`": table.drop_columns(["count:b"]),
        "weighted sums": table.set_column(1, "count", table["count:a"]),
        "in order": table.take([2, 1, 0]),
    }
    for match, changed in wrong.items():
        parquet.write_table(changed, path)
        with pytest.raises(FormatError, match=match):
            subtok.Counts.load(path)


def test_names_weights_and_caps_must_fit() -> None:
    def texts() -> dict[str, Any]:
        return {"a": iter(["a b"]), "b": iter(["b c"])}

    for options, error, match in (
        ({"weights": {"c": 1}}, ArgumentError, "'c', which is no source|\"c\", which is no source"),
        ({"weights": {"a": 0.5}}, ArgumentTypeError, r'weights\["a"\] must be an integer'),
        ({"weights": {"a": -1}}, ArgumentError, "weights"),
        ({"weights": [1, 2]}, ArgumentTypeError, "weights must be a dict"),
        ({"max_bytes": {"c": 1}}, ArgumentError, "which is no source"),
        ({"max_bytes": "lots"}, ArgumentError, "max_bytes"),
    ):
        with pytest.raises(error, match=match):
            subtok.count(texts(), **options)  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match=r'source\["a"\] must be'):
        subtok.count({"a": 5})  # type: ignore[dict-item]
    with pytest.raises(ArgumentTypeError, match="a name of a source must be a string"):
        subtok.count({5: iter(["a"])})  # type: ignore[dict-item]
    with pytest.raises(ArgumentError, match="is empty"):
        subtok.count({"": iter(["a"])})
    counts = subtok.count(texts())
    with pytest.raises(ArgumentTypeError, match="text"):
        subtok.count({"a": counts})  # type: ignore[dict-item]
    with pytest.raises(ArgumentError, match="c"):
        counts.weighted({"c": 1})
    with pytest.raises(ArgumentError, match="max_bytes is for text"):
        subtok.train_bpe(counts, 300, max_bytes=5)
    with pytest.raises(TrainingError, match="no words"):
        subtok.train_bpe({}, 300)
    with pytest.raises(TypeError, match=r"count\(\) got an unexpected keyword argument 'weight'"):
        subtok.count(texts(), weight={})  # type: ignore[call-arg]


def test_caps_end_a_source_at_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one two\n" * 100_000)
    rows = tmp_path / "a.jsonl"
    rows.write_text('{"text": "one two"}\n' * 100_000)
    for threads in (1, 3):
        for source in (path, tmp_path / "a.tx*", iter(["one two\n"] * 1000)):
            counts = subtok.count(source, "whitespace", max_bytes=1003, threads=threads)
            assert words(counts) == {b"one": 125, b"two": 125}
            assert counts.manifest["sources"][0]["max_bytes"] == 1003
        counts = subtok.count(rows, "whitespace", max_bytes="1kB", threads=threads)
        assert words(counts) == {b"one": 50, b"two": 50}
    # The digest is that of a file that was read, and this one was not.
    assert counts.manifest["sources"][0]["inputs"][0]["digest"] is None
    counts = subtok.count(
        {"a": [path, path], "b": rows}, "whitespace", max_bytes={"a": 1_600_000 - 1}
    )
    table = counts.to_arrow().to_pydict()
    assert table["count:a"] == [199_999, 199_999]
    assert table["count:b"] == [100_000, 100_000]
    assert len(subtok.count(path, max_bytes=0)) == 0


# Special tokens


def test_special_tokens_are_cut_out_and_counted() -> None:
    text = "one<s>two <s>three</s>\nfour <|end of text|>five</s><s>"
    special = ["<s>", "</s>", "<|end of text|>", "<none>"]
    counts = subtok.count(iter([text]), "gpt2", special_tokens=special)
    assert words(counts) == {
        b"one": 1,
        b"two": 1,
        b" ": 2,
        b"three": 1,
        b"\n": 1,
        b"four": 1,
        b"five": 1,
    }
    found = {"</s>": 2, "<none>": 0, "<s>": 3, "<|end of text|>": 1}
    assert counts.manifest["special_tokens"] == found
    tok = subtok.train_bpe(iter([text]), 300, special_tokens=special)
    report = tok.training_report
    assert report is not None
    assert report["special_tokens_found"] == found
    assert "<s" not in tok.get_vocab()
    # What was counted is what the tokenizer will see.
    ids = tok.encode("one<s>two").ids
    assert tok.token_to_id("<s>") in ids
    with pytest.raises(TrainingError, match="the same special tokens do not add up"):
        counts + subtok.count(iter([text]), "gpt2")
    both = counts + counts
    assert both.manifest["special_tokens"]["<s>"] == 6


def test_a_file_is_not_cut_within_a_special_token(tmp_path: Path) -> None:
    # Spaces behind letters are where files are cut, and here they all stand in special tokens.
    special = ["a b c d", "x y"]
    text = "a b c dx y" * 300_000
    path = tmp_path / "a.txt"
    path.write_text(text)
    for source in (path, iter([text])):
        counts = subtok.count(source, "gpt2", special_tokens=special, threads=2)
        assert counts.manifest["special_tokens"] == {"a b c d": 300_000, "x y": 300_000}
        assert len(counts) == 0


@given(
    st.lists(st.text("ab <>", max_size=30), max_size=8),
    st.lists(st.sampled_from(["<", "<a>", "a b", "b ", "<<", "ab"]), max_size=3, unique=True),
)
def test_stretches_between_special_tokens_are_texts(texts: list[str], special: list[str]) -> None:
    pattern = "|".join(map(re.escape, sorted(special, key=len, reverse=True)))
    rest = [part for text in texts for part in (re.split(pattern, text) if special else [text])]
    want = words(subtok.count(iter(rest), "gpt2"))
    counts = subtok.count(iter(texts), "gpt2", special_tokens=special)
    assert words(counts) == want
    found = (
        Counter(match for text in texts for match in re.findall(pattern, text)) if special else {}
    )
    assert counts.manifest["special_tokens"] == {token: found[token] for token in sorted(special)}


# Counts as a calculus


TEXTS = st.lists(st.text("ab ", max_size=12), max_size=6)


@given(TEXTS, TEXTS, st.integers(0, 5))
def test_a_sum_without_a_part_is_the_rest(one: list[str], two: list[str], weight: int) -> None:
    first, second = (subtok.count(iter(texts), "whitespace") for texts in (one, two))
    both = first + second
    assert words(both - second) == words(first)
    assert (both - second).manifest["documents"] == len(one)
    assert words(both - both) == {}
    apart = subtok.count({"x": iter(one), "y": iter(two)}, "whitespace", weights={"y": weight})
    assert words(apart) == words(first + second * weight)
    rest = apart - subtok.count({"y": iter(two)}, "whitespace")
    assert {w: n for w, n in words(rest).items() if n} == words(first)


def test_what_is_no_part_cannot_be_taken_away() -> None:
    a, b = subtok.count(iter(["x y"]), "whitespace"), subtok.count(iter(["x z"]), "whitespace")
    with pytest.raises(TrainingError, match=r'no part of the others: the word "z" occurs less'):
        a - b
    named = subtok.count({"n": iter(["x"])}, "whitespace")
    with pytest.raises(TrainingError, match="there is no source"):
        a - named
    with pytest.raises(TrainingError, match="pretokenizers do not add up"):
        a - subtok.count(iter(["x"]), "gpt2")
    with pytest.raises(ArgumentTypeError, match="must be Counts"):
        a - 5  # type: ignore[operator]


def test_sources_of_the_same_name_become_one() -> None:
    one = subtok.count({"a": iter(["x y"]), "b": iter(["x"])}, "whitespace", weights={"a": 2})
    two = subtok.count({"b": iter(["x z"]), "c": iter(["z"])}, "whitespace", weights={"c": 5})
    both = one + two
    assert both.weights == {"a": 2, "b": 1, "c": 5}
    assert words(both) == {b"x": 4, b"y": 2, b"z": 6}
    # Weights that differ are multiplied in.
    again = both + one.weighted({"a": 7})
    assert again.weights == {"a": 1, "b": 1, "c": 5}
    assert words(again) == {b"x": 4 + 8, b"y": 2 + 7, b"z": 6}
    assert subtok.Counts.merge([one, two]) == both


# Resuming


def shards(folder: Path, count: int = 6) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"{number}.txt" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_text("".join(random_texts(20, number)))
    return paths


def test_what_was_counted_is_not_counted_again(tmp_path: Path) -> None:
    paths, state = shards(tmp_path / "text"), tmp_path / "state"
    want = subtok.count(paths, special_tokens=["aa"])
    options: dict[str, Any] = {"special_tokens": ["aa"], "resume": state}
    assert subtok.count(paths, **options) == want
    before = {path.name: path.stat().st_mtime_ns for path in state.iterdir()}
    # Without reading them: they are not text any more, and look as they did.
    for path in paths:
        about = path.stat()
        path.write_bytes(b"\xff" * about.st_size)
        os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert subtok.count(paths, **options) == want
    assert {path.name: path.stat().st_mtime_ns for path in state.iterdir()} == before
    more = tmp_path / "more.txt"
    more.write_text("more words")
    assert words(subtok.count([*paths, more], **options))[b"more"] == 1
    for match, changed, source in (
        ("counted in another way", {"special_tokens": []}, paths),
        ("counted in another way", {"pretokenizer": "cl100k_base"}, paths),
        ("counted in another way", {"errors": "replace"}, paths),
        ("not to be counted any more", {}, paths[1:]),
        ("only files can be resumed", {}, iter(["a"])),
    ):
        with pytest.raises(TrainingError, match=match):
            subtok.count(source, **(options | changed))
    paths[2].write_text("changed")
    with pytest.raises(TrainingError, match=r"2\.txt changed since"):
        subtok.count([*paths, more], **options)


def test_a_damaged_folder_is_told(tmp_path: Path) -> None:
    paths, state = shards(tmp_path / "text"), tmp_path / "state"
    subtok.count(paths, resume=state)
    files = sorted(path for path in state.iterdir() if path.name != "lock")
    assert [path.name for path in files] == ["0.run", "counting.json"]
    for path in files:
        content = path.read_bytes()
        for damaged in (content[: len(content) // 2], b"", content[:-4] + b"\0\0\0\0"):
            path.write_bytes(damaged)
            with pytest.raises(SubtokError, match=path.name):
                subtok.count(paths, resume=state)
        path.write_bytes(content)
    assert len(subtok.count(paths, resume=state)) > 100
    (state / "0.run").unlink()
    with pytest.raises(subtok.FileError, match=r"0\.run"):
        subtok.count(paths, resume=state)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_a_process_that_was_killed_is_taken_up_where_it_was(tmp_path: Path) -> None:
    paths, state = shards(tmp_path / "text", 3), tmp_path / "state"
    # Files of 300 MB together: what is counted is written down after 256 MB.
    for path in paths:
        path.write_text("".join(random_texts(200, 7)) * 900)
    program = (
        "import subtok, sys\n"
        "show = lambda phase, done, total: print(done, flush=True)\n"
        "subtok.count(sys.argv[2:], resume=sys.argv[1], progress=show)\n"
    )
    command = [sys.executable, "-c", program, str(state), *map(str, paths)]
    killed = subprocess.Popen(command, stdout=subprocess.PIPE)
    end = time.monotonic() + 60
    while not (state / "counting.json").exists() and killed.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    (state / ".subtok-1-1.tmp").write_text("half a file")
    (state / "7.run").write_text("half a run")
    done: list[int] = []
    counts = subtok.count(paths, resume=state, progress=lambda _, at, __: done.append(at))
    assert counts == subtok.count(paths)
    assert min(done) > 100_000_000
    assert sorted(path.name for path in state.iterdir()) == [
        "0.run",
        "1.run",
        "counting.json",
        "lock",
    ]


def test_resuming_with_another_column_is_refused(tmp_path: Path) -> None:
    table = pa.table({"text": ["a b"], "body": ["c c d"]})
    pq.write_table(table, tmp_path / "a.parquet")
    path, folder = str(tmp_path / "a.parquet"), tmp_path / "folder"
    subtok.count(path, resume=folder)
    with pytest.raises(TrainingError, match="another way"):
        subtok.count(path, resume=folder, column="body")


def test_what_was_added_with_a_weight_is_taken_away_with_it() -> None:
    plain = subtok.count({"s": iter(["x x x y"])}, "whitespace")
    heavy = subtok.count({"s": iter(["x"])}, "whitespace", weights={"s": 5})
    assert (plain + heavy) - heavy == plain
    assert (heavy + heavy) - heavy == heavy
    other = subtok.count({"s": iter(["x"])}, "whitespace", weights={"s": 3})
    with pytest.raises(TrainingError, match="weights 5 and 3"):
        heavy - other


def test_a_total_beyond_64_bits_has_a_repr() -> None:
    counts = subtok.count({"a": iter(["x y"])}, "whitespace", weights={"a": 2**63})
    assert repr(counts) == "<Counts: 2 words, 2**64 and more occurrences>"


def test_damaged_numbers_of_a_resumed_count_are_told(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text("some words")
    path, folder = str(tmp_path / "a.txt"), tmp_path / "folder"
    subtok.count(path, resume=folder)
    state = json.loads((folder / "counting.json").read_text())
    state["units"][0]["documents"] = 2**64 - 1
    (folder / "counting.json").write_text(json.dumps(state))
    with pytest.raises(FormatError, match="do not fit together"):
        subtok.count([path, str(tmp_path / "b.txt")], resume=folder)
