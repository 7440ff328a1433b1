"""Figures as a table for a terminal or a page, with everything that a reader has to know."""

from __future__ import annotations

import json
import textwrap
from typing import Any

from subtok.bench.machine import BUSY
from subtok.bench.metrics import METRICS

__all__ = [
    "as_json",
    "as_markdown",
    "as_text",
    "busy",
    "cell",
    "columns",
    "problem",
    "ratio",
    "show",
    "verdict",
]

# A result as `bench` returns it, and its part for one text.
Result = dict[str, Any]
Rows = list[list[str]]

_KINDS = {
    "ranks": "rank file",
    "sentencepiece": "sentencepiece model",
    "tokenizer.json": "tokenizer.json",
    "other": "read by subtok; others get the tokenizer.json that subtok writes of it",
}
_TEN, _HUNDRED = 10, 100
_UNABLE = "cannot load"
_WIDTH = 100
# Making arrays out of lists is worth a note from this share of the time on.
_CONVERTING = 0.01
_MEANING = """\
cold: a fresh process's first text, document by document; fresh: text that was not seen before, in \
one batch, after a warm-up on other text; replay: the same batch again, with everything in caches, \
which says little about new text
every library in processes of its own, called in its fastest way that yields flat uint32 ids, no \
special tokens added; the file is in the system's cache when it is loaded; Python's collector of \
garbage is off
""".splitlines()


def as_text(result: Result) -> str:
    """For a terminal."""
    parts = [_wrapped(_head(result))]
    for name, text in result["texts"].items():
        rows = _rows(result, text)
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                [
                    row[0].ljust(widths[0]),
                    *map(str.rjust, row[1:-1], widths[1:-1]),
                    row[-1],
                ]
            ).rstrip()
            for row in rows
        ]
        parts.append("\n".join([_title(name, text), *lines, _wrapped(_text_notes(text))]).rstrip())
    return "\n\n".join([*parts, _wrapped(_notes(result))]) + "\n"


def as_markdown(result: Result) -> str:
    """For a page."""
    parts = [_listed(_head(result))]
    for name, text in result["texts"].items():
        rows = [[cell.replace("|", "\\|") for cell in row] for row in _rows(result, text)]
        rule = ["---", *["---:"] * (len(rows[0]) - 1)]
        table = "\n".join(f"| {' | '.join(row)} |" for row in [rows[0], rule, *rows[1:]])
        parts.append(f"### {_title(name, text)}\n\n{table}")
        parts.append(_listed(_text_notes(text)))
    return "\n\n".join([*parts, _listed(_notes(result))]) + "\n"


def as_json(result: Result) -> str:
    """For machines."""
    return json.dumps(result, ensure_ascii=False, indent=1) + "\n"


def ratio(text: Result, name: str) -> tuple[float | None, str | None]:
    """How many times better subtok is than the best peer with right results, and who that is."""
    medians = {
        library: figure["median"]
        for library, figure in text["figures"].get(name, {}).items()
        if problem(text, library, name) is None
    }
    own = medians.pop("subtok", None)
    if not medians:
        return None, None
    more = METRICS[name].more_is_better
    best = (max if more else min)(medians, key=lambda library: medians[library])
    if own is None or min(own, medians[best]) <= 0:
        return None, best
    return (own / medians[best] if more else medians[best] / own), best


def problem(text: Result, library: str, name: str) -> dict[str, str] | None:
    """What keeps a library's figure out of the comparison."""
    found: dict[str, dict[str, str]] = text["problems"].get(library, {})
    return found.get("all") or found.get(METRICS[name].group)


def show(value: float) -> str:
    """Three digits."""
    if value >= _HUNDRED:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= _TEN else f"{value:.3g}"


def verdict(text: Result, name: str) -> str:
    """The last cell of a row."""
    value, best = ratio(text, name)
    if value is None:
        return "-" if best is None else f"best: {best}"
    return f"{value:.2f}x {best}" + (" (behind)" if value < 1 else "")


def busy(result: Result) -> str:
    """What to say about other work on the machine; nothing when it is quiet."""
    others, load = result["machine"]["others"], result["machine"]["load"]
    if others is not None and others > BUSY:
        many = f"other work kept {others:.1f} of {result['machine']['processors']} processors busy"
        return f"{many}: trust ratios, not seconds"
    if others is None and load is not None and load > BUSY:
        return f"load average {load:.1f} before the start: trust ratios, not seconds"
    return ""


def _head(result: Result) -> list[str]:
    tokenizer, machine, settings = result["tokenizer"], result["machine"], result["settings"]
    pattern = f", split {tokenizer['pattern']}" if tokenizer["pattern"] else ""
    load = "" if machine["load"] is None else f", load average {machine['load']:.1f} at the start"
    what = f"{_KINDS[tokenizer['kind']]}{pattern}, {tokenizer['vocab_size']:,} tokens"
    where = f"{machine['cpu']}, {machine['processors']} processors{load}; {machine['system']}"
    how = f"{_rounds(settings['rounds'])}, {settings['clock']} time, one thread"
    if settings["threads"] > 1:
        how += f" (and {settings['threads']} where a row says so)"
    how += ", pinned to one processor" if settings["cores"] else ", not pinned to a processor"
    lines = [
        f"{tokenizer['file']}: {what}",
        _reference(result["reference"]),
        f"{where}; {machine['python']}; {machine['when']}",
        how,
        ", ".join(f"{name} {found['version']}" for name, found in result["libraries"].items()),
    ]
    return [*lines, *filter(None, [busy(result)]), *tokenizer["notes"]]


