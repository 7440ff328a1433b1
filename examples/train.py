"""Train a byte-level BPE on a text, save it, and see what it does to a word."""

import tempfile
from pathlib import Path

import subtok

TEXT = Path(__file__).parent / "text" / "zh_luxun_zhufu.txt"

tok = subtok.train_bpe(TEXT, vocab_size=1000, special_tokens=["<|endoftext|>"])
print(tok)
print(tok.training_report)

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "tokenizer.json"
    tok.save(path)
    again = subtok.Tokenizer.from_file(path)

encoding = again.encode("新年的气象<|endoftext|>")
for token, (start, end) in zip(encoding.ids.tolist(), encoding.offsets.tolist(), strict=True):
    print(token, start, end, again.token_bytes(token))
assert again.decode(encoding.ids, skip_special_tokens=False) == "新年的气象<|endoftext|>"
