"""Counting Arrow batches: whatever is cut, shuffled or repeated, the sum is that of one count."""

from __future__ import annotations

import json
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import CORPUS
from hypothesis import given
from hypothesis import strategies as st

import subtok
from subtok import counting

DOCS = [line * (1 + index % 3) for index, line in enumerate(CORPUS.splitlines() * 7)]
BERT = {
    "type": "BertNormalizer",
    "clean_text": True,
    "handle_chinese_chars": True,
    "strip_accents": None,
    "lowercase": True,
}
HOW = [
    {},
    {"pretokenizer": "cl100k_base"},
    {"pretokenizer": "bert", "normalizer": BERT},
    {"normalizer": {"type": "NFKC"}, "threads": 3},
]


def table(docs: list[str | None]) -> pa.Table:
    return pa.table({"n": range(len(docs)), "text": pa.array(docs, pa.string())})


def words(counts: pa.Table | subtok.Counts) -> dict[bytes, int]:
    arrow = counts.to_arrow() if isinstance(counts, subtok.Counts) else counts
    found = dict(zip(arrow["word"].to_pylist(), arrow["count"].to_pylist(), strict=True))
    assert len(found) == len(arrow)
    return found


def same(counts: subtok.Counts, want: pa.Table) -> None:
    assert counts.to_arrow().equals(want, check_metadata=True)


@pytest.mark.parametrize("how", HOW, ids=lambda how: str(how.get("pretokenizer", "gpt2")))
def test_a_batch_is_what_count_says(how):
    found = counting.count_batch(table(DOCS), **how)
    want = subtok.count(iter(DOCS), **how)
    assert words(found) == words(want)
    assert found.schema.equals(
        pa.schema(
            [
                pa.field("word", pa.large_binary(), nullable=False),
                pa.field("count", pa.uint64(), nullable=False),
            ]
        )
    )
    # It says how it was counted and from how much, but not what from.
    manifests = json.loads(found.schema.metadata[b"subtok.counts"]), want.manifest
    assert len({json.dumps(manifest | {"sources": []}) for manifest in manifests}) == 1
    same(counting.merge_counts(found), found)
    assert counting.count_batch(table(DOCS), **how).equals(found, check_metadata=True)


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.binary(),
        pa.large_binary(),
        pa.binary_view(),
        pa.dictionary(pa.int32(), pa.string()),
    ],
    ids=str,
)
@pytest.mark.parametrize("nulls", [False, True])
def test_every_type_of_text_counts_alike(kind, nulls):
    docs = [*DOCS[:20], *([None, ""] if nulls else ["", ""]), *DOCS[20:]]
    want = counting.count_batch(table([doc or "" for doc in docs]))
    column = pa.array(docs, pa.string())
    column = column.dictionary_encode() if pa.types.is_dictionary(kind) else column.cast(kind)
    batches = [
        column,
        pa.chunked_array([column[:9], column[9:]]),
        pa.table({"text": column}),
        pa.record_batch({"text": column}),
        pa.record_batch({"text": pa.concat_arrays([column[:5], column])}).slice(5),
        pa.StructArray.from_arrays([column], ["text"]),
    ]
    for batch in batches:
        assert counting.count_batch(batch, nulls="empty").equals(want, check_metadata=True)
        if nulls:
            with pytest.raises(subtok.TextError, match="row 20 of 'text' is null"):
                counting.count_batch(batch)


class Lent:
    """What other libraries lend: nothing but the two methods of the interface."""

    def __init__(self, data, method):
        self.data = data
        setattr(self, method, getattr(data, method))


def test_data_of_other_libraries():
    want = counting.count_batch(table(DOCS))
    for data in (table(DOCS), pa.chunked_array([DOCS])):
        assert counting.count_batch(Lent(data, "__arrow_c_stream__")).equals(want)
    for data in (pa.record_batch({"text": DOCS}), pa.array(DOCS)):
        assert counting.count_batch(Lent(data, "__arrow_c_array__")).equals(want)


