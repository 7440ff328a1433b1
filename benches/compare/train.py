"""Training beside every library that is installed: seconds, processor time, memory; and merges.

    python benches/compare/train.py [TEXT ...] [--vocab-size 8000] [--rounds 3] [--out FILE]
    python benches/compare/readme_table.py

A text is any UTF-8 file; by default those of `examples/text` in one. Four ways in: a text file, a
Python iterator over documents, counts that are there already, and WordPiece from the iterator. Each
run is a process of its own on `--threads` processors; libraries take turns. A library with other
merges than subtok's keeps its figures, marked, and is nobody to be compared with. WordPiece of
tokenizers differs from run to run, so there only sizes are compared.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _shared import RESULTS, ROOT, write

from subtok.bench.machine import Others, machine
from subtok.bench.peers import installed, version

if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[[], Any]
    Tokens = Callable[[Any], list[bytes]]

SCHEMA = "subtok train 1"
PEERS = {
    "file": ("gigatoken", "ffbpe", "tokenizers"),
    "iterator": ("gigatoken", "ffbpe", "rustbpe", "tokenizers"),
    "counts": ("ffbpe",),
    "wordpiece": ("tokenizers",),
}
LIMIT = 900.0
# Of a document, in characters: cut after a line.
DOCUMENT = 4000
GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def documents(path: Path) -> list[str]:
    """A text in documents of whole lines."""
    text = path.read_bytes().decode()
    found, start = [], 0
    while start < len(text):
        end = text.find("\n", start + DOCUMENT) + 1 or len(text)
        found.append(text[start:end])
        start = end
    return found


def byte_of() -> dict[str, int]:
    """The byte that each character of a byte-level vocabulary stands for."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    shown = {chr(byte): byte for byte in plain}
    return shown | {chr(256 + at): byte for at, byte in enumerate(others)}


def merged(saved: str) -> list[bytes]:
    """What the merges of a tokenizer.json make, in order; of WordPiece only how many entries."""
    model = json.loads(saved)["model"]
    if "merges" not in model:
        return [b""] * len(model["vocab"])
    table = byte_of()
    pairs = (m if isinstance(m, list) else m.split(" ") for m in model["merges"])
    return [bytes(table[c] for c in "".join(pair)) for pair in pairs]


def subtok(job: dict[str, Any], docs: list[str]) -> tuple[Start, Tokens]:
    """How subtok is called."""
    import subtok as library

    size, threads, kind = job["vocab_size"], job["threads"], job["kind"]

    def start() -> Any:
        if kind == "wordpiece":
            return library.train_wordpiece(iter(docs), size, threads=threads)
        source = {"file": job["path"], "iterator": iter(docs), "counts": counts}[kind]
        return library.train_bpe(source, size, pretokenizer="gpt2", threads=threads)

    counts = library.count(iter(docs), "gpt2", threads=threads) if kind == "counts" else None
    return start, lambda tok: merged(tok.to_str())


def tokenizers(job: dict[str, Any], docs: list[str]) -> tuple[Start, Tokens]:
    """How tokenizers is called."""
    import tokenizers as library
    from tokenizers import models, normalizers, pre_tokenizers, trainers

    given = {"vocab_size": job["vocab_size"], "show_progress": False}
    if job["kind"] == "wordpiece":
        tok = library.Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tok.normalizer = normalizers.BertNormalizer(lowercase=True)
        tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        trainer = trainers.WordPieceTrainer(special_tokens=special, **given)
    else:
        tok = library.Tokenizer(models.BPE())
        tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(initial_alphabet=alphabet, **given)
    if job["kind"] == "file":
        return lambda: tok.train([job["path"]], trainer), lambda _: merged(tok.to_str())
    return lambda: tok.train_from_iterator(iter(docs), trainer), lambda _: merged(tok.to_str())


def gigatoken(job: dict[str, Any], docs: list[str]) -> tuple[Start, Tokens]:
    """How gigatoken is called: it takes no iterator, so joining the documents is timed."""
    import gigatoken as library

    size = job["vocab_size"]
    if any("\0" in doc for doc in docs):
        raise ValueError("the text holds the separator (a zero byte)")

    def start() -> Any:
        if job["kind"] == "file":
            return library.train_bpe(job["path"], size, [])
        return library.train_bpe("\0".join(docs).encode(), size, [], separator=b"\0")

    return start, lambda made: [left + right for left, right in made[1]]


def ffbpe(job: dict[str, Any], docs: list[str]) -> tuple[Start, Tokens]:
    """How ffbpe is called."""
    import ffbpe as library

    pre = library.PreTokenizer([], pat_str=None)
    trainer = library.BpeTrainer([], initial_alphabet="byte_level")
    counter = pre.word_counter()
    if job["kind"] == "counts":
        counter.add_source(iter(docs))

    def start() -> None:
        if job["kind"] == "file":
            trainer.add_words(pre.get_words_from_file(job["path"]))
        else:
            if job["kind"] == "iterator":
                counter.add_source(iter(docs))
            trainer.add_word_counter(counter)
        trainer.train(job["vocab_size"])

    def tokens(_: Any) -> list[bytes]:
        entries = sorted(trainer.vocab.items(), key=lambda entry: entry[1])
        return [bytes(token) for token, _ in entries][256:]

    return start, tokens


