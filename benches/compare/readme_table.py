"""The tables of README.md and docs/guide/bench.md, written out of results/*.json.

    python benches/compare/readme_table.py [--check]

What stands between the two marks of a page is replaced; `--check` changes nothing, and exit code 1
says that a page and the results do not agree.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import textwrap
from pathlib import Path
from typing import Any

from _shared import RESULTS, ROOT, TEXTS

from subtok.bench.machine import BUSY
from subtok.bench.metrics import METRICS
from subtok.bench.table import cell, columns, problem, ratio, show, verdict

PAGES = ("README.md", "docs/guide/bench.md")
BEGIN = "<!-- speed: written by benches/compare/readme_table.py -->"
END = "<!-- /speed -->"
WIDTH = 140
NAMES = {
    "cl100k": "cl100k_base",
    "o200k": "o200k_base",
    "gpt2": "GPT-2",
    "bert": "BERT uncased",
    "llama2": "Llama 2",
}
# What is shown on the first page; everything stands on the second.
FIRST = {"fresh": "Fresh text", "cold1m": "Cold: the first 1 MB of a process"}


def table(rows: list[list[str]]) -> str:
    """Rows in Markdown, the first of them the head."""
    rule = ["---", *["---:"] * (len(rows[0]) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [rows[0], rule, *rows[1:]])


def text_of(runs: dict[str, Any], name: str, text: str) -> dict[str, Any] | None:
    """The figures of a tokenizer on a text; none where they are not measured."""
    run = runs.get(f"{name}/{text}")
    return None if run is None else run["texts"][text]


def first_cell(text: dict[str, Any] | None, figure: str) -> str:
    """The figure of subtok, and its ratio to the best peer."""
    if text is None or "subtok" not in text["figures"].get(figure, {}):
        return "not measured"
    if found := problem(text, "subtok", figure):
        return str(found["kind"])
    own = show(text["figures"][figure]["subtok"]["median"])
    value, best = ratio(text, figure)
    return f"{own} (no peer)" if value is None else f"{own} (**{value:.2f}x** {best})"


def first_tables(runs: dict[str, Any]) -> str:
    """The short tables: a row for each tokenizer, a column for each kind of text."""
    parts = []
    for figure, title in FIRST.items():
        rows = [[f"{title}, MB/s", *TEXTS.values()]]
        for name, shown in NAMES.items():
            cells = [first_cell(text_of(runs, name, text), figure) for text in TEXTS]
            rows.append([shown, *cells])
        parts.append(table(rows))
    return "\n\n".join([*parts, behind(runs)])


def behind(runs: dict[str, Any]) -> str:
    """How often subtok is ahead, over all figures."""
    found = [
        value
        for run in runs.values()
        for text in run["texts"].values()
        for figure in text["figures"]
        if (value := ratio(text, figure)[0]) is not None
    ]
    ahead = sum(value >= 1 for value in found)
    return textwrap.fill(
        f"In {ahead} of all {len(found)} comparisons (cold, fresh, replay; on English also short "
        "calls, decoding, offsets, two threads, loading, memory) subtok is ahead of every library "
        f"with the same ids, in {len(found) - ahead} it is behind one.",
        WIDTH,
    )


def conditions(runs: dict[str, Any], *, short: bool = False) -> str:
    """The machine, the versions, and how far the figures are to be trusted."""
    some = list(runs.values())
    one = some[0]
    machine, settings = one["machine"], one["settings"]
    when = sorted(run["machine"]["when"] for run in some)
    versions = dict.fromkeys(
        f"{name} {found['version']}" for run in some for name, found in run["libraries"].items()
    )
    clock = {"wall": "wall clock", "cpu": "the processor's clock"}[settings["clock"]]
    where = f"{machine['cpu']}, {machine['processors']} processors, {machine['system']}"
    rounds = settings["rounds"]
    how = f"{clock}, {'one round' if rounds == 1 else f'medians of {rounds} rounds'}"
    lines = [f"{where}; {when[0]} to {when[-1]}; {how}."]
    if not short:
        size = f"up to {settings['timed'] / 1e6:.0f} MB timed at once"
        lines.append(f"{machine['python']}, {', '.join(versions)}; {size}.")
    others = [run["machine"]["others"] for run in some if run["machine"]["others"] is not None]
    busy = statistics.mean(others) if others else 0.0
    if any(run["quick"] for run in some):
        lines.append("**Preliminary: a quick run, one round on little text.**")
    if busy > BUSY:
        lines.append(
            f"Other work kept {busy:.1f} of {machine['processors']} processors busy: trust ratios, "
            "not seconds."
        )
    if len({run["build"] for run in some}) > 1:
        lines.append("Not all rows were measured with the same build of subtok.")
    return textwrap.fill(" ".join(lines), WIDTH)


def full_tables(runs: dict[str, Any]) -> str:
    """Every figure of every library."""
    parts = []
    for name, shown in NAMES.items():
        texts = {x: found for x in TEXTS if (found := text_of(runs, name, x)) is not None}
        if not texts:
            continue
        libraries = list(dict.fromkeys(x for text in texts.values() for x in columns(text)))
        rows = [["", *libraries, "subtok to the best peer"]]
        threads = next(iter(runs.values()))["settings"]["threads"]
        for text, found in texts.items():
            for figure in found["figures"]:
                metric = METRICS[figure]
                label = f"{TEXTS[text]}: {metric.label.format(threads=threads)}, {metric.unit}"
                cells = [cell(found, figure, library) for library in libraries]
                rows.append([label, *cells, verdict(found, figure)])
        parts.append(f"### {shown}\n\n{table(rows)}")
        if notes := other_ids(texts):
            parts.append(notes)
    return "\n\n".join(parts)


def other_ids(texts: dict[str, dict[str, Any]]) -> str:
    """Who does not take part, and why."""
    found: dict[str, list[str]] = {}
    for text, measured in texts.items():
        for library, problems in measured["problems"].items():
            for what in problems.values():
                message = what["message"].replace("|", "\\|").replace("<", "&lt;")
                found.setdefault(f"{library}: {what['kind']}: {message}", []).append(TEXTS[text])
    return "\n".join(
        f"- {note}" + ("" if len(where) == len(texts) else f" ({', '.join(where)})")
        for note, where in found.items()
    )


def load_table(found: dict[str, Any]) -> str:
    """Loading, from a fresh process."""
    rows = [["vocabulary", "file", "subtok", "reference", "times faster"]]
    for row in found["files"]:
        ours, theirs = row["subtok"], row[row["reference"]]
        if "error" in ours or "error" in theirs:
            continue
        cells = [f"{x['first'] * 1000:.0f} ms, {x['bytes'] / 1e6:.0f} MB" for x in (ours, theirs)]
        cells.append(f"{theirs['first'] / ours['first']:.1f}")
        rows.append([row["size"], f"{row['file']} ({row['reference']})", *cells])
    machine = found["machine"]
    return (
        "### Loading\n\nFrom the file to the first ids, in a fresh process, and the memory that "
        f"this takes (`benches/compare/load_time.py`, {machine['cpu']}, {machine['when']}).\n\n"
        + table(rows)
    )


def road_table(found: dict[str, Any]) -> str:
    """Every tokenizer file against the library it was written for."""
    ids: dict[str, list[float]] = {}
    offsets: dict[str, list[float]] = {}
    files: dict[str, set[str]] = {}
    for row in found["files"]:
        library = row["reference"]
        for text in row.get("texts", {}).values():
            if "MB/s" not in text:
                continue
            median = {key: value["median"] for key, value in text["MB/s"].items()}
            plain = median[f"{library} encode_batch"]
            fast = median.get(f"{library} encode_batch_fast")
            files.setdefault(library, set()).add(row["file"])
            ids.setdefault(library, []).append(median["subtok ids"] / (fast or plain))
            if fast and text["offsets"] == "equal":
                offsets.setdefault(library, []).append(median["subtok offsets"] / plain)
    rows = [["reference", "files", "ids: times faster", "ids and offsets: times faster"]]
    for library, values in ids.items():
        cells = [spread(values), spread(offsets.get(library, []))]
        rows.append([library, str(len(files[library])), *cells])
    machine = found["machine"]
    return (
        "### Every tokenizer file\n\nOne thread, text in English, code, several languages and CJK; "
        "the least, the median and the most over files and texts "
        f"(`benches/compare/general_road.py`, {machine['cpu']}, {machine['when']}).\n\n"
        + table(rows)
    )


KINDS = {
    "file": "from a file",
    "iterator": "from an iterator",
    "counts": "from counts",
    "wordpiece": "WordPiece, from an iterator",
}


def train_clock(found: dict[str, Any]) -> str:
    """The figure that is compared."""
    return {"wall": "seconds", "cpu": "cpu"}[found["asked"]["clock"]]


def train_best(row: dict[str, Any], clock: str) -> str:
    """How many times faster subtok is than the fastest peer with the same merges."""
    own, *peers = row["figures"].items()
    fair = {x: y[clock] for x, y in peers if clock in y and "differs" not in y}
    if clock not in own[1] or not fair:
        return "no peer" if clock in own[1] else "failed"
    best = min(fair, key=fair.__getitem__)
    return f"**{fair[best] / own[1][clock]:.2f}x** {best}"


def train_first(found: dict[str, Any]) -> str:
    """The short table of training: a row for each text, a column for each way in."""
    kinds = list(dict.fromkeys(row["kind"] for row in found["rows"]))
    clock = train_clock(found)
    unit = {"seconds": "seconds", "cpu": "processor seconds"}[clock]
    rows = [[f"Training, {unit}", *(KINDS[kind] for kind in kinds)]]
    for text in dict.fromkeys(row["text"] for row in found["rows"]):
        here = {row["kind"]: row for row in found["rows"] if row["text"] == text}
        cells = []
        for kind in kinds:
            own = here[kind]["figures"]["subtok"]
            seconds = f"{own[clock]:.2f}" if clock in own else own["error"]
            cells.append(f"{seconds} ({train_best(here[kind], clock)})")
        size = next(iter(here.values()))["bytes"]
        rows.append([f"{text}, {size / 1e6:.0f} MB", *cells])
    return f"{table(rows)}\n\n{train_conditions(found)}"


def train_conditions(found: dict[str, Any]) -> str:
    """What the figures of training were measured on."""
    where, asked = found["machine"], found["asked"]
    rounds = "one round" if asked["rounds"] == 1 else f"medians of {asked['rounds']} rounds"
    clock = {"wall": "wall clock", "cpu": "the processor's clock"}[asked["clock"]]
    text = (
        f"Training of {asked['vocab_size']:,} tokens on {asked['threads']} processors, {rounds}, "
        f"{clock}; "
        f"{where['cpu']}, {where['when']}; "
        + ", ".join(f"{name} {number}" for name, number in found["libraries"].items())
        + "."
    )
    if (busy := where["others"] or 0) > BUSY:
        text += (
            f" Other work kept {busy:.1f} of {where['processors']} processors busy: trust ratios, "
            "not seconds."
        )
    return textwrap.fill(text, WIDTH)


def train_table(found: dict[str, Any]) -> str:
    """Every figure of training, and whose merges differ."""
    libraries = list(found["libraries"])
    rows = [["seconds, processor seconds, added memory", *libraries, "subtok to the best peer"]]
    notes: dict[str, None] = {}
    for row in found["rows"]:
        cells = []
        for library in libraries:
            one = row["figures"].get(library)
            if one is None:
                cells.append("-")
            elif "error" in one:
                cells.append("failed")
                notes[f"{row['text']}, {KINDS[row['kind']]}: {library}: {one['error']}"] = None
            else:
                mark = " (other merges)" if "differs" in one else ""
                size = one["bytes"] / 1e6
                cells.append(f"{one['seconds']:.2f} s, {one['cpu']:.2f} s, {size:.0f} MB{mark}")
                if mark:
                    note = f"{library}: {one['differs']}"
                    notes[f"{row['text']}, {KINDS[row['kind']]}: {note}"] = None
        label = f"{row['text']}, {row['bytes'] / 1e6:.0f} MB: {KINDS[row['kind']]}"
        rows.append([label, *cells, train_best(row, train_clock(found))])
    parts = [f"### Training\n\n{train_conditions(found)}", table(rows)]
    if notes:
        parts.append("\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts)


def embed_table(found: dict[str, Any]) -> str:
    """The factorised table beside other libraries."""
    titles = {
        "lookup": "ids to vectors, fresh memory",
        "train": "forward and backward in torch",
        "text": "4,000 lines to mean vectors",
        "load": "a saved table to its first vector",
    }
    rows = [["", "subtok", "others", "to the best of them"]]
    for name, calls in found["cases"].items():
        case, _, threads = name.partition("/")
        own = calls["subtok"]["median"]
        peers = {peer: call["median"] for peer, call in calls.items() if peer != "subtok"}
        others = ", ".join(f"{peer} {show(value)}" for peer, value in peers.items())
        count = "1 thread" if threads == "1t" else f"{threads[:-1]} threads"
        times = f"{min(peers.values()) / own:.1f}x"
        rows.append([f"{titles[case]}, {count}, ms", show(own), others, times])
    machine = found["machine"]
    about = (
        f"{found['ids']:,} ids of English in word pieces, {found['distinct']:,} of them distinct; "
        f"128 inner and 768 outer numbers (`benches/compare/embed.py`, {machine['cpu']}, "
        f"{machine['when']}, the processor's clock, medians of {found['rounds']} rounds)."
    )
    return f"### Vectors\n\n{textwrap.fill(about, WIDTH)}\n\n{table(rows)}"


def spread(values: list[float]) -> str:
    """Least, median and most."""
    if not values:
        return "-"
    return f"{min(values):.1f}, {statistics.median(values):.1f}, {max(values):.1f}"


def pages() -> dict[str, str]:
    """What belongs between the marks of each page."""
    found = {
        name: json.loads((RESULTS / f"{name}.json").read_text("utf-8"))
        for name in ("encode", "load_time", "general_road", "train", "embed")
    }
    runs = found["encode"]["runs"]
    trained = found["train"]
    first = f"{first_tables(runs)}\n\n{conditions(runs, short=True)}\n\n{train_first(trained)}"
    full = [conditions(runs), behind(runs), full_tables(runs), load_table(found["load_time"])]
    full += [road_table(found["general_road"]), train_table(trained), embed_table(found["embed"])]
    return dict(zip(PAGES, (first, "\n\n".join(full)), strict=True))


def filled(page: str, content: str) -> str:
    """A page with new content between its marks."""
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    new, count = pattern.subn(lambda _: f"{BEGIN}\n\n{content}\n\n{END}", page)
    if count != 1:
        raise SystemExit(f"there are {count} places for the tables, and not 1: {BEGIN}")
    return new


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing, say what differs")
    given = parser.parse_args()
    stale = False
    for name, content in pages().items():
        path: Path = ROOT / name
        old = path.read_text("utf-8")
        new = filled(old, content)
        if new == old:
            continue
        stale = True
        if given.check:
            print(f"{name} does not say what results/*.json say: run {Path(__file__).name}")
        else:
            path.write_text(new, "utf-8")
    sys.exit(1 if given.check and stale else 0)


if __name__ == "__main__":
    main()
