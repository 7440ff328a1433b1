"""What a model takes: a batch of two texts each, cut, padded, with masks and types."""

from pathlib import Path

import subtok

DATA = Path(__file__).parent.parent / "tests" / "data"

tok = subtok.Tokenizer.from_file(DATA / "small_wordpiece.json")
questions = ["Who wrote it?", "In which year was it finished?"]
answer = "Northanger Abbey was finished in the year 1803, and intended for immediate publication."
batch = tok.encode_batch(questions, [answer] * 2, max_length=24, truncation="only_second")
arrays = batch.padded(length=24)
for name, array in arrays.items():
    print(name, array.shape, array.dtype)
    print(array)
assert arrays["input_ids"].shape == arrays["attention_mask"].shape == (2, 24)
assert [len(set(row.type_ids.tolist())) for row in batch] == [2, 2]
