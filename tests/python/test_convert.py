"""`subtok convert`: what it writes is equal, and what it cannot say is named."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

import subtok
from subtok.cli import main

if TYPE_CHECKING:
    from pathlib import Path

TOKENS = [bytes([byte]) for byte in range(256)] + [b"ab", b"abc", b" a"]


def rank_file(path: Path) -> Path:
    lines = (f"{base64.b64encode(token).decode()} {rank}" for rank, token in enumerate(TOKENS))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_rank_file_there_and_back(tmp_path: Path) -> None:
    ranks = rank_file(tmp_path / "x.tiktoken")
    middle, end = tmp_path / "x.json", tmp_path / "y.tiktoken"
    assert main(["convert", str(ranks), str(middle), "--pattern", "gpt2"]) == 0
    assert main(["convert", str(middle), str(end), "--pattern", "gpt2"]) == 0
    assert end.read_bytes() == ranks.read_bytes()


def test_merges_that_do_not_follow_from_the_ranks_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ranks = rank_file(tmp_path / "x.tiktoken")
    content = json.loads(subtok.Tokenizer.from_tiktoken(ranks, "gpt2").to_str())
    content["model"]["merges"].reverse()
    source = tmp_path / "x.json"
    source.write_text(json.dumps(content), encoding="utf-8")
    target = tmp_path / "y.tiktoken"
    assert main(["convert", str(source), str(target)]) == 1
    assert "model.merges[0]" in capsys.readouterr().err
    assert not target.exists()


def test_a_name_without_a_format_and_a_missing_file(tmp_path: Path) -> None:
    ranks = rank_file(tmp_path / "x.tiktoken")
    assert main(["convert", str(ranks), str(tmp_path / "y.bin")]) == 2
    assert main(["convert", str(tmp_path / "none.model"), str(tmp_path / "y.json")]) == 3


def tekken(tmp_path: Path) -> Path:
    vocab = [
        {"rank": rank, "token_bytes": base64.b64encode(token).decode(), "token_str": None}
        for rank, token in enumerate(TOKENS)
    ]
    config = {
        "pattern": r"\w+|\s+|[^\w\s]+",
        "num_vocab_tokens": 300,
        "version": "v3",
        "default_vocab_size": 30 + 258,
        "default_num_special_tokens": 30,
    }
    path = tmp_path / "tekken.json"
    path.write_text(json.dumps({"config": config, "vocab": vocab}), encoding="utf-8")
    return path


def test_tekken_is_known_by_its_content(tmp_path: Path) -> None:
    path = tekken(tmp_path)
    tok = subtok.Tokenizer.from_file(path)
    assert tok.encode("abc</s>").ids.tolist() == [30 + 257, 2]
    assert tok.encode("</s>", split_special_tokens=True).ids.size == 4
    assert tok.decode([30 + 97, 29], skip_special_tokens=False) == "a<SPECIAL_29>"
    assert tok.vocab_size == 30 + 258
    assert subtok.Tokenizer.from_tekken(path).get_vocab() == tok.get_vocab()


def convert(*args: object) -> int:
    return main(["convert", *map(str, args)])


def test_a_vocab_json_with_merges_there_and_back(tmp_path: Path) -> None:
    tok = subtok.Tokenizer.from_tiktoken(rank_file(tmp_path / "x.tiktoken"), "gpt2")
    source = tmp_path / "x.json"
    content = json.loads(tok.to_str())
    content["pre_tokenizer"] = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    }
    content["model"]["ignore_merges"] = False
    source.write_text(json.dumps(content), encoding="utf-8")
    folder = tmp_path / "out"
    folder.mkdir()
    assert convert(source, folder / "vocab.json") == 0
    lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#version: 0.2"
    assert sorted(lines[1:]) == ["a b", "ab c", "Ġ a"]
    again = subtok.Tokenizer.from_file(folder / "vocab.json")
    assert again.get_vocab() == tok.get_vocab()
    assert json.loads(again.to_str())["model"]["merges"] == content["model"]["merges"]


def test_what_a_vocab_json_has_no_words_for_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ranks = rank_file(tmp_path / "x.tiktoken")
    source, target = tmp_path / "x.json", tmp_path / "vocab.json"
    subtok.Tokenizer.from_tiktoken(ranks, "cl100k_base", {"<end>": 300}).save(source)
    assert convert(source, target) == 1
    found = capsys.readouterr().err
    assert "--accept added_tokens" in found
    assert not target.exists()
    accepted = ("--accept", "added_tokens", "--accept", "pre_tokenizer")
    assert convert(source, target, "--json", *accepted) == 0
    assert json.loads(capsys.readouterr().out)["ignore_merges"] is True
    assert (tmp_path / "merges.txt").exists()


WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b", "é", "日"]


def test_a_vocab_txt_there_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    middle, end = tmp_path / "x.json", tmp_path / "y.txt"
    assert convert(tmp_path / "vocab.txt", middle, "--cased") == 0
    capsys.readouterr()
    assert convert(middle, end) == 0
    assert "lowercase=False" in capsys.readouterr().out
    assert end.read_bytes() == (tmp_path / "vocab.txt").read_bytes()


@pytest.mark.parametrize("token", ["x ", "\u2028", "a\nb", "\r"])
def test_a_token_that_is_no_line_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], token: str
) -> None:
    source, target = tmp_path / "vocab.txt", tmp_path / "y.txt"
    source.write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    content = json.loads(subtok.Tokenizer.from_wordpiece(source).to_str())
    content["model"]["vocab"][token] = len(WORDS)
    middle = tmp_path / "x.json"
    middle.write_text(json.dumps(content), encoding="utf-8")
    assert convert(middle, target) == 1
    assert "vocab.txt" in capsys.readouterr().err
    assert not target.exists()


def test_another_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ranks = rank_file(tmp_path / "x.tiktoken")
    assert convert(ranks, tmp_path / "vocab.txt") == 1
    assert "a vocab.txt of a BPE model" in capsys.readouterr().err
    assert convert(ranks, tmp_path / "y.json", "--to", "vocab.txt") == 1
