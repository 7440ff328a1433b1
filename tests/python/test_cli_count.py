"""`subtok count` without a tokenizer, and `subtok train` on what it wrote."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import CORPUS

import subtok
from subtok import counting
from subtok.cli._training import OPTIONS

TEXT = CORPUS.encode()


def same(path, counts: subtok.Counts) -> None:
    assert subtok.Counts.load(path).to_arrow().equals(counts.to_arrow())


def test_count_words_of_a_file(run, corpus, tmp_path):
    done = run("count", "-o", "c.parquet", corpus)
    assert (done.returncode, done.stderr) == (0, b"")
    want = subtok.count(corpus)
    same(tmp_path / "c.parquet", want)
    total = sum(want.to_arrow()["count"].to_pylist())
    expected = f"c.parquet: {len(want):,} words, {total:,} occurrences in 1 document of {len(TEXT)}"
    assert done.stdout.decode() == f"{expected} bytes\n"
    found = json.loads(run("count", "--json", "--rows", "lines", stdin=TEXT).stdout)
    lines = CORPUS.splitlines()
    want = subtok.count(iter(lines))
    assert found["manifest"]["pretokenizer"] == want.manifest["pretokenizer"]
    assert found["totals"] == {
        "words": len(want),
        "occurrences": sum(want.to_arrow()["count"].to_pylist()),
        "documents": len(lines),
        "bytes": sum(len(line.encode()) for line in lines),
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.parquet", "corpus.txt"]


def test_counts_and_texts_add_up(run, corpus, tmp_path):
    how = ("--pretokenizer", "cl100k_base", "--normalizer", '{"type": "NFC"}')
    assert run("count", *how, "-o", "a.parquet", corpus).returncode == 0
    assert run("count", *how, "-o", "b.parquet", corpus, corpus).returncode == 0
    (tmp_path / "rows.jsonl").write_text(json.dumps({"text": CORPUS}) + "\n", "utf-8")
    files = ("a.parquet", "rows.jsonl", "b.parquet")
    assert run("count", *how, "-o", "all.parquet", *files).returncode == 0
    options = {"pretokenizer": "cl100k_base", "normalizer": {"type": "NFC"}}
    same(tmp_path / "all.parquet", subtok.count([corpus] * 4, **options))
    done = run("count", "-o", "no.parquet", *files)
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"different pretokenizers" in done.stderr
    assert not (tmp_path / "no.parquet").exists()


def test_a_column_of_text_is_text(run, tmp_path):
    pq.write_table(pa.table({"text": [CORPUS], "word": ["a"]}), tmp_path / "text.parquet")
    assert run("count", "-o", "c.parquet", "text.parquet").returncode == 0
    same(tmp_path / "c.parquet", subtok.count(iter([CORPUS])))
    counting.merge_counts(counting.count_batch(pa.array([CORPUS]))).save(tmp_path / "d.parquet")
    assert run("count", "-o", "e.parquet", "c.parquet", "d.parquet").returncode == 0
    same(tmp_path / "e.parquet", subtok.count(iter([CORPUS] * 2)))


def test_train_on_counts(run, corpus, tmp_path):
    assert run("count", "-o", "c.parquet", corpus).returncode == 0
    for size in (300, 350):
        assert run("train", "--vocab-size", size, "-o", "a.json", "c.parquet").returncode == 0
        assert run("train", "--vocab-size", size, "-o", "b.json", corpus).returncode == 0
        assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    done = run("train", "-o", "a.json", "c.parquet", corpus)
    assert done.returncode == 2
    assert b"put them together with subtok count" in done.stderr


@pytest.mark.parametrize("cased", [(), ("--cased",)])
def test_train_wordpiece_on_counts(run, corpus, tmp_path, cased):
    model = ("--model", "wordpiece", *cased)
    assert run("count", *model, "-o", "c.parquet", corpus).returncode == 0
    for out, text in (("a.json", "c.parquet"), ("b.json", corpus)):
        done = run("train", *model, "--vocab-size", 250, "-o", out, text)
        assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_refusals(run, corpus, bpe_file, tmp_path):
    cases = {
        ("--no-special", corpus): "--no-special is for counting tokens",
        ("-t", bpe_file, "-o", "c.parquet", corpus): "--output: only without a --tokenizer",
        ("-t", bpe_file, "--pretokenizer", "gpt2", corpus): "--pretokenizer: only without",
        ("--cased", corpus): "--cased is for --model wordpiece",
        ("--model", "wordpiece", "--pretokenizer", "gpt2", corpus): "BERT has its own",
        ("--normalizer", "{", corpus): "not JSON",
        ("--progress", "none/log", corpus): "cannot write none/log",
    }
    for args, message in cases.items():
        done = run("count", *args)
        assert (done.returncode, done.stdout) == (3 if "log" in message else 2, b"")
        assert message in done.stderr.decode()
    assert run("count", "-o", "none/c.parquet", corpus).returncode == 3
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 not a table")
    assert run("count", "bad.parquet").returncode == 3


def test_every_option_is_one_of_a_call():
    import inspect  # noqa: PLC0415

    calls = {
        "bpe": subtok.train_bpe,
        "wordpiece": subtok.train_wordpiece,
        "count": subtok.count,
    }
    for option in OPTIONS:
        for call in option.calls:
            assert option.keyword in inspect.signature(calls[call]).parameters
