"""What `subtok train` and `subtok count` share: the options of counting and training, and sources.

An option of the Python calls becomes one of the command line by one line of `OPTIONS`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subtok._counts import load
from subtok._subtok import Counts, count
from subtok._text import expand, read_rows
from subtok.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from subtok._progress import JsonLines, Progress
    from subtok._text import StrPath

MODELS = ("bpe", "wordpiece")


def component(text: str) -> Any:
    """A component of tokenizer.json where the text is a JSON object, else the text as it is."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        problem = f"a component that is not JSON: {error}: {text[:80]!r}"
        raise argparse.ArgumentTypeError(problem) from None


@dataclass(frozen=True)
class Option:
    """An option of the command line that is a keyword of `train_bpe`, `train_wordpiece` or `count`.

    Attributes:
        keyword: Its name in Python; on the command line `_` is written `-`.
        calls: Which calls have it: `"bpe"`, `"wordpiece"`, `"count"`.
        help: What `--help` says.
        flag: Its name on the command line, where that is another one.
        type: What becomes of the text.
        metavar: What stands for a value.
        choices: The values, where they are few.
        action: `"append"` where it may be repeated, `"store_true"` where it has no value.
    """

    keyword: str
    calls: tuple[str, ...]
    help: str
    flag: str = ""
    type: Callable[[str], Any] | None = None
    metavar: str | None = None
    choices: tuple[str, ...] | None = None
    action: str = "store"

    @property
    def name(self) -> str:
        """As it is written on the command line."""
        return "--" + (self.flag or self.keyword.replace("_", "-"))

    def declare(self, parser: argparse.ArgumentParser) -> None:
        """Add it to a verb."""
        given = {"type": self.type, "metavar": self.metavar, "choices": self.choices}
        more: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        parser.add_argument(
            self.name, dest=self.keyword, default=None, action=self.action, help=self.help, **more
        )


_BPE, _ALL, _TRAIN, _WORDS = ("bpe",), (*MODELS, "count"), MODELS, ("bpe", "count")
OPTIONS = (
    Option(
        "vocab_size", _TRAIN, "tokens in all (bpe 32000, wordpiece 30000)", type=int, metavar="N"
    ),
    Option(
        "pretokenizer",
        _WORDS,
        "bpe: gpt2, cl100k_base ..., a regex, or a component as JSON (gpt2)",
        type=component,
        metavar="NAME",
    ),
    Option(
        "normalizer",
        _WORDS,
        "bpe: a component of tokenizer.json as JSON (none)",
        type=component,
        metavar="JSON",
    ),
    Option(
        "special_tokens",
        _TRAIN,
        "a special token; may be repeated; the first get the first ids",
        flag="special",
        action="append",
        metavar="TOKEN",
    ),
    Option("min_frequency", _TRAIN, "rarer pairs are not merged (0)", type=int, metavar="N"),
    Option("max_token_length", _BPE, "bpe: merged tokens have fewer bytes", type=int, metavar="N"),
    Option("limit_alphabet", _TRAIN, "keep so many characters, or bytes", type=int, metavar="N"),
    Option(
        "ties",
        _BPE,
        "bpe: which of equally frequent pairs comes first (tokenizers)",
        choices=("tokenizers", "cs336", "raw_bytes"),
    ),
    Option("threads", _ALL, "(all processors)", type=int, metavar="N"),
)


def add_options(parser: argparse.ArgumentParser, calls: Iterable[str]) -> None:
    """Declare the options of some calls, and the model that they are for (but not `--cased`)."""
    parser.add_argument("--model", choices=MODELS, default="bpe", help="(%(default)s)")
    for option in OPTIONS:
        if not set(calls).isdisjoint(option.calls):
            option.declare(parser)
    parser.add_argument(
        "--progress",
        metavar="WHERE",
        help="json: lines of JSON on standard error; a file: there (a line on a terminal)",
    )


def given(args: argparse.Namespace, call: str) -> dict[str, Any]:
    """The keywords for a call; what was not given keeps its default."""
    found, wrong = {}, []
    for option in OPTIONS:
        if (value := getattr(args, option.keyword, None)) is None:
            continue
        if call in option.calls:
            found[option.keyword] = value
        else:
            wrong.append(option)
    if wrong:
        names = " and ".join(option.name for option in wrong)
        are = "is" if len(wrong) == 1 else "are"
        raise ArgumentError(f"{names} {are} for --model {wrong[0].calls[0]}")
    if args.cased and args.model != "wordpiece":
        raise ArgumentError("--cased is for --model wordpiece")
    return found


def how_to_count(args: argparse.Namespace) -> dict[str, Any]:
    """The keywords for `count`, so that the model can be trained on it."""
    if args.model == "bpe":
        return given(args, "count")
    for option in OPTIONS:
        if option.calls == _WORDS and getattr(args, option.keyword) is not None:
            raise ArgumentError(f"{option.name} is for --model bpe: BERT has its own")
    bert = {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": not args.cased,
    }
    return {**given(args, "count"), "pretokenizer": "bert", "normalizer": bert}


def source(
    args: argparse.Namespace, show: Progress | JsonLines
) -> Counts | list[str] | Iterable[str]:
    """What training takes: counts where the files hold counts, else text."""
    counts, texts = parted(args.files)
    if counts and texts:
        raise ArgumentError(
            f"{os.fspath(counts[0])} holds counts and {os.fspath(texts[0])} text: "
            "put them together with subtok count"
        )
    if counts:
        return total(counts, show)
    return text(texts, args)


def parted(files: Iterable[StrPath]) -> tuple[list[StrPath], list[StrPath]]:
    """The files that hold counts, and those that hold text; the standard input for none."""
    paths = expand(list(files) or ["-"])
    counts = [path for path in paths if _holds_counts(path)]
    return counts, [path for path in paths if path not in counts]


def text(paths: list[StrPath], args: argparse.Namespace) -> list[str] | Iterable[str]:
    """Text as the calls take it: paths where they read files themselves, else rows."""
    names = [os.fspath(path) for path in paths]
    if args.rows == "whole" and args.field == "text" and "-" not in names:
        return names
    return (row for path in paths for row in read_rows(path, rows=args.rows, field=args.field))


def counted(args: argparse.Namespace, show: Progress | JsonLines) -> Counts:
    """The words of all files: of counts and of text."""
    how = how_to_count(args)
    counts, texts = parted(args.files)
    parts = [total(counts, show)] if counts else []
    if texts:
        parts.append(count(text(texts, args), progress=show, **how))
    return reduce(add, parts)


def total(paths: list[StrPath], show: Progress | JsonLines) -> Counts:
    """The sum of files of counts, two of them in memory at a time."""
    size = sum(Path(path).stat().st_size for path in paths)
    done = 0
    found: Counts | None = None
    for path in paths:
        part = load(path)
        found = part if found is None else found + part
        done += Path(path).stat().st_size
        show("load", done, size)
    return found if found is not None else Counts.merge([])


def saved(save: Callable[[str], object], path: str, show: Progress | JsonLines) -> None:
    """Save something, and say so."""
    show("save", 0, 0)
    save(path)
    size = Path(path).stat().st_size
    show("save", size, size)


def _holds_counts(path: StrPath) -> bool:
    if not os.fspath(path).lower().endswith(".parquet"):
        return False
    try:
        parquet = importlib.import_module("pyarrow.parquet")
        metadata = parquet.read_schema(path).metadata or {}
    except (ImportError, OSError, ValueError, TypeError):
        # Whoever reads it will say what is wrong.
        return False
    return b"subtok.counts" in metadata
