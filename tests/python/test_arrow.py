"""Arrow data in and out: in place, released once, and checked however they come."""

from __future__ import annotations

import gc
import struct
import sys
import threading
from pathlib import Path

import arrow_producer as by_hand
import numpy as np
import pyarrow as pa
import pytest
from conftest import CORPUS
from hypothesis import given
from hypothesis import strategies as st

import subtok

TEXTS = ["a b", "c", "one two " * 9, "", "größer 한국어, and beyond twelve bytes", "드", "x\x00y"]
KINDS = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.binary(),
    pa.large_binary(),
    pa.binary_view(),
    *(
        pa.dictionary(index, value)
        for index in (pa.int8(), pa.uint8(), pa.int16(), pa.uint16())
        for value in (pa.string(), pa.large_string())
    ),
    *(pa.dictionary(index, pa.string()) for index in (pa.int32(), pa.uint32())),
    *(pa.dictionary(index, pa.large_binary()) for index in (pa.int64(), pa.uint64())),
]


def column(texts, kind):
    if not pa.types.is_dictionary(kind):
        return pa.array(texts, pa.string()).cast(kind)
    values = [*dict.fromkeys(texts)]
    indices = pa.array([None if x is None else values.index(x) for x in texts], kind.index_type)
    return pa.DictionaryArray.from_arrays(indices, pa.array(values, kind.value_type))


def address(array: pa.Array | np.ndarray) -> int:
    if isinstance(array, np.ndarray):
        return array.__array_interface__["data"][0]
    return array.buffers()[1].address


