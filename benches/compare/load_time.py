"""How long a tokenizer takes to load: subtok and the reference library, each in fresh processes.

    python benches/compare/load_time.py [--data FOLDER] [--rounds 7] [--out results/load_time.json]

Every figure is a process of its own: the library is imported, then the clock runs over loading and
over encoding a first short text, since what is not built while loading is built then. The files are
in the system's cache. Rounds of the libraries take turns; the table has medians.

The vocabularies: 50 k (GPT-2), 128 k (Llama 3.2, a `tokenizer.json` assembled out of its
vocabulary and merges), 200 k (o200k, a rank file, and the `tokenizer.json` that subtok makes of
it).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _shared import (
    LLAMA3,
    RANKS,
    RESULTS,
    THREADS,
    default_data,
    load,
    machine,
    reference_of,
    write,
)

TEXT = "The first text takes what loading left to do: 1,234 words, été."


def import_library(library: str) -> None:
    """Everything that is imported, so that the clock does not see it."""
    __import__(library)
    if library == "tiktoken":
        __import__("tiktoken.load")
        __import__("tiktoken_ext.openai_public")


def resident() -> int:
    """The memory of this process, in bytes; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        return 0


def child(library: str, path: Path) -> None:
    """Measure, and print it; runs in a process of its own."""
    import_library(library)
    before = resident()
    start = time.perf_counter()
    try:
        made = load(library, path)
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"[:300]}))
        return
    loaded = time.perf_counter()
    made.encode(TEXT)
    done = time.perf_counter()
    found = {"load": loaded - start, "first": done - start, "bytes": resident() - before}
    print(json.dumps(found))


def cold(library: str, path: Path) -> dict[str, Any]:
    """Seconds to load a file in a fresh process, and to a first encoded text; or an error."""
    done = subprocess.run(
        [sys.executable, __file__, "--child", library, os.fspath(path)],
        capture_output=True,
        env={**os.environ, **THREADS},
        text=True,
        check=False,
    )
    if done.returncode:
        return {"error": done.stderr.strip()[-300:]}
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def cold_medians(libraries: tuple[str, ...], path: Path, rounds: int) -> dict[str, dict[str, Any]]:
    """For each library the medians of interleaved rounds."""
    found: dict[str, list[dict[str, Any]]] = {library: [] for library in libraries}
    for _ in range(rounds):
        for library in libraries:
            found[library].append(cold(library, path))
    result: dict[str, dict[str, Any]] = {}
    for library, rows in found.items():
        errors = [row for row in rows if "error" in row]
        if errors:
            result[library] = errors[0]
            continue
        result[library] = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        result[library]["rounds"] = [row["load"] for row in rows]
    return result


def assemble_llama(data: Path, folder: Path) -> Path:
    """A `tokenizer.json` of the 128 k tokens of Llama 3.2, from its vocabulary and merges."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    source = data / "tokenizers" / "llama3.2"
    vocab = json.loads((source / "encoder.json").read_text("utf-8"))
    lines = (source / "vocab.bpe").read_text("utf-8").split("\n")
    merges = [tuple(x.split(" ")) for x in lines if x and not x.startswith("#version")]
    made = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=True))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    path = folder / "llama3.2.json"
    made.save(os.fspath(path))
    return path


def convert_o200k(data: Path, folder: Path) -> Path:
    """The `tokenizer.json` that subtok makes of a rank file of 200 k tokens."""
    import subtok

    path = folder / "o200k_base.json"
    source = data / "tokenizers" / "tiktoken" / "o200k_base.tiktoken"
    subtok.Tokenizer.from_tiktoken(source, RANKS[source.stem]).save(path)
    return path


def milliseconds(figures: dict[str, Any], key: str) -> str:
    """A cell of the table."""
    return f"{figures[key] * 1000:.0f} ms" if key in figures else "-"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, default=RESULTS / "load_time.json")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child[0], Path(given.child[1]))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        files = given.data / "tokenizers"
        for size, make in (
            ("50 k", lambda: files / "tokenizer_json" / "gpt2.json"),
            ("128 k", lambda: assemble_llama(given.data, Path(folder))),
            ("200 k", lambda: files / "tiktoken" / "o200k_base.tiktoken"),
            ("200 k", lambda: convert_o200k(given.data, Path(folder))),
        ):
            path = make()
            reference = reference_of(path)
            found = cold_medians(("subtok", reference), path, given.rounds)
            rows.append({"size": size, "file": path.name, "reference": reference, **found})
    write(given.out, {"machine": machine(), "rounds": given.rounds, "files": rows})
    print(
        "| vocabulary | file | subtok: load | to the first ids | memory | reference: load |", end=""
    )
    print(" to the first ids | memory | times faster |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        ours, theirs = row["subtok"], row[row["reference"]]
        cells = [row["size"], f"{row['file']} ({row['reference']})"]
        for figures in (ours, theirs):
            cells += [milliseconds(figures, "load"), milliseconds(figures, "first")]
            cells.append(f"{figures['bytes'] / 1e6:.0f} MB" if "bytes" in figures else "-")
        both = "error" not in ours and "error" not in theirs
        cells.append(f"{theirs['first'] / ours['first']:.1f}" if both else ours.get("error", "-"))
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
