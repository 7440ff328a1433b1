"""Ids to text: every form that ids come in, batches on threads, texts as an Arrow column."""

from __future__ import annotations

import array
import gc
import struct

import arrow_producer as by_hand
import numpy as np
import pyarrow as pa
import pytest
from conftest import CORPUS
from hypothesis import given
from hypothesis import strategies as st

import subtok

TEXTS = [*CORPUS.splitlines(), "", "한", CORPUS * 3, "<|endoftext|>a"]
INTEGERS = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", ">u2", ">i4", ">u4", ">i8", ">u8"]


def rows_of(tok, texts=TEXTS):
    return [tok.encode(text, split_special_tokens=True).ids for text in texts]


class TestArrays:
    @pytest.mark.parametrize("dtype", INTEGERS)
    def test_every_type_of_integer(self, bpe, dtype):
        for ids in rows_of(bpe):
            fits = ids[ids <= np.iinfo(dtype).max]
            want = bpe.decode(fits.tolist())
            given = fits.astype(dtype)
            spread = np.zeros(3 * len(fits) + 1, dtype)
            spread[1::3] = given
            raw = np.frombuffer(b"x" + given.tobytes(), np.uint8)[1:]
            for form in (given, spread[1::3], given[::-1][::-1], raw.view(dtype)):
                assert bpe.decode(form) == want
                assert bpe.decode_bytes(form).decode(errors="replace") == want
                assert bpe.decode_with_offsets(form)[0] == want
            assert bpe.decode_batch([given, spread[1::3]]) == [want, want]

    def test_buffers_that_are_no_arrays(self, bpe):
        ids = bpe.encode(CORPUS).ids
        for kind in "IiLlQqHh":
            given = array.array(kind, ids.tolist())
            assert bpe.decode(given) == CORPUS
            assert bpe.decode(memoryview(given)) == CORPUS
            assert bpe.decode(memoryview(given)[::2]) == bpe.decode(ids[::2])
        ids.setflags(write=False)
        assert bpe.decode(ids) == CORPUS
        assert bpe.decode(tuple(ids.tolist())) == bpe.decode(iter(ids.tolist())) == CORPUS
        assert bpe.decode(list(ids)) == CORPUS

    def test_nothing(self, bpe):
        for none in ([], (), np.array([], np.uint32), np.zeros(0, ">i8"), array.array("I")):
            assert bpe.decode(none) == "" == bpe.decode_batch([none])[0]
            assert bpe.decode_bytes(none) == b""
        assert bpe.decode_batch([]) == bpe.decode_batch(np.zeros((0, 5), int)) == []
        assert bpe.decode_batch(np.zeros((2, 0), np.int32)) == ["", ""]
        assert len(bpe.decode_arrow([])) == 0

    def test_matrices_are_rows(self, bpe):
        batch = bpe.encode_batch(TEXTS)
        padded = batch.padded(pad_id=0)["input_ids"]
        want = bpe.decode_batch([row.tolist() for row in padded])
        for form in (padded, padded.astype(np.uint32), np.asfortranarray(padded), list(padded)):
            assert bpe.decode_batch(form) == want
        assert [x.removesuffix("<|endoftext|>") for x in want] == bpe.decode_batch(batch)

    @pytest.mark.parametrize(
        ("ids", "position", "number"),
        [
            (np.array([1, 2, 70_000], np.uint32), 2, 70_000),
            (np.array([1, -1], np.int64), 1, -1),
            (np.array([-5, 1], np.int8), 0, -5),
            (np.array([1, 2**40], ">u8"), 1, 2**40),
            (np.array([2**63, 1], np.uint64), 0, 2**63),
            (np.array([1, 2, -3, 9, -3], np.int32)[::2], 1, -3),
            (array.array("q", [1, -7]), 1, -7),
            ([1, 2, 2**70], 2, 2**70),
            ([1, 4_294_967_295], 1, 4_294_967_295),
            ((1, -2), 1, -2),
        ],
    )
    def test_what_no_token_has_is_named(self, bpe, ids, position, number):
        told = rf"id {number} at position {position}\b"
        for decode in (bpe.decode, bpe.decode_bytes, bpe.decode_with_offsets):
            with pytest.raises(subtok.UnknownIdError, match=told):
                decode(ids)
        for decode in (bpe.decode_batch, bpe.decode_arrow):
            with pytest.raises(subtok.UnknownIdError, match=f"{told}.*row 1|row 1.*{told}"):
                decode([[1], ids, [-9]])
            with pytest.raises(subtok.UnknownIdError, match="row 0"):
                decode([[70_000], ids])
        known = [x for x in list(ids) if 0 <= x < bpe.id_limit]
        assert bpe.decode(ids, errors="skip") == bpe.decode(known)
        assert bpe.decode_batch([ids], errors="skip") == [bpe.decode(known)]

    @pytest.mark.parametrize(
        "ids",
        [
            np.array([1.0]),
            np.array([True]),
            np.array(["a"]),
            np.array([[1]]),
            np.array(1),
            np.array([1, 2], object),
            [1.5],
            ["a"],
            [None],
            "12",
            b"12",
            5,
            None,
        ],
    )
    def test_what_are_no_ids(self, bpe, ids):
        for decode, form in ((bpe.decode, ids), (bpe.decode_batch, [ids])):
            with pytest.raises((subtok.ArgumentTypeError, subtok.ArgumentError)):
                decode(form)

    def test_parts_of_characters(self, bpe):
        ids = bpe.encode("é한😀".encode() * 3).ids
        for start in range(len(ids)):
            for end in range(start, len(ids) + 1):
                part = ids[start:end]
                want = bpe.decode_bytes(part).decode(errors="replace")
                assert bpe.decode(part) == want == bpe.decode_arrow([part])[0]


