"""Train a small masked language model twice: with the factorised table, and with a whole one.

    python examples/masked_lm.py [--steps 300] [--plot losses.png]

A vocabulary is trained on the sample texts, 15 % of their tokens are hidden, and a transformer of
two layers learns to name them, once with a table of V x E and E x H, once with V x H. Both see the
same batches from the same seed. Some minutes on two cores; needs torch, and `--plot` matplotlib.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import subtok
from subtok.torch import FactorizedEmbedding

TEXTS = sorted((Path(__file__).parent / "text").glob("en_*.txt"))
VOCAB, INNER, HIDDEN = 8000, 64, 256
LENGTH, BATCH = 64, 32
# Of the hidden tokens this share is masked, and this one replaced by any other.
HIDE, MASKED, REPLACED = 0.15, 0.8, 0.1
KEEP = -100
LEARNT = 100


class Dense(nn.Module):
    """A whole table, and a head that shares it."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.table = nn.Embedding(size, HIDDEN)
        nn.init.normal_(self.table.weight, std=0.02)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Vectors for ids."""
        return self.table(ids)

    def logits(self, vectors: torch.Tensor) -> torch.Tensor:
        """Logits for vectors."""
        return functional.linear(vectors, self.table.weight)


class Model(nn.Module):
    """A transformer between a table and its head."""

    def __init__(self, table: nn.Module) -> None:
        super().__init__()
        self.table = table
        self.places = nn.Parameter(0.02 * torch.randn(LENGTH, HIDDEN))
        layer = nn.TransformerEncoderLayer(
            HIDDEN, 4, 2 * HIDDEN, dropout=0, activation="gelu", batch_first=True
        )
        self.layers = nn.TransformerEncoder(layer, 2)
        self.norm = nn.LayerNorm(HIDDEN)

    def forward(self, ids: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """Logits at the places that are chosen."""
        # The table's vectors are small, as BERT's are; the norm brings them to size.
        vectors = self.layers(self.norm(self.table(ids) + self.places))
        return self.table.logits(vectors[chosen])


class Task:
    """The texts in rows of equal length, with tokens to hide."""

    def __init__(self) -> None:
        tok = subtok.train_wordpiece([str(path) for path in TEXTS], vocab_size=VOCAB)
        paragraphs = [part for path in TEXTS for part in path.read_text("utf-8").split("\n\n")]
        ids = tok.encode_batch(paragraphs, add_special_tokens=False).ids
        rows = ids[: len(ids) // LENGTH * LENGTH].reshape(-1, LENGTH).astype(np.int64)
        self.size, self.mask = tok.id_limit, tok.token_to_id("[MASK]")
        self.held, self.rows = rows[::20], np.delete(rows, np.s_[::20], axis=0)

    def loss(self, model: Model, rows: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
        """The loss on rows some of whose tokens are hidden."""
        chosen, how = rng.random(rows.shape) < HIDE, rng.random(rows.shape)
        shown = np.where(chosen & (how < MASKED), self.mask, rows)
        others = rng.integers(0, self.size, rows.shape)
        shown = np.where(chosen & (how > 1 - REPLACED), others, shown)
        logits = model(torch.from_numpy(shown), torch.from_numpy(chosen))
        return functional.cross_entropy(logits, torch.from_numpy(rows[chosen]))


def train(task: Task, model: Model, steps: int, rng: np.random.Generator) -> list[float]:
    """The loss of every step."""
    optimiser = torch.optim.AdamW(model.parameters(), 1e-3)
    rise = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(1, (step + 1) / 50))
    seen = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = task.loss(model, task.rows[rng.integers(0, len(task.rows), BATCH)], rng)
        loss.backward()
        optimiser.step()
        rise.step()
        seen.append(loss.item())
    return seen


def plot(losses: dict[str, list[float]], path: str) -> None:
    """Draw the losses."""
    from matplotlib import pyplot as plt  # noqa: PLC0415 (only for this)

    for name, seen in losses.items():
        smooth = np.convolve(seen, np.ones(20) / 20, "valid")
        plt.plot(np.arange(len(smooth)) + 20, smooth, label=name)
    plt.xlabel("step")
    plt.ylabel("loss, mean of 20 steps")
    plt.legend()
    plt.savefig(path, dpi=120)
    print(path)


def main() -> None:
    """Train both, and show how they did."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", metavar="FILE", help="draw both losses; needs matplotlib")
    given = parser.parse_args()
    task = Task()
    numbers = f"{task.rows.size} tokens, {task.size} ids"
    print(f"{numbers}, {given.steps} steps of {BATCH} x {LENGTH}")
    print(
        f"{'table':18} {'its numbers':>12} {'all':>10} {'loss':>7} {'held out':>9} {'ms/step':>8}"
    )
    tables = {
        f"factorised, E={INNER}": lambda: FactorizedEmbedding(task.size, INNER, HIDDEN),
        "dense": lambda: Dense(task.size),
    }
    losses = {}
    for name, make in tables.items():
        torch.manual_seed(given.seed)
        model, begun = Model(make()), time.perf_counter()
        seen = train(task, model, given.steps, np.random.default_rng(given.seed))
        each = 1000 * (time.perf_counter() - begun) / max(1, given.steps)
        with torch.no_grad():
            parts = np.array_split(task.held, max(1, len(task.held) // BATCH))
            test = [task.loss(model, part, np.random.default_rng(1)).item() for part in parts]
        losses[name] = seen
        own, every = (sum(part.numel() for part in x.parameters()) for x in (model.table, model))
        last = np.mean(seen[-20:])
        line = f"{name:18} {own:12,} {every:10,} {last:7.3f} {np.mean(test):9.3f} {each:8.1f}"
        print(line, flush=True)
        assert given.steps < LEARNT or last < seen[0] - 1, "it must have learnt something"
    if given.plot:
        plot(losses, given.plot)


if __name__ == "__main__":
    main()
