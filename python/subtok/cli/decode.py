"""`subtok decode`: ids to text."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subtok._text import read_rows
from subtok.cli._common import DONE, add_tokenizer, add_verb, load, output, progress
from subtok.data import Shards
from subtok.errors import FormatError, SubtokError, UnknownIdError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from subtok.cli._common import Verbs

_BATCH = 4096


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    verb = add_verb(
        verbs,
        "decode",
        run,
        "turn ids into text",
        "A row is a line of ids with spaces between them, a JSON list or a JSON object with `ids`, "
        "or a row of the shards in a folder. Each becomes a line.",
    )
    add_tokenizer(verb)
    verb.add_argument(
        "files", nargs="*", metavar="IDS", help="file or folder of shards (standard input)"
    )
    verb.add_argument("--output", "-o", default="-", metavar="FILE", help="(standard output)")
    verb.add_argument("--keep-special", action="store_true", help="write special tokens too")
    verb.add_argument("--whole", action="store_true", help="put no line feed after each row's text")


def run(args: argparse.Namespace) -> int:
    """Decode rows, in order."""
    tok = load(args)
    end = "" if args.whole else "\n"
    skip = not args.keep_special
    with progress(args) as show, output(args.output) as file:
        done = 0
        rows = (row for name in args.files or ["-"] for row in _rows(name))
        while batch := list(islice(rows, _BATCH)):
            try:
                texts = tok.decode_batch([ids for _, ids in batch], skip_special_tokens=skip)
            except SubtokError:
                texts = [_one(tok, place, ids, skip=skip) for place, ids in batch]
            file.write("".join(f"{text}{end}" for text in texts).encode())
            done += len(batch)
            show("rows", done, 0)
    return DONE


def _rows(name: str) -> Iterator[tuple[str, Any]]:
    """Rows of ids, each with its place for a message."""
    if name != "-" and Path(name).is_dir():
        for number, ids in enumerate(Shards(name)):
            yield f"{name}: row {number}", ids
        return
    for number, line in enumerate(read_rows(name), 1):
        place = f"{'standard input' if name == '-' else name}: line {number}"
        yield place, _ids(line, place)


def _ids(line: str, place: str) -> list[int]:
    if not line.lstrip().startswith(("[", "{")):
        try:
            return [int(word) for word in line.split()]
        except ValueError:
            raise FormatError(f"{place}: not a row of ids: {line[:60]!r}") from None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{place}: not JSON: {error}") from None
    ids = found.get("ids") if isinstance(found, dict) else found
    if not isinstance(ids, list) or not all(type(x) is int for x in ids):
        raise FormatError(f"{place}: no list of ids")
    return ids


def _one(tok: Any, place: str, ids: Any, *, skip: bool) -> str:
    """One row alone, so that a message can name its place."""
    try:
        text: str = tok.decode(ids, skip_special_tokens=skip)
    except UnknownIdError as error:
        raise UnknownIdError(f"{place}: {error}") from None
    return text
