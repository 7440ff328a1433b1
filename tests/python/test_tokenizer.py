"""Tokenizer, Encoding, EncodingBatch: equal to tokenizers, safe to share, typed errors."""

from __future__ import annotations

import copy
import itertools
import json
import multiprocessing
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tokenizers
from conftest import CORPUS, data_files
from hypothesis import given
from hypothesis import strategies as st

import subtok

TEXTS = [
    *CORPUS.splitlines(),
    "",
    " ",
    "a",
    "é e\u0301 ﬁ İſ",
    "<|endoftext|> x <|endoftext|>",
    "[CLS] [MASK] y",
    "don't DON'T 'll  \t\r\n \n x",
    "😀👨‍👩‍👧 한국어",
    "x" * 300,
]
FIELDS = (
    "ids",
    "tokens",
    "offsets",
    "word_ids",
    "sequence_ids",
    "type_ids",
    "special_tokens_mask",
    "attention_mask",
)


def plain(encoding: Any, field: str) -> list[Any]:
    values = getattr(encoding, field)
    values = values.tolist() if hasattr(values, "tolist") else list(values)
    if field == "offsets":
        return [tuple(value) for value in values]
    return [-1 if value is None else value for value in values]


def same(ours: Any, theirs: Any) -> None:
    for field in FIELDS:
        assert plain(ours, field) == plain(theirs, field), field
    assert len(ours.overflowing) == len(theirs.overflowing)
    for a, b in zip(ours.overflowing, theirs.overflowing, strict=True):
        same(a, b)


@pytest.fixture(params=["bpe", "wordpiece"])
def pair(request, bpe, wordpiece):
    ours = bpe if request.param == "bpe" else wordpiece
    return ours, tokenizers.Tokenizer.from_str(ours.to_str())


def test_everything_equals_tokenizers(pair):
    ours, theirs = pair
    for special in (True, False):
        for text in TEXTS:
            same(
                ours.encode(text, add_special_tokens=special),
                theirs.encode(text, add_special_tokens=special),
            )
            other = TEXTS[3]
            same(
                ours.encode(text, other, add_special_tokens=special),
                theirs.encode(text, other, add_special_tokens=special),
            )
            words = text.split()
            same(
                ours.encode(words, is_split_into_words=True, add_special_tokens=special),
                theirs.encode(words, is_pretokenized=True, add_special_tokens=special),
            )


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("strategy", ["longest_first", "only_first"])
def test_truncation_and_padding_equal_tokenizers(pair, side, strategy):
    ours, theirs = pair
    theirs.enable_truncation(12, stride=3, strategy=strategy, direction=side)
    theirs.enable_padding(direction=side, pad_id=0, pad_token=theirs.id_to_token(0), length=16)
    options = {"max_length": 12, "stride": 3, "truncation": strategy, "truncation_side": side}
    for text in TEXTS:
        theirs.no_padding()
        same(ours.encode(text, **options), theirs.encode(text))
        theirs.enable_padding(direction=side, pad_id=0, pad_token=theirs.id_to_token(0))
        same(
            ours.encode(text, padding="longest", padding_side=side, pad_id=0, **options),
            theirs.encode(text),
        )


@given(st.lists(st.text(), max_size=6))
def test_any_batch_equals_tokenizers(bpe, wordpiece, texts):
    for ours in (bpe, wordpiece):
        theirs = tokenizers.Tokenizer.from_str(ours.to_str())
        for a, b in zip(ours.encode_batch(texts), theirs.encode_batch(texts), strict=True):
            same(a, b)


@given(st.text())
def test_decoding_gives_the_text_back(bpe, text):
    ids = bpe.encode(text).ids
    assert bpe.decode(ids, skip_special_tokens=False) == text
    assert bpe.decode_bytes(ids) == text.encode()
    stream = bpe.stream(skip_special_tokens=False)
    assert "".join([*(stream.step(int(i)) for i in ids), stream.finish()]) == text