def rustbpe(job: dict[str, Any], docs: list[str]) -> tuple[Start, Tokens]:
    """How rustbpe is called."""
    import rustbpe as library

    tok = library.Tokenizer()

    def tokens(_: Any) -> list[bytes]:
        ranks = sorted(tok.get_mergeable_ranks(), key=lambda entry: entry[1])
        return [bytes(token) for token, _ in ranks][256:]

    return lambda: tok.train_from_iterator(iter(docs), job["vocab_size"], pattern=GPT2), tokens


CALLS = {call.__name__: call for call in (subtok, tokenizers, gigatoken, ffbpe, rustbpe)}


def memory(name: str) -> int:
    """A figure of this process in bytes; 0 where the system does not say."""
    try:
        status = Path("/proc/self/status").read_text("ascii")
    except OSError:
        return 0
    found = [line for line in status.splitlines() if line.startswith(name)]
    return int(found[0].split()[1]) * 1024 if found else 0


def child(job: dict[str, Any]) -> dict[str, Any]:
    """One training: this process does nothing else."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: job["threads"]])
    docs = [] if job["kind"] == "file" else documents(Path(job["path"]))
    start, tokens = CALLS[job["library"]](job, docs)
    with contextlib.suppress(OSError):
        # Forget the peak so far.
        Path("/proc/self/clear_refs").write_text("5", "ascii")
    before, cpu = memory("VmRSS"), resource.getrusage(resource.RUSAGE_SELF)
    clock = time.perf_counter()
    made = start()
    seconds = time.perf_counter() - clock
    after, peak = resource.getrusage(resource.RUSAGE_SELF), memory("VmHWM")
    used = after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime
    Path(job["tokens"]).write_text("\n".join(token.hex() for token in tokens(made)), "ascii")
    return {"seconds": seconds, "cpu": used, "bytes": max(0, peak - before)}


def run(job: dict[str, Any]) -> dict[str, Any]:
    """One training in a process of its own."""
    threads = str(job["threads"])
    names = ("RAYON_NUM_THREADS", "SUBTOK_NUM_THREADS", "OMP_NUM_THREADS")
    command = [sys.executable, __file__, "--child", json.dumps(job)]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **dict.fromkeys(names, threads)},
            capture_output=True,
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"more than {LIMIT:.0f} s"}
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        return {"error": f"exit code {done.returncode}: {' '.join(last)[:200]}"}
    # A library may print, too.
    found: dict[str, Any] = json.loads(done.stdout.decode().strip().splitlines()[-1])
    return found


def difference(theirs: list[str], ours: list[str], kind: str) -> str:
    """Where merges part; empty where they do not."""
    if kind == "wordpiece":
        return "" if len(theirs) == len(ours) else f"{len(theirs):,} entries, not {len(ours):,}"
    if theirs == ours:
        return ""
    pairs = zip(theirs, ours, strict=False)
    least = min(len(theirs), len(ours))
    at = next((at for at, (one, two) in enumerate(pairs) if one != two), least)
    return f"other merges from {at:,} on, {len(set(theirs) - set(ours)):,} tokens not shared"


def measure(path: Path, kind: str, given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All libraries on one text in one way."""
    libraries = ["subtok", *(name for name in PEERS[kind] if installed(name))]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in libraries}
    tokens: dict[str, list[str]] = {}
    found: dict[str, dict[str, Any]] = {}
    for _ in range(given.rounds):
        for name in libraries:
            out = folder / f"{name}.tokens"
            job = {"library": name, "kind": kind, "path": str(path), "tokens": str(out)}
            one = run({**job, "vocab_size": given.vocab_size, "threads": given.threads})
            if "error" in one:
                found[name] = one
                continue
            made = out.read_text("ascii").split("\n")
            if tokens.setdefault(name, made) != made and kind != "wordpiece":
                found[name] = {"error": "two runs gave different merges"}
            runs[name].append(one)
    for name in libraries:
        if name in found:
            continue
        figures = {key: [one[key] for one in runs[name]] for key in ("seconds", "cpu", "bytes")}
        found[name] = {key: statistics.median(values) for key, values in figures.items()}
        if name != "subtok" and (other := difference(tokens[name], tokens.get("subtok", []), kind)):
            found[name]["differs"] = other
    return found


def texts(given: list[Path], folder: Path) -> list[Path]:
    """The files that were named, or our own in one."""
    if given:
        return given
    sample = folder / "sample.txt"
    ours = sorted((ROOT / "examples" / "text").glob("*.txt"))
    sample.write_bytes(b"".join(path.read_bytes() for path in ours))
    return [sample]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("texts", nargs="*", type=Path, metavar="TEXT")
    parser.add_argument("--kinds", nargs="+", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--vocab-size", type=int, default=8000)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--out", type=Path, default=RESULTS / "train.json")
    parser.add_argument("--child", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child is not None:
        print(json.dumps(child(given.child)))
        return
    names = ["subtok", *dict.fromkeys(name for names in PEERS.values() for name in names)]
    versions = {name: version(name) for name in names if installed(name)}
    rows, others = [], Others()
    with tempfile.TemporaryDirectory() as folder:
        for path in texts(given.texts, Path(folder)):
            for kind in given.kinds:
                figures = measure(path.resolve(), kind, given, Path(folder))
                row = {"text": path.stem, "bytes": path.stat().st_size, "kind": kind}
                rows.append({**row, "figures": figures})
                print(json.dumps(rows[-1]), flush=True)
    asked = {name: getattr(given, name) for name in ("vocab_size", "threads", "rounds", "clock")}
    where = {**machine(), "others": others.busy()}
    result = {"schema": SCHEMA, "machine": where, "libraries": versions, "asked": asked}
    write(given.out, {**result, "rows": rows})


if __name__ == "__main__":
    main()
