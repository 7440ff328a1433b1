"""`subtok embed`: a vector for each row of text, and tables of vectors made smaller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from subtok._files import check_writable
from subtok._subtok import Counts, FactorizedEmbedding
from subtok._text import counted
from subtok._text_embedder import TextEmbedder
from subtok.cli import _tables
from subtok.cli._common import (
    DONE,
    add_texts,
    add_tokenizer,
    add_verb,
    batches,
    load,
    progress,
    sources,
    write_text,
)
from subtok.cli._vectors import VectorFile
from subtok.errors import ArgumentError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from subtok._subtok import Tokenizer
    from subtok.cli._common import Verbs

# What may follow `embed`, and the verb that it is: the first spelling is shown.
_SPELLINGS = {
    "lines": "embed",
    "factorise": "embed factorise",
    "factorize": "embed factorise",
    "quantise": "embed quantise",
    "quantize": "embed quantise",
    "inspect": "embed inspect",
}


def words(given: Sequence[str]) -> list[str]:
    """The arguments with `embed` and the word after it made one verb."""
    taken = list(given)
    if taken[:1] == ["embed"] and len(taken) > 1 and taken[1] in _SPELLINGS:
        taken[:2] = [_SPELLINGS[taken[1]]]
    return taken


def add(verbs: Verbs) -> None:
    """Declare the verbs."""
    verb = add_verb(
        verbs,
        "embed",
        run,
        "turn text into vectors (also: embed lines)",
        "A row's vector is the mean of its tokens' vectors; a row without tokens gives zeros. "
        "The result is float32: an array in .npy form, or a Parquet file with the columns `text` "
        "and `vector`. Tables are made by `embed factorise` and `embed quantise`, and shown by "
        "`embed inspect`; a file with one of these names is written ./inspect.",
    )
    add_tokenizer(verb, required=False)
    add_texts(verb, "lines")
    table = verb.add_mutually_exclusive_group(required=True)
    table.add_argument("--embedding", "-e", metavar="FILE", help="table, .safetensors")
    table.add_argument(
        "--new", metavar="ExH", help="a new random table, such as 128x768: inner and outer size"
    )
    table.add_argument(
        "--model",
        "-m",
        metavar="FOLDER",
        help="a folder of model2vec, or of sentence-transformers with a StaticEmbedding: "
        "tokenizer, table and options are those of the folder",
    )
    verb.add_argument("--seed", type=int, metavar="N", help="of a new table")
    verb.add_argument("--save", metavar="FILE", help="save a new table, .safetensors")
    verb.add_argument(
        "--output", "-o", default="-", metavar="FILE", help=".npy or .parquet (.npy, stdout)"
    )
    verb.add_argument("--mode", choices=["mean", "sum", "max"], help="(mean)")
    verb.add_argument("--max-length", type=int, metavar="N", help="use so many tokens of a row")
    verb.add_argument("--normalize", action="store_true", help="scale vectors to length 1")
    verb.add_argument(
        "--counts",
        metavar="FILE",
        help="how often each id (.npy) or word (.parquet) occurs: frequent tokens weigh less",
    )
    verb.add_argument(
        "--sif", type=float, metavar="A", help="--counts: weights A / (A + share) (0.001)"
    )
    verb.add_argument("--no-special", action="store_true", help="add no special tokens")
    verb.add_argument("--threads", type=int, metavar="N", help="(all processors)")
    _tables.add(verbs)


def run(args: argparse.Namespace) -> int:
    """Encode, look up, pool."""
    if args.save and not args.new:
        raise ArgumentError("--save is for --new")
    if args.seed is not None and not args.new:
        raise ArgumentError("--seed is for --new")
    if args.sif is not None and not args.counts:
        raise ArgumentError("--sif is for --counts")
    embedder = _model(args) if args.model else _embedder(args)
    if args.output != "-":
        check_writable(args.output)
    with (
        progress(args) as show,
        VectorFile(args.output, embedder.hidden_dim) as file,
    ):
        for batch in batches(sources(args), args.rows, args.field, show):
            file.add(batch, embedder(batch, threads=args.threads))
    if args.output != "-":
        size = embedder.hidden_dim
        write_text(f"{args.output}: {counted(file.rows, 'row')} of {size} float32\n")
    return DONE


def _embedder(args: argparse.Namespace) -> TextEmbedder:
    """Out of a tokenizer and a table."""
    if not args.tokenizer:
        raise ArgumentError("--tokenizer is required, unless --model names a folder")
    tok = load(args)
    options: dict[str, Any] = {}
    if args.counts:
        options["counts"] = _counts(args.counts)
    if args.sif is not None:
        options["sif"] = args.sif
    return TextEmbedder(
        tok,
        _table(args, tok),
        mode=args.mode or "mean",
        max_length=args.max_length,
        add_special_tokens=not args.no_special,
        normalize=args.normalize,
        **options,
    )


def _model(args: argparse.Namespace) -> TextEmbedder:
    """Out of a folder that says everything, but for what the options say otherwise."""
    given = (
        ("--tokenizer", args.tokenizer),
        ("--counts", args.counts),
        ("--mode", args.mode),
        ("--no-special", args.no_special),
    )
    for name, value in given:
        if value:
            raise ArgumentError(f"{name} does not go with --model: the folder has its own")
    made = _tables.model(args.model)
    if args.max_length is None and not args.normalize:
        return made
    return TextEmbedder(
        made.tokenizer,
        made.embedding,
        max_length=made.max_length if args.max_length is None else args.max_length,
        weights=made.weights,
        rows=made.rows,
        normalize=args.normalize or made.normalize,
        skip_unknown=made.skip_unknown,
    )


def _counts(path: str) -> Any:
    """Counts by id, or of words."""
    return Counts.load(path) if path.endswith(".parquet") else _tables.array(path)


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
    embedding = FactorizedEmbedding(limit, int(inner), int(outer), seed=args.seed or 0)
    if args.save:
        embedding.save(args.save)
    return embedding
