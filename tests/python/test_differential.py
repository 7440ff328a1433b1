"""Random tokenizers and random texts: everything that a call gives equals the reference library's.

`python tests/python/test_differential.py 0 20000` tries many more seeds than the tests do.
"""

import json
import random
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest
from random_tokenizers import TEXTS, draw, nasty_text
from tokenizers import Tokenizer

import subtok

FIELDS = (
    "ids", "tokens", "offsets", "word_ids", "sequence_ids", "type_ids", "special_tokens_mask",
    "attention_mask",
)  # fmt: skip


def _plain(encoding: Any) -> dict[str, Any]:
    found = {}
    for field in FIELDS:
        value = getattr(encoding, field)
        value = value.tolist() if hasattr(value, "tolist") else list(value)
        if field == "offsets":
            value = [tuple(pair) for pair in value]
        found[field] = [-1 if x is None else x for x in value]
    return found


def _attempt(call: Callable[[], Any]) -> Any:
    """The result; `"error"` for an exception; None for a panic, which nothing is compared with."""
    try:
        return call()
    except subtok.ArgumentError as error:
        # Lengths that cannot be obeyed are told at once and not by the first text that is too long.
        return None if re.match("stride|max_length", str(error)) else "error"
    except Exception:
        return "error"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        return None


def _is_chance(oracle: Tokenizer, content: str) -> bool:
    """Two added tokens become the same text, so that chance decides in the library which of them is
    found; or one becomes no text, and the library finds it in the middle of characters.
    """
    tokens = [token["content"] for token in json.loads(content)["added_tokens"] if token["normalized"]]
    if oracle.normalizer is None:
        return False
    texts = _attempt(lambda: [oracle.normalizer.normalize_str(token) for token in tokens])
    return not isinstance(texts, list) or len(set(texts) - {""}) < len(texts)


def differences(seed: int) -> list[str]:
    """What is not equal for the tokenizer of a seed."""
    content = draw(seed)
    if content is None:
        return []
    oracle = Tokenizer.from_str(content)
    if _is_chance(oracle, content):
        return []
    tok = _attempt(lambda: subtok.Tokenizer.from_str(content))
    if isinstance(tok, str) or tok is None:
        return [f"seed {seed}: refused"]
    rng = random.Random(seed)
    texts = rng.sample(TEXTS, 6) + [nasty_text(rng) for _ in range(12)]
    found = []

    def check(what: str, wanted: Any, got: Any) -> None:
        if wanted is not None and wanted != got:
            found.append(f"seed {seed}, {what}:\n  wanted {wanted!r:.600}\n  got    {got!r:.600}")

    def both(what: str, special: bool, *given: Any, **options: Any) -> Any:
        words = {"is_pretokenized": True} if options.get("is_split_into_words") else {}
        wanted = _attempt(lambda: oracle.encode(*given, add_special_tokens=special, **words))
        got = _attempt(lambda: tok.encode(*given, add_special_tokens=special, **options))
        if wanted is None:
            return None
        if got is None:
            return None
        if isinstance(wanted, str) or isinstance(got, str):
            check(
                what,
                wanted if isinstance(wanted, str) else "works",
                got if isinstance(got, str) else "works",
            )
            return None
        a, b = _plain(wanted), _attempt(lambda: _plain(got))
        for field in FIELDS:
            check(
                f"{what} {field} of {given!r:.120}",
                a[field],
                b if b in ("error", None) else b[field],
            )
        return wanted

    rows = []
    for text in texts:
        for special in (True, False):
            encoding = both("encode", special, text)
            if encoding is not None:
                rows.append(encoding.ids)
    both("pair", True, texts[0], texts[-1])
    both("pair", False, texts[1], texts[-2])
    both("words", True, texts[2].split(), is_split_into_words=True)
    strategy, side = rng.choice(["longest_first", "only_first"]), rng.choice(["left", "right"])
    length, stride = rng.choice([(5, 1), (8, 2), (6, 0)])
    options = {
        "max_length": length,
        "stride": stride,
        "truncation": strategy,
        "truncation_side": side,
    }
    oracle.enable_truncation(length, stride=stride, strategy=strategy, direction=side)
    for text in texts[:3]:
        wanted = both(f"truncated {options}", True, text, **options)
        if wanted is not None:
            got = tok.encode(text, **options).overflowing
            check("overflowing", [_plain(x) for x in wanted.overflowing], [_plain(x) for x in got])
    oracle.no_truncation()
    size = oracle.get_vocab_size()
    rows += [[rng.randrange(size) for _ in range(rng.choice([1, 2, 5, 12]))] for _ in range(12)]
    rows = [row for row in rows if all(oracle.id_to_token(x) is not None for x in row)]
    for row in rows:
        for skip in (True, False):
            wanted = _attempt(lambda: oracle.decode(row, skip_special_tokens=skip))
            got = _attempt(lambda: tok.decode(row, skip_special_tokens=skip))
            check(f"decode skip={skip} {row}", wanted, got)
        if wanted in (None, "error"):
            continue
        stream = tok.stream(skip_special_tokens=False)
        check(
            f"stream {row}",
            wanted,
            _attempt(lambda: "".join([*map(stream.step, row), stream.finish()])),
        )
    saved = _attempt(tok.to_str)
    check("saved", json.loads(content), saved if saved in ("error", None) else json.loads(saved))
    return found


@pytest.mark.parametrize("start", range(0, 400, 20))
def test_random_tokenizers(start: int) -> None:
    found = [line for seed in range(start, start + 20) for line in differences(seed)]
    assert not found, "\n".join(found[:5])


if __name__ == "__main__":
    first, last = int(sys.argv[1]), int(sys.argv[2])
    bad = refused = 0
    for number in range(first, last):
        problems = differences(number)
        bad += bool(problems)
        if problems and bad <= int(sys.argv[3] if len(sys.argv) > 3 else 20):
            print("\n".join(problems[:2]), flush=True)
    print(f"{bad} of {last - first} seeds differ")
