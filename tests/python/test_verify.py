"""Equal tokenizers are found equal, and every kind of difference is found and placed."""

from __future__ import annotations

import json
import sys

import pytest
import tokenizers
from conftest import CORPUS, data_files

import subtok
from subtok._cases import code_point_rows, fuzz_rows
from subtok.compare.sources import wrap

REAL = data_files(
    *(
        f"tokenizers/tokenizer_json/{name}.json"
        for name in ("gpt2", "roberta-base", "bert-base-uncased", "bert-base-multilingual-cased")
    )
)


def changed(tok, change):
    """The same tokenizer in tokenizers, with something changed."""
    content = json.loads(tok.to_str())
    change(content)
    return tokenizers.Tokenizer.from_str(json.dumps(content))


@pytest.mark.parametrize("kind", ["bpe", "wordpiece"])
def test_equal_to_tokenizers(kind, request):
    tok = request.getfixturevalue(kind)
    result = subtok.verify(tok, texts={"corpus": CORPUS}, fuzz=200, code_points=False)
    assert result.ok, str(result)
    assert result.texts["fuzz"] == 200
    assert result.comparisons["ids"] == sum(result.texts.values())
    assert "tokenizers" in result.reference
    assert {"offsets", "pair ids", "no-special tokens", "decode"} <= set(result.comparisons)


def test_equal_to_tiktoken(bpe):
    result = subtok.verify(bpe, "tiktoken", texts={"corpus": CORPUS}, fuzz=200, code_points=False)
    assert result.ok, str(result)
    assert {"ids", "plain ids", "decode"} == set(result.comparisons)


def test_equal_to_itself_and_to_a_function(bpe, wordpiece):
    assert subtok.verify(bpe, bpe, fuzz=5, code_points=False).ok
    ids = wrap(wordpiece).encode
    result = subtok.verify(wordpiece, lambda text: ids([text])[0], fuzz=5, code_points=False)
    assert result.differing.keys() <= {"plain ids"}


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_real_files_equal_tokenizers(path):
    tok = subtok.Tokenizer.from_file(str(path))
    result = subtok.verify(tok, texts={"corpus": CORPUS}, fuzz=100, code_points=False)
    assert result.ok, str(result)


def test_code_points_are_all_there_once():
    seen = set("".join(code_point_rows()))
    assert len(seen) == 0x110000 - 0x800


def test_one_code_point_that_differs_is_found(wordpiece):
    def change(content):
        # The reference writes a word for the crab, where we have none.
        content["model"]["vocab"]["\U0001f980"] = 1000

    result = subtok.verify(wordpiece, changed(wordpiece, change), fuzz=0)
    assert not result.ok
    assert {x.text for x in result.differences} == {"\U0001f980"}
    assert result.texts["code points"] > 30_000


def test_a_difference_is_narrowed_and_placed(bpe):
    def change(content):
        content["model"]["merges"] = content["model"]["merges"][:-1]

    result = subtok.verify(
        bpe, changed(bpe, change), texts={"corpus": CORPUS}, fuzz=0, code_points=False
    )
    assert not result.ok
    first = result.differences[0]
    assert first.source == "corpus"
    assert first.aspect == "ids"
    assert len(first.text) < len(CORPUS) / 4
    assert first.expected != first.got
    assert repr(first.got) in str(result)
    assert json.loads(json.dumps(result.to_dict()))["ok"] is False


def test_other_offsets_are_found(bpe):
    def change(content):
        content["post_processor"] = {
            "type": "ByteLevel",
            "add_prefix_space": False,
            "trim_offsets": True,
            "use_regex": True,
        }

    result = subtok.verify(bpe, changed(bpe, change), fuzz=50, code_points=False)
    assert result.differing["offsets"]
    assert not result.differing["ids"]


def test_only_so_many_are_kept(bpe, wordpiece):
    result = subtok.verify(bpe, wordpiece, fuzz=50, code_points=False, max_differences=3)
    assert len(result.differences) == 3
    assert sum(result.differing.values()) > 50


def test_a_reference_that_raises_must_be_matched(bpe):
    def refuse(text):
        if "a" in text:
            message = "no a"
            raise ValueError(message)
        return bpe.encode(text).ids.tolist()

    result = subtok.verify(
        bpe, refuse, texts={"x": ["a", "b"]}, fuzz=0, code_points=False, max_differences=1
    )
    assert result.differences[0].aspect == "error"
    assert result.differences[0].text == "a"


def test_fuzz_is_repeatable_and_valid():
    texts = list(fuzz_rows(300, ["<s>"], 7))
    assert texts == list(fuzz_rows(300, ["<s>"], 7))
    assert texts != list(fuzz_rows(300, ["<s>"], 8))
    assert any("<s>" in text for text in texts)
    assert all(text.encode() for text in texts)


def test_refusals(bpe, wordpiece, monkeypatch):
    with pytest.raises(subtok.UnsupportedError, match="normalizer"):
        subtok.verify(wordpiece, "tiktoken")
    with pytest.raises(subtok.ArgumentError, match="fuzz"):
        subtok.verify(bpe, fuzz=-1)
    with pytest.raises(subtok.ArgumentTypeError, match="tokenizer"):
        subtok.verify(bpe, 5)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(subtok.MissingDependencyError, match="pip install"):
        subtok.verify(bpe)


def test_a_path_stands_for_its_tokenizer(bpe_file, tmp_path):
    for path in (bpe_file, str(bpe_file)):
        assert subtok.verify(path, fuzz=5, code_points=False).ok
    with pytest.raises(subtok.FileError, match="missing"):
        subtok.verify(tmp_path / "missing.json")
    for given in (5, None, len):
        with pytest.raises(subtok.ArgumentTypeError, match="tok is"):
            subtok.verify(given)


def test_a_text_that_looks_like_a_path_must_be_there(bpe):
    for texts in (["typo.txt"], {"x": "typo.txt"}):
        with pytest.raises(subtok.FileError, match=r"typo\.txt"):
            subtok.verify(bpe, texts=texts)


def test_whole_texts_are_compared_whatever_the_file_says_of_length(bpe):
    content = json.loads(bpe.to_str())
    content["truncation"] = {
        "max_length": 4, "strategy": "LongestFirst", "stride": 0, "direction": "Right"
    }  # fmt: skip
    short = subtok.Tokenizer.from_str(json.dumps(content))
    text = "one text that is longer than four tokens"
    assert len(short.encode(text).ids) == 4
    assert len(short.encode(text, truncation=False).ids) > 4
    # The ends differ, which nobody would see in what is left of the texts.
    content["model"]["merges"] = content["model"]["merges"][:-40]
    other = tokenizers.Tokenizer.from_str(json.dumps(content))
    assert other.truncation is not None
    assert not subtok.verify(short, against=other, texts=[text, "lower lowest newer widest"]).ok
    assert other.truncation is not None
