"""`subtok embed factorise`, `quantise` and `inspect`: tables of vectors made smaller, and shown."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from subtok import _tensors
from subtok._files import check_writable, file_error
from subtok._subtok import FactorizedEmbedding
from subtok._text import expand
from subtok._text_embedder import TextEmbedder, id_counts
from subtok.cli._common import (
    DONE,
    add_rows,
    add_tokenizer,
    add_verb,
    batches,
    load,
    progress,
    write_json,
    write_text,
)
from subtok.errors import ArgumentError, FormatError

if TYPE_CHECKING:
    import argparse

    import numpy.typing as npt

    from subtok.cli._common import Verbs

KINDS = ("int8", "int4", "float16", "bfloat16")

# What the table of token vectors is called in checkpoints.
_NAMES = (
    "word_embeddings.weight",
    "embed_tokens.weight",
    "wte.weight",
    "tok_embeddings.weight",
    "embed_in.weight",
    "shared.weight",
    "embedding.weight",
    "embeddings",
)
_BLOCK = 4096


def add(verbs: Verbs) -> None:
    """Declare the verbs."""
    verb = add_verb(
        verbs,
        "embed factorise",
        factorise,
        "make two thin factors of a trained table",
        "The table is the token table of a checkpoint (.safetensors), or an .npy file. Rows weigh "
        "counts ** alpha, so give counts, or text to count: without them, frequent tokens suffer.",
    )
    verb.add_argument("table", metavar="TABLE", help=".safetensors, .npy, or a model's folder")
    verb.add_argument("--name", metavar="TENSOR", help="which tensor of a .safetensors file")
    verb.add_argument("--output", "-o", required=True, metavar="FILE", help=".safetensors")
    size = verb.add_mutually_exclusive_group(required=True)
    size.add_argument("--rank", type=int, metavar="E", help="the inner width")
    size.add_argument("--energy", type=float, metavar="X", help="the share of squares to keep")
    size.add_argument("--budget-bytes", type=int, metavar="N", help="the bytes of the factors")
    verb.add_argument("--counts", metavar="FILE", help="how often each id occurs, .npy")
    verb.add_argument(
        "--text",
        action="append",
        default=[],
        metavar="TEXT",
        help="count the ids of this text instead; needs --tokenizer; may be repeated",
    )
    add_tokenizer(verb, required=False)
    add_rows(verb, "lines")
    verb.add_argument("--alpha", type=float, default=0.75, metavar="X", help="(%(default)s)")
    verb.add_argument("--center", action="store_true", help="keep the mean of the rows as bias")
    verb.add_argument("--quantise", "--quantize", choices=KINDS, help="and quantise the factors")
    verb.add_argument("--threads", type=int, metavar="N", help="(all processors)")
    verb.add_argument("--json", action="store_true", help="the report as JSON")

    verb = add_verb(
        verbs,
        "embed quantise",
        quantise,
        "write a table with smaller numbers",
        "Says how far the rows move: the mean over rows of |new - old| / |old|.",
    )
    verb.add_argument("table", metavar="TABLE", help=".safetensors")
    verb.add_argument("--kind", "-k", choices=KINDS, default="int8", help="(%(default)s)")
    verb.add_argument("--output", "-o", required=True, metavar="FILE", help=".safetensors")
    verb.add_argument("--json", action="store_true", help="the report as JSON")

    verb = add_verb(
        verbs,
        "embed inspect",
        inspect,
        "show what a table is",
        "Sizes, kind of numbers, bytes, and the lengths of its rows; for the folder of a static "
        "model its options, too.",
    )
    verb.add_argument("table", metavar="TABLE", help=".safetensors, or a folder of a static model")
    verb.add_argument("--json", action="store_true", help="as JSON")


def factorise(args: argparse.Namespace) -> int:
    """From a table to its factors."""
    if args.text and not args.tokenizer:
        raise ArgumentError("--text is counted with --tokenizer, which is missing")
    if args.text and args.counts:
        raise ArgumentError("give --counts or --text, not both")
    check_writable(args.output)
    table = _dense(args.table, args.name)
    counts = array(args.counts) if args.counts else None
    if args.text:
        counts = _counted(args, len(table))
    made, report = FactorizedEmbedding.from_dense(
        table,
        rank=args.rank,
        energy=args.energy,
        budget_bytes=args.budget_bytes,
        counts=counts,
        alpha=args.alpha,
        center=args.center,
        threads=args.threads,
    )
    if args.quantise:
        made = made.quantize(args.quantise)
        report = {**report, "quantised": args.quantise, "quantised_bytes": made.nbytes}
    made.save(args.output)
    _show(args, {"file": args.output, "counted": counts is not None, **report})
    return DONE


def quantise(args: argparse.Namespace) -> int:
    """From a table to one with smaller numbers."""
    check_writable(args.output)
    old = FactorizedEmbedding.load(args.table)
    new = old.quantize(args.kind)
    error = 0.0
    for start in range(0, old.vocab_size, _BLOCK):
        ids = np.arange(start, min(start + _BLOCK, old.vocab_size))
        before, after = (emb(ids).astype(np.float64) for emb in (old, new))
        size = np.linalg.norm(before, axis=1)
        away = np.linalg.norm(after - before, axis=1)
        error += float((away / np.where(size > 0, size, 1)).sum())
    new.save(args.output)
    report = {
        "file": args.output,
        "kind": args.kind,
        "bytes": new.nbytes,
        "bytes_before": old.nbytes,
        "mean_row_error": error / old.vocab_size,
    }
    _show(args, report)
    return DONE


def inspect(args: argparse.Namespace) -> int:
    """What a table is."""
    options: dict[str, Any] = {}
    if Path(args.table).is_dir():
        embedder = model(args.table)
        table = embedder.embedding
        options = {
            "max_length": embedder.max_length,
            "normalize": embedder.normalize,
            "weights": embedder.weights is not None,
            "skip_unknown": embedder.skip_unknown,
            "tokenizer_ids": embedder.tokenizer.id_limit,
        }
    else:
        table = FactorizedEmbedding.load(args.table)
    lengths = [
        np.linalg.norm(table(np.arange(start, min(start + _BLOCK, table.vocab_size))), axis=1)
        for start in range(0, table.vocab_size, _BLOCK)
    ]
    norms = np.concatenate(lengths)
    whole = 4 * table.vocab_size * table.hidden_dim
    report = {
        "file": args.table,
        "vocab_size": table.vocab_size,
        "embedding_dim": table.embedding_dim,
        "hidden_dim": table.hidden_dim,
        "kind": table.kind,
        "padding_id": table.padding_id,
        "bytes": table.nbytes,
        "bytes_per_token": round(table.nbytes / table.vocab_size, 1),
        "share_of_whole": round(table.nbytes / whole, 4),
        "row_length_min": float(norms.min()),
        "row_length_median": float(np.median(norms)),
        "row_length_max": float(norms.max()),
        "zero_rows": int((norms == 0).sum()),
        **options,
    }
    _show(args, report)
    return DONE


def model(folder: str) -> TextEmbedder:
    """An embedder out of a folder of either library."""
    path = Path(folder)
    if (path / "config.json").exists():
        return TextEmbedder.from_model2vec(path)
    if (path / "modules.json").exists():
        return TextEmbedder.from_sentence_transformers(path)
    raise FormatError(f"{folder}: there is neither a config.json nor a modules.json")


def array(path: str) -> npt.NDArray[Any]:
    """An array of an .npy file."""
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except OSError as error:
        raise file_error("read", path, error) from error
    except (ValueError, EOFError) as error:
        raise FormatError(f"{path}: it is no .npy file: {error}") from error


def _dense(path: str, name: str | None) -> npt.NDArray[Any]:
    """The table of a file."""
    if path.endswith(".npy"):
        if name:
            raise ArgumentError("--name is for .safetensors files")
        table = array(path)
        if table.ndim != 2:  # noqa: PLR2004 (rows and columns)
            raise FormatError(f"{path}: a table has two axes, and this array {table.ndim}")
        return table
    file = path
    if Path(path).is_dir():
        file = str(Path(path) / "model.safetensors")
    shapes = _tensors.shapes(file)
    if name and name not in shapes:
        raise ArgumentError(f"{file} has no tensor {name!r}; it has {_list(shapes)}")
    matrices = [known for known, shape in shapes.items() if len(shape) == 2]  # noqa: PLR2004
    found = name or next(
        (
            known
            for wanted in _NAMES
            for known in matrices
            if known == wanted or known.endswith(f".{wanted}")
        ),
        None,
    )
    if found is None and len(matrices) == 1:
        found = matrices[0]
    if found is None:
        raise ArgumentError(f"--name must say which tensor is the table: {_list(shapes)}")
    return _tensors.read(file, {found})[found]


def _list(shapes: dict[str, list[int]]) -> str:
    """Some names of tensors, the largest first."""
    most = 8
    names = sorted(shapes, key=lambda name: -math.prod(shapes[name]))
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def _counted(args: argparse.Namespace, rows: int) -> npt.NDArray[np.int64]:
    """How often each id occurs in the texts that were named."""
    tok = load(args)
    if tok.id_limit > rows:
        raise ArgumentError(
            f"the table has {rows} rows, but the tokenizer has ids up to {tok.id_limit - 1}"
        )
    counts = np.zeros(rows, np.int64)
    with progress(args) as show:
        for batch in batches(expand(args.text), args.rows, args.field, show):
            counts[: tok.id_limit] += id_counts(tok, batch, threads=args.threads)
    return counts


def _show(args: argparse.Namespace, report: dict[str, Any]) -> None:
    if args.json:
        write_json(report)
        return
    width = max(map(len, report))
    lines = (f"{name:{width}}  {_plain(value)}\n" for name, value in report.items())
    write_text("".join(lines))


def _plain(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