def _reference(reference: dict[str, str]) -> str:
    if reference["library"] == reference["wanted"]:
        return f"ids held against {reference['library']} {reference['version']}"
    return (
        f"ids held against subtok itself, NOT against {reference['wanted']}, which is not "
        "installed or refuses the file"
    )


def _rounds(number: int) -> str:
    return "one round" if number == 1 else f"medians of {number} rounds (and the least and most)"


def _title(name: str, text: Result) -> str:
    detail = text["details"].get("subtok") or next(iter(text["details"].values()), None)
    size = f"{text['bytes'] / 1e6:.1f} MB in {text['documents']:,} documents"
    if detail is not None:
        size += (
            f"; fresh: {text['warm_bytes'] / 1e6:.1f} MB of warm-up, then "
            f"{detail['bytes'] / 1e6:.1f} MB and {detail['tokens']:,} tokens"
        )
    return f"{name}: {size}"


def columns(text: Result) -> list[str]:
    """The libraries with a column: those that have a figure, or other results."""
    measured = dict.fromkeys(x for row in text["figures"].values() for x in row)
    wrong = [
        library
        for library, found in text["problems"].items()
        if found.get("all", {}).get("kind") == "other ids"
    ]
    names = dict.fromkeys([*measured, *wrong])
    return [*(x for x in names if x == "subtok"), *(x for x in names if x != "subtok")]


def _rows(result: Result, text: Result) -> Rows:
    names = columns(text)
    rows = [["", *names, "subtok to the best peer"]]
    for name in text["figures"]:
        metric = METRICS[name]
        label = metric.label.format(threads=result["settings"]["threads"])
        cells = [cell(text, name, library) for library in names]
        rows.append([f"{label}, {metric.unit}", *cells, verdict(text, name)])
    return rows


def cell(text: Result, name: str, library: str) -> str:
    """A figure with its span, or why there is none."""
    if (found := problem(text, library, name)) is not None:
        return found["kind"]
    figure = text["figures"][name].get(library)
    if figure is None:
        return "-"
    mark = "~" if figure["reduced"] and METRICS[name].unit == "MB/s" else ""
    span = ""
    if len(figure["values"]) > 1:
        span = f" ({show(figure['min'])}-{show(figure['max'])})"
    return f"{show(figure['median'])}{mark}{span}"


def _text_notes(text: Result) -> list[str]:
    notes = [f"not measured: {reason}" for reason in dict.fromkeys(text["too_little"].values())]
    for library, found in text["problems"].items():
        for where, what in found.items():
            if what["kind"] != _UNABLE:
                scope = "" if where == "all" else f" ({where})"
                notes.append(f"{library}{scope}: {what['kind']}: {what['message']}")
    if text["verified_ids"]:
        notes.append(f"{text['verified_ids']:,} ids verified before anything was timed")
    return notes


def _notes(result: Result) -> list[str]:
    texts = result["texts"].values()
    shown = dict.fromkeys(x for text in texts for x in columns(text))
    notes = list(_MEANING)
    unable = {
        f"{library} {_UNABLE} this tokenizer: {found['all']['message']}": None
        for text in texts
        for library, found in text["problems"].items()
        if found.get("all", {}).get("kind") == _UNABLE
    }
    notes.extend(unable)
    notes.append(
        "what is unfair: "
        + "; ".join(f"{name}: {result['libraries'][name]['note']}" for name in shown)
    )
    for name in shown:
        shares = [text["details"][name]["converting"] for text in texts if name in text["details"]]
        if shares and max(shares) > _CONVERTING:
            notes.append(f"{name}: making arrays is up to {max(shares):.0%} of its time for fresh")
    if any(
        figure["reduced"]
        for text in texts
        for row in text["figures"].values()
        for figure in row.values()
    ):
        seconds = result["settings"]["seconds"]
        notes.append(
            f"~: slow; warmed up and timed on what it does in about {seconds:g} s, in one round"
        )
    behind = [
        f"{name}: {', '.join(_behind(result, text))}"
        for name, text in result["texts"].items()
        if _behind(result, text)
    ]
    if behind:
        notes.append(f"subtok is behind in: {'; '.join(behind)}")
    return notes


def _behind(result: Result, text: Result) -> list[str]:
    threads = result["settings"]["threads"]
    return [
        METRICS[name].label.format(threads=threads)
        for name in text["figures"]
        if (value := ratio(text, name)[0]) is not None and value < 1
    ]


def _listed(lines: list[str]) -> str:
    """Notes for a page; a token such as `<s>` is no mark there."""
    return "\n".join(f"- {line.replace('<', '&lt;')}" for line in lines)


def _wrapped(lines: list[str]) -> str:
    """Paragraphs for a terminal."""
    return "\n".join(
        textwrap.fill(line, _WIDTH, subsequent_indent="  ", break_long_words=False)
        for line in lines
    )