class TestBatches:
    @pytest.mark.parametrize("threads", [None, 0, 1, 2, 9])
    def test_any_number_of_threads(self, bpe, threads):
        rows = rows_of(bpe) * 200
        want = [bpe.decode(row) for row in rows[: len(TEXTS)]] * 200
        assert sum(map(len, rows)) > 200_000
        assert bpe.decode_batch(rows, threads=threads) == want
        assert list(bpe.decode_arrow(rows, threads=threads)) == want
        rows[len(rows) - 7] = np.array([3, 4, 10**6])
        for decode in (bpe.decode_batch, bpe.decode_arrow):
            with pytest.raises(subtok.UnknownIdError, match="position 2") as told:
                decode(rows, threads=threads)
            assert f"row {len(rows) - 7}" in str(told.value)

    def test_wrong_arguments(self, bpe):
        for wrong in ({"threads": -1}, {"threads": "2"}, {"errors": "x"}, {"clean_up": True}):
            for decode in (bpe.decode_batch, bpe.decode_arrow):
                with pytest.raises((subtok.SubtokError, TypeError)):
                    decode([[1]], **wrong)
        for wrong in (5, None):
            with pytest.raises(subtok.ArgumentTypeError, match="rows"):
                bpe.decode_batch(wrong)

    def test_rows_of_a_batch(self, bpe):
        batch = bpe.encode_batch(TEXTS, split_special_tokens=True)
        want = [bpe.decode(row.ids) for row in batch]
        assert bpe.decode_batch(batch) == bpe.decode_batch(list(batch)) == want
        assert bpe.decode_batch(iter(batch)) == bpe.decode_batch(tuple(batch)) == want
        assert list(bpe.decode_arrow(batch)) == want
        # As with its rows, what counts is what the array holds now.
        batch.ids[0] = bpe.token_to_id("<|endoftext|>")
        assert bpe.decode_batch(batch, skip_special_tokens=False)[0].startswith("<|endoftext|>")
        batch.ids[-1] = 70_000
        with pytest.raises(subtok.UnknownIdError, match="70000"):
            bpe.decode_batch(batch)

    def test_an_iterator_that_fails(self, bpe):
        def rows():
            yield [1]
            raise LookupError("no more")

        with pytest.raises(LookupError, match="no more"):
            bpe.decode_batch(rows())

    @given(rows=st.lists(st.lists(st.integers(0, 399)), max_size=9), skip=st.booleans())
    def test_all_roads_agree(self, bpe, rows, skip):
        want = [bpe.decode(row, skip_special_tokens=skip) for row in rows]
        for given_ in (rows, [np.array(x, np.int32) for x in rows], pa.array(rows, LISTS[0])):
            assert bpe.decode_batch(given_, skip_special_tokens=skip) == want
            assert list(bpe.decode_arrow(given_, skip_special_tokens=skip)) == want


LISTS = [
    make(item)
    for make in (pa.list_, pa.large_list)
    for item in (
        *(pa.uint32(), pa.int32(), pa.uint64(), pa.int64(), pa.uint16(), pa.int16()),
        *(pa.uint8(), pa.int8()),
    )
]


