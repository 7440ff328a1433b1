"""Train, run, prove and compare subword tokenizers; turn ids into vectors.

>>> import subtok
>>> tok = subtok.train_bpe(iter(["low lower lowest"] * 100), vocab_size=270)
>>> tok.decode(tok.encode("lowest").ids)
'lowest'
"""

from subtok import data
from subtok._subtok import (
    Counts,
    DecodeStream,
    Encoding,
    EncodingBatch,
    FactorizedEmbedding,
    Tokenizer,
    __version__,
    count,
    train_bpe,
    train_wordpiece,
)
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
    UnsupportedError,
)
from subtok.verify import verify

__all__ = [
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
    "TextError",
    "Tokenizer",
    "TrainingError",
    "UnknownIdError",
    "UnsupportedError",
    "__version__",
    "compare",
    "count",
    "data",
    "train_bpe",
    "train_wordpiece",
    "verify",
]
