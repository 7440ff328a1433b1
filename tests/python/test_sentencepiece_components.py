"""Sentencepiece BPE models as a `tokenizer.json`: against the library, and what is refused."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from test_sentencepiece import BYTE, CONTROL, NORMAL, UNKNOWN, UNUSED, USER_DEFINED, model

import subtok
from subtok.cli import main

if TYPE_CHECKING:
    from pathlib import Path

UNIGRAM, BPE, WORD, CHAR = range(1, 5)
BYTES = [(f"<0x{byte:02X}>", 0.0, BYTE) for byte in range(256)]
HEAD = [("<unk>", 0.0, UNKNOWN), ("<s>", 0.0, CONTROL), *BYTES]
CHARS = ["▁", "a", "b", "c", "é", "か"]
PLAIN = (True, False, True)
BOTH = ["controls", "decoding"]


def pieces(rnd: random.Random, texts: int = 30) -> list[tuple[str, float, int]]:
    """Pieces with different scores, in no order that a trainer would give them."""
    found = {"".join(rnd.choices(CHARS, k=rnd.choice([2, 2, 3, 4, 5]))) for _ in range(texts)}
    long = rnd.sample(sorted(found), len(found))
    scores = rnd.sample(range(1000), len(long))
    chars = [(char, -2000.0, NORMAL) for char in CHARS]
    return [
        *HEAD,
        *((text, -float(score), NORMAL) for text, score in zip(long, scores, strict=True)),
        *chars,
    ]


def runs(rnd: random.Random) -> list[tuple[str, float, int]]:
    """The same with runs of spaces that all have the worst score."""
    lengths = rnd.sample(range(2, 12), rnd.randrange(2, 10))
    found = [piece for piece in pieces(rnd) if "▁▁" not in piece[0]]
    return [*found, *(("▁" * length, -1e9, NORMAL) for length in lengths)]


def load(tmp_path: Path, made: list[tuple[str, float, int]], **options: Any) -> subtok.Tokenizer:
    path = tmp_path / "m.model"
    options = {"byte_fallback": True, "flags": PLAIN, "kind": BPE, **options}
    path.write_bytes(model(made, options.pop("kind"), **options))
    return subtok.Tokenizer.from_sentencepiece(path)


@pytest.mark.parametrize("prefix", [True, False])
@pytest.mark.parametrize("make", [pieces, runs])
def test_ids_and_texts_are_equal(tmp_path: Path, make: Any, prefix: bool) -> None:
    spm = pytest.importorskip("sentencepiece")
    tokenizers = pytest.importorskip("tokenizers")
    rnd = random.Random(7)
    converted = 0
    for _ in range(40):
        try:
            tok = load(tmp_path, make(rnd), flags=(prefix, False, True))
            out = tok.to_components(BOTH)
        except subtok.UnsupportedError as error:
            assert "two pieces with the score" in str(error)  # noqa: PT017
            continue
        converted += 1
        theirs = spm.SentencePieceProcessor(model_file=str(tmp_path / "m.model"))
        reference = tokenizers.Tokenizer.from_str(out.to_str())
        for _ in range(60):
            text = "".join(
                rnd.choices([*CHARS, " ", "  ", "x", "🤗", "\n", "\0"], k=rnd.randrange(40))
            )
            ids = theirs.encode(text)
            assert out.encode(text).ids.tolist() == ids, text
            assert reference.encode(text).ids == ids, text
            assert out.decode(ids) == theirs.decode(ids)
            assert reference.decode(ids) == theirs.decode(ids)
            hidden = f"{text}<s>{text}<unk>"
            plain = out.encode(hidden, split_special_tokens=True).ids.tolist()
            assert plain == theirs.encode(hidden)
    assert converted > 20


def test_what_the_caller_has_to_accept_is_named(tmp_path: Path) -> None:
    tok = load(tmp_path, pieces(random.Random(1)))
    with pytest.raises(subtok.UnsupportedError, match=r"accepting controls .* and decoding"):
        tok.to_components()
    with pytest.raises(subtok.UnsupportedError, match="accepting decoding"):
        tok.to_components(["controls"])
    with pytest.raises(subtok.ArgumentError, match="accept"):
        tok.to_components(["all"])
    assert tok.to_components(BOTH).encode("<s>").ids.tolist()[0] == 1


MORE = [("a", -1.0, NORMAL), ("b", -2.0, NORMAL), ("▁", -3.0, NORMAL)]


@pytest.mark.parametrize(
    ("made", "options", "reason"),
    [
        ([*HEAD, *MORE], {"kind": UNIGRAM}, "32 bits"),
        ([*HEAD, *MORE], {"kind": WORD}, "WORD model"),
        ([*HEAD, *MORE], {"kind": CHAR}, "CHAR model"),
        ([HEAD[0], *MORE], {"byte_fallback": False}, "byte_fallback"),
        ([*HEAD, *MORE], {"suffix": True}, "behind its word"),
        ([*HEAD, *MORE], {"flags": (True, True, True)}, "remove_extra_whitespaces"),
        ([*HEAD, *MORE], {"flags": (True, False, False)}, "not escaped"),
        ([*HEAD, *MORE, ("ab", -4.0, UNUSED)], {}, "unused piece"),
        ([*HEAD, *MORE, ("<x>", 0.0, USER_DEFINED)], {}, "add_dummy_prefix"),
        ([*HEAD, *MORE, ("x▁", 0.0, USER_DEFINED)], {"flags": (False, False, True)}, "a space"),
        ([*HEAD, *MORE, ("<0xab>", -4.0, NORMAL)], {}, "decoded as a byte"),
        ([*HEAD, *MORE, ("<0x+A>", -4.0, NORMAL)], {}, "decoded as a byte"),
        ([*HEAD, *MORE, ("q", 0.0, CONTROL)], {}, "a single character"),
        ([*HEAD, *MORE, ("ac", -4.0, NORMAL)], {}, "no piece itself"),
        (
            [*HEAD, *MORE, ("ab", -4.0, NORMAL), ("ba", -4.0, NORMAL)],
            {},
            "two pieces with the score",
        ),
        # Runs with the worst score, and a piece that is made of one.
        (
            [
                *HEAD,
                *MORE,
                ("aa", -9.0, NORMAL),
                ("aaa", -9.0, NORMAL),
                ("aab", -8.0, NORMAL),
            ],
            {},
            "two pieces with the score -9",
        ),
    ],
)
def test_what_would_differ_is_refused(
    tmp_path: Path, made: Any, options: dict[str, Any], reason: str
) -> None:
    tok = load(tmp_path, made, **options)
    with pytest.raises(subtok.UnsupportedError, match=reason):
        tok.to_components(BOTH)


def test_symbols_of_the_user_become_added_tokens(tmp_path: Path) -> None:
    made = [*pieces(random.Random(2)), ("<x>", 0.0, USER_DEFINED), ("<x>y", 0.0, USER_DEFINED)]
    tok = load(tmp_path, made, flags=(False, False, True))
    out = tok.to_components(BOTH)
    for text in ["<x>", "a<x>yab", " <x> <x>y", "<x", "ab<x>ab", "<x><x>"]:
        assert out.encode(text).ids.tolist() == tok.encode(text).ids.tolist()
        assert out.decode(out.encode(text).ids) == text


def test_other_models_are_refused(bpe: subtok.Tokenizer) -> None:
    with pytest.raises(subtok.UnsupportedError, match="BPE model"):
        bpe.to_components(BOTH)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load(tmp_path, pieces(random.Random(3)))
    source, target = tmp_path / "m.model", tmp_path / "x.json"
    assert main(["convert", str(source), str(target)]) == 1
    assert "controls" in capsys.readouterr().err
    assert not target.exists()
    accept = ["--accept", "controls", "--accept", "decoding"]
    assert main(["convert", str(source), str(target), *accept]) == 0
    assert "equal" in capsys.readouterr().out
    assert subtok.Tokenizer.from_file(target).info()["model"] == "BPE"
