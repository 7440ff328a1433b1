"""Every tokenizer file against the library it was written for: one thread, ids verified first.

    python benches/compare/general_road.py [--data FOLDER] [--only gpt2] [--out FILE]

For each `tokenizer.json` (against `tokenizers`), `.tiktoken` (against `tiktoken`) and `.model`
(against `sentencepiece`) of the data folder, and for English, multilingual text, code and CJK:

- subtok's ids of a batch, and subtok's ids with the offsets of every token;
- the reference: `encode_batch`, which always has offsets, and `encode_batch_fast`, which has none;
  for the other two libraries their batch calls;
- the time to load the file in a fresh process.

Before anything is timed the ids (and offsets) of the first sample are compared; where ids differ
the row says so and has no figures, where offsets do it says so in their place. Each round encodes
text that none has seen, in documents of about 4 kB; the libraries take turns in every round, and
the figures are medians. A tokenizer that subtok does not load yet is listed with its reason.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _shared import RESULTS, TEXTS, THREADS, default_data, load, machine, reference_of, write
from load_time import cold_medians

os.environ.update(THREADS)

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable

DOCUMENT = 4096
OFFSET_ROWS = 40


def samples(path: Path, size: int, count: int) -> list[list[str]]:
    """`count` samples of about `size` bytes, each a list of documents that end at a newline."""
    with pa.CompressedInputStream(pa.OSFile(os.fspath(path)), "zstd") as stream:
        text = stream.read(size * count + DOCUMENT * count).decode("utf-8", errors="ignore")
    found: list[list[str]] = []
    at = 0
    for _ in range(count):
        sample: list[str] = []
        taken = 0
        while taken < size and at < len(text):
            # Characters are counted here, and bytes there: CJK documents are shorter.
            end = text.find("\n", at + DOCUMENT // 2) + 1 or len(text)
            sample.append(text[at : min(end, at + 2 * DOCUMENT)])
            at += len(sample[-1])
            taken += len(sample[-1].encode())
        found.append(sample)
    return [sample for sample in found if sample]


def calls(library: str, made: Any) -> dict[str, Callable[[list[str]], Any]]:
    """What is timed of a library, by name."""
    if library == "subtok":
        return {
            "ids": lambda texts: made.encode_batch(texts, threads=1),
            "offsets": lambda texts: [x.offsets for x in made.encode_batch(texts, threads=1)],
        }
    if library == "tokenizers":
        return {"encode_batch": made.encode_batch, "encode_batch_fast": made.encode_batch_fast}
    if library == "tiktoken":
        return {"encode_batch": lambda texts: made.encode_ordinary_batch(texts, num_threads=1)}
    return {"encode_batch": lambda texts: made.encode(texts, num_threads=1)}


def ids_of(library: str, made: Any, texts: list[str]) -> list[list[int]]:
    """The ids, as lists."""
    if library == "subtok":
        return [row.ids.tolist() for row in made.encode_batch(texts, threads=1)]
    rows = calls(library, made)["encode_batch"](texts)
    return [list(getattr(row, "ids", row)) for row in rows]


def wrong_ids(library: str, ours: Any, theirs: Any, texts: list[str]) -> str:
    """Where ids are not equal, in words; nothing where all are."""
    pairs = zip(ids_of("subtok", ours, texts), ids_of(library, theirs, texts), strict=True)
    wrong = [number for number, (one, other) in enumerate(pairs) if one != other]
    if not wrong:
        return ""
    return f"ids of {len(wrong)} of {len(texts)} documents differ, the first is {wrong[0]}"


def wrong_offsets(library: str, ours: Any, theirs: Any, texts: list[str]) -> str:
    """The same for offsets, where the reference has any."""
    if library == "tokenizers":
        for number, row in enumerate(theirs.encode_batch(texts)):
            if ours.encode(texts[number]).offsets.tolist() != [list(x) for x in row.offsets]:
                return f"offsets of document {number} differ"
    return ""


def speeds(
    library: str,
    ours: Any,
    theirs: Any,
    rounds: list[list[str]],
    clock: Callable[[], float],
) -> dict[str, dict[str, Any]]:
    """MB/s by name: medians over rounds in which all take turns."""
    timed = {f"subtok {name}": call for name, call in calls("subtok", ours).items()}
    timed |= {f"{library} {name}": call for name, call in calls(library, theirs).items()}
    found: dict[str, list[float]] = {name: [] for name in timed}
    for number, texts in enumerate(rounds):
        size = sum(len(text.encode()) for text in texts) / 1e6
        # Another one begins each time.
        names = list(timed)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            start = clock()
            result = timed[name](texts)
            found[name].append(size / (clock() - start))
            del result
    return {
        name: {"median": statistics.median(rows), "min": min(rows), "max": max(rows)}
        for name, rows in found.items()
    }


def measure(
    path: Path,
    texts: dict[str, list[list[str]]],
    load_rounds: int,
    clock: Callable[[], float],
) -> dict[str, Any]:
    """Everything about one file."""
    library = reference_of(path)
    row: dict[str, Any] = {"file": path.name, "reference": library}
    try:
        ours = load("subtok", path)
    except Exception as error:
        return {**row, "not loaded": f"{type(error).__name__}: {error}".replace(f"{path}: ", "")}
    theirs = load(library, path)
    row["load"] = cold_medians(("subtok", library), path, load_rounds)
    row["texts"] = {}
    for name, rounds in texts.items():
        if wrong := wrong_ids(library, ours, theirs, rounds[0]):
            row["texts"][name] = {"differs": wrong}
            continue
        row["texts"][name] = {
            "offsets": wrong_offsets(library, ours, theirs, rounds[0][:OFFSET_ROWS]) or "equal",
            "MB/s": speeds(library, ours, theirs, rounds[1:], clock),
        }
    return row


def rate(found: float) -> str:
    """A cell with MB/s."""
    return f"{found:.1f}" if found < 100 else f"{found:.0f}"  # noqa: PLR2004


def table(rows: list[dict[str, Any]]) -> str:
    """The results in Markdown."""
    columns = ["file", "text", "subtok ids", "subtok offsets", "reference", "its ids alone"]
    columns += ["ids: times faster", "offsets: times faster", "load, ms: subtok", "reference"]
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for row in rows:
        if "not loaded" in row:
            lines.append(f"| {row['file']} | not loaded: {row['not loaded'][:90]} |||||||||")
            continue
        library = row["reference"]
        loads = [row["load"][x].get("load") for x in ("subtok", library)]
        shown = ["-" if x is None else f"{x * 1000:.1f}" for x in loads]
        for name, found in row["texts"].items():
            if "differs" in found:
                lines.append(f"| {row['file']} | {TEXTS[name]} | {found['differs']} ||||||||")
                continue
            median = {key: value["median"] for key, value in found["MB/s"].items()}
            ids, offsets = median["subtok ids"], median["subtok offsets"]
            plain = median[f"{library} encode_batch"]
            fast = median.get(f"{library} encode_batch_fast")
            # Where the reference has no offsets, there is nothing to hold ours against.
            with_offsets = f"{offsets / plain:.1f}" if fast else "-"
            if found["offsets"] != "equal":
                with_offsets = found["offsets"]
            cells = [row["file"], TEXTS[name], rate(ids), rate(offsets), rate(plain)]
            cells += [rate(fast) if fast else "-", f"{ids / (fast or plain):.1f}", with_offsets]
            lines.append("| " + " | ".join([*cells, *shown]) + " |")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--only", default="", help="files whose name matches this expression")
    parser.add_argument("--texts", default=",".join(TEXTS), help="en,ml,code,cjk")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bytes", type=int, default=400_000, help="text per round")
    parser.add_argument("--load-rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "general_road.json")
    parser.add_argument(
        "--cpu", action="store_true", help="processor time, for a machine that others use too"
    )
    given = parser.parse_args()
    clock = time.process_time if given.cpu else time.perf_counter
    if hasattr(os, "sched_setaffinity"):
        # One processor, the same for all: nobody is moved while the clock runs.
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    wanted = [
        (name, given.data / "bench" / f"{name}.txt.zst") for name in given.texts.split(",") if name
    ]
    texts = {name: samples(path, given.bytes, given.rounds + 1) for name, path in wanted}
    folder = given.data / "tokenizers"
    kinds = (("tokenizer_json", "json"), ("tiktoken", "tiktoken"), ("sentencepiece", "model"))
    files = [path for name, kind in kinds for path in sorted((folder / name).glob(f"*.{kind}"))]
    rows = []
    for path in files:
        if re.search(given.only, path.name):
            print(path.name, file=sys.stderr, flush=True)
            rows.append(measure(path, texts, given.load_rounds, clock))
    setting = {"rounds": given.rounds, "bytes": given.bytes, "threads": 1}
    setting["clock"] = "processor" if given.cpu else "wall"
    write(given.out, {"machine": machine(), "setting": setting, "files": rows})
    print(table(rows))


if __name__ == "__main__":
    main()
