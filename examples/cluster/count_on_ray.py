"""Count the words of a corpus on Ray, and train on the result.

    python count_on_ray.py corpus.parquet counts.parquet

The same in a program of yours, with any dataset that Ray reads: `subtok.ray.count(dataset)`.
"""

from __future__ import annotations

import sys

import ray

import subtok
import subtok.ray

if __name__ == "__main__":
    texts = ray.data.read_parquet(sys.argv[1], columns=["text"])
    counts = subtok.ray.count(texts, pretokenizer="gpt2")
    counts.save(sys.argv[2])
    print(subtok.train_bpe(counts, vocab_size=1_000))
