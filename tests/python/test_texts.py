"""Texts in memory that is not a string's: buffers, memory maps, arrays of numpy."""

from __future__ import annotations

import contextlib
import gc
import mmap
import sys
import threading
from array import array
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from conftest import CORPUS

import subtok

RAW = CORPUS.encode()
TEXTS = [*CORPUS.splitlines(), "", "a"]


def same(tok, form):
    want = tok.encode(CORPUS)
    got = tok.encode(form)
    assert got.ids.tolist() == want.ids.tolist()
    # These are computed later, and the text is read again.
    assert got.offsets.tolist() == want.offsets.tolist()
    assert got.byte_offsets.tolist() == want.byte_offsets.tolist()
    assert tok.count(form) == len(want.ids)
    assert tok.chunk(form, 20) == tok.chunk(CORPUS, 20)
    assert tok.truncate(form, 9) == tok.truncate(CORPUS, 9)
    batch = tok.encode_batch([form, "a", form])
    assert [row.ids.tolist() for row in batch] == [
        want.ids.tolist(),
        tok.encode("a").ids.tolist(),
        want.ids.tolist(),
    ]
    assert tok.count_batch([form]).tolist() == [len(want.ids)]


def read_only(form: np.ndarray) -> np.ndarray:
    form.setflags(write=False)
    return form


class TestOneText:
    @pytest.mark.parametrize(
        "form",
        [
            RAW,
            bytearray(RAW),
            memoryview(RAW),
            memoryview(bytearray(RAW)),
            memoryview(b"x" + RAW)[1:],
            memoryview(bytes(np.repeat(np.frombuffer(RAW, np.uint8), 2)))[::2],
            memoryview(RAW).cast("c"),
            np.frombuffer(RAW, np.uint8),
            np.frombuffer(bytearray(RAW), np.uint8),
            np.frombuffer(RAW, np.uint8).copy()[::-1][::-1],
            read_only(np.frombuffer(RAW, np.uint8).repeat(3))[::3],
            np.bytes_(RAW),
            array("B", RAW),
            pa.py_buffer(RAW),
        ],
        ids=lambda form: type(form).__name__,
    )
    def test_whatever_shows_bytes(self, bpe, form):
        same(bpe, form)

    def test_memory_maps(self, bpe, tmp_path):
        file = tmp_path / "text"
        file.write_bytes(RAW)
        with file.open("r+b") as opened:
            for access in (mmap.ACCESS_READ, mmap.ACCESS_WRITE, mmap.ACCESS_COPY):
                with mmap.mmap(opened.fileno(), 0, access=access) as mapped:
                    same(bpe, mapped)
                    gc.collect()
        for mode in ("r", "r+", "c"):
            same(bpe, np.memmap(file, np.uint8, mode))

    def test_what_may_change_is_copied(self, bpe, tmp_path):
        want = bpe.encode(CORPUS)
        memory = bytearray(RAW)
        got, batch = bpe.encode(memory), bpe.encode_batch([memory])
        # Nothing is held, and nothing that is done to it is seen.
        memory[:] = b"\xff" * len(memory)
        memory.clear()
        assert got.offsets.tolist() == batch[0].offsets.tolist() == want.offsets.tolist()
        file = tmp_path / "text"
        file.write_bytes(RAW)
        with file.open("r+b") as opened:
            mapped = mmap.mmap(opened.fileno(), 0)
            got = bpe.encode(mapped)
            mapped.close()
            assert got.offsets.tolist() == want.offsets.tolist()
            mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
            got = bpe.encode(mapped)
            with pytest.raises(BufferError):
                mapped.close()
            assert got.offsets.tolist() == want.offsets.tolist()
            del got
            gc.collect()
            mapped.close()

    def test_what_another_class_says_of_its_memory_is_not_believed(self, bpe):
        class Claims(np.ndarray):
            @property
            def base(self) -> bytes:
                return b""

        want = bpe.encode(CORPUS).word_ids.tolist()
        memory = bytearray(RAW)
        form = read_only(np.frombuffer(memory, np.uint8).view(Claims))
        got = bpe.encode(form)
        memory[:] = b"x" * len(memory)
        # For these the text is read again.
        assert got.word_ids.tolist() == want

    def test_a_read_only_view_of_what_may_change(self, bpe, tmp_path):
        want = bpe.encode(CORPUS).offsets.tolist()
        file = tmp_path / "text"
        file.write_bytes(RAW)
        with file.open("r+b") as opened:
            mapped = mmap.mmap(opened.fileno(), 0)
        for memory in (np.frombuffer(bytearray(RAW), np.uint8), np.frombuffer(mapped, np.uint8)):
            view = memory[:]
            view.setflags(write=False)
            forms = [view, view[:], memoryview(view), memoryview(memory).toreadonly()]
            got = [bpe.encode(form) for form in forms]
            memory[:] = 0xFF
            for encoding, form in zip(got, forms, strict=True):
                assert encoding.offsets.tolist() == want
                with pytest.raises(subtok.TextError, match="byte 0"):
                    bpe.encode(form)

    def test_a_file_that_is_written_to_between_calls(self, bpe, tmp_path):
        file = tmp_path / "text"
        file.write_bytes(RAW)
        with file.open("r+b") as opened:
            mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
            got = bpe.encode(mapped)
            opened.write(b"\xff" * 9)
            opened.flush()
            # Numbers that mean nothing, or an error, and nothing worse.
            with contextlib.suppress(subtok.SubtokError):
                assert got.offsets.shape[1] == 2
            with pytest.raises(subtok.TextError, match="byte 0"):
                bpe.encode(mapped)

    @pytest.mark.parametrize(
        ("bytes_", "position"), [(b"ab\xff", 2), (b"\xed\xa0\x80", 0), (b"abc\xe4\xbd", 3)]
    )
    def test_bytes_that_are_no_text(self, bpe, bytes_, position):
        for make in (bytes, bytearray, memoryview, lambda x: np.frombuffer(x, np.uint8)):
            with pytest.raises(subtok.TextError, match=f"byte {position}"):
                bpe.encode(make(bytes_))
            with pytest.raises(subtok.TextError, match=f"byte {position}.*row 1|row 1"):
                bpe.encode_batch(["a", make(bytes_)])

    @pytest.mark.parametrize(
        "wrong",
        [
            np.array([True]),
            np.array([97], np.uint16),
            np.array([[97]], np.uint8),
            np.array(97, np.uint8),
            np.array(["a"]),
            np.array([b"a"]),
            array("i", [97]),
            memoryview(b"abcd").cast("B", (2, 2)),
            5,
            None,
            ["a"],
        ],
        ids=repr,
    )
    def test_other_memory_is_no_text(self, bpe, wrong):
        with pytest.raises(subtok.ArgumentTypeError, match="text must be a string"):
            bpe.encode(wrong)
        with pytest.raises(subtok.ArgumentTypeError, match=r"texts\[1\] must be a string"):
            bpe.encode_batch(["a", wrong])

    def test_one_text_is_no_batch(self, bpe, tmp_path):
        file = tmp_path / "text"
        file.write_bytes(RAW)
        with file.open("rb") as opened:
            mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        for form in (RAW, bytearray(RAW), memoryview(RAW), mapped, np.frombuffer(RAW, np.uint8)):
            with pytest.raises(subtok.ArgumentTypeError, match="texts"):
                bpe.encode_batch(form)

    def test_nothing(self, bpe):
        for form in (b"", bytearray(), memoryview(b""), np.zeros(0, np.uint8), array("B")):
            assert len(bpe.encode(form)) == 0