def test_types_and_shapes(bpe):
    encoding = bpe.encode("two words")
    count = len(encoding)
    assert encoding.ids.dtype == np.uint32
    assert encoding.ids.shape == (count,)
    assert encoding.offsets.dtype == np.int64
    assert encoding.offsets.shape == (count, 2)
    assert encoding.byte_offsets.shape == (count, 2)
    assert encoding.word_ids.shape == encoding.sequence_ids.shape == (count,)
    batch = bpe.encode_batch(["a", "b c"])
    assert (batch.ids.dtype, batch.row_offsets.dtype) == (np.uint32, np.int64)
    assert batch.row_offsets.shape == (3,)
    assert [row.ids.tolist() for row in batch] == [bpe.encode(t).ids.tolist() for t in ("a", "b c")]
    assert batch[-1].ids.tolist() == bpe.encode("b c").ids.tolist()
    with pytest.raises(subtok.RowIndexError, match="row 2 is not one of 2"):
        batch[2]


def test_offsets_count_characters_and_bytes(wordpiece):
    encoding = wordpiece.encode("über den", add_special_tokens=False)
    assert encoding.offsets[-1].tolist()[1] == 8
    assert encoding.byte_offsets[-1].tolist()[1] == 9
    token = encoding.char_to_token(5)
    assert encoding.token_to_word(token) == 1
    start, end = encoding.word_to_tokens(1)
    assert start <= token < end
    assert encoding.token_to_chars(token)[0] <= 5
    assert encoding.char_to_token(99) is None


def test_rows_from_any_container(bpe):
    texts = ["one two", "드", ""]
    want = bpe.encode_batch(texts).ids.tolist()
    containers = [
        tuple(texts),
        iter(texts),
        np.array(texts),
        np.array(texts, object),
        [text.encode() for text in texts],
        pa.array(texts),
        pa.chunked_array([texts[:1], texts[1:]]),
    ]
    for container in containers:
        assert bpe.encode_batch(container).ids.tolist() == want
    assert len(bpe.encode_batch([])) == 0


def test_arrow_out(bpe):
    batch = bpe.encode_batch(["one two", "", "three"])
    rows = pa.array(batch)
    assert rows.type == pa.list_(pa.uint32())
    assert rows.to_pylist() == [row.ids.tolist() for row in batch]


def test_threads_change_nothing(bpe, wordpiece):
    texts = [CORPUS * (1 + n % 7) for n in range(400)]
    for tok in (bpe, wordpiece):
        one = tok.encode_batch(texts, threads=1)
        for threads in (2, 5):
            many = tok.encode_batch(texts, threads=threads)
            assert np.array_equal(one.ids, many.ids)
            assert np.array_equal(one.row_offsets, many.row_offsets)
        with ThreadPoolExecutor(4) as pool:
            rows = [row.ids.tolist() for row in pool.map(tok.encode, texts[:40])]
        assert rows == [one[n].ids.tolist() for n in range(40)]


def test_padded(wordpiece):
    batch = wordpiece.encode_batch(["a b c", "d"])
    longest = max(len(row) for row in batch)
    arrays = batch.padded()
    assert arrays["input_ids"].shape == (2, longest)
    assert arrays["input_ids"].dtype == np.int64
    assert arrays["attention_mask"].sum() == len(batch.ids)
    assert arrays["input_ids"][1, -1] == wordpiece.token_to_id("[PAD]")
    left = batch.padded(longest + 3, dtype="int32", padding_side="left", pad_id=7)
    assert left["input_ids"].dtype == np.int32
    assert (left["input_ids"][:, :3] == 7).all()
    out = np.empty((2, longest), np.int64)
    assert batch.padded(out=out)["input_ids"] is out
    assert np.array_equal(out, arrays["input_ids"])
    # Padding of the call itself is no text either.
    again = wordpiece.encode_batch(["a b c", "d"], padding="longest").padded()
    assert np.array_equal(again["attention_mask"], arrays["attention_mask"])
    with pytest.raises(subtok.ArgumentError, match="length is 1, but must be at least"):
        batch.padded(1)
    with pytest.raises(subtok.ArgumentError, match="out has shape"):
        batch.padded(out=np.empty((1, 1), np.int64))


def encode_in_child(tok: subtok.Tokenizer, text: str) -> list[int]:
    return tok.encode_batch([text] * 50, threads=2).ids.tolist()


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_processes(bpe, method):
    text = CORPUS * 20
    want = encode_in_child(bpe, text)
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(encode_in_child, (bpe, text)) == want