@given(st.randoms(use_true_random=False), st.integers(1, 12))
def test_cut_shuffled_and_merged_in_any_way(rnd, pieces):
    docs = rnd.sample(DOCS, len(DOCS))
    want = counting.count_batch(table(DOCS))
    borders = sorted(rnd.choices(range(len(docs) + 1), k=pieces - 1))
    parts = [
        table(docs[start:end])
        for start, end in zip([0, *borders], [*borders, len(docs)], strict=True)
    ]
    partial = [counting.count_batch(part) for part in parts]
    same(counting.merge_counts(iter(partial)), want)
    half = counting.merge_counts(partial[: pieces // 2] or [counting.count_batch(table([]))])
    same(counting.merge_counts([half, *partial[pieces // 2 :]]), want)
    rows = [batch for part in parts for batch in counting.count_batches([part])]
    rnd.shuffle(rows)
    same(counting.merge_counts(rows), want)
    together = pa.Table.from_batches(rows)
    same(counting.merge_counts(together), want)
    shuffled = list(range(len(together)))
    rnd.shuffle(shuffled)
    same(counting.merge_counts(together.take(shuffled)), want)


def rows_of(batches):
    """The words, and the rows that say how they were counted."""
    rows = [word for batch in batches for word in batch.column("word").to_pylist()]
    about = [row for row in rows if row.startswith(b"\xff")]
    return [row for row in rows if not row.startswith(b"\xff")], about


def test_many_batches_are_one_count():
    want = counting.count_batch(table(DOCS), pretokenizer="cl100k_base")
    batches = table(DOCS).to_batches(max_chunksize=7)
    found = list(counting.count_batches(iter(batches), pretokenizer="cl100k_base"))
    assert {str(batch.schema) for batch in found} == {"word: binary\ncount: int64"}
    words, about = rows_of(found)
    assert len(words) == len(want)
    assert 0 < len(about) <= 10
    same(counting.merge_counts(found), want)
    nothing = list(counting.count_batches([]))
    words, about = rows_of(nothing)
    assert not words
    assert 0 < len(about) <= 10
    assert len(counting.merge_counts(nothing)) == 0


def test_saved_counts_and_vocabularies_have_the_same_bytes(tmp_path):
    whole = counting.merge_counts(counting.count_batch(table(DOCS)))
    parts = [counting.count_batch(table(DOCS[start::4])) for start in (2, 0, 3, 1)]
    merged = counting.merge_counts(parts)
    whole.save(tmp_path / "whole.parquet")
    merged.save(tmp_path / "merged.parquet")
    assert (tmp_path / "whole.parquet").read_bytes() == (tmp_path / "merged.parquet").read_bytes()
    same(counting.merge_counts(pq.read_table(tmp_path / "merged.parquet")), whole.to_arrow())
    text = subtok.train_bpe(iter(DOCS), 400).to_str()
    assert subtok.train_bpe(merged, 400).to_str() == text


def test_a_generator_may_fail():
    def batches():
        yield table(DOCS)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(counting.count_batches(batches()))


class TestSums:
    @staticmethod
    def with_counts(numbers: list[int], kind: pa.DataType) -> pa.Table:
        made = counting.count_batch(table(["a b c d"]))
        words = pa.array([b"a", b"a", b"b", b"a"][: len(numbers)], pa.large_binary())
        columns = [words, pa.array(numbers, kind)]
        return pa.table(columns, names=["word", "count"]).replace_schema_metadata(
            made.schema.metadata
        )

    @given(st.lists(st.integers(0, 2**63), min_size=4, max_size=4))
    def test_of_repeated_words_are_exact(self, numbers):
        total = {b"a": numbers[0] + numbers[1] + numbers[3], b"b": numbers[2]}
        made = self.with_counts(numbers, pa.uint64())
        if total[b"a"] < 2**64:
            assert words(counting.merge_counts(made)) == total
        else:
            with pytest.raises(subtok.TrainingError, match="the word 'a' occurs 2\\^64 times"):
                counting.merge_counts(made)

    def test_of_several_tables_are_checked(self):
        made = self.with_counts([2**63], pa.uint64())
        assert words(counting.merge_counts([made])) == {b"a": 2**63}
        with pytest.raises(subtok.TrainingError):
            counting.merge_counts([made, made])

    def test_of_other_numbers(self):
        for kind in (pa.int32(), pa.uint8(), pa.decimal128(38, 0), pa.decimal256(50, 0)):
            made = self.with_counts([1, 2, 3, 4], kind)
            assert words(counting.merge_counts(made)) == {b"a": 7, b"b": 3}
        for kind, numbers in ((pa.int64(), [-1]), (pa.decimal128(38, 0), [2**64])):
            with pytest.raises(subtok.FormatError, match=r"tables\[0\]: the column `count`"):
                counting.merge_counts(self.with_counts(numbers, kind))


def test_all_that_adds_up_in_a_manifest_survives_an_engine():
    manifest = {
        "pretokenizer": "p",
        "documents": 5,
        "bytes": 6,
        "sources": [{"name": "", "weight": 1, "documents": 5, "bytes": 6, "replaced": 2}],
        "special_tokens": {"<a/b>": 3, "": 2**63},
    }
    rows = counting._Rows()
    for _ in range(2):
        part = json.loads(json.dumps(manifest))
        totals = counting._totals(part)
        for place, total in totals.items():
            rows.add(counting._TOTAL + place.encode(), total)
        assert counting._totals(part) == dict.fromkeys(totals, 0)
        rows.add(counting._HOW + json.dumps(part).encode(), 1)
    with pytest.raises(subtok.TrainingError, match="'special_tokens/' is 18446744073709551616"):
        rows.manifests()
    rows.add(counting._TOTAL + b"special_tokens/", -(2**63))
    (found,) = map(json.loads, rows.manifests())
    assert found == {
        "pretokenizer": "p",
        "documents": 10,
        "bytes": 12,
        "sources": [{"name": "", "weight": 1, "documents": 10, "bytes": 12, "replaced": 4}],
        "special_tokens": {"<a/b>": 6, "": 2**63},
    }
    for place in (b"sources/1/bytes", b"sources/x/bytes", b"special_tokens/c", b"bytes/", b"words"):
        other = counting._Rows()
        other.add(counting._HOW + json.dumps(part).encode(), 1)
        other.add(counting._TOTAL + place, 1)
        with pytest.raises(subtok.FormatError, match="no place"):
            other.manifests()


class TestParts:
    @pytest.mark.parametrize("parts", [1, 2, 7, 64])
    def test_they_hold_each_word_once(self, parts):
        want = counting.count_batch(table(DOCS))
        found = counting.parts_of(want, parts)
        assert len(found) == parts
        same(counting.merge_counts(found[::-1]), want)
        # A word has its part whatever else is counted with it.
        place = {word: at for at, part in enumerate(found) for word in words(part)}
        for at, part in enumerate(counting.parts_of(counting.count_batch(table(DOCS[::5])), parts)):
            assert all(place[word] == at for word in words(part))

    def test_the_hash_is_that_of_its_definition(self):
        rnd = random.Random(7)
        texts = [rnd.randbytes(rnd.choice((1, 2, 3, 9, 300))) for _ in range(5000)]
        texts.append(rnd.randbytes(700_000))
        texts += [b"a", b"\0", b"\0\0", texts[0]]
        column = pa.array(texts, pa.large_binary())
        _, ends, data = column.buffers()
        content, offsets = np.frombuffer(data, np.uint8), np.frombuffer(ends, np.int64)
        found = counting._hashes(content, offsets)
        for text, value in zip(texts, found.tolist(), strict=True):
            want = 0
            for byte in reversed(text):
                want = (want * counting._BASE + byte + 1) % 2**64
            for _ in range(2):
                want ^= want >> 32
                want = want * 0xD6E8_FEB8_6659_FD93 % 2**64
            assert value == want
        assert len(set(found.tolist())) == len(set(texts))

    def test_the_hash_spreads_words(self):
        texts = [f" {number}" for number in range(20_000)]
        sizes = [len(part) for part in counting.parts_of(counting.count_batch(table(texts)), 16)]
        assert min(sizes) > 0.8 * max(sizes)


class TestRefusals:
    def test_of_what_is_no_batch(self):
        for wrong in ("text", ["a"], {"text": ["a"]}, None, 3, np.array(["a"])):
            with pytest.raises(subtok.ArgumentTypeError, match="batch: a record batch"):
                counting.count_batch(wrong)
        with pytest.raises(subtok.ArgumentError, match="no column 'body'; there is"):
            counting.count_batch(table(DOCS), "body")
        with pytest.raises(subtok.ArgumentTypeError, match="'n' holds int64, and no text"):
            counting.count_batch(table(DOCS), "n")
        twice = pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
        with pytest.raises(subtok.ArgumentError, match="several columns 'text'"):
            counting.count_batch(twice)
        with pytest.raises(subtok.ArgumentError, match="nulls: 'skip'"):
            counting.count_batch(table(DOCS), nulls="skip")
        with pytest.raises(subtok.TextError, match="UTF-8"):
            counting.count_batch(pa.array([b"fine", b"\xff"], pa.binary()))
        with pytest.raises(subtok.ArgumentError, match="does not close"):
            counting.count_batch(table(DOCS), pretokenizer="(")

    def test_of_what_was_counted_in_another_way(self):
        one, two = (counting.count_batch(table(DOCS), pretokenizer=p) for p in ("gpt2", "qwen2"))
        with pytest.raises(subtok.TrainingError, match="different pretokenizers"):
            counting.merge_counts([one, two])
        # The same when an engine has forgotten the metadata, and summed.
        rows = [
            batch
            for how in ("gpt2", "qwen2")
            for batch in counting.count_batches([table(DOCS)], pretokenizer=how)
        ]
        summed = pa.Table.from_batches(rows).group_by("word").aggregate([("count", "sum")])
        with pytest.raises(subtok.TrainingError, match="different pretokenizers"):
            counting.merge_counts(summed.rename_columns(["word", "count"]))

    def test_of_what_are_no_counts(self):
        made = counting.count_batch(table(DOCS))
        for wrong in (7, "counts.parquet", [made, 7], [None]):
            with pytest.raises(subtok.ArgumentTypeError, match="tables"):
                counting.merge_counts(wrong)
        with pytest.raises(subtok.ArgumentError):
            counting.merge_counts([])
        bare = made.replace_schema_metadata({})
        with pytest.raises(subtok.FormatError, match=r"tables\[0\]: .*does not say how"):
            counting.merge_counts(bare)
        with pytest.raises(subtok.FormatError, match="no column `count`"):
            counting.merge_counts(made.rename_columns(["word", "times"]))
        rows = next(iter(counting.count_batches([table(DOCS)]))).slice(0, 3)
        wrong = ("other", "manifest {", "manifest []", "manifest {}", "total documents")
        for word in (b"\xff" + text.encode() for text in wrong):
            extra = pa.record_batch([pa.array([word]), pa.array([1])], names=["word", "count"])
            with pytest.raises(subtok.FormatError):
                counting.merge_counts(pa.Table.from_batches([rows, extra]))
        nulls = pa.table({"word": pa.array([None], pa.binary()), "count": [1]})
        with pytest.raises(subtok.FormatError, match="1 empty values"):
            counting.merge_counts(nulls)
        empty = pa.table({"word": pa.array([b""]), "count": [1]})
        with pytest.raises(subtok.FormatError):
            counting.merge_counts(empty.replace_schema_metadata(made.schema.metadata))
