"""`subtok train`: a vocabulary from text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from subtok._files import check_writable
from subtok._subtok import train_bpe, train_wordpiece
from subtok._text import counted, expand, is_plain, read_rows
from subtok.cli._common import DONE, add_texts, add_verb, progress, write_json, write_text
from subtok.errors import ArgumentError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from subtok._subtok import Tokenizer
    from subtok.cli._common import Verbs

_SIZES = {"bpe": 32_000, "wordpiece": 30_000}
_BPE_ONLY = ("pretokenizer", "max_token_length", "ties")


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    verb = add_verb(
        verbs,
        "train",
        run,
        "train a vocabulary",
        "An interrupted run leaves nothing behind and an older output as it was.",
    )
    add_texts(verb, "whole")
    verb.add_argument("--output", "-o", default="-", metavar="FILE", help="tokenizer.json")
    verb.add_argument("--model", choices=["bpe", "wordpiece"], default="bpe", help="(%(default)s)")
    verb.add_argument(
        "--vocab-size", type=int, metavar="N", help="tokens in all (bpe 32000, wordpiece 30000)"
    )
    verb.add_argument(
        "--pretokenizer", metavar="NAME", help="bpe: gpt2, cl100k_base ..., or a regex (gpt2)"
    )
    verb.add_argument("--cased", action="store_true", help="wordpiece: do not lower-case the text")
    verb.add_argument(
        "--special",
        action="append",
        metavar="TOKEN",
        help="a special token; may be repeated; the first get the first ids",
    )
    verb.add_argument("--min-frequency", type=int, default=0, metavar="N", help="(%(default)s)")
    verb.add_argument(
        "--max-token-length", type=int, metavar="N", help="bpe: merged tokens have fewer bytes"
    )
    verb.add_argument(
        "--ties",
        choices=["tokenizers", "cs336", "raw_bytes"],
        help="bpe: which of equally frequent pairs comes first (tokenizers)",
    )
    verb.add_argument("--threads", type=int, metavar="N", help="(all processors)")
    verb.add_argument("--json", action="store_true", help="write the training report as JSON")


def run(args: argparse.Namespace) -> int:
    """Train, save, say what was done."""
    options = _options(args)
    if args.json and args.output == "-":
        raise ArgumentError("--json needs --output: standard output would get two documents")
    if args.output != "-":
        check_writable(args.output)
    train = train_bpe if args.model == "bpe" else train_wordpiece
    with progress(args) as show:
        tok = train(_source(args), progress=show, **options)
    if args.output == "-":
        write_text(tok.to_str(pretty=True) + "\n")
        return DONE
    tok.save(args.output)
    wanted = options.get("vocab_size", _SIZES[args.model])
    if args.json:
        write_json(tok.training_report)
    else:
        write_text(f"{args.output}: {args.model}, {_size(tok, wanted)}\n")
    return DONE


def _options(args: argparse.Namespace) -> dict[str, Any]:
    """The trainer's arguments; what was not given keeps the trainer's default."""
    given = {
        "vocab_size": args.vocab_size,
        "min_frequency": args.min_frequency,
        "special_tokens": args.special,
        "threads": args.threads,
    }
    if args.model == "bpe":
        if args.cased:
            raise ArgumentError("--cased is for --model wordpiece")
        given |= {name: getattr(args, name) for name in _BPE_ONLY}
    else:
        if any(getattr(args, name) is not None for name in _BPE_ONLY):
            *names, last = (f"--{name.replace('_', '-')}" for name in _BPE_ONLY)
            raise ArgumentError(f"{', '.join(names)} and {last} are for --model bpe")
        given |= {"lowercase": not args.cased}
    return {name: value for name, value in given.items() if value is not None}


def _size(tok: Tokenizer, wanted: int) -> str:
    """How many tokens there are; and why, where more were asked for."""
    if tok.vocab_size >= wanted:
        return counted(tok.vocab_size, "token")
    stopped = (tok.training_report or {}).get("stop_reason")
    why = "all other pairs are rarer" if stopped == "min_frequency" else "no more pairs"
    return f"{tok.vocab_size:,} of {counted(wanted, 'token')}: {why}"


def _source(args: argparse.Namespace) -> list[str] | Iterable[str]:
    """Paths where the trainer reads them itself, else the rows."""
    paths = expand(args.files or ["-"])
    if args.rows == "whole" and all(is_plain(path) for path in paths):
        return [str(path) for path in paths]
    return (row for path in paths for row in read_rows(path, rows=args.rows, field=args.field))