def test_copies_and_pickles_are_equal(pair):
    ours, _ = pair
    for other in (copy.copy(ours), copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert other == ours
        assert hash(other) == hash(ours)
        assert other.fingerprint == ours.fingerprint
        assert other.encode(CORPUS).ids.tolist() == ours.encode(CORPUS).ids.tolist()


def test_added_tokens_make_a_new_tokenizer(bpe):
    more = bpe.with_added_tokens(["<x>"], special=True)
    assert bpe.token_to_id("<x>") is None
    assert more.encode("a<x>b").tokens == ["a", "<x>", "b"]
    assert "<x>" not in more.decode(more.encode("a<x>b").ids)
    assert more.encode("a<x>", split_special_tokens=True).tokens != ["a", "<x>"]
    assert more.fingerprint != bpe.fingerprint
    assert more.vocab_size == bpe.vocab_size + 1


def test_budgets(bpe):
    text = CORPUS
    prefix = bpe.truncate(text, 20)
    assert text.startswith(prefix)
    assert bpe.count(prefix) <= 20
    chunks = bpe.chunk(text, 30, overlap=5)
    assert chunks[0][0] == 0
    assert chunks[-1][1] == len(text)
    assert all(bpe.count(text[start:end]) <= 30 for start, end in chunks)
    assert all(b[0] <= a[1] for a, b in itertools.pairwise(chunks))
    assert bpe.count_batch([text, ""]).tolist() == [bpe.count(text), 0]


@pytest.mark.parametrize(
    "text", ["대한민국헌법 제1조 " * 9, "😀漢é" * 40, "plain words and ½ more " * 9]
)
def test_a_prefix_is_the_longest_that_ends_where_a_token_starts(bpe, wordpiece, text):
    for tok in (bpe, wordpiece):
        offsets = tok.encode(text, add_special_tokens=False).offsets
        borders = sorted({int(start) for start, _ in offsets} | {0, len(text)})
        for budget in (1, 3, 10, 30, 10**6):
            fitting = [end for end in borders if tok.count(text[:end]) <= budget]
            assert len(tok.truncate(text, budget)) == max(fitting)
        chunks = tok.chunk(text, 10, overlap=2)
        assert chunks[0][0] == 0
        assert chunks[-1][1] == len(text)
        for (_, end), (start, _) in itertools.pairwise(chunks):
            assert start <= end


@given(st.text())
def test_places_in_bytes_are_places_in_characters(bpe, wordpiece, text):
    added = bpe.with_added_tokens([tokenizers.AddedToken("<m>", lstrip=True, rstrip=True)])
    prefixed = json.loads(bpe.to_str())
    prefixed["pre_tokenizer"]["add_prefix_space"] = True
    prefixed["post_processor"] |= {"trim_offsets": True, "add_prefix_space": True}
    for tok in (added, wordpiece, subtok.Tokenizer.from_str(json.dumps(prefixed))):
        encoding = tok.encode(f"{text}\u3000<m>\u00a0{text}", add_special_tokens=False)
        whole = f"{text}\u3000<m>\u00a0{text}"
        for chars, octets in zip(encoding.offsets, encoding.byte_offsets, strict=True):
            assert [len(whole[:at].encode()) for at in chars] == octets.tolist()


def test_pairs_have_type_ids_in_matrices(wordpiece):
    batch = wordpiece.encode_batch(["a b", "c"], ["d", "e f g"])
    arrays = batch.padded()
    for row, types in zip(batch, arrays["token_type_ids"], strict=True):
        assert types[: len(row)].tolist() == row.type_ids.tolist()
    assert "token_type_ids" not in wordpiece.encode_batch(["a"]).padded()
    assert "token_type_ids" in wordpiece.encode_batch(["a"]).padded(return_token_type_ids=True)


def test_numbers_that_no_id_can_be_are_skipped_on_demand(bpe):
    [a] = bpe.encode("a").ids.tolist()
    for ids in ([a, -100, 2**70, a], np.array([a, -100, a])):
        assert bpe.decode(ids, errors="skip") == "aa"
    with pytest.raises(subtok.UnknownIdError, match="id -100 at position 1 of row 1"):
        bpe.decode_batch([[a], [a, -100]])


def test_what_no_memory_holds_is_refused(bpe):
    with pytest.raises(subtok.ArgumentError, match="cells"):
        bpe.encode_batch(["a"] * 20_000).padded(4_194_304)
    text = bpe.encode("ab" * 2000, max_length=4, padding="longest", pad_to_multiple_of=4_194_304)
    with pytest.raises(subtok.ArgumentError, match="overflowing rows"):
        assert text.offsets


def test_special_tokens_stand_in_the_order_of_their_ids(wordpiece):
    ids = list(wordpiece.special_tokens.values())
    assert ids == sorted(ids)
    assert len(ids) == 5


def test_a_misspelt_pattern_is_no_pattern(bpe_file):
    with pytest.raises(subtok.ArgumentError, match='pretokenizer is "cl100k", but must be gpt2'):
        subtok.train_bpe(iter(["a b"]), 300, pretokenizer="cl100k")
    with pytest.raises(subtok.ArgumentError, match="special_tokens goes with pattern"):
        subtok.Tokenizer.from_file(bpe_file, special_tokens={"<x>": 1})


def test_bad_texts_and_options(bpe):
    with pytest.raises(subtok.TextError, match="a lone surrogate at character 2"):
        bpe.encode("ab\ud800cd")
    with pytest.raises(subtok.TextError, match="a lone surrogate at character 1 of row 1"):
        bpe.encode_batch(["ok", "x\udfff"])
    with pytest.raises(subtok.TextError, match="invalid UTF-8 at byte 1 of row 0"):
        bpe.encode_batch([b"a\xff"])
    assert (
        bpe.encode("a\ud800b", errors="replace").ids.tolist() == bpe.encode("a\ufffdb").ids.tolist()
    )
    with pytest.raises(subtok.ArgumentTypeError, match=r"texts\[1\] must be a string"):
        bpe.encode_batch(["a", None])
    with pytest.raises(subtok.ArgumentError, match="pairs has 1 rows, but texts has 2"):
        bpe.encode_batch(["a", "b"], ["c"])
    with pytest.raises(subtok.ArgumentError, match="stride is 4, but must be less than 4"):
        bpe.encode("a b c", max_length=4, stride=4)
    with pytest.raises(subtok.ArgumentError, match='truncation is "nope"'):
        bpe.encode("a", truncation="nope")
    with pytest.raises(subtok.UnknownIdError, match="id -1 at position 1"):
        bpe.decode([0, -1])
    with pytest.raises(subtok.UnknownIdError, match="of row 1"):
        bpe.decode_batch([[0], [10**6]])
    assert bpe.decode([0, 10**6], errors="skip", skip_special_tokens=False) == "<|endoftext|>"


def test_caches_are_bounded_and_cleared(bpe):
    tok = pickle.loads(pickle.dumps(bpe))
    words = " ".join(f"w{n}" for n in range(100_000))
    tok.encode(words, threads=1)
    stats = tok.cache_stats()
    assert stats["caches"] == 1
    assert stats["bytes"] == tok.info()["cache_bytes"]
    assert stats["misses"] > 0
    tok.cache_clear()
    assert tok.cache_stats()["bytes"] == 0


def test_a_saved_file_is_what_to_str_gives(bpe, tmp_path):
    path = tmp_path / "tokenizer.json"
    bpe.save(path)
    assert path.read_text("utf-8") == bpe.to_str()
    assert subtok.Tokenizer.from_file(path) == bpe
    assert json.loads(bpe.to_str(pretty=True)) == json.loads(bpe.to_str())


@pytest.mark.parametrize(
    "path",
    data_files(
        "tokenizers/tokenizer_json/gpt2.json",
        "tokenizers/tokenizer_json/roberta-base.json",
        "tokenizers/tokenizer_json/bert-base-uncased.json",
        "tokenizers/tokenizer_json/bert-base-multilingual-cased.json",
        "tokenizers/tokenizer_json/bert-base-chinese.json",
        "tokenizers/tokenizer_json/kcbert-base.json",
    ),
    ids=lambda path: path.stem,
)
def test_real_files_equal_tokenizers(path):
    ours, theirs = subtok.Tokenizer.from_file(path), tokenizers.Tokenizer.from_file(str(path))
    theirs.no_truncation()
    theirs.no_padding()
    for text in TEXTS:
        same(ours.encode(text), theirs.encode(text))
        same(ours.encode(text, "b c"), theirs.encode(text, "b c"))
    rows = [ours.encode(text).ids for text in TEXTS]
    assert ours.decode_batch(rows) == theirs.decode_batch([row.tolist() for row in rows])