class TestTexts:
    @pytest.mark.parametrize("kind", KINDS, ids=str)
    def test_every_form_of_text(self, bpe, kind):
        want = bpe.encode_batch(TEXTS)
        whole = column(TEXTS, kind)
        wide = column(["x", "yy", *TEXTS, "z"], kind)
        forms = [
            whole,
            wide.slice(2, len(TEXTS)),
            pa.chunked_array([whole[:2], whole[2:2], whole[2:]]),
            pa.chunked_array([wide[2:5], wide[5 : len(TEXTS) + 2]]),
        ]
        for given_texts in forms:
            batch = bpe.encode_batch(given_texts)
            assert np.array_equal(batch.ids, want.ids)
            assert np.array_equal(batch.row_offsets, want.row_offsets)
            # What is computed later reads the text again.
            assert [row.offsets.tolist() for row in batch] == [row.offsets.tolist() for row in want]
            assert bpe.count_batch(given_texts).tolist() == np.diff(want.row_offsets).tolist()

    def test_empty_columns(self, bpe):
        for kind in KINDS:
            assert len(bpe.encode_batch(pa.array([], kind))) == 0
            assert len(bpe.encode_batch(pa.chunked_array([], kind))) == 0
            assert len(bpe.encode_batch(column(["a"], kind).slice(1))) == 0
        assert len(bpe.encode_batch(pa.nulls(0))) == 0

    def test_pairs(self, wordpiece):
        firsts, seconds = TEXTS[:4], TEXTS[3:]
        want = wordpiece.encode_batch(firsts, seconds)
        for first, second in [
            (pa.array(firsts), pa.chunked_array([seconds[:1], seconds[1:]])),
            (firsts, pa.array(seconds, pa.string_view())),
            (pa.array(firsts), seconds),
        ]:
            batch = wordpiece.encode_batch(first, second)
            assert np.array_equal(batch.ids, want.ids)
            assert [x.type_ids.tolist() for x in batch] == [x.type_ids.tolist() for x in want]
            padded, wanted = batch.padded(), want.padded()
            assert np.array_equal(padded["token_type_ids"], wanted["token_type_ids"])
        with pytest.raises(subtok.ArgumentError, match="pairs has 1 rows, but texts has 2"):
            wordpiece.encode_batch(pa.array(["a", "b"]), pa.array(["c"]))

    @pytest.mark.parametrize("kind", [*KINDS, pa.null()], ids=str)
    def test_nulls_are_an_error_or_empty(self, bpe, kind):
        texts = [None, None] if kind == pa.null() else ["one", None, "two", None, ""]
        rows = pa.nulls(2) if kind == pa.null() else column(texts, kind)
        want = bpe.encode_batch([text or "" for text in texts])
        first = texts.index(None)
        for given_texts in (rows, pa.chunked_array([rows[:1], rows[1:]]), rows.slice(0)):
            with pytest.raises(subtok.ArgumentError, match=f"texts is null in row {first}, but"):
                bpe.encode_batch(given_texts)
            batch = bpe.encode_batch(given_texts, nulls="empty")
            assert np.array_equal(batch.row_offsets, want.row_offsets)
            assert bpe.count_batch(given_texts, nulls="empty").tolist() == [len(x) for x in want]
        with pytest.raises(subtok.ArgumentError, match=f"pairs is null in row {first}, but"):
            bpe.encode_batch(["a"] * len(texts), rows)

    def test_none_in_lists_follows_the_same_rule(self, bpe):
        assert bpe.count_batch(["one", None], nulls="empty")[1] == 0
        with pytest.raises(subtok.ArgumentTypeError, match=r"texts\[1\]"):
            bpe.encode_batch(["one", None])
        with pytest.raises(subtok.ArgumentError, match="nulls is 'drop'|nulls is \"drop\""):
            bpe.encode_batch(["one"], nulls="drop")

    def test_nulls_in_the_dictionary_itself(self, bpe):
        values = pa.array(["one", None])
        rows = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.int8()), values)
        with pytest.raises(subtok.ArgumentError, match="null in row 1"):
            bpe.encode_batch(rows)

    def test_bytes_that_are_no_text_are_named_by_row(self, bpe):
        for kind in (pa.binary(), pa.large_binary(), pa.binary_view()):
            whole = pa.array([b"fine", b"", b"ab\xff"], kind)
            for rows in (whole, pa.chunked_array([whole[:2], whole[2:]])):
                with pytest.raises(subtok.TextError, match="invalid UTF-8 at byte 2 of row 2"):
                    bpe.encode_batch(rows)
                with pytest.raises(subtok.TextError, match="row 2"):
                    bpe.count_batch(rows)

    @pytest.mark.parametrize(
        "rows",
        [
            pa.array([1, 2]),
            pa.array([["a"]]),
            pa.table({"x": ["a"]}),
            pa.record_batch({"x": ["a"]}),
            pa.chunked_array([[1.5]]),
            pa.array([True]),
            pa.array([1, 2]).dictionary_encode(),
            pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array(["a"])),
        ],
        ids=lambda rows: str(getattr(rows, "type", type(rows).__name__)),
    )
    def test_what_is_no_text_is_refused(self, bpe, rows):
        for given_texts in (rows, rows.slice(1)):
            with pytest.raises(subtok.ArgumentTypeError, match="texts must be a column of text"):
                bpe.encode_batch(given_texts)

    def test_words_come_in_lists(self, bpe):
        words = [["one", " two"], ["x"]]
        want = bpe.encode_batch(words, is_split_into_words=True)
        batch = bpe.encode_batch(pa.array(words), is_split_into_words=True)
        assert np.array_equal(batch.ids, want.ids)

    def test_arrays_of_numpy(self, bpe):
        want = bpe.encode_batch(TEXTS).ids
        # An array of `str_` cannot keep NULs at the end; there is none.
        for dtype in (np.str_, object, np.dtypes.StringDType()):
            assert np.array_equal(bpe.encode_batch(np.array(TEXTS, dtype)).ids, want)

    def test_a_mapped_file(self, bpe, tmp_path: Path):
        path = tmp_path / "texts.arrow"
        table = pa.table({"text": pa.chunked_array([TEXTS, TEXTS[::-1]])})
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        with pa.memory_map(str(path)) as source:
            mapped = pa.ipc.open_file(source).read_all()["text"]
            batch = bpe.encode_batch(mapped)
        del mapped, source
        want = bpe.encode_batch([*TEXTS, *TEXTS[::-1]])
        assert np.array_equal(batch.ids, want.ids)
        # The batch keeps the mapping alive.
        assert [row.tokens for row in batch] == [row.tokens for row in want]

    def test_texts_are_read_where_they_are(self, bpe):
        memory = bytearray(b"one two")
        offsets = pa.py_buffer(np.array([0, 7], np.int32))
        rows = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(memory)])
        batch = bpe.encode_batch(rows)
        assert batch[0].ids.tolist() == bpe.encode("one two").ids.tolist()
        # Nobody may do this; it shows that there is no copy, and what happens to those who do.
        memory[:] = b"two one"
        assert batch[0].tokens == bpe.encode("two one").tokens
        memory[0] = 0xFF
        with pytest.raises(subtok.TextError, match="row 0"):
            _ = batch[0].tokens

    def test_odd_addresses(self, bpe):
        for dtype, kind in ((np.int32, pa.string()), (np.int64, pa.large_string())):
            raw = b"\0" + np.array([0, 3, 3, 7], dtype).tobytes()
            offsets = pa.py_buffer(memoryview(raw)[1:])
            rows = pa.Array.from_buffers(kind, 3, [None, offsets, pa.py_buffer(b"one two")])
            assert bpe.count_batch(rows).tolist() == bpe.count_batch(["one", "", " two"]).tolist()

    def test_threads_and_long_columns(self, bpe):
        texts = [CORPUS[n % 50 :] for n in range(700)]
        want = bpe.encode_batch(texts, threads=1)
        batch = bpe.encode_batch(pa.array(texts), threads=3)
        assert np.array_equal(batch.ids, want.ids)
        with pytest.raises(subtok.TextError, match="row 699"):
            bpe.encode_batch(pa.array([*(x.encode() for x in texts[:-1]), b"\xe4"]), threads=3)

    @given(
        st.lists(st.one_of(st.none(), st.text(max_size=20)), max_size=8),
        st.sampled_from(KINDS),
        st.data(),
    )
    def test_any_column_is_its_list(self, bpe, texts, kind, data):
        rows = column(texts, kind)
        start = data.draw(st.integers(0, len(texts)))
        stop = data.draw(st.integers(start, len(texts)))
        cut = data.draw(st.integers(start, stop))
        want = bpe.encode_batch([text or "" for text in texts[start:stop]])
        for part in (rows[start:stop], pa.chunked_array([rows[start:cut], rows[cut:stop]], kind)):
            batch = bpe.encode_batch(part, nulls="empty")
            assert np.array_equal(batch.ids, want.ids)
            assert np.array_equal(batch.row_offsets, want.row_offsets)


