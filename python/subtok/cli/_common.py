"""What the verbs share: options, reading, writing, messages."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from subtok._files import atomic
from subtok._progress import Progress
from subtok._subtok import Tokenizer
from subtok._text import expand, read_rows
from subtok.errors import FileError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from subtok._text import Rows, StrPath

    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 (its only name)

DONE, DIFFERENT, USAGE, FILE, INTERNAL, INTERRUPTED, PIPE = 0, 1, 2, 3, 70, 130, 141

_BATCH = 1 << 20


def add_verb(
    verbs: Verbs, name: str, run: Any, text: str, more: str = ""
) -> argparse.ArgumentParser:
    """A verb with the options that all have."""
    verb = verbs.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}. {more}".strip(),
    )
    verb.set_defaults(run=run)
    verb.add_argument("--quiet", "-q", action="store_true", help="no progress on a terminal")
    return verb


def add_tokenizer(
    verb: argparse.ArgumentParser, *, option: bool = True, required: bool = True
) -> None:
    """The tokenizer and how its file is to be read."""
    text = (
        "tokenizer.json, vocab.txt, vocab.json beside merges.txt, .tiktoken, "
        "sentencepiece's .model, or tekken.json"
    )
    if option:
        verb.add_argument("--tokenizer", "-t", required=required, metavar="FILE", help=text)
    else:
        verb.add_argument("tokenizer", metavar="TOKENIZER", help=text)
    verb.add_argument(
        "--pattern", default="cl100k_base", help="split pattern of a .tiktoken file (%(default)s)"
    )
    verb.add_argument(
        "--cased", action="store_true", help="a vocab.txt is cased: do not lower-case the text"
    )


def add_texts(verb: argparse.ArgumentParser, default: str, name: str = "files") -> None:
    """Text files and what a row of them is."""
    verb.add_argument(
        name,
        nargs="*",
        metavar="TEXT",
        help="text, .jsonl or .parquet, also .gz or .zst; a folder stands for its files; "
        "- or nothing: standard input",
    )
    add_rows(verb, default)


def add_rows(verb: argparse.ArgumentParser, default: str) -> None:
    """What a row of a text file is."""
    verb.add_argument(
        "--rows",
        choices=["lines", "blocks", "whole"],
        default=default,
        help="a text file is cut into lines, into blocks of whole lines, or not at all "
        "(%(default)s)",
    )
    verb.add_argument(
        "--field", default="text", help="JSON field or Parquet column of the text (%(default)s)"
    )


def load(args: argparse.Namespace) -> Tokenizer:
    """The tokenizer that the options name."""
    path: str = args.tokenizer
    if path.endswith(".tiktoken"):
        return Tokenizer.from_tiktoken(path, pattern=args.pattern)
    if args.cased and path.endswith(".txt"):
        return Tokenizer.from_wordpiece(path, lowercase=False)
    return Tokenizer.from_file(path)


def sources(args: argparse.Namespace) -> list[StrPath]:
    """The files that are meant; standard input when none is named."""
    return expand(args.files or ["-"])


def batches(
    paths: Iterable[StrPath], rows: Rows, field: str, progress: Progress | None = None
) -> Iterator[list[str]]:
    """The rows of several files, about a million characters at a time.

    Rows that are typed at a terminal come one by one.
    """
    batch: list[str] = []
    size = done = 0

    def read(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress("bytes", done, 0)

    for path in paths:
        live = os.fspath(path) == "-" and sys.stdin is not None and sys.stdin.isatty()
        for row in read_rows(path, rows=rows, field=field, read=read):
            batch.append(row)
            size += len(row)
            if live or size >= _BATCH or len(batch) >= _BATCH >> 4:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


@contextmanager
def output(path: str) -> Iterator[BinaryIO]:
    """Standard output, or a file that appears when it is whole."""
    if path != "-":
        with atomic(path) as file:
            yield file
        return
    if sys.stdout is None:
        raise FileError("cannot write standard output: it is closed")
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()


def write_text(text: str, path: str = "-") -> None:
    """Write text as UTF-8, whatever the locale says."""
    with output(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def write_json(content: Any, path: str = "-") -> None:
    """Write one JSON document."""
    write_text(json.dumps(content, ensure_ascii=False, indent=1, default=_plain) + "\n", path)


def progress(args: argparse.Namespace) -> Progress:
    """Progress on a terminal, unless it is not wanted."""
    return Progress(quiet=args.quiet)


def show_error(message: str) -> None:
    """One line on standard error."""
    if sys.stderr is None:
        return
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    head = "\x1b[31merror:\x1b[0m" if colour else "error:"
    line = message.replace("\n", " ")
    sys.stderr.write(f"subtok: {head} {line}\n")


def _plain(value: Any) -> Any:
    """NumPy values as plain ones."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
