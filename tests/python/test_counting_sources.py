"""Where counted text comes from: folders, patterns, packed files, tables, Arrow; its errors."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

import subtok
from subtok.errors import ArgumentError, FileError, FormatError, TextError

ROWS = ["one two\n", "two three — vier\n", "", "中文 five\n"] * 5000


def words(counts: subtok.Counts) -> dict[bytes, int]:
    table = counts.to_arrow()
    return dict(zip(table["word"].to_pylist(), table["count"].to_pylist(), strict=True))


@pytest.fixture(scope="module")
def want() -> dict[bytes, int]:
    return words(subtok.count(iter(ROWS)))


def test_folders_and_patterns_stand_for_their_files(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("a/1.txt", "a/b/2.txt", "a/b/3.md", "a/.hidden.txt"):
        (tmp_path / name).write_text(f"{Path(name).stem}x\n")
    (tmp_path / "odd[1].txt").write_text("odd\n")

    def files(source: Any) -> list[str]:
        inputs = subtok.count(source).manifest["sources"][0]["inputs"]
        return [Path(file["name"]).name for file in inputs]

    assert files(tmp_path / "a") == ["1.txt", "2.txt", "3.md"]
    assert files(str(tmp_path / "a" / "**" / "*.txt")) == ["1.txt", "2.txt"]
    assert files([tmp_path / "a" / "*.txt", tmp_path / "a" / "b"]) == ["1.txt", "2.txt", "3.md"]
    assert files(tmp_path / "odd[1].txt") == ["odd[1].txt"]
    (tmp_path / "empty").mkdir()
    for nothing in (tmp_path / "empty", tmp_path / "*.nope"):
        with pytest.raises(ArgumentError, match=nothing.name.replace("*", r"\*")):
            subtok.count(nothing)


@pytest.mark.parametrize("kind", ["jsonl", "ndjson", "jsonl.gz", "jsonl.zst", "parquet"])
@pytest.mark.parametrize("field", ["text", "body"])
def test_records_of_all_kinds_of_files(
    kind: str, field: str, tmp_path: Path, want: dict[bytes, int]
) -> None:
    path = tmp_path / f"a.{kind}"
    lines = "".join(json.dumps({"id": 1, field: row}) + "\n" for row in ROWS).encode()
    if kind == "parquet":
        pa.parquet.write_table(pa.table({"id": range(len(ROWS)), field: ROWS}), path)
    elif kind.endswith("gz"):
        path.write_bytes(gzip.compress(lines))
    elif kind.endswith("zst"):
        path.write_bytes(pa.compress(lines, "zstd", asbytes=True))
    else:
        path.write_bytes(lines)
    keyword: dict[str, Any] = {"column" if kind == "parquet" else "field": field}
    progress: list[tuple[int, int]] = []
    counts = subtok.count(
        path, **keyword, progress=lambda _, done, total: progress.append((done, total))
    )
    assert words(counts) == want
    (source,) = counts.manifest["sources"]
    assert source["documents"] == len(ROWS)
    size = path.stat().st_size
    (file,) = source["inputs"]
    assert (file["name"], file["bytes"]) == (str(path), size)
    assert file["digest"].startswith("xxh64:")
    assert progress[-1] == (size, size)


@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
def test_plain_text_is_one_document_packed_or_not(packing: str, tmp_path: Path) -> None:
    text = "".join(ROWS) * 20
    path = tmp_path / f"a.txt{packing}"
    content = text.encode()
    packed = {
        "": lambda: content,
        ".gz": lambda: gzip.compress(content),
        ".zst": lambda: pa.compress(content, "zstd", asbytes=True),
    }[packing]()
    path.write_bytes(packed)
    counts = subtok.count(path, "o200k_base")
    assert words(counts) == words(subtok.count(iter([text]), "o200k_base"))
    assert counts.manifest["documents"] == 1
    path.write_bytes(packed[: len(packed) // 2] if packing else b"\xff")
    with pytest.raises(FormatError, match=r"a\.txt"):
        subtok.count(path)


def test_arrow_data_of_all_kinds(want: dict[bytes, int]) -> None:
    array = pa.array(ROWS)
    table = pa.table({"text": array, "body": array, "n": range(len(ROWS))})
    for given in (
        array,
        pa.chunked_array([ROWS[:7], [], ROWS[7:]]),
        array.dictionary_encode(),
        table,
        table.to_batches()[0],
        pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=99)),
        {"a": table.slice(0, 5000), "b": array.slice(5000)},
    ):
        assert words(subtok.count(given)) == want
    assert words(subtok.count(table, column="body")) == want
    with pytest.raises(ArgumentError, match="no column 'no'"):
        subtok.count(table, column="no")
    chunks = pa.chunked_array([["a", "b"], ["c", None]])
    with pytest.raises(ArgumentError, match="null in row 3"):
        subtok.count(chunks)


def test_records_without_text_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(pa.table({"body": ["a", None]}), path)
    with pytest.raises(ArgumentError, match=r"a\.parquet: no column 'text'; there is \['body'\]"):
        subtok.count(path)
    with pytest.raises(FormatError, match=r"a\.parquet: .*null in row 1"):
        subtok.count(path, column="body")
    pa.parquet.write_table(pa.table({"body": [b"a", b"b\xff"]}), path)
    with pytest.raises(TextError, match=r"a\.parquet: invalid UTF-8 at byte 1 of row 1"):
        subtok.count(path, column="body")
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n\n{"url": "u", "body": "b"}\n')
    match = r"a\.jsonl: JSON lines at line 3: missing field `text`; there is `body`, `url`"
    with pytest.raises(FormatError, match=match):
        subtok.count(path)


def test_invalid_text_is_told_or_replaced(tmp_path: Path) -> None:
    text = b"first line\nsecond \xff line\nthird \xe4\xb8 line\n"
    path = tmp_path / "a.txt"
    path.write_bytes(text)
    with pytest.raises(FormatError, match=r"a\.txt: text at line 2, byte 18: invalid UTF-8"):
        subtok.count(path)
    counts = subtok.count(path, errors="replace")
    assert words(counts) == words(subtok.count(iter([text.decode(errors="replace")])))
    assert counts.manifest["sources"][0]["replaced"] == 2
    long = tmp_path / "b.txt"
    long.write_bytes(b"word " * 500_000 + text + b"word " * 500_000 + b"\xe4\xb8")
    with pytest.raises(FormatError, match=r"b\.txt: text at line 2, byte 2500018: invalid UTF-8"):
        subtok.count(long)
    counts = subtok.count(long, errors="replace")
    whole = long.read_bytes().decode(errors="replace")
    assert words(counts) == words(subtok.count(iter([whole])))
    assert counts.manifest["sources"][0]["replaced"] == 3
    rows = tmp_path / "a.jsonl"
    rows.write_bytes(b'{"text": "a"}\n{"text": "b\xff"}\n')
    with pytest.raises(FormatError, match=r"a\.jsonl: JSON lines at line 2, byte 11: invalid"):
        subtok.count(rows)
    counts = subtok.count(rows, errors="replace")
    assert words(counts) == {b"a": 1, b"b": 1, "\ufffd".encode(): 1}
    assert counts.manifest["sources"][0]["replaced"] == 1
    with pytest.raises(TextError, match="surrogate at character 1 of row 0"):
        subtok.count(iter(["a\ud800"]))
    assert words(subtok.count(iter(["a\ud800"]), errors="replace")) == {
        b"a": 1,
        "\ufffd".encode(): 1,
    }


def test_a_line_of_megabytes_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    long = "ab " * 4_000_000
    path.write_text(json.dumps({"text": "x"}) + "\n" + json.dumps({"text": long}) + "\n")
    counts = subtok.count(path, "whitespace")
    assert words(counts) == {b"ab": 4_000_000, b"x": 1}
    plain = tmp_path / "a.txt"
    plain.write_text("中" * 4_000_000)
    assert list(words(subtok.count(plain, "whitespace")).values()) == [1]


def test_a_file_that_is_gone_is_told_before_anything_is_read(tmp_path: Path) -> None:
    good = tmp_path / "a.txt"
    good.write_bytes(b"\xff")
    for name in ("gone.txt", "gone.txt.gz", "gone.parquet"):
        with pytest.raises(FileError, match=name):
            subtok.count([good, tmp_path / name])