class TestArrays:
    def test_every_kind_of_array_of_texts(self, bpe):
        want = [row.ids.tolist() for row in bpe.encode_batch(TEXTS)]
        raw = [text.encode() for text in TEXTS]
        forms = [
            np.array(TEXTS),
            np.array(TEXTS, object),
            np.array(raw),
            np.array(raw, object),
            np.array([x for text in TEXTS for x in (text, "-")])[::2],
            np.array(TEXTS)[::-1][::-1],
            np.array(TEXTS).astype(np.array(TEXTS).dtype.newbyteorder(">")),
        ]
        if hasattr(np.dtypes, "StringDType"):
            forms.append(np.array(TEXTS, np.dtypes.StringDType()))
        for form in forms:
            assert [row.ids.tolist() for row in bpe.encode_batch(form)] == want
            assert bpe.count_batch(form).tolist() == [len(row) for row in want]

    def test_bytes_of_a_fixed_width_end_as_numpy_has_it(self, bpe):
        texts = np.array([b"a\0b\0\0", b"\0", b"xyz"], "S8")
        want = bpe.encode_batch(texts.tolist())
        assert texts.tolist() == [b"a\0b", b"", b"xyz"]
        got = bpe.encode_batch(texts)
        assert [x.ids.tolist() for x in got] == [x.ids.tolist() for x in want]

    def test_missing_texts(self, bpe):
        for missing in (np.array(["a", None], object),):
            with pytest.raises(subtok.ArgumentTypeError, match=r"texts\[1\]"):
                bpe.encode_batch(missing)
            assert len(bpe.encode_batch(missing, nulls="empty")[1]) == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_mapped_file_is_not_copied(bpe, tmp_path):
    size = 64 << 20
    file = tmp_path / "text"
    # Everything is read, and the call ends there: no ids are in the way of what is measured.
    file.write_bytes(b"a " * (size // 2) + b"\xff")

    def anonymous() -> int:
        status = Path("/proc/self/status").read_text().splitlines()
        lines = dict(line.split(":", 1) for line in status)
        return int(lines["RssAnon"].split()[0]) << 10

    with file.open("rb") as opened:
        mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    offsets = pa.py_buffer(np.array([0, size, size + 1], np.int32))
    column = pa.BinaryArray.from_buffers(pa.binary(), 2, [None, offsets, pa.py_buffer(mapped)])
    calls = [
        (bpe.encode, mapped),
        (bpe.encode, np.memmap(file, np.uint8, "r")),
        (bpe.encode_batch, [mapped]),
        (bpe.encode_batch, column),
    ]
    peak, done = [], threading.Event()

    def watch():
        while not done.wait(0.0005):
            peak.append(anonymous())

    before = anonymous()
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for call, given in calls:
            with pytest.raises(subtok.TextError, match=f"byte {size}|row 1"):
                call(given)
    finally:
        done.set()
        watcher.join()
    assert max([*peak, anonymous()]) - before < size // 2
