"""Train, run, prove and compare subword tokenizers; turn ids into vectors.

>>> import subtok
>>> tok = subtok.train_bpe(iter(["low lower lowest"] * 100), vocab_size=270)
>>> tok.decode(tok.encode("lowest").ids)
'lowest'
"""

import warnings

from subtok import _starting as _starting
from subtok import counting, data, ray
from subtok._subtok import (
    AlbertEmbeddings,
    Counts,
    DecodeStream,
    Encoding,
    EncodingBatch,
    FactorizedEmbedding,
    TextBatch,
    Tokenizer,
    __version__,
    _debug_build,
    count,
    extend_bpe,
    train_bpe,
    train_wordpiece,
)
from subtok._text_embedder import TextEmbedder, id_counts, sif_weights
from subtok.compare import compare
from subtok.errors import (
    ArgumentError,
    ArgumentTypeError,
    FileError,
    FormatError,
    MissingDependencyError,
    PatternError,
    RowIndexError,
    SubtokError,
    TextError,
    TrainingError,
    UnknownIdError,
    UnknownPieceError,
    UnsupportedError,
)
from subtok.verify import verify

__all__ = [
    "AlbertEmbeddings",
    "ArgumentError",
    "ArgumentTypeError",
    "Counts",
    "DecodeStream",
    "Encoding",
    "EncodingBatch",
    "FactorizedEmbedding",
    "FileError",
    "FormatError",
    "MissingDependencyError",
    "PatternError",
    "RowIndexError",
    "SubtokError",
    "TextBatch",
    "TextEmbedder",
    "TextError",
    "Tokenizer",
    "TrainingError",
    "UnknownIdError",
    "UnknownPieceError",
    "UnsupportedError",
    "__version__",
    "compare",
    "count",
    "counting",
    "data",
    "extend_bpe",
    "id_counts",
    "ray",
    "sif_weights",
    "train_bpe",
    "train_wordpiece",
    "verify",
]

if _debug_build:  # pragma: no cover
    warnings.warn(
        "this subtok was built without optimisation: build it with --release",
        RuntimeWarning,
        stacklevel=2,
    )
