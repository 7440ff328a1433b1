"""Write tests/data/model_golden.json: small random models and what tokenizers makes of pieces.

Each case is a model and rows of a piece and its tokens, flat: id, start, end, id, ... in bytes of
the piece; null where the library refuses it. For byte-level models pieces are given as text and
spelled in the byte alphabet for the library, and its places are counted back into bytes of the
text.

Usage: golden_models.py [SEED [MODELS_OF_EACH_KIND [FILE]]]
"""

import json
import pathlib
import random
import sys

import tokenizers
from tokenizers import models, pre_tokenizers

LETTERS = ["a", "b", "é", "漢"]
BYTE_TOKENS = [f"<0x{byte:02X}>" for byte in [0x61, 0x63, 0x21, 0xC3, 0xA9, 0xE6, 0xBC, 0xA2]]


def spelling() -> list[str]:
    """The byte alphabet, by byte."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    moved = iter(range(0x100, 0x200))
    spelled = [chr(byte) if byte in plain else chr(next(moved)) for byte in range(256)]
    assert sorted(spelled) == sorted(pre_tokenizers.ByteLevel.alphabet())
    return spelled


SPELLED = spelling()


def spell(text: str) -> str:
    return "".join(SPELLED[byte] for byte in text.encode())


def text_of(draw: random.Random, letters: str, longest: int) -> str:
    return "".join(draw.choice(letters) for _ in range(draw.randint(0, longest)))


def grow(draw: random.Random, tokens: list[str], count: int, prefix: str) -> list[list[str]]:
    """Merges of random tokens; what they make is appended to the tokens."""
    merges = []
    for _ in range(count):
        left, right = draw.choice(tokens), draw.choice(tokens)
        if len(right.encode()) < len(prefix) or (not right.isascii() and prefix):
            continue
        joined = left + right[len(prefix) :]
        if len(joined) < 16:
            merges.append([left, right])
            if joined not in tokens:
                tokens.append(joined)
    return merges


def bpe(draw: random.Random) -> dict:
    prefix = draw.choice(["", "", "", "##"])
    suffix = draw.choice([None, None, None, "</w>"])
    tokens = draw.sample(LETTERS, draw.randint(1, 4))
    if prefix or suffix:
        tokens += [p + c + s for c in tokens for p in ("", prefix) for s in ("", suffix or "")]
    tokens = list(dict.fromkeys(tokens))
    unk = draw.choice([None, "<u>", "<u>", "nowhere", ""])
    if unk not in (None, "nowhere") and draw.random() < 0.9:
        tokens.append(unk)
    if draw.random() < 0.2:
        # Merging adds a token without a text of its own.
        tokens.append(prefix)
    byte_fallback = draw.random() < 0.5
    if byte_fallback:
        tokens += draw.sample(BYTE_TOKENS, draw.randint(2, 8))
    mergeable = [token for token in tokens if "<" not in token or draw.random() < 0.2]
    merges = grow(draw, mergeable, draw.randint(0, 24), prefix)
    more = [text_of(draw, "abé漢", 3) for _ in range(draw.randint(0, 3))]
    tokens = list(dict.fromkeys([*tokens, *mergeable, *filter(None, more)]))
    draw.shuffle(tokens)
    return {
        "type": "BPE",
        "dropout": draw.choice([None, None, None, 0.0, 1.0]),
        "unk_token": unk,
        "continuing_subword_prefix": draw.choice([prefix, prefix or None]),
        "end_of_word_suffix": suffix,
        "fuse_unk": draw.random() < 0.5,
        "byte_fallback": byte_fallback,
        "ignore_merges": draw.random() < 0.3,
        "vocab": {token: at for at, token in enumerate(tokens)},
        "merges": merges,
    }


def byte_bpe(draw: random.Random) -> dict:
    tokens = [SPELLED[byte] for byte in "ab!é漢".encode()]
    merges = grow(draw, tokens, draw.randint(0, 30), "")
    more = [spell(text_of(draw, "ab漢", 3)) for _ in range(2)]
    # The rest of the 256 is left to the reader of the file.
    tokens = list(dict.fromkeys([*tokens, *filter(None, more)]))
    return {
        "type": "BPE",
        "ignore_merges": draw.random() < 0.5,
        "vocab": {token: 256 + at for at, token in enumerate(tokens)},
        "merges": merges,
    }


def unigram(draw: random.Random) -> dict:
    tokens = [text_of(draw, "abé漢", 4) for _ in range(draw.randint(0, 16))]
    tokens += draw.sample(BYTE_TOKENS, draw.randint(0, 8))
    tokens.insert(draw.randint(0, len(tokens)), "<unk>")
    if draw.random() < 0.2:
        tokens.append("é漢!")
    scale = draw.choice([-1, -1, -1, 30])
    scores = [scale * draw.choice([0.1, 0.2, 0.3, 1, 1.1, 2, 3]) for _ in tokens]
    unk = draw.choice([tokens.index("<unk>")] * 3 + [0, None])
    return {
        "type": "Unigram",
        "unk_id": unk,
        "byte_fallback": draw.random() < 0.5,
        "vocab": list(map(list, zip(tokens, scores, strict=True))),
    }


def wordlevel(draw: random.Random) -> dict:
    tokens = list(dict.fromkeys(text_of(draw, "abé", 3) for _ in range(8)))
    return {
        "type": "WordLevel",
        "unk_token": draw.choice([tokens[0], "<unk>"]),
        "vocab": {token: at for at, token in enumerate(tokens)},
    }


def wordpiece(draw: random.Random) -> dict:
    prefix = draw.choice(["##", "", "a"])
    tokens = ["[UNK]"]
    count = draw.randint(0, 16)
    tokens += [draw.choice(["", prefix]) + text_of(draw, "abé漢", 3) for _ in range(count)]
    tokens = list(dict.fromkeys(tokens))
    return {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": prefix,
        "max_input_chars_per_word": draw.choice([100, 100, 0, 3]),
        "vocab": {token: at for at, token in enumerate(tokens)},
    }


def build(model: dict, bytes_spelled: bool) -> models.Model:
    options = {key: value for key, value in model.items() if value is not None and key != "type"}
    if bytes_spelled:
        options["vocab"] = complete(model["vocab"])
    if "merges" in options:
        options["merges"] = [tuple(merge) for merge in options["merges"]]
    if model["type"] == "Unigram":
        options["vocab"] = [tuple(entry) for entry in options["vocab"]]
    return getattr(models, model["type"])(**options)


def complete(vocab: dict) -> dict:
    """All single bytes, with the lowest free ids, and the entries of the file."""
    missing = [c for c in SPELLED if c not in vocab]
    return {c: at for at, c in enumerate(missing)} | vocab


def row(model: models.Model, text: str, bytes_spelled: bool) -> list:
    piece = spell(text) if bytes_spelled else text
    try:
        tokens = model.tokenize(piece)
    except Exception:
        return [text, None]

    def place(at: int) -> int:
        return len(piece.encode()[:at].decode()) if bytes_spelled else at

    return [text, [n for t in tokens for n in (t.id, *map(place, t.offsets))]]


def main() -> None:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    out = pathlib.Path(__file__).parent.parent / "tests/data/model_golden.json"
    if len(sys.argv) > 3:
        out = pathlib.Path(sys.argv[3])
    draw = random.Random(seed)
    cases = []
    for kind, share in [(bpe, 4), (byte_bpe, 1), (unigram, 2), (wordlevel, 0.2), (wordpiece, 1)]:
        for _ in range(int(count * share)):
            declared = kind(draw)
            bytes_spelled = kind is byte_bpe
            model = build(declared, bytes_spelled)
            texts = ["", *(text_of(draw, "abcé漢!", 12) for _ in range(6))]
            texts += [text_of(draw, "ab", 5), text_of(draw, "ab漢", 80)]
            texts += list(filter(None, [spell_back(declared, bytes_spelled, draw)]))
            rows = [row(model, text, bytes_spelled) for text in dict.fromkeys(texts)]
            cases.append({"bytes": bytes_spelled, "model": declared, "rows": rows})
    golden = {"tokenizers": tokenizers.__version__, "cases": cases}
    text = json.dumps(golden, ensure_ascii=False, separators=(",", ":"))
    out.write_text(text.replace('{"bytes"', '\n{"bytes"') + "\n")


def spell_back(model: dict, bytes_spelled: bool, draw: random.Random) -> str | None:
    """Some token, as the text of a piece."""
    vocab = model["vocab"]
    token = draw.choice([entry[0] if isinstance(entry, list) else entry for entry in vocab])
    if not bytes_spelled:
        return token
    try:
        return bytes(SPELLED.index(c) for c in token).decode()
    except UnicodeDecodeError:
        return None


if __name__ == "__main__":
    main()
