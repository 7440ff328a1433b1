"""Decode ids one by one, as a model makes them: never half a character."""

from pathlib import Path

import subtok

DATA = Path(__file__).parent.parent / "tests" / "data"

tok = subtok.Tokenizer.from_file(DATA / "small_bpe.json")
text = "Grüße, 안녕, 你好 👋🏽"
stream = tok.stream()
parts = [stream.step(token) for token in tok.encode(text).ids.tolist()]
parts.append(stream.finish())
print(parts)
assert "".join(parts) == text