class TestLists:
    @pytest.mark.parametrize("kind", LISTS, ids=str)
    def test_every_type_of_list(self, bpe, kind):
        rows = [[1, 2, 3], [], [4], [5, 6] * 40, [7]]
        want = bpe.decode_batch(rows)
        whole, wide = pa.array(rows, kind), pa.array([[9], *rows, [8]], kind)
        forms = [whole, wide[1:-1], wide.slice(1, 5), pa.chunked_array([whole[:2], whole[2:]])]
        for form in (*forms, pa.table({"x": whole})["x"]):
            assert bpe.decode_batch(form) == want
            assert list(bpe.decode_arrow(form)) == want
        assert bpe.decode_batch(whole[:0]) == bpe.decode_batch(pa.chunked_array([], kind)) == []

    def test_lists_of_a_fixed_size(self, bpe):
        rows = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
        for item in (pa.uint32(), pa.int64()):
            for width, cut in ((3, rows), (1, [x[:1] for x in rows]), (0, [[], []])):
                whole = pa.array(cut, pa.list_(item, width))
                assert bpe.decode_batch(whole) == bpe.decode_batch(cut)
                assert bpe.decode_batch(whole[1:]) == bpe.decode_batch(cut[1:])

    def test_a_batch_of_ours(self, bpe):
        batch = bpe.encode_batch(TEXTS, split_special_tokens=True)
        want = bpe.decode_batch(batch)
        column = pa.array(batch)
        assert bpe.decode_batch(column) == want

    def test_nulls_are_named(self, bpe):
        with pytest.raises(subtok.ArgumentError, match="null in row 1"):
            bpe.decode_batch(pa.array([[1], None, [2]], LISTS[0]))
        for kind in (LISTS[0], LISTS[3]):
            with pytest.raises(subtok.ArgumentError, match="null at 1 of row 2"):
                bpe.decode_batch(pa.array([[1], [2], [3, None]], kind))
            # One that no row holds is none.
            hidden = pa.array([[1], [2], [3, None]], kind)[:2]
            assert bpe.decode_batch(hidden) == bpe.decode_batch([[1], [2]])

    def test_ids_that_no_token_has(self, bpe):
        for kind, number in ((pa.int64(), -1), (pa.uint64(), 2**63), (pa.uint32(), 70_000)):
            column = pa.array([[1], [2, number]], pa.list_(kind))
            with pytest.raises(subtok.UnknownIdError, match=f"id {number} at .*row 1|row 1"):
                bpe.decode_batch(column)
            assert bpe.decode_batch(column, errors="skip") == bpe.decode_batch([[1], [2]])

    @pytest.mark.parametrize(
        "column",
        [
            pa.array([1, 2]),
            pa.array(["a"]),
            pa.array([[1.5]]),
            pa.array([["a"]]),
            pa.array([[[1]]]),
            pa.array([{"a": [1]}]),
            pa.array([[1]], pa.list_view(pa.int32())),
        ],
        ids=lambda column: str(column.type),
    )
    def test_other_types_are_named(self, bpe, column):
        with pytest.raises(subtok.ArgumentTypeError, match="rows must be a column of lists"):
            bpe.decode_batch(column)


class Parent:
    """A list array by hand; what it is made of may lie."""

    def __init__(self, kind, length, contents, child, item=b"I", children=1, **fields):
        self.item, self.child = by_hand.Schema(item), child
        self.places = [
            (by_hand.ctypes.c_void_p * 1)(x and x.address) for x in (self.item, self.child)
        ]
        self.schema = by_hand.Schema(kind)
        self.array = by_hand.Array(length, contents, **fields)
        for struct_, place in zip((self.schema, self.array), self.places, strict=True):
            struct_.struct.n_children = children
            struct_.struct.children = by_hand.ctypes.addressof(place)

    def __arrow_c_array__(self, requested_schema=None):
        return self.schema.capsule(b"arrow_schema"), self.array.capsule(b"arrow_array")


def numbers(*values, kind="I"):
    return struct.pack(f"<{len(values)}{kind}", *values)


def items(count=4, **fields):
    return by_hand.Array(count, [None, numbers(*range(1, count + 1))], **fields)


