"""The factorised table beside the best ways to do the same with other libraries.

    python benches/compare/embed.py [--data FOLDER] [--threads 1] [--rounds 9] [--only train]
    python benches/compare/readme_table.py

Ids are those of English text (the data folder's `bench/en`), cut into word pieces by BERT's
tokenizer, in batches of 64 x 512; V = 30,522, E = 128, H = 768. Libraries that are not
installed are left out. All calls of a case take turns within one process; results are compared
before anything is timed. "dedupe" is what a careful user writes: distinct ids, projected,
copied. The clock is the processor's, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _shared import RESULTS, default_data, machine, write

import subtok
from subtok._text import read_rows
from subtok.bench.peers import installed, version

if TYPE_CHECKING:
    from collections.abc import Callable

    Calls = dict[str, Callable[[], Any]]

V, E, H, WIDE = 30_522, 128, 768, 256
SHAPE = (64, 512)
TOKENIZER = "tokenizers/tokenizer_json/bert-base-uncased.json"
LIBRARIES = ("torch", "safetensors", "model2vec")
CASES = {
    "lookup": "32,768 ids to vectors, fresh memory",
    "train": "32,768 ids, forward and backward",
    "text": "4,000 lines to mean vectors",
    "load": "a saved table to its first vector",
}


class Inputs:
    """What all cases share."""

    def __init__(self, data: Path, folder: Path) -> None:
        rng = np.random.default_rng(0)
        self.file = data / TOKENIZER
        self.tok = subtok.Tokenizer.from_file(self.file)
        lines = []
        for row in read_rows(data / "bench" / "en.txt.zst", rows="lines", field="text"):
            if row.strip():
                lines.append(" ".join(row.split()))
            if len(lines) == 20_000:  # noqa: PLR2004 (enough for a batch)
                break
        self.texts = [line for line in lines if line.isascii() and len(line) > 20][:4000]  # noqa: PLR2004
        batch = self.tok.encode_batch(lines, add_special_tokens=False)
        self.ids = batch.ids[: SHAPE[0] * SHAPE[1]].reshape(SHAPE).astype(np.int64)
        self.table = rng.normal(0, 0.05, (V, E)).astype(np.float32)
        self.projection = rng.normal(0, 0.1, (E, H)).astype(np.float32)
        self.gradient = rng.standard_normal((*SHAPE, H), np.float32)
        self.wide = rng.normal(0, 0.05, (V, WIDE)).astype(np.float32)
        self.path = folder / "table.safetensors"
        from subtok._tensors import factorized

        self.emb = factorized(self.table, self.projection)
        self.emb.save(self.path)


def lookup(x: Inputs, threads: int) -> Calls:
    """Vectors for a batch."""

    def numpy_dedupe() -> Any:
        found, where = np.unique(x.ids, return_inverse=True)
        return (x.table[found] @ x.projection)[where.reshape(x.ids.shape)]

    calls: Calls = {"subtok": partial(x.emb, x.ids, threads=threads), "numpy dedupe": numpy_dedupe}
    if installed("torch"):
        import torch

        torch.set_num_threads(threads)
        table, projection, ids = map(torch.from_numpy, (x.table, x.projection, x.ids))

        def torch_dedupe() -> Any:
            found, where = torch_distinct(torch, ids)
            return (table[found] @ projection).index_select(0, where).view(*SHAPE, H).numpy()

        def torch_plain() -> Any:
            return (table[ids] @ projection).numpy()

        calls |= {"torch dedupe": torch_dedupe, "torch plain": torch_plain}
    return calls


def torch_distinct(torch: Any, ids: Any) -> tuple[Any, Any]:
    """The distinct ids and where each stands: a mark for each, which is faster than sorting."""
    flat = ids.reshape(-1)
    seen = torch.zeros(V, dtype=torch.bool)
    seen[flat] = True
    found = seen.nonzero().ravel()
    place = torch.empty(V, dtype=torch.long)
    place[found] = torch.arange(len(found))
    return found, place[flat]


def train(x: Inputs, threads: int) -> Calls:
    """Both passes."""
    if not installed("torch"):
        return {}
    import torch
    from torch.nn import functional

    import subtok.torch

    torch.set_num_threads(threads)
    ids, gradient = torch.from_numpy(x.ids), torch.from_numpy(x.gradient)

    def both(forward: Any, module: Any) -> Callable[[], Any]:
        def call() -> Any:
            module.zero_grad()
            forward(ids).backward(gradient)
            return next(module.parameters()).grad.numpy()

        return call

    ours = subtok.torch.FactorizedEmbedding.from_numpy(x.emb)
    plain = x.emb.to_torch()
    careful = x.emb.to_torch()

    def dedupe(ids: Any) -> Any:
        found, where = torch_distinct(torch, ids)
        return functional.embedding(where.view_as(ids), careful(found))

    return {
        "subtok": both(ours, ours),
        "torch dedupe": both(dedupe, careful),
        "torch plain": both(plain, plain),
    }


def text(x: Inputs, threads: int) -> Calls:
    """Lines of text to vectors."""
    embed = subtok.TextEmbedder(x.tok, x.wide, skip_unknown=True)
    calls: Calls = {"subtok": lambda: embed(x.texts, threads=threads)}
    if installed("model2vec"):
        from model2vec import StaticModel
        from tokenizers import Tokenizer

        os.environ["TOKENIZERS_PARALLELISM"] = "false" if threads == 1 else "true"
        model = StaticModel(x.wide, Tokenizer.from_file(str(x.file)))
        calls["model2vec"] = lambda: model.encode(x.texts, use_multiprocessing=False)
    return calls


def load(x: Inputs, threads: int) -> Calls:  # noqa: ARG001
    """A file to its first vector."""
    name = "embeddings.word_embeddings.weight"
    calls: Calls = {"subtok": lambda: subtok.FactorizedEmbedding.load(x.path)([5])[0]}
    if installed("safetensors"):
        from safetensors import safe_open

        def numpy_whole() -> Any:
            with safe_open(x.path, "np") as file:
                return file.get_tensor(name)[5] @ x.projection

        calls["safetensors, numpy"] = numpy_whole
    return calls


def measure(calls: Calls, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of every call, after their results were compared."""
    want = calls["subtok"]()
    for name, call in calls.items():
        got = call()
        if not np.allclose(got, want, rtol=1e-3, atol=1e-3):
            raise SystemExit(f"{name} gives other numbers")
    seen: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            begun = time.process_time()
            call()
            seen[name].append(1000 * (time.process_time() - begun))
    return {
        name: {"median": statistics.median(x), "least": min(x), "most": max(x)}
        for name, x in seen.items()
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", choices=list(CASES), help="one case")
    parser.add_argument("--out", type=Path, default=RESULTS / "embed.json")
    given = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != str(given.threads):
        # The libraries read it when they are loaded, numpy has been.
        os.environ["OMP_NUM_THREADS"] = str(given.threads)
        os.execv(sys.executable, [sys.executable, *sys.argv])
    result = json.loads(given.out.read_text("utf-8")) if given.out.exists() else {}
    found = result.get("cases", {})
    with tempfile.TemporaryDirectory() as folder:
        inputs = Inputs(given.data, Path(folder))
        for name, make in {"lookup": lookup, "train": train, "text": text, "load": load}.items():
            if given.only in {None, name} and len(calls := make(inputs, given.threads)) > 1:
                found[f"{name}/{given.threads}t"] = measure(calls, given.rounds)
                print(name, json.dumps(found[f"{name}/{given.threads}t"]), flush=True)
    here = machine()
    here["versions"] |= {x: version(x) if installed(x) else "not installed" for x in LIBRARIES}
    distinct = len(np.unique(inputs.ids))
    write(
        given.out,
        {
            "schema": "subtok embed 1",
            "machine": here,
            "rounds": given.rounds,
            "ids": inputs.ids.size,
            "distinct": distinct,
            "cases": found,
        },
    )


if __name__ == "__main__":
    main()
