"""`subtok train`: a vocabulary from text, or from counts of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from subtok._files import check_writable
from subtok._subtok import train_bpe, train_wordpiece
from subtok._text import counted
from subtok.cli._common import DONE, add_texts, add_verb, progress, write_json, write_text
from subtok.cli._training import MODELS, add_options, given, saved, source
from subtok.errors import ArgumentError

if TYPE_CHECKING:
    import argparse

    from subtok._subtok import Tokenizer
    from subtok.cli._common import Verbs

_SIZES = {"bpe": 32_000, "wordpiece": 30_000}


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    verb = add_verb(
        verbs,
        "train",
        run,
        "train a vocabulary",
        "A file that `subtok count` wrote is taken as counts. An interrupted run leaves nothing "
        "behind and an older output as it was.",
    )
    add_texts(verb, "whole")
    verb.add_argument("--output", "-o", default="-", metavar="FILE", help="tokenizer.json")
    add_options(verb, MODELS)
    verb.add_argument("--cased", action="store_true", help="wordpiece: do not lower-case the text")
    verb.add_argument("--json", action="store_true", help="write the training report as JSON")


def run(args: argparse.Namespace) -> int:
    """Train, save, say what was done."""
    options = given(args, args.model)
    if args.model == "wordpiece":
        options["lowercase"] = not args.cased
    if args.json and args.output == "-":
        raise ArgumentError("--json needs --output: standard output would get two documents")
    if args.output != "-":
        check_writable(args.output)
    train = train_bpe if args.model == "bpe" else train_wordpiece
    with progress(args) as show:
        tok = train(source(args, show), progress=show, **options)
        if args.output != "-":
            saved(tok.save, args.output, show)
    if args.output == "-":
        write_text(tok.to_str(pretty=True) + "\n")
        return DONE
    wanted = options.get("vocab_size", _SIZES[args.model])
    if args.json:
        write_json(tok.training_report)
    else:
        write_text(f"{args.output}: {args.model}, {_size(tok, wanted)}\n")
    return DONE


def _size(tok: Tokenizer, wanted: int) -> str:
    """How many tokens there are; and why, where more were asked for."""
    if tok.vocab_size >= wanted:
        return counted(tok.vocab_size, "token")
    stopped = (tok.training_report or {}).get("stop_reason")
    why = "all other pairs are rarer" if stopped == "min_frequency" else "no more pairs"
    return f"{tok.vocab_size:,} of {counted(wanted, 'token')}: {why}"
