"""A report as aligned text, as Markdown, and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from subtok._text import counted

if TYPE_CHECKING:
    from subtok.compare import Report
    from subtok.compare.measure import Measure

__all__ = ["as_dict", "as_json", "as_markdown", "as_text"]

SCHEMA = "subtok compare 1"
_PERCENT = ("round_trip", "vocab_used", "unknown")
_TITLES = {
    "bytes_per_token": "bytes/token",
    "chars_per_token": "chars/token",
    "tokens_per_word": "tokens/word",
    "round_trip": "round trip",
    "vocab_used": "vocabulary used",
    "unknown": "unknown",
    "mb_per_s": "MB/s",
}
Table = tuple[str, list[list[str]]]


def as_text(report: Report) -> str:
    """The report for a terminal."""
    parts = []
    for title, rows in _tables(report):
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
            for row in rows
        ]
        parts.append("\n".join([title, *lines]))
    return "\n\n".join([*parts, "\n".join(_notes(report))]) + "\n"


def as_markdown(report: Report) -> str:
    """The report for a page."""
    parts = []
    for title, rows in _tables(report):
        cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
        rule = ["---", *["---:"] * (len(rows[0]) - 1)]
        lines = [f"| {' | '.join(row)} |" for row in [cells[0], rule, *cells[1:]]]
        parts.append("\n".join([f"### {title}", "", *lines]))
    notes = "\n".join(
        note.replace("  ", "  - ", 1) if note.startswith("  ") else f"- {note}"
        for note in _notes(report)
    )
    return "\n\n".join([*parts, notes]) + "\n"


def as_json(report: Report) -> str:
    """The report for machines; a figure that is not defined is null."""
    return json.dumps(as_dict(report), ensure_ascii=False, indent=1) + "\n"


def as_dict(report: Report) -> dict[str, Any]:
    """The report as plain values."""
    return {
        "schema": SCHEMA,
        "word_rule": report.word_rule,
        "rounds": report.rounds,
        "machine": report.machine,
        "tokenizers": {
            name: {"library": source.library, "vocab_size": source.vocab_size}
            for name, source in report.tokenizers.items()
        },
        "texts": {
            text.name: {
                "rows": len(text.rows),
                "bytes": text.bytes,
                "characters": text.characters,
                "words": text.words,
            }
            for text in report.texts
        },
        "total": {name: _measured(found) for name, found in report.total.items()},
        "per_text": {
            text: {name: _measured(found) for name, found in row.items()}
            for text, row in report.per_text.items()
        },
    }


def _measured(found: Measure) -> dict[str, Any]:
    return {
        "tokens": found.tokens,
        **found.figures,
        "ids_seen": len(found.ids),
        "not_returned": dict(found.reasons.most_common()),
        "first_failures": [asdict(failure) for failure in found.failures],
    }


def _tables(report: Report) -> list[Table]:
    names = list(report.tokenizers)
    keys = [key for key in _TITLES if key != "mb_per_s" or report.rounds]
    head = ["tokenizer", "vocabulary", "tokens", *(_TITLES[key] for key in keys)]
    rows = [
        [name, _count(found.vocab_size), _count(found.tokens)]
        + [_figure(key, found.figures[key]) for key in keys]
        for name, found in report.total.items()
    ]
    tables = [("all texts", [head, *rows])]
    if len(report.texts) > 1:
        for key in ("bytes_per_token", "tokens_per_word"):
            body = [
                [text, _count(sum(m.bytes for m in list(row.values())[:1]))]
                + [_figure(key, row[name].figures[key]) for name in names]
                for text, row in report.per_text.items()
            ]
            tables.append((_TITLES[key], [["text", "bytes", *names], *body]))
    return tables


def _notes(report: Report) -> list[str]:
    size = sum(text.bytes for text in report.texts)
    rows = sum(len(text.rows) for text in report.texts)
    scope = f"{counted(len(report.texts), 'text')}, {counted(rows, 'row')}, {counted(size, 'byte')}"
    notes = [
        f"{scope}; special tokens are plain text and none are added",
        f"a word: {report.word_rule}; n/a: not defined (such as words in scripts without spaces)",
    ]
    for name, found in report.total.items():
        if found.reasons:
            why = ", ".join(
                f"{count:,} by {reason}" for reason, count in found.reasons.most_common()
            )
            notes.append(f"{name}: rows that do not come back: {why}")
            notes.extend(
                f"  {x.text}, row {x.row}, character {x.at}: {x.expected!r} came back as {x.got!r}"
                for x in found.failures
            )
    notes.extend(f"{name}: {source.library}" for name, source in report.tokenizers.items())
    if report.rounds:
        notes.append(f"speed: median of {report.rounds} rounds on {report.machine}")
    return notes


def _figure(key: str, value: float | None) -> str:
    if value is None:
        return "n/a"
    if key not in _PERCENT:
        return f"{value:.3f}" if key != "mb_per_s" else f"{value:.1f}"
    # A share is written as all or none only when it is.
    text = f"{value:.2%}"
    if text == "100.00%" and value < 1:
        return "<100%"
    return ">0%" if text == "0.00%" and value > 0 else text


def _count(value: int | None) -> str:
    return "n/a" if value is None else f"{value:,}"
