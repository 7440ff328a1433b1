"""Shards hold every row, come whole or not at all, and unfinished runs go on."""

from __future__ import annotations

import gzip
import json
import os
import sys

import numpy as np
import pyarrow as pa
import pytest
from conftest import CORPUS
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

import subtok
from subtok._text import read_rows, split_lines
from subtok.data import Shards, encode_files

LINES = CORPUS.splitlines()


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("layout", ["bin", "npy"])
@pytest.mark.parametrize("shard_tokens", [1, 100_000])
def test_rows_come_back(bpe, corpus, tmp_path, layout, shard_tokens):
    manifest = encode_files(bpe, corpus, tmp_path / "out", layout, shard_tokens=shard_tokens)
    shards = Shards(tmp_path / "out")
    assert [bpe.decode(row) for row in shards] == LINES
    assert len(shards) == len(LINES) == manifest["totals"]["rows"]
    assert shards[1].tolist() == bpe.encode(LINES[1]).ids.tolist()
    assert shards[-1].tolist() == shards[len(LINES) - 1].tolist()
    assert [row.tolist() for row in shards[2:4]] == [shards[2].tolist(), shards[3].tolist()]
    assert shards[0].dtype == np.uint16
    assert manifest["tokenizer"] == bpe.fingerprint
    assert manifest["totals"]["tokens"] == sum(map(len, shards))
    assert manifest["totals"]["bytes"] == sum(len(line.encode()) for line in LINES)


def test_npy_files_load_with_numpy(bpe, corpus, tmp_path):
    manifest = encode_files(bpe, corpus, tmp_path, "npy", overwrite=True)
    (shard,) = manifest["shards"]
    assert len(np.load(tmp_path / shard["ids"])) == shard["tokens"]
    assert len(np.load(tmp_path / shard["offsets"])) == shard["rows"] + 1


def test_every_kind_of_source_gives_the_same_rows(bpe, corpus, tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(corpus.read_bytes()))
    records = "".join(json.dumps({"n": 1, "body": line}) + "\n" for line in LINES)
    (tmp_path / "a.jsonl").write_text(records, "utf-8")
    parquet.write_table(pa.table({"body": LINES}), tmp_path / "a.parquet")
    with pa.CompressedOutputStream(str(tmp_path / "a.txt.zst"), "zstd") as file:
        file.write(corpus.read_bytes())
    for name in ("a.txt.gz", "a.jsonl", "a.parquet", "a.txt.zst"):
        assert list(read_rows(tmp_path / name, field="body")) == LINES
    encode_files(bpe, iter(LINES), tmp_path / "texts")
    assert [bpe.decode(row) for row in Shards(tmp_path / "texts")] == LINES


def test_a_second_call_returns_at_once(bpe, corpus, tmp_path):
    out = tmp_path / "out"
    first = encode_files(bpe, corpus, out)
    stamps = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert encode_files(bpe, corpus, out) == first
    assert stamps == {path: path.stat().st_mtime_ns for path in out.iterdir()}


def test_other_shards_are_replaced_only_when_asked(bpe, wordpiece, corpus, tmp_path):
    out = tmp_path / "out"
    encode_files(bpe, corpus, out, shard_tokens=1)
    before = contents(out)
    with pytest.raises(subtok.ArgumentError, match="overwrite"):
        encode_files(wordpiece, corpus, out)
    assert contents(out) == before
    encode_files(wordpiece, corpus, out, overwrite=True)
    assert sorted(contents(out)) == ["manifest.json", "shard-00000.bin", "shard-00000.offsets.npy"]


@pytest.mark.parametrize("stop", range(1, 9, 2))
def test_a_run_that_was_cut_off_goes_on(bpe, corpus, tmp_path, stop, monkeypatch):
    clean, out = tmp_path / "clean", tmp_path / "out"
    # One row to a batch and to a shard.
    monkeypatch.setattr("subtok.data._write._BATCH_CHARACTERS", 1)
    wanted = encode_files(bpe, corpus, clean, shard_tokens=1)

    class Failing:
        left = stop

        def __getattr__(self, name):
            return getattr(bpe, name)

        def encode_batch(self, *args, **options):
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            return bpe.encode_batch(*args, **options)

    with pytest.raises(KeyboardInterrupt):
        encode_files(Failing(), corpus, out, shard_tokens=1)
    assert not (out / "manifest.json").exists()
    partial = contents(out)
    assert len([name for name in partial if name.endswith(".bin")]) == stop
    assert not [name for name in partial if name.endswith(".tmp")]
    (out / ".shard-00009.bin.0123abcd.tmp").write_bytes(b"left by a kill")
    again = Failing()
    again.left = len(wanted["shards"]) - stop
    assert encode_files(again, corpus, out, shard_tokens=1) == wanted
    assert contents(out) == contents(clean)


def test_an_empty_corpus_gives_no_rows(bpe, tmp_path):
    (tmp_path / "empty.txt").write_bytes(b"")
    for layout in ("bin", "npy"):
        manifest = encode_files(bpe, [tmp_path / "empty.txt"], tmp_path / layout, layout)
        assert manifest["totals"] == {"rows": 0, "tokens": 0, "bytes": 0}
        assert list(Shards(tmp_path / layout)) == []


