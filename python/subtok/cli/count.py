"""`subtok count`: how often each word occurs, for training; or how many tokens a text has."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from subtok._files import check_writable
from subtok._text import counted as number_of
from subtok.cli._common import (
    DONE,
    add_texts,
    add_tokenizer,
    add_verb,
    batches,
    load,
    progress,
    sources,
    write_json,
    write_text,
)
from subtok.cli._training import OPTIONS, add_options, counted, saved
from subtok.errors import ArgumentError

if TYPE_CHECKING:
    import argparse

    from subtok._subtok import Counts
    from subtok.cli._common import Verbs


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    verb = add_verb(
        verbs,
        "count",
        run,
        "count words for training, or with -t tokens",
        "Without a tokenizer words are counted as training counts them; files that this verb wrote "
        "are added up with the text. A file is one text unless --rows says otherwise.",
    )
    add_tokenizer(verb, required=False)
    add_texts(verb, "whole")
    verb.add_argument(
        "--output", "-o", metavar="FILE", help="words: write them to this .parquet file"
    )
    add_options(verb, ["count"])
    verb.add_argument("--no-special", action="store_true", help="tokens: add no special tokens")
    verb.add_argument("--json", action="store_true", help="write JSON")


def run(args: argparse.Namespace) -> int:
    """Count words, or tokens where there is a tokenizer."""
    if args.tokenizer is not None:
        return _tokens(args)
    if args.no_special:
        raise ArgumentError("--no-special is for counting tokens: give a --tokenizer")
    if args.output is not None:
        check_writable(args.output)
    with progress(args) as show:
        counts = counted(args, show)
        if args.output is not None:
            saved(counts.save, args.output, show)
    totals = _totals(counts)
    if args.json:
        write_json({"totals": totals, "manifest": counts.manifest})
        return DONE
    name = "" if args.output is None else f"{args.output}: "
    write_text(
        f"{name}{number_of(totals['words'], 'word')}, "
        f"{number_of(totals['occurrences'], 'occurrence')} in "
        f"{number_of(totals['documents'], 'document')} of {number_of(totals['bytes'], 'byte')}\n"
    )
    return DONE


def _totals(counts: Counts) -> dict[str, int]:
    _, _, numbers, _ = counts._parts()  # noqa: SLF001
    # In halves: a sum of numbers of 64 bits may wrap around.
    high, low = int((numbers >> 32).sum()), int((numbers & 0xFFFF_FFFF).sum())
    manifest = counts.manifest
    return {
        "words": len(counts),
        "occurrences": (high << 32) + low,
        "documents": manifest["documents"],
        "bytes": manifest["bytes"],
    }


def _tokens(args: argparse.Namespace) -> int:
    """Count tokens per file."""
    wrong = [
        option.name
        for option in OPTIONS
        if option.keyword != "threads" and getattr(args, option.keyword, None) is not None
    ]
    wrong += ["--output"] if args.output is not None else []
    if wrong:
        raise ArgumentError(f"{' and '.join(wrong)}: only without a --tokenizer")
    tok = load(args)
    found: list[dict[str, Any]] = []
    with progress(args) as show:
        for path in sources(args):
            rows = characters = tokens = 0
            for batch in batches([path], args.rows, args.field, show):
                counts = tok.count_batch(
                    batch, add_special_tokens=not args.no_special, threads=args.threads
                )
                rows += len(batch)
                characters += sum(map(len, batch))
                tokens += int(counts.sum())
            name = os.fspath(path)
            found.append({"name": name, "rows": rows, "characters": characters, "tokens": tokens})
    keys = ("rows", "characters", "tokens")
    total = {key: sum(one[key] for one in found) for key in keys}
    if args.json:
        write_json({"files": found, "total": total})
        return DONE
    lines = [f"{one['tokens']}\t{one['name']}\n" for one in found]
    if len(found) > 1:
        lines.append(f"{total['tokens']}\ttotal\n")
    write_text("".join(lines))
    return DONE
