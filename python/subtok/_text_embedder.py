"""`TextEmbedder`: texts to vectors in one call."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from subtok._subtok import Counts, FactorizedEmbedding, Tokenizer, _TextEmbedder
from subtok.errors import ArgumentError, ArgumentTypeError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal

    import numpy.typing as npt

    from subtok._text import StrPath

__all__ = ["TextEmbedder", "id_counts", "sif_weights"]

# Words of a `Counts` that are encoded at once.
_WORDS = 1 << 17


class TextEmbedder:
    """Turns texts into vectors: the mean, sum or maximum of the vectors of their tokens.

    Texts are encoded and pooled in one call of the compiled half; no lists of ids are made. The
    result is that of `tok.encode_batch`, then `emb.pool`, to the last bit when no weights are
    given, for any number of threads. Immutable, picklable, safe to share.

    >>> import subtok
    >>> tok = subtok.train_bpe(iter(["low lower lowest"] * 100), vocab_size=270)
    >>> embed = subtok.TextEmbedder(tok, subtok.FactorizedEmbedding(270, 8, 32))
    >>> embed(["lower", "lowest"]).shape
    (2, 32)

    Args:
        tok: The tokenizer.
        emb: A row for each of its ids: a `FactorizedEmbedding`, or a matrix (V, H) that is kept
            whole.
        mode: What becomes of the vectors of a text's tokens.
        max_length: So many tokens of a text are used, special ones included; None for all.
        add_special_tokens: Whether the tokenizer's special tokens are put around a text first.
        weights: A weight for each id. The mean of a text is the sum of its weighted vectors divided
            by the number of its tokens.
        counts: How often each id occurs, or a `Counts` of words: weights are then
            `sif_weights(counts, sif)`, which makes frequent tokens count less.
        sif: See `counts`.
        normalize: Scale each result to length 1; a text without tokens stays zero.
        skip_unknown: Leave out the tokenizer's unknown token, as model2vec does.
        rows: The row of the table for each id of the tokenizer, if it is not the id itself.

    Raises:
        ArgumentError: The table has no row for an id of the tokenizer, or a list by id has another
            length than the tokenizer has ids.
    """

    __slots__ = ("_core", "_options", "_skip", "embedding", "tokenizer")

    def __init__(
        self,
        tok: Tokenizer,
        emb: FactorizedEmbedding | npt.ArrayLike,
        mode: Literal["mean", "sum", "max"] = "mean",
        max_length: int | None = 512,
        *,
        add_special_tokens: bool = False,
        weights: npt.ArrayLike | None = None,
        counts: npt.ArrayLike | Counts | None = None,
        sif: float = 1e-3,
        normalize: bool = False,
        skip_unknown: bool = False,
        rows: npt.ArrayLike | None = None,
    ) -> None:
        if not isinstance(tok, Tokenizer):
            raise ArgumentTypeError(f"tok must be a subtok.Tokenizer, not {type(tok).__name__}")
        if not isinstance(emb, FactorizedEmbedding):
            emb = FactorizedEmbedding.from_table(emb)
        table: FactorizedEmbedding = emb
        if weights is not None and counts is not None:
            raise ArgumentError("give weights or counts, not both: counts are made weights of")
        if counts is not None:
            weights = sif_weights(
                id_counts(tok, counts) if isinstance(counts, Counts) else counts, sif
            )
        self.tokenizer = tok
        self.embedding = table
        self._options: dict[str, Any] = {
            "mode": mode,
            "max_length": max_length,
            "add_special_tokens": bool(add_special_tokens),
            "weights": None if weights is None else _vector("weights", weights, np.float32),
            "normalize": bool(normalize),
            "skip_unknown": bool(skip_unknown),
            "rows": None if rows is None else _vector("rows", rows, np.uint32),
        }
        unknown = _unknown_id(tok) if skip_unknown else None
        self._skip = [] if unknown is None else [unknown]
        self._core = _TextEmbedder(
            tok,
            table,
            mode,
            max_length,
            self._options["add_special_tokens"],
            self._options["normalize"],
            self._options["weights"],
            self._options["rows"],
            self._skip,
        )

    def __call__(
        self,
        texts: str | bytes | Iterable[str | bytes] | Any,
        out: npt.NDArray[np.float32] | None = None,
        *,
        threads: int | None = None,
        nulls: Literal["error", "empty"] = "error",
    ) -> npt.NDArray[np.float32]:
        """Vectors of texts, (rows, hidden_dim); of a single text, (hidden_dim,).

        Args:
            texts: Texts as `Tokenizer.encode_batch` takes them: a list, numpy, any Arrow column.
                A text without tokens gives zeros.
            out: Where to write the vectors: float32, of that shape, in C order.
            threads: How many threads; the result does not depend on it.
            nulls: What becomes of rows without a text.

        Raises:
            TextError: A text is not valid Unicode; the message names its row.
            ArgumentTypeError: These are no texts.
        """
        if isinstance(texts, str | bytes):
            given = None if out is None else out[None]
            vector: npt.NDArray[np.float32] = self._core([texts], given, threads, nulls)[0]
            return vector
        return self._core(texts, out, threads, nulls)

    encode = __call__

    @property
    def hidden_dim(self) -> int:
        """The width of the vectors."""
        return self.embedding.hidden_dim

    @property
    def mode(self) -> str:
        """What becomes of the vectors of a text's tokens."""
        return str(self._options["mode"])

    @property
    def max_length(self) -> int | None:
        """So many tokens of a text are used."""
        length: int | None = self._options["max_length"]
        return length

    @property
    def add_special_tokens(self) -> bool:
        """Whether special tokens are put around a text."""
        return bool(self._options["add_special_tokens"])

    @property
    def normalize(self) -> bool:
        """Whether results are scaled to length 1."""
        return bool(self._options["normalize"])

    @property
    def skip_unknown(self) -> bool:
        """Whether the unknown token is left out."""
        return bool(self._options["skip_unknown"])

    @property
    def weights(self) -> npt.NDArray[np.float32] | None:
        """The weight of each id."""
        weights: npt.NDArray[np.float32] | None = self._options["weights"]
        return None if weights is None else weights.copy()

    @property
    def rows(self) -> npt.NDArray[np.uint32] | None:
        """The row of the table for each id, where it is not the id itself."""
        rows: npt.NDArray[np.uint32] | None = self._options["rows"]
        return None if rows is None else rows.copy()

    @classmethod
    def from_model2vec(cls, folder: StrPath) -> TextEmbedder:
        """Read a folder that model2vec wrote: its vectors, tokenizer, weights and options.

        Results equal those of `model2vec.StaticModel.encode` to rounding, except that it cuts
        very long texts by characters before it counts tokens. int8 and float16 vectors are kept
        in 16 bits.

        Raises:
            FileError: A file is missing or cannot be read.
            FormatError: It is no such folder.
        """
        from subtok import _static_models  # noqa: PLC0415 (it needs this module)

        return _static_models.load_model2vec(cls, folder)

    @classmethod
    def from_sentence_transformers(cls, folder: StrPath) -> TextEmbedder:
        """Read a folder of sentence-transformers whose first module is a StaticEmbedding.

        Raises:
            FileError: A file is missing or cannot be read.
            FormatError: It is no such folder.
            UnsupportedError: It has modules beside StaticEmbedding and Normalize, or its
                tokenizer keeps the ends of long texts.
        """
        from subtok import _static_models  # noqa: PLC0415

        return _static_models.load_sentence_transformers(cls, folder)

    def save_model2vec(
        self, folder: StrPath, dtype: Literal["float32", "float16"] = "float32"
    ) -> None:
        """Write a folder that `model2vec.StaticModel.from_pretrained` reads.

        The table is written whole, (V, hidden_dim): the format knows no factors.

        Args:
            folder: Made if it is not there.
            dtype: The type of the vectors.

        Raises:
            ArgumentError: model2vec cannot do what this embedder does; the message says what.
            FileError: The system refused.
        """
        from subtok import _static_models  # noqa: PLC0415

        _static_models.save_model2vec(self, folder, dtype)

    def save_sentence_transformers(
        self, folder: StrPath, dtype: Literal["float32", "float16"] = "float32"
    ) -> None:
        """Write a folder that `sentence_transformers.SentenceTransformer` reads.

        The table is written whole, with weights multiplied in.

        Args:
            folder: Made if it is not there.
            dtype: The type of the vectors.

        Raises:
            ArgumentError: StaticEmbedding cannot do what this embedder does.
            FileError: The system refused.
        """
        from subtok import _static_models  # noqa: PLC0415

        _static_models.save_sentence_transformers(self, folder, dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.tokenizer, self.embedding, self._options)

    def __repr__(self) -> str:
        options = self._options
        shown = [f"mode={options['mode']!r}", f"max_length={options['max_length']}"]
        shown += [name for name in ("weights", "rows") if options[name] is not None]
        flags = ("add_special_tokens", "normalize", "skip_unknown")
        shown += [f"{name}=True" for name in flags if options[name]]
        return f"TextEmbedder({self.embedding!r}, {', '.join(shown)})"