def test_bad_input_is_named(bpe, corpus, tmp_path):
    (tmp_path / "binary").write_bytes(b"ab\ncd\xff")
    with pytest.raises(subtok.TextError, match="binary: invalid UTF-8 at byte 5"):
        encode_files(bpe, tmp_path / "binary", tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()
    with pytest.raises(subtok.FileError, match="missing"):
        encode_files(bpe, tmp_path / "missing", tmp_path / "out")
    (tmp_path / "bad.jsonl").write_text('{"text": "a"}\n{"body": 1}\n')
    with pytest.raises(subtok.FormatError, match="line 2"):
        encode_files(bpe, tmp_path / "bad.jsonl", tmp_path / "out")
    whole = pa.compress(corpus.read_bytes(), "zstd", asbytes=True)
    damaged = {
        "bad.gz": b"\x1f\x8b\x08garbage",
        "cut.gz": gzip.compress(corpus.read_bytes())[:-20],
        "bad.zst": b"\x28\xb5\x2f\xfdgarbage",
        "cut.zst": whole[:-20],
    }
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(subtok.FormatError, match=f"{name}: damaged"):
            encode_files(bpe, tmp_path / name, tmp_path / "out")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 garbage PAR1")
    with pytest.raises(subtok.FormatError, match=r"bad\.parquet"):
        encode_files(bpe, tmp_path / "bad.parquet", tmp_path / "out")
    for options in ({"format": "csv"}, {"rows": "words"}, {"shard_tokens": 0}):
        with pytest.raises(subtok.ArgumentError):
            encode_files(bpe, corpus, tmp_path / "out", **options)
    with pytest.raises(subtok.FileError, match="corpus"):
        encode_files(bpe, corpus, corpus / "out")


def test_damaged_shards_are_refused(bpe, corpus, tmp_path):
    out = tmp_path / "out"
    manifest = encode_files(bpe, corpus, out)
    ids = out / manifest["shards"][0]["ids"]
    ids.write_bytes(ids.read_bytes()[:-2])
    with pytest.raises(subtok.FormatError, match="shard-00000"):
        Shards(out)
    ids.unlink()
    with pytest.raises(subtok.FileError, match="shard-00000"):
        Shards(out)
    (out / "manifest.json").write_text("[]")
    with pytest.raises(subtok.FormatError, match="manifest"):
        Shards(out)


@given(st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8")), min_size=1))
def test_lines_are_those_between_line_feeds(lines):
    assert split_lines("".join(f"{line}\n" for line in lines)) == lines
    if lines[-1]:
        assert split_lines("\n".join(lines)) == lines


def test_blocks_and_chunks_lose_nothing(tmp_path, monkeypatch):
    text = "".join(f"{'x' * (i % 97)} é한😀\r\n" for i in range(3000))
    path = tmp_path / "long.txt"
    path.write_bytes(text.encode())
    for size in (1, 7, 4096):
        monkeypatch.setattr("subtok._text._READ", size)
        assert "".join(read_rows(path, rows="blocks")) == text
        assert list(read_rows(path)) == text.split("\n")[:-1]
        assert list(read_rows(path, rows="whole")) == [text]


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("kind", ["ids", "offsets"])
@pytest.mark.parametrize("layout", ["bin", "npy"])
def test_a_shard_of_another_size_is_written_again(
    bpe, corpus, tmp_path, monkeypatch, layout, kind, finished
):
    monkeypatch.setattr("subtok.data._write._BATCH_CHARACTERS", 1)
    out = tmp_path / "out"
    wanted = encode_files(bpe, corpus, out, layout, shard_tokens=1)
    whole = contents(out)
    if not finished:
        journal = {key: wanted[key] for key in ("layout", "job", "shards")}
        (out / "incomplete.json").write_text(json.dumps(journal), "utf-8")
        (out / "manifest.json").unlink()
    damaged = out / wanted["shards"][1][kind]
    damaged.write_bytes(damaged.read_bytes()[:-2])
    assert encode_files(bpe, corpus, out, layout, shard_tokens=1) == wanted
    assert contents(out) == whole
    damaged.unlink()
    assert encode_files(bpe, corpus, out, layout, shard_tokens=1) == wanted
    assert contents(out) == whole


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are Unicode")
def test_names_that_are_not_utf8(bpe, tmp_path):
    path = tmp_path / os.fsdecode(b"gr\xfc\xdfe.txt")
    path.write_text("the cat\n")
    manifest = encode_files(bpe, path, tmp_path / "out")
    assert Shards(tmp_path / "out").manifest == manifest
    assert manifest["sources"][0]["path"] == str(path)
    assert encode_files(bpe, path, tmp_path / "out") == manifest


def test_arguments_of_other_types_are_refused(bpe, corpus, tmp_path):
    for sources in (None, 5, iter([1]), iter([b"a"]), [corpus, 5]):
        with pytest.raises(subtok.ArgumentTypeError, match="source"):
            encode_files(bpe, sources, tmp_path / "other")
    encode_files(bpe, corpus, tmp_path / "out")
    shards = Shards(tmp_path / "out")
    with pytest.raises(subtok.RowIndexError, match=str(10**6)):
        shards[10**6]
    for index in ("a", 1.0, None):
        with pytest.raises(subtok.ArgumentTypeError, match="index"):
            shards[index]
    assert shards[np.int64(1)].tolist() == shards[1].tolist()


@pytest.mark.parametrize("shards", [None, 5, [5], [{}], [{"ids": 1, "offsets": 2}]])
@pytest.mark.parametrize("name", ["manifest.json", "incomplete.json"])
def test_a_manifest_that_lies_is_refused(bpe, corpus, tmp_path, name, shards):
    manifest = encode_files(bpe, corpus, tmp_path)
    (tmp_path / "manifest.json").unlink()
    (tmp_path / name).write_text(json.dumps({**manifest, "shards": shards}), "utf-8")
    for overwrite in (False, True):
        with pytest.raises(subtok.ArgumentError, match=name):
            encode_files(bpe, corpus, tmp_path, overwrite=overwrite)