def ints(*numbers: int, kind: str = "i") -> bytes:
    return struct.pack(f"={len(numbers)}{kind}", *numbers)


def view(length: int, prefix: bytes = b"....", buffer: int = 0, offset: int = 0) -> bytes:
    return struct.pack("=i4sii", length, prefix, buffer, offset)


def utf8(length=1, offsets=(0, 3), text=b"abc", **fields):
    given_fields = {"buffers": [None, ints(*offsets), text], **fields}
    return by_hand.Schema(b"u"), by_hand.Array(length, given_fields.pop("buffers"), **given_fields)


def views(rows: bytes, parts: tuple[bytes, ...] = (), sizes: tuple[int, ...] | None = None):
    sizes = tuple(map(len, parts)) if sizes is None else sizes
    buffers = [None, rows, *parts, ints(*sizes, kind="q")]
    return by_hand.Schema(b"vu"), by_hand.Array(len(rows) // 16, buffers)


def dictionary(indices: bytes, kind: bytes = b"i", values=None, length: int = 1, **fields):
    schema, array = values or utf8()
    return (
        by_hand.Schema(kind, dictionary=schema),
        by_hand.Array(length, [None, indices], **{"dictionary": array, **fields}),
    )


MALFORMED = {
    "two buffers": lambda: utf8(buffers=[None, ints(0, 3)]),
    "no buffers": lambda: utf8(buffers=[]),
    "four buffers": lambda: utf8(buffers=[None, ints(0, 3), b"abc", b""]),
    "a negative number of buffers": lambda: utf8(n_buffers=-1),
    "a huge number of buffers": lambda: utf8(n_buffers=1 << 40),
    "no list of buffers": lambda: (
        by_hand.Schema(b"u"),
        by_hand.Array(1, [None, ints(0, 3), b"abc"], buffers=None),
    ),
    "no offsets": lambda: utf8(buffers=[None, None, b"abc"]),
    "no text": lambda: utf8(buffers=[None, ints(0, 3), None]),
    "a negative length": lambda: utf8(length=-1),
    "a negative offset": lambda: utf8(offset=-1),
    "length and offset overflow": lambda: utf8(length=2**63 - 1, offset=2**63 - 1),
    "a length that no memory has": lambda: utf8(length=2**62),
    "offsets going backwards": lambda: utf8(3, (0, 3, 1, 3)),
    "offsets beyond the last": lambda: utf8(2, (0, 9, 3)),
    "a negative first offset": lambda: utf8(1, (-1, 3)),
    "a negative last offset": lambda: utf8(1, (0, -3)),
    "nulls without a bitmap": lambda: utf8(null_count=1),
    "more nulls than rows": lambda: utf8(null_count=2),
    "a null count of -2": lambda: utf8(null_count=-2),
    "children": lambda: utf8(n_children=1),
    "a dictionary that the schema does not have": lambda: (
        by_hand.Schema(b"u"),
        by_hand.Array(1, [None, ints(0, 3), b"abc"], dictionary=utf8()[1]),
    ),
    "a dictionary that the array does not have": lambda: dictionary(ints(0), dictionary=None),
    "an index beyond the dictionary": lambda: dictionary(ints(1)),
    "a negative index": lambda: dictionary(ints(-1)),
    "a huge unsigned index": lambda: dictionary(ints(2**64 - 1, kind="Q"), kind=b"L"),
    "an index of floats": lambda: dictionary(ints(0), kind=b"f"),
    "no indices": lambda: dictionary(None),
    "a broken dictionary": lambda: dictionary(ints(0), values=utf8(1, (2, 1))),
    "a view of negative length": lambda: views(view(-1)),
    "a view of no buffer": lambda: views(view(13)),
    "a view of a negative buffer": lambda: views(view(13, buffer=-1), (b"a" * 13,)),
    "a view beyond its buffer": lambda: views(view(13, offset=1), (b"a" * 13,)),
    "a view before its buffer": lambda: views(view(13, offset=-1), (b"a" * 13,)),
    "a buffer of negative size": lambda: views(view(13), (b"a" * 13,), (-1,)),
    "views without buffers": lambda: (by_hand.Schema(b"vu"), by_hand.Array(1, [None, view(1)])),
    "no views": lambda: (by_hand.Schema(b"vu"), by_hand.Array(1, [None, None, ints(0)])),
    "no sizes": lambda: (
        by_hand.Schema(b"vu"),
        by_hand.Array(1, [None, view(13), b"a" * 13, None]),
    ),
    "no format": lambda: (by_hand.Schema(None), utf8()[1]),
    "a fortune of rows without anything": lambda: (by_hand.Schema(b"n"), by_hand.Array(2**40, [])),
}
NO_TEXT = {
    "": b"",
    "no such format": b"\xff\xfe",
    "a long format": b"u" * 5000,
    "an integer": b"i",
    "a struct": b"+s",
}


class TestHostileProducers:
    @pytest.mark.parametrize("make", MALFORMED.values(), ids=MALFORMED)
    def test_malformed_data_are_typed_errors_and_released_once(self, bpe, make):
        schema, array = make()
        with pytest.raises(subtok.ArgumentError, match="texts is Arrow data with") as caught:
            bpe.encode_batch(by_hand.Column(schema, array), nulls="empty")
        assert len(str(caught.value)) < 300
        del caught
        gc.collect()
        assert (schema.released, array.released) == (1, 1)

    @pytest.mark.parametrize("make", MALFORMED.values(), ids=MALFORMED)
    def test_the_same_in_a_stream(self, bpe, make):
        (schema, array), good = make(), utf8()[1]
        plain = schema.struct.format == b"u"
        stream = by_hand.Stream(schema, [good, array] if plain else [array])
        with pytest.raises(subtok.ArgumentError, match="texts is Arrow data with"):
            bpe.count_batch(stream, nulls="empty")
        gc.collect()
        assert (schema.released, stream.released) == (1, 1)
        # A schema that cannot be ends the call before an array is asked for.
        taken = len(stream.arrays) - len(stream.waiting)
        assert [x.released for x in stream.arrays] == [1] * taken + [0] * len(stream.waiting)

    @pytest.mark.parametrize("format", NO_TEXT.values(), ids=NO_TEXT)
    def test_formats_that_are_no_text(self, bpe, format):
        schema, array = by_hand.Schema(format), utf8()[1]
        with pytest.raises(subtok.ArgumentTypeError, match="must be a column of text") as caught:
            bpe.encode_batch(by_hand.Column(schema, array))
        assert len(str(caught.value)) < 300
        assert (schema.released, array.released) == (1, 1)

    def test_good_data_are_released_with_the_batch(self, bpe):
        schema, array = utf8(2, (0, 1, 3))
        batch = bpe.encode_batch(by_hand.Column(schema, array))
        assert (schema.released, array.released) == (1, 0)
        row = batch[1]
        del batch
        assert row.tokens == bpe.encode("bc").tokens
        del row
        assert (schema.released, array.released) == (1, 1)

    def test_nothing_needs_no_buffers(self, bpe):
        for offset in (0, 1):
            schema = by_hand.Schema(b"u")
            array = by_hand.Array(0, [None, ints(0, 0) if offset else None, None], offset=offset)
            assert len(bpe.encode_batch(by_hand.Column(schema, array))) == 0

    def test_streams_that_fail(self, bpe):
        stream = by_hand.Stream(by_hand.Schema(b"u"), [utf8()[1]], b"disk on fire", 5)
        with pytest.raises(subtok.ArgumentError, match="a stream that failed: disk on fire"):
            bpe.encode_batch(stream)
        assert stream.released == stream.arrays[0].released == 1
        stream = by_hand.Stream(by_hand.Schema(b"u"), [], None, 5)
        with pytest.raises(subtok.ArgumentError, match="failed with the code 5"):
            bpe.encode_batch(stream)
        stream = by_hand.Stream(by_hand.Schema(b"u"), [])
        stream.schema.struct.release = None
        with pytest.raises(subtok.ArgumentError, match="a stream without a schema"):
            bpe.encode_batch(stream)
        for function in ("get_schema", "get_next"):
            stream = by_hand.Stream(by_hand.Schema(b"u"), [])
            setattr(stream.struct, function, None)
            with pytest.raises(subtok.ArgumentError, match="a stream without functions"):
                bpe.encode_batch(stream)
            assert stream.released == 1

    def test_a_stream_that_fails_in_python(self, bpe):
        def batches():
            yield pa.record_batch({"x": ["a"]})
            raise ZeroDivisionError

        reader = pa.RecordBatchReader.from_batches(pa.schema({"x": pa.string()}), batches())
        with pytest.raises(subtok.ArgumentTypeError, match="column of text"):
            bpe.encode_batch(reader)

    def test_capsules_that_are_none(self, bpe):
        class Fake:
            def __init__(self, answer):
                self.answer = answer

            def __arrow_c_array__(self, requested_schema=None):
                return self.answer

        class FakeStream(Fake):
            def __arrow_c_stream__(self, requested_schema=None):
                return self.answer

            __arrow_c_array__ = property()

        pair = pa.array(["a"]).__arrow_c_array__()
        for answer in (None, 1, (), (1, 2), pair[:1], [*pair], (*pair, pair[0]), (pair[0], None)):
            with pytest.raises(subtok.ArgumentTypeError, match="must be a pair of capsules"):
                bpe.encode_batch(Fake(answer))
        with pytest.raises(subtok.ArgumentError, match="no capsule named"):
            bpe.encode_batch(Fake(pair[::-1]))
        assert len(bpe.encode_batch(Fake(pair))) == 1
        with pytest.raises(subtok.ArgumentError, match="used already"):
            bpe.encode_batch(Fake(pair))
        with pytest.raises(subtok.ArgumentTypeError, match="must be a capsule"):
            bpe.encode_batch(FakeStream(None))
        with pytest.raises(subtok.ArgumentError, match="no capsule named"):
            bpe.encode_batch(FakeStream(pa.array(["a"]).__arrow_c_array__()[0]))

    def test_exceptions_of_the_producer_come_through(self, bpe):
        class Failing:
            def __arrow_c_array__(self, requested_schema=None):
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            bpe.encode_batch(Failing())

    def test_a_producer_without_its_library_is_iterated_over(self, bpe):
        class Frame(list):
            pass

        class Column:
            def __arrow_c_stream__(self, requested_schema=None):
                raise ImportError

            def tolist(self):
                return ["one", "two"]

        assert len(bpe.encode_batch(Column())) == 2

    @given(
        st.lists(st.integers(-2, 30), min_size=1, max_size=6),
        st.integers(0, 16),
        st.integers(0, 3),
        st.booleans(),
    )
    def test_any_offsets_give_text_or_a_typed_error(self, bpe, offsets, last, offset, large):
        text = "abc dé 한 xyz".encode()[:16]
        offsets = [*offsets, min(last, len(text))]
        rows = len(offsets) - 1 - min(offset, len(offsets) - 1)
        array = by_hand.Array(
            rows,
            [None, ints(*offsets, kind="q" if large else "i"), text],
            offset=len(offsets) - 1 - rows,
        )
        good = [
            text[a:b]
            for a, b in zip(offsets[-rows - 1 :], offsets[len(offsets) - rows :], strict=False)
            if 0 <= a <= b <= offsets[-1]
        ]
        made = by_hand.Column(by_hand.Schema(b"Z" if large else b"z"), array)
        try:
            counts = bpe.count_batch(made)
        except (subtok.ArgumentError, subtok.TextError):
            assert len(good) < rows or any(
                x.decode(errors="replace").encode() != x for x in good
            )
        else:
            assert counts.tolist() == bpe.count_batch(good).tolist()
        assert array.released == 1

    @given(st.lists(st.tuples(*[st.integers(-3, 40)] * 3), max_size=5), st.binary(max_size=30))
    def test_any_views_give_text_or_a_typed_error(self, bpe, rows, text):
        packed = b"".join(view(a, b"abcd", b % 3, c) for a, b, c in rows)
        schema, array = views(packed, (text, b"x" * 40))
        try:
            counts = bpe.count_batch(by_hand.Column(schema, array))
        except (subtok.ArgumentError, subtok.TextError):
            pass
        else:
            assert len(counts) == len(rows)
        assert (schema.released, array.released) == (1, 1)


class TestIds:
    def test_the_ids_are_one_memory(self, bpe):
        batch = bpe.encode_batch(TEXTS)
        rows = pa.array(batch)
        rows.validate(full=True)
        assert rows.type == pa.list_(pa.uint32())
        assert rows.to_pylist() == [row.ids.tolist() for row in batch]
        assert address(rows.values) == address(batch.ids)
        assert batch.ids.flags.writeable

    def test_large_lists_share_the_offsets_too(self, bpe):
        batch = bpe.encode_batch(TEXTS)
        kind = pa.large_list(pa.uint32())
        one, two = pa.array(batch, kind), pa.array(batch, kind)
        one.validate(full=True)
        assert one.type == kind
        assert address(one) == address(two)
        assert address(one.values) == address(batch.ids)
        assert one.to_pylist() == [row.ids.tolist() for row in batch]

    def test_requested_types(self, bpe):
        batch = bpe.encode_batch(["one"])
        for asked, given_type in [
            (pa.list_(pa.uint32()), pa.list_(pa.uint32())),
            (pa.large_list(pa.uint32()), pa.large_list(pa.uint32())),
            # Another type is the consumer's to cast to.
            (pa.int64(), pa.list_(pa.uint32())),
        ]:
            capsules = batch.__arrow_c_array__(asked.__arrow_c_schema__())
            assert pa.Array._import_from_c_capsule(*capsules).type == given_type
        with pytest.raises(subtok.ArgumentTypeError, match="requested_schema must be a capsule"):
            batch.__arrow_c_array__(1)
        with pytest.raises(subtok.ArgumentError, match="no capsule named"):
            batch.__arrow_c_array__(batch.__arrow_c_array__()[1])
        assert pa.DataType._import_from_c_capsule(batch.__arrow_c_schema__()) == pa.list_(
            pa.uint32()
        )

    def test_other_ways_in(self, bpe):
        batch = bpe.encode_batch(TEXTS)
        want = [row.ids.tolist() for row in batch]
        assert pa.chunked_array(batch).to_pylist() == want
        assert pa.chunked_array([batch, batch]).to_pylist() == want + want
        assert pa.table({"ids": batch})["ids"].to_pylist() == want

    def test_empty_and_padded_batches(self, bpe):
        for texts in ([], [""], ["", ""]):
            rows = pa.array(bpe.encode_batch(texts))
            rows.validate(full=True)
            assert rows.to_pylist() == [[] for _ in texts]
        batch = bpe.encode_batch(["one", "two three"], padding="longest", padding_side="left")
        assert pa.array(batch).to_pylist() == [row.ids.tolist() for row in batch]

    def test_ids_survive_the_batch(self, bpe):
        batch = bpe.encode_batch(TEXTS * 50)
        want = [row.ids.tolist() for row in batch]
        flat, rows = batch.ids, pa.array(batch)
        capsules = batch.__arrow_c_array__()
        del batch
        gc.collect()
        junk = [np.full(2000, 7, np.uint32) for _ in range(50)]
        assert rows.to_pylist() == want
        assert flat.tolist() == sum(want, [])
        del rows, flat, junk
        gc.collect()
        assert pa.Array._import_from_c_capsule(*capsules).to_pylist() == want

    def test_children_may_be_moved_out(self, bpe):
        rows = pa.array(bpe.encode_batch(TEXTS))
        values = rows.values
        want = values.to_pylist()
        del rows
        gc.collect()
        assert values.to_pylist() == want

    def test_ids_may_be_released_by_another_thread(self, bpe):
        held = [[pa.array(bpe.encode_batch(TEXTS)) for _ in range(20)] for _ in range(4)]
        threads = [threading.Thread(target=part.clear) for part in held]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert held == [[], [], [], []]

    def test_what_numpy_writes_moves_no_border(self, bpe):
        batch = bpe.encode_batch(TEXTS)
        batch.row_offsets[:] = 1 << 40
        pa.array(batch).validate(full=True)
        assert pa.array(batch).value_lengths().to_pylist() == [len(row) for row in batch]

    @pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
    def test_nothing_leaks(self, bpe):
        def resident() -> int:
            return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

        texts = pa.array(["x" * 1000] * 200)

        def once() -> None:
            # A MiB of ids each time.
            batch = bpe.encode_batch(["a"] * 64, padding="max_length", max_length=4096)
            pa.array(batch)
            pa.array(batch, pa.large_list(pa.uint32()))
            batch.__arrow_c_array__()
            batch.__arrow_c_schema__()
            bpe.count_batch(texts[:2])
            bpe.count_batch(pa.chunked_array([texts[:1], texts[1:2]]))

        for _ in range(20):
            once()
        before = resident()
        for _ in range(200):
            once()
        gc.collect()
        assert resident() - before < 40 << 20
        batch = bpe.encode_batch(["a b c"])
        before = resident()
        for _ in range(20_000):
            batch.__arrow_c_array__()
        pa.array(batch)
        assert resident() - before < 8 << 20
