"""`subtok.compat.tiktoken` against `tiktoken`: the same program, run with both."""

from __future__ import annotations

import hashlib
import pickle

import hypothesis
import numpy as np
import pytest
import tiktoken
from conftest import data_files
from hypothesis import strategies as st
from tiktoken_ext import openai_public

import subtok
from subtok.compat import tiktoken as ours

GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
TOKENS = [b"he", b"ll", b"hell", b"hello", b" w", b"or", b" wor", b"\xc3\xa9", b"  ", b"\xf0\x9f"]
SPECIAL = {"<|a|>": 300, "<|endoftext|>": 400, "[b]": 301}
TEXTS = [
    "",
    "hello world, hello  wörld é\n\n 123",
    "<|a|> and <|endoftext|>[b]<|a|>",
    "x<|a|<|a|>|>",
    "😁 한국어 \u0000",
    "half \ud800 a pair, and \ud83d\ude00 a whole one",
]


def build(module):
    ranks = {bytes([byte]): byte for byte in range(256)}
    ranks |= {token: 256 + at for at, token in enumerate(TOKENS)}
    return module.Encoding("small", pat_str=GPT2, mergeable_ranks=ranks, special_tokens=SPECIAL)


@pytest.fixture(scope="module")
def pair():
    return build(tiktoken), build(ours)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    "options",
    [
        {"allowed_special": "all"},
        {"disallowed_special": ()},
        {"allowed_special": {"<|a|>"}, "disallowed_special": ()},
        {"allowed_special": {"<|a|>", "[b]"}, "disallowed_special": {"no"}},
        {"allowed_special": set(SPECIAL)},
    ],
    ids=str,
)
def test_encoding(pair, text, options):
    there, here = pair
    expected = there.encode(text, **options)
    assert here.encode(text, **options) == expected
    assert here.encode_batch([text, "hello"], **options)[0] == expected
    assert here.encode_batch([text, "hello"], num_threads=2, **options)[1] == [259]
    assert here.encode_ordinary(text) == there.encode_ordinary(text)
    assert here.encode_ordinary_batch([text, text]) == there.encode_ordinary_batch([text, text])
    array = here.encode_to_numpy(text, **options)
    assert array.dtype == np.uint32
    assert array.tolist() == expected
    assert here.decode(expected) == there.decode(expected)


@pytest.mark.parametrize(
    "options", [{}, {"allowed_special": {"[b]"}}, {"disallowed_special": ["an"]}]
)
def test_disallowed_special_tokens(pair, options):
    for encoding in pair:
        for call in (encoding.encode, encoding.encode_to_numpy):
            with pytest.raises(ValueError, match="disallowed special token"):
                call(TEXTS[2], **options)
        with pytest.raises(ValueError, match="disallowed special token"):
            encoding.encode_batch(["fine", TEXTS[2]], **options)
    with pytest.raises(subtok.SubtokError):
        pair[1].encode(TEXTS[2], **options)


def test_decoding_and_the_vocabulary(pair):
    there, here = pair
    rows = [[], [259, 300, 195, 169], [255, 104], [32, 240, 159, 152, 129, 65]]
    for row in rows:
        assert here.decode(row) == there.decode(row)
        assert here.decode(row, errors="ignore") == there.decode(row, errors="ignore")
        assert here.decode_bytes(row) == there.decode_bytes(row)
        assert here.decode_tokens_bytes(row) == there.decode_tokens_bytes(row)
    assert here.decode_batch(rows) == there.decode_batch(rows)
    assert here.decode_bytes_batch(rows) == there.decode_bytes_batch(rows)
    for row in (rows[0], rows[1], rows[3]):
        assert here.decode_with_offsets(row) == there.decode_with_offsets(row)
    assert here.token_byte_values() == there.token_byte_values()
    for name in ("n_vocab", "max_token_value", "eot_token", "special_tokens_set", "name"):
        assert getattr(here, name) == getattr(there, name)
    assert repr(here) == repr(there)
    for token in (b"hello", "hello", "<|a|>", b"<|a|>"):
        assert here.encode_single_token(token) == there.encode_single_token(token)
    for number in (0, 259, 300):
        assert here.decode_single_token_bytes(number) == there.decode_single_token_bytes(number)
        assert here.is_special_token(number) == there.is_special_token(number)


