"""The figures are what their definitions say, for tokenizers of every library."""

from __future__ import annotations

import json

import pytest
import tokenizers
from conftest import CORPUS

import subtok
from subtok._tiktoken import encoding
from subtok.compare.measure import count_words, reason


def letters(text):
    return [ord(x) for x in text]


def test_figures_by_hand():
    report = subtok.compare({"letters": letters}, {"one": "ab cd", "two": ["é é", "x"]})
    figures = report.per_text["one"]["letters"].figures
    assert figures["bytes_per_token"] == 1.0
    assert figures["tokens_per_word"] == 2.5
    assert figures["round_trip"] is None
    figures = report.per_text["two"]["letters"].figures
    assert figures["bytes_per_token"] == 6 / 4
    assert figures["chars_per_token"] == 1.0
    total = report.total["letters"]
    assert (total.tokens, total.bytes, total.words) == (9, 11, 5)
    assert len(total.ids) == len(set("ab cdéx"))


def test_subtok_against_itself_in_tokenizers(bpe, wordpiece):
    for tok in (bpe, wordpiece):
        other = tokenizers.Tokenizer.from_str(tok.to_str())
        report = subtok.compare({"ours": tok, "theirs": other}, {"corpus": CORPUS})
        ours, theirs = report.total["ours"], report.total["theirs"]
        assert ours.figures == theirs.figures
        assert ours.ids == theirs.ids
        assert ours.failures == theirs.failures


def test_tiktoken_stands_in(bpe):
    report = subtok.compare({"ours": bpe, "theirs": encoding(bpe)}, {"corpus": CORPUS})
    assert report.total["ours"].tokens == report.total["theirs"].tokens
    assert report.total["theirs"].figures["round_trip"] == 1.0
    assert "tiktoken" in report.tokenizers["theirs"].library


def test_special_tokens_in_a_text_are_plain_text(bpe):
    report = subtok.compare(bpe, {"x": "a <|endoftext|> b"})
    special = bpe.token_to_id("<|endoftext|>")
    assert special not in report.total["subtok"].ids
    assert report.total["subtok"].figures["round_trip"] == 1.0


def test_round_trip_failures_have_reasons(wordpiece):
    rows = ["the cat sat", "The cat", "the  cat", "\U0001f980", "größer"]
    found = subtok.compare({"w": wordpiece}, {"x": rows}).total["w"]
    assert found.returned == 1
    assert found.reasons == {
        "case": 1,
        "white space": 1,
        "unknown tokens": 1,
        "accents or Unicode form": 1,
    }
    first = next(x for x in found.failures if x.reason == "case")
    assert (first.text, first.row, first.at) == ("x", 1, 0)
    assert (first.expected, first.got) == ("The cat", "the cat")


@pytest.mark.parametrize(
    ("expected", "got", "why"),
    [
        ("a  b", "a b", "white space"),
        ("Ab", "ab", "case"),
        ("é", "e", "accents or Unicode form"),
        ("ab", "ac", "other characters"),
    ],
)
def test_reasons(expected, got, why):
    assert reason(expected, got, unknown=False) == why
    assert reason(expected, got, unknown=True) == "unknown tokens"


def test_words_are_not_counted_where_none_are_written():
    assert count_words("two words") == 2
    assert count_words("한국어 텍스트") == 2
    assert count_words("你好，世界") is None
    assert count_words("สวัสดีครับ") is None
    assert count_words("mostly English with one 字 in it") == 7
    report = subtok.compare({"letters": letters}, {"zh": "你好", "en": "a b"})
    assert report.per_text["zh"]["letters"].figures["tokens_per_word"] is None
    assert report.total["letters"].figures["tokens_per_word"] is None


def test_forms(bpe, wordpiece, corpus):
    report = subtok.compare({"a|b": bpe, "w": wordpiece}, [corpus, "another text"], rounds=2)
    text, markdown, content = report.to_text(), report.to_markdown(), json.loads(report.to_json())
    assert str(report) == text
    for word in ("bytes/token", "tokens/word", "a|b", str(corpus), "text 2", "MB/s"):
        assert word in text
    assert "a\\|b" in markdown
    assert content["schema"] == "subtok compare 1"
    assert content["total"]["a|b"]["round_trip"] == 1.0
    assert content["total"]["w"]["mb_per_s"] > 0
    assert content["texts"][str(corpus)]["bytes"] == len(CORPUS.encode())
    assert content == report.to_dict()


def test_files_are_named_by_their_path(bpe_file, corpus):
    report = subtok.compare([bpe_file, bpe_file], corpus)
    assert list(report.tokenizers) == [str(bpe_file), f"{bpe_file} (2)"]


def test_refusals(bpe, tmp_path):
    with pytest.raises(subtok.ArgumentError, match="no tokenizer"):
        subtok.compare({}, "text")
    with pytest.raises(subtok.ArgumentError, match="no text"):
        subtok.compare(bpe, [])
    with pytest.raises(subtok.ArgumentTypeError, match="object"):
        subtok.compare(object(), "text")
    with pytest.raises(subtok.ArgumentTypeError, match="int"):
        subtok.compare(bpe, [5])
    with pytest.raises(subtok.ArgumentError, match="rounds"):
        subtok.compare(bpe, "text", rounds=-1)
    with pytest.raises(subtok.FileError, match="missing"):
        subtok.compare(bpe, [tmp_path / "missing"])
    with pytest.raises(subtok.ArgumentError, match="holds no files"):
        subtok.compare(bpe, tmp_path)


@pytest.mark.parametrize("name", ["typo.txt", "no/such/folder", "corpus.jsonl.gz", "README.MD"])
def test_a_string_that_looks_like_a_path_must_name_a_file(bpe, name):
    for texts in (name, [name], {"x": name}):
        with pytest.raises(subtok.FileError, match="no such file") as caught:
            subtok.compare(bpe, texts)
        assert caught.value.filename == name
    assert subtok.compare(bpe, {"x": [name]}).total["subtok"].bytes == len(name)


def test_a_string_is_a_path_when_it_names_a_file(bpe, corpus):
    for texts in (str(corpus), [str(corpus)], {"x": str(corpus)}):
        assert subtok.compare(bpe, texts).total["subtok"].bytes == len(CORPUS.encode())


@pytest.mark.parametrize(
    "text", ["one", "see a.txt", "and/or else", "你好，世界。", "a\0/b", "x/" * 5000]
)
def test_other_strings_are_texts(bpe, text):
    for texts in (text, [text], {"x": text}):
        assert subtok.compare(bpe, texts).total["subtok"].bytes == len(text.encode())


@pytest.mark.parametrize("given", [None, 5, "ids", ["a"], [1.5]])
def test_a_callable_must_give_ids(given):
    with pytest.raises(subtok.ArgumentTypeError, match="ids"):
        subtok.compare({"f": lambda _: given}, "a text")


@pytest.mark.parametrize("texts", [5, None, {"x": 5}, {"x": [5]}, {"x": b"text"}])
def test_texts_of_other_types_are_refused(bpe, texts):
    with pytest.raises(subtok.ArgumentTypeError, match="text"):
        subtok.compare(bpe, texts)


def test_one_is_not_many(bpe):
    assert "1 text, 1 row, 5 bytes" in subtok.compare(bpe, "a cat").to_text()
