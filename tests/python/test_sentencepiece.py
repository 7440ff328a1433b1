"""Models of sentencepiece: against the library itself, where it is installed."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

import pytest

import subtok

if TYPE_CHECKING:
    from pathlib import Path

spm = pytest.importorskip("sentencepiece")

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
ALPHABET = ["a", "b", "c", "é", "▁", "か", "🤗"]
MORE = [*ALPHABET, " ", "  ", "\t", "\n", "e\u0301", "ﬁ", "x", "\u3000", "<unk>", "<s>", "\0"]


def varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, value: bytes | float) -> bytes:
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    return varint(number << 3) + varint(int(value))


def model(
    pieces: list[tuple[str, float, int]],
    kind: int,
    *,
    byte_fallback: bool = False,
    suffix: bool = False,
    flags: tuple[bool, bool, bool] = (True, True, True),
) -> bytes:
    out = b"".join(
        field(1, field(1, text.encode()) + field(2, score) + field(3, type_))
        for text, score, type_ in pieces
    )
    out += field(2, field(3, kind) + field(24, suffix) + field(35, byte_fallback))
    return out + field(3, b"".join(field(3 + at, flag) for at, flag in enumerate(flags)))


def some_model(rnd: random.Random) -> bytes:
    byte_fallback = rnd.random() < 0.4
    pieces = [("<unk>", 0.0, UNKNOWN), ("<s>", 0.0, CONTROL)]
    if byte_fallback:
        pieces += [(f"<0x{byte:02X}>", 0.0, BYTE) for byte in range(256)]
    texts = {"".join(rnd.choices(ALPHABET, k=rnd.choice([1, 1, 2, 2, 3, 4]))) for _ in range(40)}
    for text in sorted(texts):
        kind = rnd.choice([NORMAL] * 12 + [USER_DEFINED, UNUSED, CONTROL])
        score = -float(rnd.randrange(1, 8)) if rnd.random() < 0.7 else -rnd.random() * 100
        pieces.append((text, score, kind))
    return model(
        pieces,
        rnd.choice([1, 1, 2, 2, 3, 4]),
        byte_fallback=byte_fallback,
        suffix=rnd.random() < 0.3,
        flags=tuple(rnd.random() < 0.6 for _ in range(3)),
    )


@pytest.mark.parametrize("seed", range(60))
def test_ids_and_text_are_those_of_the_library(seed: int, tmp_path: Path) -> None:
    rnd = random.Random(seed)
    content = some_model(rnd)
    path = tmp_path / "spm.model"
    path.write_bytes(content)
    theirs = spm.SentencePieceProcessor()
    theirs.LoadFromSerializedProto(content)
    tok = subtok.Tokenizer.from_file(path)
    texts = ["".join(rnd.choices(MORE, k=rnd.randrange(25))) for _ in range(30)]
    wanted = theirs.encode(texts)
    assert [tok.encode(text).ids.tolist() for text in texts] == wanted
    assert [tok.encode(t, add_special_tokens=False).ids.tolist() for t in texts] == wanted
    assert [row.ids.tolist() for row in tok.encode_batch(texts)] == wanted
    size = theirs.get_piece_size()
    rows = wanted + [[rnd.randrange(size) for _ in range(rnd.randrange(9))] for _ in range(30)]
    for row in filter(None, rows):
        text = theirs.decode(row)
        assert tok.decode(row) == text
        stream = tok.stream()
        assert "".join(stream.step(id_) for id_ in row) + stream.finish() == text
        assert tok.decode_with_offsets(row)[0] == text


def test_a_trained_model(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    rnd = random.Random(1)
    words = ["".join(rnd.choices("abcdeé ﬁか", k=rnd.randrange(1, 6))) for _ in range(300)]
    lines = [" ".join(rnd.choices(words, k=8)) for _ in range(400)]
    text.write_text("\n".join(lines), encoding="utf-8")
    for kind in ("unigram", "bpe"):
        for rule in ("nmt_nfkc", "nfkc_cf", "identity"):
            spm.SentencePieceTrainer.train(
                input=str(text),
                model_prefix=str(tmp_path / "m"),
                vocab_size=120,
                model_type=kind,
                normalization_rule_name=rule,
                user_defined_symbols=["<x>", "ab"],
                minloglevel=2,
                hard_vocab_limit=False,
                character_coverage=1.0,
            )
            theirs = spm.SentencePieceProcessor(model_file=str(tmp_path / "m.model"))
            tok = subtok.Tokenizer.from_sentencepiece(tmp_path / "m.model")
            probes = [*lines[:60], "A<x>ab ﬁ Ⅷ  ", *(chr(c) + "a" for c in range(0x2000, 0x3100))]
            for probe in probes:
                assert tok.encode(probe).ids.tolist() == theirs.encode(probe), (kind, rule, probe)


def test_it_goes_through_json_and_pickle(tmp_path: Path) -> None:
    path = tmp_path / "m.model"
    path.write_bytes(some_model(random.Random(3)))
    tok = subtok.Tokenizer.from_sentencepiece(path)
    again = subtok.Tokenizer.from_str(tok.to_str())
    assert again == tok
    tok.save(tmp_path / "saved.json", pretty=True)
    assert subtok.Tokenizer.from_file(tmp_path / "saved.json") == tok


def test_half_a_file_is_an_error(tmp_path: Path) -> None:
    content = some_model(random.Random(4))
    path = tmp_path / "m.model"
    for part in range(20):
        path.write_bytes(content[: len(content) * part // 20 - 1 if part else 0])
        with pytest.raises(subtok.SubtokError):
            subtok.Tokenizer.from_sentencepiece(path)
