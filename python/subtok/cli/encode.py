"""`subtok encode`: text to ids."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from subtok._text import counted
from subtok.cli._common import (
    DONE,
    add_texts,
    add_tokenizer,
    add_verb,
    batches,
    load,
    output,
    progress,
    sources,
    write_text,
)
from subtok.data._write import SHARD_TOKENS, encode_shards
from subtok.errors import ArgumentError

if TYPE_CHECKING:
    import argparse

    from subtok._subtok import Encoding, Tokenizer
    from subtok.cli._common import Verbs


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    verb = add_verb(
        verbs,
        "encode",
        run,
        "turn text into ids",
        "Each row becomes a line of ids; `subtok decode` turns it back.",
    )
    _add_shared(verb, "lines")
    verb.add_argument("--output", "-o", default="-", metavar="FILE", help="(standard output)")
    shape = verb.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="a JSON object for each row")
    shape.add_argument("--tokens", action="store_true", help="tokens instead of ids")
    shape.add_argument("--shards", metavar="FOLDER", help="write id shards and their manifest")
    verb.add_argument("--format", choices=["bin", "npy"], default="bin", help="of shards")
    verb.add_argument("--overwrite", action="store_true", help="replace other shards")


def _add_shared(verb: argparse.ArgumentParser, rows: str) -> None:
    add_tokenizer(verb)
    add_texts(verb, rows)
    verb.add_argument("--no-special", action="store_true", help="add no special tokens")
    verb.add_argument("--threads", type=int, metavar="N", help="(all processors)")


def run(args: argparse.Namespace) -> int:
    """Encode rows, or whole files into shards."""
    if (args.overwrite or args.format != "bin") and not args.shards:
        raise ArgumentError("--format and --overwrite are for --shards")
    tok = load(args)
    if args.shards:
        return _shards(args, tok)
    with progress(args) as show, output(args.output) as file:
        for batch in batches(sources(args), args.rows, args.field, show):
            encoded = tok.encode_batch(
                batch, add_special_tokens=not args.no_special, threads=args.threads
            )
            if args.json:
                lines = [json.dumps(_described(x), ensure_ascii=False) for x in encoded]
            elif args.tokens:
                lines = [" ".join(x.tokens) for x in encoded]
            else:
                words = list(map(str, encoded.ids.tolist()))
                ends = encoded.row_offsets.tolist()
                lines = [" ".join(words[start:end]) for start, end in pairwise(ends)]
            file.write("".join(f"{line}\n" for line in lines).encode())
            if file.isatty():
                file.flush()
    return DONE


def _shards(args: argparse.Namespace, tok: Tokenizer) -> int:
    try:
        with progress(args) as show:
            manifest, new = encode_shards(
                tok,
                sources(args),
                args.shards,
                args.format,
                rows=args.rows,
                field=args.field,
                add_special_tokens=not args.no_special,
                shard_tokens=SHARD_TOKENS,
                threads=args.threads,
                overwrite=args.overwrite,
                progress=show,
            )
    except ArgumentError as error:
        # The message speaks to who calls from Python.
        raise ArgumentError(str(error).replace("overwrite=True", "--overwrite")) from None
    totals = manifest["totals"]
    write_text(
        f"{args.shards}: {'' if new else 'already done: '}{counted(totals['rows'], 'row')}, "
        f"{counted(totals['bytes'], 'byte')} of text, {counted(totals['tokens'], 'token')}, "
        f"{counted(len(manifest['shards']), 'shard')} of {manifest['dtype']}\n"
    )
    return DONE


def _described(encoding: Encoding) -> dict[str, Any]:
    return {
        "ids": encoding.ids.tolist(),
        "tokens": encoding.tokens,
        "offsets": encoding.offsets.tolist(),
        "type_ids": encoding.type_ids.tolist(),
    }
