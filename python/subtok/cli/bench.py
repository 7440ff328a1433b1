"""`subtok bench`: how fast is this tokenizer here, beside the libraries that are installed?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subtok.bench import LIBRARIES, SCENARIOS, Settings, as_json, as_markdown, as_text, bench
from subtok.bench.peers import installed
from subtok.cli._common import (
    DIFFERENT,
    DONE,
    add_rows,
    add_tokenizer,
    add_verb,
    progress,
    write_text,
)
from subtok.errors import ArgumentError, FileError, MissingDependencyError

if TYPE_CHECKING:
    from subtok.cli._common import Verbs

_QUICK = ("cold", "fresh", "replay")
_QUICK_SECONDS, _SECONDS = 1.0, 5.0
_ROUNDS = 3
_MOST_THREADS = 1024


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    verb = add_verb(
        verbs,
        "bench",
        run,
        "measure speed beside other libraries",
        "Ids are verified against the reference library before anything is timed; every figure "
        "comes from a fresh process. Exit code 1 when subtok's own ids are others.",
    )
    add_tokenizer(verb, option=False)
    verb.add_argument(
        "texts",
        nargs="*",
        metavar="TEXT",
        help="text files or folders, a table for each; 48 MB are enough for every figure",
    )
    add_rows(verb, "blocks")
    verb.add_argument(
        "--scenarios",
        type=_names(SCENARIOS),
        metavar="A,B",
        help=f"of {', '.join(SCENARIOS)} (all)",
    )
    verb.add_argument(
        "--libs",
        type=_names(tuple(LIBRARIES)),
        metavar="A,B",
        help=f"of {', '.join(LIBRARIES)} (those that are installed)",
    )
    verb.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=MODULE:FUNCTION",
        help="another library: the function gets the tokenizer's path and returns a callable from "
        "a list of texts to their ids in one array of uint32; may be repeated",
    )
    verb.add_argument("--rounds", type=int, metavar="N", help=f"take medians of N ({_ROUNDS})")
    verb.add_argument(
        "--threads", type=int, default=1, metavar="N", help="of the scenario threads, 2 or more"
    )
    verb.add_argument(
        "--quick",
        action="store_true",
        help=f"{', '.join(_QUICK)} in one round, on less text, unless other options say otherwise",
    )
    verb.add_argument(
        "--seconds",
        type=float,
        metavar="S",
        help="how long a slow library may warm up, and run in each timed part (5; quick 1)",
    )
    verb.add_argument(
        "--timeout",
        type=float,
        default=300.0,
        metavar="S",
        help="after which a process counts as hanging (%(default)g)",
    )
    verb.add_argument(
        "--clock",
        choices=["wall", "cpu"],
        default="wall",
        help="cpu: the processor's time, for a busy machine; threads are timed by the wall clock "
        "in any case (%(default)s)",
    )
    verb.add_argument("--json", metavar="FILE", help="write all figures as JSON, too")
    verb.add_argument("--markdown", action="store_true", help="a table for a page")
    verb.add_argument("--output", "-o", default="-", metavar="FILE", help="(standard output)")


def run(args: argparse.Namespace) -> int:
    """Measure, and show it."""
    settings = _settings(args)
    if not args.texts:
        raise ArgumentError(
            "give a text to measure on: subtok brings none; prose or code of your own, 48 MB of it "
            "for every figure, or - for standard input"
        )
    if args.json == "-" and args.output == "-":
        raise ArgumentError("--json - and the table would both go to standard output: add -o FILE")
    texts = {text: text if text == "-" else Path(text) for text in args.texts}
    if len(texts) < len(args.texts):
        raise ArgumentError("a text is named twice")
    for path in filter(None, (args.json, args.output)):
        # Said now, and not when everything is measured.
        if path != "-" and not Path(path).parent.is_dir():
            raise FileError(f"cannot write {path}: there is no such folder")
    with progress(args) as show:
        result = bench(args.tokenizer, texts, settings, show)
    if args.json:
        write_text(as_json(result), args.json)
    write_text(as_markdown(result) if args.markdown else as_text(result), args.output)
    wrong = any("subtok" in text["problems"] for text in result["texts"].values())
    return DIFFERENT if wrong else DONE


def _settings(args: argparse.Namespace) -> Settings:
    for name, least in (("rounds", 1), ("threads", 1), ("seconds", 0.01), ("timeout", 0.1)):
        value = getattr(args, name)
        if value is not None and not value >= least:
            raise ArgumentError(f"--{name} is {value}, but must be at least {least}")
    if args.threads > _MOST_THREADS:
        raise ArgumentError(f"--threads is {args.threads}, but must be at most {_MOST_THREADS}")
    scenarios = args.scenarios or (_QUICK if args.quick else SCENARIOS)
    if args.scenarios and "threads" in args.scenarios and args.threads == 1:
        raise ArgumentError("the scenario threads needs --threads of 2 or more")
    for library in args.libs or ():
        if not installed(library):
            raise MissingDependencyError(
                f"{library} is not installed: pip install {library}", name=library
            )
    quick: dict[str, Any] = {"warm": 4_000_000, "timed": 4_000_000} if args.quick else {}
    return Settings(
        scenarios=scenarios,
        libraries=args.libs or (),
        peers=_peers(args.peer),
        rounds=args.rounds or (1 if args.quick else _ROUNDS),
        threads=args.threads,
        seconds=args.seconds or (_QUICK_SECONDS if args.quick else _SECONDS),
        timeout=args.timeout,
        clock=args.clock,
        rows=args.rows,
        column=args.field,
        pattern=args.pattern,
        cased=args.cased,
        **quick,
    )


def _peers(given: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in given:
        name, _, place = one.partition("=")
        module, _, function = place.partition(":")
        if not (name and module and function):
            raise ArgumentError(f"--peer is {one!r}, but must be NAME=MODULE:FUNCTION")
        if name in found or name in LIBRARIES:
            raise ArgumentError(f"--peer: there is a library called {name!r} already")
        found[name] = place
    return found


def _names(known: tuple[str, ...]) -> Any:
    def read(text: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(text.split(",")))
        if odd := [name for name in names if name not in known]:
            message = f"{odd[0]!r} is none of {', '.join(known)}"
            raise argparse.ArgumentTypeError(message)
        return names

    return read