class TestLies:
    def test_the_truth_by_hand(self, bpe):
        want = bpe.decode_batch([[1, 2], [], [3]])
        offsets = numbers(0, 2, 2, 3)
        assert bpe.decode_batch(Parent(b"+l", 3, [None, offsets], items())) == want
        long = numbers(0, 2, 2, 3, kind="q")
        column = Parent(b"+L", 3, [None, long], items())
        assert bpe.decode_batch(column) == want
        del want
        gc.collect()
        assert column.array.released == 1 == column.schema.released
        fixed = Parent(b"+w:2", 2, [None], items())
        assert bpe.decode_batch(fixed) == bpe.decode_batch([[1, 2], [3, 4]])
        moved = Parent(b"+w:1", 2, [None], items(3, offset=1), offset=0)
        assert bpe.decode_batch(moved) == bpe.decode_batch([[2], [3]])

    @pytest.mark.parametrize(
        ("make", "told"),
        [
            (lambda: Parent(b"+l", 2, [None, numbers(0, 3, 2)], items()), "offsets 3 and 2"),
            (lambda: Parent(b"+l", 1, [None, numbers(0, 5)], items()), "0 and 5 in 4 values"),
            (lambda: Parent(b"+l", 1, [None, numbers(-1, 1, kind="i")], items()), "-1 and 1"),
            (lambda: Parent(b"+L", 1, [None, numbers(0, 2**60, kind="q")], items()), "offsets 0"),
            (lambda: Parent(b"+l", 1, [None, None], items()), "no buffer at 1"),
            (lambda: Parent(b"+l", 1, [None], items()), "1 buffers"),
            (lambda: Parent(b"+l", -1, [None, numbers(0)], items()), "length -1"),
            (lambda: Parent(b"+l", 1, [None, numbers(0, 1)], items(offset=-1)), "offset -1"),
            (lambda: Parent(b"+l", 2**62, [None, numbers(0)], items()), "length"),
            (lambda: Parent(b"+l", 1, [None, numbers(0, 1)], items(), children=2), "2 children"),
            (lambda: Parent(b"+l", 1, [None, numbers(0, 1)], items(), children=0), "0 children"),
            (lambda: Parent(b"+l", 1, [None, numbers(0, 1)], None), "no child"),
            (lambda: Parent(b"+l", 1, [None, numbers(0, 1)], items(null_count=9)), "9 nulls"),
            (lambda: Parent(b"+l", 1, [None, numbers(0, 1)], items(null_count=1)), "no bitmap"),
            (
                lambda: Parent(b"+l", 1, [None, numbers(0, 1)], by_hand.Array(1, [None, None])),
                "no buffer at 1",
            ),
            (
                lambda: Parent(b"+l", 1, [None, numbers(0, 1)], by_hand.Array(1, [None])),
                "1 buffers",
            ),
            (lambda: Parent(b"+w:3", 2, [None], items()), "lists of 3 in 4 values"),
            (lambda: Parent(b"+w:x", 2, [None], items()), "lists of the format"),
            (lambda: Parent(b"+w:-1", 2, [None], items()), "lists of the format"),
            (lambda: Parent(b"+w:0", 2**40, [None], items()), "rows of nothing"),
            (lambda: Parent(b"+w:9223372036854775807", 3, [None], items()), "lists of"),
        ],
    )
    def test_lies_are_errors(self, bpe, make, told):
        column = make()
        for decode in (bpe.decode_batch, bpe.decode_arrow):
            with pytest.raises(subtok.ArgumentError, match=told):
                decode(column)
            column = make()


class TestArrowTexts:
    def test_texts_are_a_column(self, bpe):
        rows = rows_of(bpe)
        want = bpe.decode_batch(rows)
        texts = bpe.decode_arrow(rows)
        assert isinstance(texts, subtok.TextBatch)
        assert (len(texts), list(texts), texts[-1]) == (len(want), want, want[-1])
        short, long = pa.array(texts), pa.array(texts, pa.large_string())
        assert (short.type, long.type) == (pa.string(), pa.large_string())
        for column in (short, long):
            column.validate(full=True)
            assert column.to_pylist() == want
        # One memory, which outlives the object.
        assert short.buffers()[2].address == long.buffers()[2].address
        total = len("".join(want).encode())
        assert repr(texts) == f"TextBatch(rows={len(want)}, bytes={total})"
        del texts
        gc.collect()
        assert short.to_pylist() == long.to_pylist() == want
        # It goes straight back in.
        again = bpe.encode_batch(bpe.decode_arrow(rows), split_special_tokens=True)
        assert bpe.decode_batch(again) == want

    def test_rows_that_are_not_there(self, bpe):
        texts = bpe.decode_arrow([[1], [2]])
        for wrong in (2, -3, 10**30):
            with pytest.raises(IndexError):
                texts[wrong]
        with pytest.raises(TypeError):
            texts["a"]

    def test_capsules_that_nobody_takes(self, bpe):
        texts = bpe.decode_arrow([[1]] * 1000)
        for _ in range(100):
            texts.__arrow_c_array__()
            texts.__arrow_c_schema__()
        with pytest.raises(subtok.ArgumentTypeError):
            texts.__arrow_c_array__(5)


def test_decoders_whose_first_token_differs():
    tok = subtok.train_wordpiece(iter(CORPUS.splitlines()), vocab_size=300)
    ids = tok.encode(CORPUS).ids
    texts = [tok.decode(ids[start:]) for start in range(40)]
    assert texts == tok.decode_batch([ids[start:] for start in range(40)])
    assert texts == list(tok.decode_arrow([ids[start:] for start in range(40)]))
    assert not any(text.startswith(" ") for text in texts)
