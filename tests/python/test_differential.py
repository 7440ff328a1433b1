"""Random tokenizers and random texts: everything that a call gives equals the reference library's.

`python tests/python/test_differential.py 0 20000` tries many more seeds than the tests do.
"""

import json
import random
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from random_tokenizers import TEXTS, draw, nasty_text
from tokenizers import Tokenizer

import subtok

FIELDS = (
    "ids", "tokens", "offsets", "word_ids", "sequence_ids", "type_ids", "special_tokens_mask",
    "attention_mask",
)  # fmt: skip


def _plain(encoding: Any, fields: Sequence[str] = FIELDS) -> dict[str, Any]:
    found = {}
    for field in fields:
        value = getattr(encoding, field)
        value = value.tolist() if hasattr(value, "tolist") else list(value)
        if field == "offsets":
            value = [tuple(pair) for pair in value]
        found[field] = [-1 if x is None else x for x in value]
    return found


def _attempt(call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """The result; `"error"` for an exception; None for a panic, which nothing is compared with."""
    try:
        return call(*args, **options)
    except subtok.ArgumentError as error:
        # Lengths that cannot be obeyed are told at once and not by the first text too long.
        return None if re.match("stride|max_length", str(error)) else "error"
    except Exception:  # noqa: BLE001 (of any kind, from either library)
        return "error"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        return None


def _is_chance(oracle: Tokenizer, content: str) -> bool:
    """Two added tokens become the same text, so that chance decides in the library which of them is
    found; or one becomes no text, and the library finds it in the middle of characters.
    """
    added = json.loads(content)["added_tokens"]
    tokens = [token["content"] for token in added if token["normalized"]]
    if oracle.normalizer is None:
        return False
    texts = _attempt(lambda: [oracle.normalizer.normalize_str(token) for token in tokens])
    return not isinstance(texts, list) or len(set(texts) - {""}) < len(texts)


class Comparison:
    """One tokenizer in both libraries, and what differs."""

    def __init__(self, seed: int, content: str) -> None:
        self.name, self.found = f"seed {seed}", list[str]()
        self.content, self.rng = content, random.Random(seed)
        self.oracle = Tokenizer.from_str(content)
        self.tok = _attempt(subtok.Tokenizer.from_str, content)
        self.texts = self.rng.sample(TEXTS, 6) + [nasty_text(self.rng) for _ in range(12)]

    def check(self, what: str, wanted: Any, got: Any) -> None:
        """Notes a difference, unless the library gave up."""
        if wanted is not None and wanted != got:
            lines = f"\n  wanted {wanted!r:.600}\n  got    {got!r:.600}"
            self.found.append(f"{self.name}, {what}:{lines}")

    def encode(self, what: str, *given: Any, special: bool = True, **options: Any) -> Any:
        """Encodes with both; the library's result, where there are two to compare."""
        words = {"is_pretokenized": True} if options.get("is_split_into_words") else {}
        wanted = _attempt(self.oracle.encode, *given, add_special_tokens=special, **words)
        got = _attempt(self.tok.encode, *given, add_special_tokens=special, **options)
        if wanted is None or got is None:
            return None
        if isinstance(wanted, str) or isinstance(got, str):
            outcome = ["an error" if isinstance(x, str) else "a result" for x in (wanted, got)]
            self.check(what, *outcome)
            return None
        expected, found = _plain(wanted), _attempt(_plain, got)
        for field in FIELDS:
            value = found[field] if isinstance(found, dict) else found
            self.check(f"{what} {field} of {given!r:.120}", expected[field], value)
        # A column that is asked for first is computed alone.
        for field in FIELDS[2:]:
            got = _attempt(self.tok.encode, *given, add_special_tokens=special, **options)
            found = _attempt(_plain, got, [field])
            value = found[field] if isinstance(found, dict) else found
            self.check(f"{what} {field} alone of {given!r:.120}", expected[field], value)
        return wanted

    def encodings(self) -> list[list[int]]:
        """Texts, pairs and words; gives the ids of the texts."""
        rows = []
        for text in self.texts:
            for special in (True, False):
                encoding = self.encode("encode", text, special=special)
                rows += [] if encoding is None else [encoding.ids]
        self.encode("pair", self.texts[0], self.texts[-1])
        self.encode("pair", self.texts[1], self.texts[-2], special=False)
        self.encode("words", self.texts[2].split(), is_split_into_words=True)
        return rows

    def truncations(self) -> None:
        """Rows that are cut, and what was cut off."""
        strategy = self.rng.choice(["longest_first", "only_first"])
        side = self.rng.choice(["left", "right"])
        length, stride = self.rng.choice([(5, 1), (8, 2), (6, 0)])
        options = {"max_length": length, "stride": stride}
        options |= {"truncation": strategy, "truncation_side": side}
        self.oracle.enable_truncation(length, stride=stride, strategy=strategy, direction=side)
        for text in self.texts[:3]:
            wanted = self.encode(f"truncated {options}", text, **options)
            if wanted is not None:
                parts = [_plain(part) for part in wanted.overflowing]
                got = self.tok.encode(text, **options).overflowing
                self.check("overflowing", parts, [_plain(part) for part in got])
        self.oracle.no_truncation()

    def decodings(self, rows: list[list[int]]) -> None:
        """Ids of texts and random ids, as a whole and as a stream."""
        size = self.oracle.get_vocab_size()
        lengths = [self.rng.choice([1, 2, 5, 12]) for _ in range(12)]
        rows += [[self.rng.randrange(size) for _ in range(length)] for length in lengths]
        for row in rows:
            if any(self.oracle.id_to_token(x) is None for x in row):
                continue
            for skip in (True, False):
                wanted = _attempt(self.oracle.decode, row, skip_special_tokens=skip)
                got = _attempt(self.tok.decode, row, skip_special_tokens=skip)
                self.check(f"decode skip={skip} {row}", wanted, got)
            if wanted not in (None, "error"):
                self.check(f"stream {row}", wanted, _attempt(_streamed, self.tok, row))


def _streamed(tok: subtok.Tokenizer, row: list[int]) -> str:
    stream = tok.stream(skip_special_tokens=False)
    return "".join([*map(stream.step, row), stream.finish()])


def differences(seed: int) -> list[str]:
    """What is not equal for the tokenizer of a seed."""
    content = draw(seed)
    if content is None:
        return []
    both = Comparison(seed, content)
    if _is_chance(both.oracle, content):
        return []
    if not isinstance(both.tok, subtok.Tokenizer):
        return [f"seed {seed}: refused"]
    rows = both.encodings()
    both.truncations()
    both.decodings(rows)
    saved = _attempt(both.tok.to_str)
    both.check("saved", json.loads(content), json.loads(saved) if saved != "error" else saved)
    return both.found


@pytest.mark.parametrize("start", range(0, 400, 20))
def test_random_tokenizers(start: int) -> None:
    found = [line for seed in range(start, start + 20) for line in differences(seed)]
    assert not found, "\n".join(found[:5])


if __name__ == "__main__":
    first, last = int(sys.argv[1]), int(sys.argv[2])
    differing = 0
    for number in range(first, last):
        problems = differences(number)
        differing += bool(problems)
        if problems and differing <= 20:
            sys.stdout.write("\n".join(problems[:2]) + "\n")
    sys.stdout.write(f"{differing} of {last - first} seeds differ\n")