def _restored(tok: Tokenizer, emb: FactorizedEmbedding, options: dict[str, Any]) -> TextEmbedder:
    """What pickle calls."""
    return TextEmbedder(tok, emb, **options)


def sif_weights(counts: npt.ArrayLike, a: float = 1e-3) -> npt.NDArray[np.float32]:
    """Weights `a / (a + p)` by how often ids occur: smooth inverse frequency.

    `p` is an id's share of all occurrences; what never occurs weighs 1. From Arora, Liang and Ma,
    "A simple but tough-to-beat baseline for sentence embeddings", 2017.

    Args:
        counts: How often each id occurs, such as `np.bincount(batch.ids, minlength=V)`.
        a: From 1e-4 to 1e-3 in the paper; smaller values tell frequent tokens further apart.

    Raises:
        ArgumentError: A count is negative or not finite, or `a` is not positive.
    """
    values = np.asarray(counts)
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise ArgumentTypeError("counts must be one number for each id")
    values = values.astype(np.float64)
    bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(bad):
        raise ArgumentError(
            f"counts is {values[bad[0]]} for id {bad[0]}, but must be finite and not negative"
        )
    if not (np.isfinite(a) and a > 0):
        raise ArgumentError(f"a is {a}, but must be above 0")
    total = values.sum()
    share = values / total if total > 0 else values
    return (a / (a + share)).astype(np.float32)