def test_errors_are_those_of_tiktoken(pair):
    for encoding in pair:
        with pytest.raises(KeyError):
            encoding.encode_single_token("nope")
        with pytest.raises(KeyError, match="Invalid token for decoding: 999"):
            encoding.decode([999])
        with pytest.raises(KeyError):
            encoding.decode_single_token_bytes(999)
        with pytest.raises(OverflowError):
            encoding.decode([-1])
        with pytest.raises(UnicodeDecodeError):
            encoding.decode([255], errors="strict")
        with pytest.raises(UnicodeDecodeError):
            encoding.decode_with_offsets([255])
        with pytest.raises(TypeError):
            encoding.encode(1)
    ranks = {bytes([byte]): byte for byte in range(256)}
    with pytest.raises(ValueError, match="parenthesis"):
        ours.Encoding("x", pat_str="(", mergeable_ranks=ranks, special_tokens={})
    with pytest.raises(subtok.ArgumentError, match="explicit_n_vocab is 5"):
        ours.Encoding(
            "x", pat_str=".", mergeable_ranks=ranks, special_tokens={}, explicit_n_vocab=5
        )
    with pytest.raises(subtok.UnsupportedError):
        pair[1].encode_with_unstable("hello")


def test_pickles(pair):
    again = pickle.loads(pickle.dumps(pair[1]))
    assert again.encode(TEXTS[2], allowed_special="all") == pair[1].encode(
        TEXTS[2], allowed_special="all"
    )
    assert again.name == "small"


@hypothesis.given(st.text(max_size=40), st.sets(st.sampled_from(sorted(SPECIAL))))
def test_random_text(pair, text, allowed):
    there, here = pair
    expected = there.encode(text, allowed_special=allowed, disallowed_special=())
    assert here.encode(text, allowed_special=allowed, disallowed_special=()) == expected
    assert here.decode_bytes(expected) == there.decode_bytes(expected)


def test_two_special_tokens_may_share_an_id():
    ranks = {bytes([byte]): byte for byte in range(256)}
    special = {"<x>": 300, "<y>": 300}
    for module in (tiktoken, ours):
        encoding = module.Encoding("x", pat_str=".", mergeable_ranks=ranks, special_tokens=special)
        assert encoding.encode("<x><y>a", allowed_special="all") == [300, 300, 97]


def test_models_have_the_same_encodings():
    for model in [*tiktoken.model.MODEL_TO_ENCODING, "gpt-4o-2024", "gpt-4-0314", "gpt-oss-120b"]:
        assert ours.encoding_name_for_model(model) == tiktoken.encoding_name_for_model(model)
    for beginning in tiktoken.model.MODEL_PREFIX_TO_ENCODING:
        model = f"{beginning}x"
        assert ours.encoding_name_for_model(model) == tiktoken.encoding_name_for_model(model)
    assert ours.list_encoding_names() == tiktoken.list_encoding_names()
    with pytest.raises(KeyError, match="nope"):
        ours.encoding_for_model("nope")
    with pytest.raises(ValueError, match="nope"):
        ours.get_encoding("nope")


def test_files_are_looked_for_and_checked(tmp_path, monkeypatch):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    with pytest.raises(OSError, match="TIKTOKEN_CACHE_DIR"):
        ours.get_encoding("cl100k_base")
    damaged = tmp_path / "ranks"
    damaged.write_bytes(b"IQ== 0\n")
    with pytest.raises(subtok.FormatError, match="damaged"):
        ours.get_encoding("cl100k_base", path=damaged)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (name, path)
        for path in data_files(
            "tokenizers/tiktoken/r50k_base.tiktoken",
            "tokenizers/tiktoken/cl100k_base.tiktoken",
            "tokenizers/tiktoken/o200k_base.tiktoken",
        )
        for name in {
            "r50k_base": ["r50k_base", "gpt2"],
            "o200k_base": ["o200k_base", "o200k_harmony"],
        }.get(path.stem, [path.stem])
    ],
)
def test_real_files_as_tiktoken_caches_them(name, path, tmp_path, monkeypatch):
    here = ours.get_encoding(name, path=path)
    there = tiktoken.Encoding(
        name,
        pat_str=constructor(here._pat_str)[0],
        mergeable_ranks=here._mergeable_ranks,
        special_tokens=here._special_tokens,
    )
    for text in [*TEXTS, "def f(x):\n    return x\n\n\n  y", "I'LL we'll 12345 ...!!"]:
        expected = there.encode(text, allowed_special="all")
        assert here.encode(text, allowed_special="all") == expected
        assert here.decode(expected) == there.decode(expected)
    assert here.n_vocab == there.n_vocab
    key = hashlib.sha1(constructor(here._pat_str)[1].encode(), usedforsecurity=False).hexdigest()
    (tmp_path / key).symlink_to(path)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    assert ours.get_encoding(name).encode_ordinary("hello") == here.encode_ordinary("hello")


def constructor(name):
    """The pattern that tiktoken has for an encoding, and where it would fetch the ranks from."""
    fetched = []

    def load(source, **_):
        fetched.append(source)
        return {b"a": 0}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openai_public, "load_tiktoken_bpe", load)
        return getattr(openai_public, name)()["pat_str"], fetched[0]
