"""`subtok verify`: is this tokenizer the same as that one?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from subtok.cli._common import (
    DIFFERENT,
    DONE,
    add_tokenizer,
    add_verb,
    load,
    progress,
    write_json,
    write_text,
)
from subtok.compare.sources import require
from subtok.errors import FormatError
from subtok.verify import verify

if TYPE_CHECKING:
    import argparse

    from subtok.cli._common import Verbs


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    verb = add_verb(
        verbs,
        "verify",
        run,
        "prove that a tokenizer equals another library's",
        "Exit code 1 when it does not.",
    )
    add_tokenizer(verb, option=False)
    verb.add_argument("texts", nargs="*", metavar="TEXT", help="text files or folders")
    verb.add_argument(
        "--against",
        default="tokenizers",
        metavar="WHAT",
        help="tokenizers, tiktoken, or the file of another tokenizer (%(default)s); tokenizers "
        "reads a tokenizer.json from the same file, anything else as subtok saves it",
    )
    verb.add_argument(
        "--fuzz", type=int, default=1000, metavar="N", help="random texts (%(default)s)"
    )
    verb.add_argument("--seed", type=int, default=0, metavar="N", help="of the random texts")
    verb.add_argument("--no-code-points", action="store_true", help="leave out every code point")
    verb.add_argument("--json", action="store_true", help="write JSON")


def run(args: argparse.Namespace) -> int:
    """Compare, report, and say by the exit code whether they are equal."""
    tok = load(args)
    with progress(args) as show:
        result = verify(
            tok,
            _reference(args),
            [Path(text) for text in args.texts] or None,
            fuzz=args.fuzz,
            code_points=not args.no_code_points,
            seed=args.seed,
            progress=show,
        )
    write_json(result.to_dict()) if args.json else write_text(f"{result}\n")
    return DONE if result.ok else DIFFERENT


def _reference(args: argparse.Namespace) -> Any:
    """The other side; the original file proves reading, too."""
    if args.against == "tokenizers" and args.tokenizer.endswith(".json"):
        content = Path(args.tokenizer).read_bytes()
        if b'"model"' in content:
            try:
                return require("tokenizers").Tokenizer.from_buffer(content)
            except (ValueError, TypeError) as error:
                raise FormatError(f"{args.tokenizer}: tokenizers refuses it: {error}") from error
    return args.against