def id_counts(
    tok: Tokenizer, source: Counts | Sequence[str] | Any, *, threads: int | None = None
) -> npt.NDArray[np.int64]:
    """How often each id of a tokenizer occurs.

    What `sif_weights` and `FactorizedEmbedding.from_dense(counts=)` want to know.

    Args:
        tok: The tokenizer.
        source: Texts, as `encode_batch` takes them, or a `Counts`: each of its words is encoded
            once, which gives the counts of the whole text in seconds. It must have been counted
            with the split that the tokenizer has.
        threads: How many threads.

    Returns:
        int64, one number for each id, without special tokens that are added around texts.

    Raises:
        UnsupportedError: The words of a `Counts` are no text, for they were rewritten.
    """
    limit = tok.id_limit
    if not isinstance(source, Counts):
        batch = tok.encode_batch(
            source, add_special_tokens=False, padding=False, truncation=False, threads=threads
        )
        return np.bincount(batch.ids, minlength=limit).astype(np.int64)
    if "Metaspace" in str(source.manifest.get("pretokenizer")):
        raise UnsupportedError("counts by id of words with metaspaces")
    data, offsets, numbers, _ = source._parts()  # noqa: SLF001 (without a copy of every word)
    found = np.zeros(limit, np.int64)
    for start in range(0, len(numbers), _WORDS):
        ends = offsets[start : start + _WORDS + 1]
        words = [data[a:b] for a, b in itertools.pairwise(ends)]
        batch = tok.encode_batch(
            words, add_special_tokens=False, padding=False, truncation=False, threads=threads
        )
        times = numbers[start : start + _WORDS].astype(np.int64)
        np.add.at(found, batch.ids, np.repeat(times, np.diff(batch.row_offsets)))
    return found


def _unknown_id(tok: Tokenizer) -> int | None:
    """The id of the unknown token, where the model has one."""
    import json  # noqa: PLC0415 (not for every import of the package)

    model = json.loads(tok.to_str())["model"]
    if isinstance(model.get("unk_token"), str):
        return tok.token_to_id(model["unk_token"])
    found = model.get("unk_id")
    return found if isinstance(found, int) else None


def _vector(name: str, given: npt.ArrayLike, dtype: Any) -> Any:
    values = np.asarray(given)
    kinds = "biuf" if dtype is np.float32 else "iu"
    if values.ndim != 1 or values.dtype.kind not in kinds:
        wanted = "numbers" if dtype is np.float32 else "integers"
        raise ArgumentTypeError(f"{name} must be a list of {wanted}, one for each id")
    if dtype is np.uint32 and len(values):
        least, most = int(values.min()), int(values.max())
        if least < 0 or most > np.iinfo(np.uint32).max:
            raise ArgumentError(f"{name} has {least if least < 0 else most}, which is no row")
    # Numbers that float32 has none for become infinite there, and are refused by name.
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, dtype)
