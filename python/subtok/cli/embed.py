"""`subtok embed`: a vector for each row of text."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from subtok._files import check_writable
from subtok._subtok import FactorizedEmbedding
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
from subtok.errors import ArgumentError

if TYPE_CHECKING:
    import argparse

    import numpy.typing as npt

    from subtok._subtok import Tokenizer
    from subtok.cli._common import Verbs


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    verb = add_verb(
        verbs,
        "embed",
        run,
        "turn text into vectors",
        "A row's vector is the mean of its tokens' vectors; a row without tokens gives zeros. "
        "The result is a float32 array in .npy form.",
    )
    add_tokenizer(verb)
    add_texts(verb, "lines")
    table = verb.add_mutually_exclusive_group(required=True)
    table.add_argument("--embedding", "-e", metavar="FILE", help="table, .safetensors")
    table.add_argument(
        "--new", metavar="ExH", help="a new random table, such as 128x768: inner and outer size"
    )
    verb.add_argument("--seed", type=int, default=0, metavar="N", help="of a new table")
    verb.add_argument("--save", metavar="FILE", help="save a new table, .safetensors")
    verb.add_argument("--output", "-o", default="-", metavar="FILE", help=".npy (standard output)")
    verb.add_argument("--no-special", action="store_true", help="add no special tokens")
    verb.add_argument("--threads", type=int, metavar="N", help="(all processors)")


def run(args: argparse.Namespace) -> int:
    """Encode, look up, take means."""
    if args.save and not args.new:
        raise ArgumentError("--save is for --new")
    tok = load(args)
    if args.output != "-":
        check_writable(args.output)
    embedding = _table(args, tok)
    parts: list[npt.NDArray[np.float32]] = [np.zeros((0, embedding.hidden_dim), np.float32)]
    with progress(args) as show:
        for batch in batches(sources(args), args.rows, args.field, show):
            encoded = tok.encode_batch(
                batch,
                add_special_tokens=not args.no_special,
                padding=False,
                threads=args.threads,
            )
            rows = embedding.pool(encoded.ids, encoded.row_offsets, threads=args.threads)
            parts.append(rows)
    vectors = np.concatenate(parts)
    buffer = io.BytesIO()
    np.save(buffer, vectors)
    with output(args.output) as file:
        file.write(buffer.getbuffer())
    if args.output != "-":
        rows, size = vectors.shape
        write_text(f"{args.output}: {counted(rows, 'row')} of {size} float32\n")
    return DONE


def _table(args: argparse.Namespace, tok: Tokenizer) -> FactorizedEmbedding:
    limit = tok.id_limit
    if args.embedding:
        embedding = FactorizedEmbedding.load(args.embedding)
        if embedding.vocab_size < limit:
            raise ArgumentError(
                f"{args.embedding} has rows for {embedding.vocab_size} ids, "
                f"but the tokenizer has ids up to {limit - 1}"
            )
        return embedding
    inner, _, outer = args.new.partition("x")
    if not (inner.isdecimal() and outer.isdecimal()):
        raise ArgumentError(f"--new is {args.new!r}, but must be two sizes such as 128x768")
    embedding = FactorizedEmbedding(limit, int(inner), int(outer), seed=args.seed)
    if args.save:
        embedding.save(args.save)
    return embedding
