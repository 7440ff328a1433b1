"""`subtok compare`: which tokenizer suits these texts better?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from subtok._subtok import Tokenizer
from subtok.cli._common import DONE, add_rows, add_verb, progress, write_text
from subtok.compare import compare
from subtok.compare.sources import require
from subtok.errors import ArgumentError, FormatError

if TYPE_CHECKING:
    import argparse

    from subtok.cli._common import Verbs


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    verb = add_verb(
        verbs,
        "compare",
        run,
        "compare tokenizers on texts",
        "Bytes and characters per token, tokens per word, round trip, vocabulary use, unknowns.",
    )
    verb.add_argument(
        "tokenizers",
        nargs="+",
        metavar="TOKENIZER",
        help="[NAME=][LIBRARY:]FILE, where LIBRARY is tokenizers or sentencepiece",
    )
    verb.add_argument(
        "--texts",
        nargs="+",
        default=["-"],
        metavar="TEXT",
        help="text files or folders (standard input)",
    )
    add_rows(verb, "blocks")
    verb.add_argument(
        "--speed", type=int, default=0, metavar="ROUNDS", help="time so many rounds (%(default)s)"
    )
    verb.add_argument("--output", "-o", default="-", metavar="FILE", help="(standard output)")
    verb.add_argument(
        "--pattern", default="cl100k_base", help="split pattern of .tiktoken files (%(default)s)"
    )
    shape = verb.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="write JSON")
    shape.add_argument("--markdown", action="store_true", help="write Markdown")


def run(args: argparse.Namespace) -> int:
    """Measure and report."""
    tokenizers: dict[str, Any] = {}
    for given in args.tokenizers:
        name, _, path = given.rpartition("=")
        if (name or path) in tokenizers:
            raise ArgumentError(f"two tokenizers are called {name or path!r}")
        tokenizers[name or path] = _load(path, args.pattern)
    with progress(args) as show:
        report = compare(
            tokenizers,
            [text if text == "-" else Path(text) for text in args.texts],
            rows=args.rows,
            field=args.field,
            rounds=args.speed,
            progress=show,
        )
    if args.json:
        write_text(report.to_json(), args.output)
    elif args.markdown:
        write_text(report.to_markdown(), args.output)
    else:
        write_text(report.to_text(), args.output)
    return DONE


def _load(path: str, pattern: str) -> Any:
    library, _, file = path.partition(":")
    try:
        if file and library == "tokenizers":
            return require("tokenizers").Tokenizer.from_buffer(Path(file).read_bytes())
        if file and library == "sentencepiece":
            model = Path(file).read_bytes()
            return require("sentencepiece").SentencePieceProcessor(model_proto=model)
    except (ValueError, TypeError, RuntimeError) as error:
        raise FormatError(f"{file}: {library} refuses it: {error}") from error
    if path.endswith(".tiktoken"):
        return Tokenizer.from_tiktoken(path, pattern=pattern)
    return Tokenizer.from_file(path)
