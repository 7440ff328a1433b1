"""The extension module; import its names from `subtok`."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from mmap import mmap
from typing import Any, Literal, Self, SupportsIndex, TextIO, TypeAlias, TypeVar, final, overload

import numpy as np
import numpy.typing as npt

__all__ = [
    "AlbertEmbeddings",
    "Counts",
    "DecodeStream",
    "Encoding",
    "EncodingBatch",
    "FactorizedEmbedding",
    "TextBatch",
    "Tokenizer",
    "_TextEmbedder",
    "__version__",
    "_copy_by_slot",
    "_debug_build",
    "_decode_tokens",
    "_distinct_ids",
    "_encode_batch",
    "_from_ranks",
    "_learn",
    "_normalize",
    "_pre_tokenize",
    "_scatter_rows",
    "_sum_by_slot",
    "_tokenize_piece",
    "_with_parts",
    "count",
    "extend_bpe",
    "train_bpe",
    "train_wordpiece",
]

__version__: str
_debug_build: bool

_Path: TypeAlias = str | os.PathLike[str]
_Out = TypeVar("_Out", bound=npt.NDArray[Any])
_Bytes: TypeAlias = bytes | bytearray | memoryview | mmap
_Text: TypeAlias = str | _Bytes | npt.NDArray[np.uint8]
_Ids: TypeAlias = Sequence[int] | npt.NDArray[np.integer[Any]]
_Rows: TypeAlias = Sequence[_Ids] | EncodingBatch | npt.NDArray[Any] | Any
_Texts: TypeAlias = Sequence[str | _Bytes] | npt.NDArray[Any] | Any
_Some: TypeAlias = _Path | list[str] | list[_Path] | Iterable[str] | Any
_Source: TypeAlias = _Some | Mapping[str, _Some] | Counts
_Size: TypeAlias = int | str
_Progress: TypeAlias = Callable[[str, int, int], object] | bool | _Path | TextIO
_Truncation: TypeAlias = Literal["longest_first", "only_first", "only_second", False]
_Side: TypeAlias = Literal["left", "right"]
_Padding: TypeAlias = Literal["longest", "max_length", False]

@final
class Tokenizer:
    """Text to ids and back: immutable, picklable, safe to share between threads."""

    @staticmethod
    def from_file(
        path: _Path,
        *,
        pattern: str | None = None,
        special_tokens: Mapping[str, int] | None = None,
    ) -> Tokenizer:
        """Load a tokenizer; the kind is recognised by content.

        Args:
            path: A `tokenizer.json`, a `vocab.txt`, a `vocab.json` with `merges.txt` beside it, a
                sentencepiece `.model`, a `tekken.json`, or a `.tiktoken` file, which needs
                `pattern`.
            pattern: For a `.tiktoken` file: a known name such as `"cl100k_base"`, or a regex.
            special_tokens: For a `.tiktoken` file: special tokens with their ids.

        Raises:
            FileError: The file cannot be read.
            FormatError: The content breaks the rules of its format.
            UnsupportedError: It declares a component that is not supported yet.
        """

    @staticmethod
    def from_str(json: str) -> Tokenizer:
        """Load the text of a `tokenizer.json`."""

    @staticmethod
    def _from_rank_str(text: str) -> Tokenizer: ...
    @staticmethod
    def from_tiktoken(
        path: _Path,
        pattern: str | None = None,
        special_tokens: Mapping[str, int] | None = None,
    ) -> Tokenizer:
        """Load a file of token ranks.

        Args:
            path: The `.tiktoken` file.
            pattern: A known name such as `"cl100k_base"`, or the split pattern as a regex. The file
                does not say it, so it must be given.
            special_tokens: Special tokens with their ids; the file has none.
        """

    @staticmethod
    def from_sentencepiece(path: _Path) -> Tokenizer:
        """Load a sentencepiece `.model`; ids and decoded text are those of sentencepiece 0.2.3.

        Text becomes what `encode` of that library gives without further options: no ids are put
        around it, whatever `add_special_tokens` says.

        Raises:
            FormatError: The file contradicts itself; the message has the field and the byte.
            UnsupportedError: The model changes decoded text by a map of its own.
        """

    @staticmethod
    def from_tekken(path: _Path) -> Tokenizer:
        """Load mistral's `tekken.json`: special tokens first, then the ranks.

        Raises:
            FormatError: The file contradicts itself; the message has the place.
        """

    @staticmethod
    def from_wordpiece(
        path: _Path,
        lowercase: bool = True,
        strip_accents: bool | None = None,
        handle_chinese_chars: bool = True,
        clean_text: bool = True,
        *,
        unk_token: str = "[UNK]",
        continuing_subword_prefix: str = "##",
        max_input_chars_per_word: int = 100,
    ) -> Tokenizer:
        """Load a BERT vocabulary, one token a line."""

    @staticmethod
    def from_bpe(
        vocab: _Path,
        merges: _Path,
        pretokenizer: str | None = None,
        *,
        dropout: float | None = None,
        unk_token: str | None = None,
        continuing_subword_prefix: str | None = None,
        end_of_word_suffix: str | None = None,
        fuse_unk: bool = False,
        byte_fallback: bool = False,
        ignore_merges: bool = False,
    ) -> Tokenizer:
        """Load BPE from a `vocab.json` and a `merges.txt` (also `encoder.json`, `vocab.bpe`).

        The files hold tokens and merges; all else is said here, in the words of a `tokenizer.json`.

        Args:
            vocab: Tokens and ids, a JSON object.
            merges: A merge a line, two tokens with a space between them.
            pretokenizer: `"gpt2"` (the default), `"cl100k_base"`, `"llama3"`, `"qwen2"`,
                `"qwen3.5"`, `"o200k_base"`, `"bert"`, `"whitespace"`, `"metaspace"`, `"none"`,
                or the split pattern of a byte-level model. The decoder goes with it.
            dropout: The share of merges that are left out at random.
            unk_token: The token of characters that have none.
            continuing_subword_prefix: What marks a token that continues a word.
            end_of_word_suffix: What marks a token that ends a word.
            fuse_unk: Neighbouring unknown characters become one token.
            byte_fallback: A character without a token becomes tokens of its bytes.
            ignore_merges: A piece that is a token becomes that token, whatever the merges say.
        """

    def save(self, path: _Path, pretty: bool = False) -> None:
        """Write a `tokenizer.json`; an older file stays whole until the new one is."""

    def to_tiktoken(self) -> bytes:
        """The ranks as a rank file (`.tiktoken`), which has no pattern and no special tokens.

        Raises:
            UnsupportedError: A rank file cannot say all of it; the message names what.
        """

    def to_components(self, accept: list[str] = ...) -> Tokenizer:
        """A sentencepiece model as the components of a `tokenizer.json` that are equal to it.

        Args:
            accept: Differences that do not matter to the caller. `"controls"`: texts that contain
                the text of a control or unknown piece, such as `<s>`, which is a token there and
                letters here (with `split_special_tokens=True` they are equal, too). `"decoding"`:
                the decoded text of ids that no text is encoded to.

        Raises:
            UnsupportedError: No components are equal to it; the message names the difference, or
                what would have to be accepted.
        """

    def to_str(self, pretty: bool = False) -> str:
        """The text of a `tokenizer.json`, which `tokenizers` 0.23.3 loads with equal behaviour."""

    @property
    def vocab_size(self) -> int:
        """The number of tokens, added tokens included."""

    @property
    def id_limit(self) -> int:
        """One more than the greatest id; greater than `vocab_size` where ids are missing."""

    @property
    def special_tokens(self) -> dict[str, int]:
        """The special tokens with their ids."""

    @property
    def fingerprint(self) -> str:
        """A hex digest of the canonical form: equal digest, equal behaviour."""

    @property
    def training_report(self) -> dict[str, Any] | None:
        """What training did: merges, stop reason, counts, seconds; none if it was loaded."""

    def get_vocab(self, with_added_tokens: bool = True) -> dict[str, int]:
        """All tokens with their ids."""

    def token_to_id(self, token: str) -> int | None:
        """The id of a token; none if it is not in the vocabulary."""

    def id_to_token(self, id: int) -> str | None:
        """The token of an id; none if no token has it."""

    def token_bytes(self, id: int) -> bytes:
        """The bytes that a token stands for.

        Raises:
            UnknownIdError: No token has this id.
        """

    def with_added_tokens(self, tokens: Sequence[Any], special: bool = False) -> Tokenizer:
        """A new tokenizer with more tokens, which are found in a text before everything else."""

    def info(self) -> dict[str, Any]:
        """What is inside: model, components, road and why, Unicode versions, sizes."""

    def encode(
        self,
        text: _Text | Sequence[str],
        pair: _Text | Sequence[str] | None = None,
        *,
        threads: int | None = None,
        add_special_tokens: bool = True,
        split_special_tokens: bool = False,
        is_split_into_words: bool = False,
        max_length: int | None = None,
        truncation: _Truncation | None = None,
        truncation_side: _Side | None = None,
        stride: int | None = None,
        padding: _Padding | None = None,
        padding_side: _Side | None = None,
        pad_to_multiple_of: int | None = None,
        pad_id: int | None = None,
        dropout: float | None = None,
        seed: int | None = None,
        errors: Literal["strict", "replace"] | None = None,
    ) -> Encoding:
        """Encode one text, or a pair.

        Args:
            text: A string, or UTF-8 in whatever shows its bytes (`bytes`, a memory map, an array of
                uint8), read in place where it is read-only; a list of words with
                `is_split_into_words`.
            pair: A second text.
            threads: How many threads a text of more than 256 kB may be shared out to; by default
                `SUBTOK_NUM_THREADS`, or the processors. The ids are the same.
            add_special_tokens: Add those of the template.
            split_special_tokens: Treat special tokens in the text as plain text.
            is_split_into_words: The text is a list of words.
            max_length: Cut to at most this many tokens. What the tokenizer's file says about
                truncation holds where neither this nor what follows is given.
            truncation: What to cut of a pair; `"longest_first"` by default. `False` cuts nothing.
            truncation_side: The side that is cut; the right by default.
            stride: Tokens that overflowing parts share; 0 by default.
            padding: `"max_length"` fills up to `max_length`. `False` fills up nothing, not even
                where the tokenizer's file says so.
            padding_side: The side that is filled; the file's, or the right by default.
            pad_to_multiple_of: Round the length up.
            pad_id: What to fill with; the tokenizer's padding token by default.
            dropout: Share of merges that a BPE model leaves out at random; the model's own by
                default.
            seed: What the random choices begin with; 0 by default.
            errors: `"replace"` writes U+FFFD for a lone surrogate.

        Raises:
            TextError: A lone surrogate.
            ArgumentError: An option out of its bounds.
        """

    def encode_batch(
        self,
        texts: _Texts,
        pairs: _Texts | None = None,
        *,
        threads: int | None = None,
        add_special_tokens: bool = True,
        split_special_tokens: bool = False,
        is_split_into_words: bool = False,
        max_length: int | None = None,
        truncation: _Truncation | None = None,
        truncation_side: _Side | None = None,
        stride: int | None = None,
        padding: _Padding | None = None,
        padding_side: _Side | None = None,
        pad_to_multiple_of: int | None = None,
        pad_id: int | None = None,
        dropout: float | None = None,
        seed: int | None = None,
        errors: Literal["strict", "replace"] | None = None,
        nulls: Literal["error", "empty"] | None = None,
    ) -> EncodingBatch:
        """Encode many texts on several threads, the interpreter lock released.

        Args:
            texts: Strings or UTF-8 bytes in a list, an array, or an Arrow column (of PyArrow,
                Polars, pandas or whoever speaks the Arrow C data interface), read in place.
            pairs: Second texts.
            threads: How many threads; by default `SUBTOK_NUM_THREADS`, or the processors.
            add_special_tokens: As in `encode`, like all that follow.
            split_special_tokens: As in `encode`.
            is_split_into_words: As in `encode`.
            max_length: As in `encode`.
            truncation: As in `encode`.
            truncation_side: As in `encode`.
            stride: As in `encode`.
            padding: As in `encode`; `"longest"` fills up to the longest row.
            padding_side: As in `encode`.
            pad_to_multiple_of: As in `encode`.
            pad_id: As in `encode`.
            dropout: As in `encode`.
            seed: As in `encode`; every row draws from it and its own number.
            errors: As in `encode`.
            nulls: `"empty"` takes a null or `None` for an empty text; it is an error by default.

        Raises:
            TextError: A lone surrogate, or bytes that are not UTF-8.
            ArgumentError: An option out of its bounds, a null, or malformed Arrow data.
        """

    def count(self, text: _Text, *, add_special_tokens: bool = False) -> int:
        """The number of tokens of a text, without building them."""

    def count_batch(
        self,
        texts: _Texts,
        *,
        add_special_tokens: bool = False,
        threads: int | None = None,
        nulls: Literal["error", "empty"] | None = None,
    ) -> npt.NDArray[np.int64]:
        """The number of tokens of each text."""

    def decode(
        self,
        ids: _Ids,
        *,
        skip_special_tokens: bool = True,
        clean_up: bool | None = None,
        errors: Literal["strict", "skip"] | None = None,
    ) -> str:
        """The text of ids.

        Raises:
            UnknownIdError: An id that no token has, unless `errors` is `"skip"`.
        """

    def decode_batch(
        self,
        rows: _Rows,
        *,
        skip_special_tokens: bool = True,
        clean_up: bool | None = None,
        errors: Literal["strict", "skip"] | None = None,
        threads: int | None = None,
    ) -> list[str]:
        """The texts of many rows of ids.

        Args:
            rows: Lists or arrays of ids, a matrix, an `EncodingBatch`, or an Arrow column of lists
                of integers (of PyArrow, Polars or whoever speaks the Arrow C data interface).
            skip_special_tokens: As in `decode`, like the next two.
            clean_up: As in `decode`.
            errors: As in `decode`.
            threads: How many threads; by default `SUBTOK_NUM_THREADS`, or the processors.

        Raises:
            UnknownIdError: An id that no token has, with its row, unless `errors` is `"skip"`.
            ArgumentError: A null, or malformed Arrow data.
        """

    def decode_arrow(
        self,
        rows: _Rows,
        *,
        skip_special_tokens: bool = True,
        clean_up: bool | None = None,
        errors: Literal["strict", "skip"] | None = None,
        threads: int | None = None,
    ) -> TextBatch:
        """The texts of many rows of ids as a column for Arrow, without a string for each.

        Arguments and errors are those of `decode_batch`.
        """

    def decode_bytes(self, ids: _Ids) -> bytes:
        """The bytes of ids, which need not be whole characters."""

    def decode_with_offsets(self, ids: _Ids) -> tuple[str, npt.NDArray[np.int64]]:
        """The text of ids, and the character where each begins."""

    def stream(self, *, skip_special_tokens: bool = True) -> DecodeStream:
        """Decode ids one at a time."""

    def truncate(self, text: _Text, max_tokens: int) -> str:
        """The longest beginning of a text that has at most so many tokens."""

    def chunk(
        self, text: _Text, max_tokens: int, overlap: int | None = None
    ) -> list[tuple[int, int]]:
        """The text as ranges of characters of at most so many tokens each."""

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """How many tokens the template adds to a text, or to a pair."""

    def cache_stats(self) -> dict[str, int]:
        """How the look-up caches do: caches, bytes, hits, misses, evictions."""

    def cache_clear(self) -> None:
        """Empty the look-up cache."""

    def __copy__(self) -> Self: ...
    def __deepcopy__(self, memo: object, /) -> Self: ...

@final
class Encoding:
    """The tokens of one text or pair."""

    @property
    def ids(self) -> npt.NDArray[np.uint32]:
        """The ids."""

    @property
    def tokens(self) -> list[str]:
        """The tokens as the vocabulary writes them."""

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Where each token stands in the text: (n, 2) characters."""

    @property
    def byte_offsets(self) -> npt.NDArray[np.int64]:
        """The same in UTF-8 bytes."""

    @property
    def word_ids(self) -> npt.NDArray[np.int64]:
        """The word of each token; -1 where it belongs to none."""

    @property
    def sequence_ids(self) -> npt.NDArray[np.int64]:
        """0 for the text, 1 for the pair, -1 for neither."""

    @property
    def type_ids(self) -> npt.NDArray[np.uint32]:
        """The template's type of each token."""

    @property
    def special_tokens_mask(self) -> npt.NDArray[np.uint32]:
        """1 where the template or padding put the token."""

    @property
    def attention_mask(self) -> npt.NDArray[np.uint32]:
        """0 where the token is padding."""

    @property
    def overflowing(self) -> tuple[Encoding, ...]:
        """What truncation cut off, in parts of at most `max_length`."""

    @property
    def n_sequences(self) -> int:
        """1 for a text, 2 for a pair."""

    def char_to_token(self, char_pos: int, sequence: int | None = None) -> int | None:
        """The token at a character."""

    def char_to_word(self, char_pos: int, sequence: int | None = None) -> int | None:
        """The word at a character."""

    def token_to_chars(self, token: int) -> tuple[int, int] | None:
        """The characters of a token."""

    def token_to_sequence(self, token: int) -> int | None:
        """The text that a token is from."""

    def token_to_word(self, token: int) -> int | None:
        """The word that a token is part of."""

    def word_to_chars(self, word: int, sequence: int | None = None) -> tuple[int, int] | None:
        """The characters of a word."""

    def word_to_tokens(self, word: int, sequence: int | None = None) -> tuple[int, int] | None:
        """The tokens of a word."""

    def __len__(self) -> int: ...

@final
class EncodingBatch:
    """The tokens of many texts, flat."""

    @property
    def ids(self) -> npt.NDArray[np.uint32]:
        """The ids of all rows, one after the other."""

    @property
    def row_offsets(self) -> npt.NDArray[np.int64]:
        """Where each row begins in `ids`; one more than there are rows."""

    def padded(
        self,
        length: int | None = None,
        dtype: npt.DTypeLike | None = None,
        out: npt.NDArray[Any] | None = None,
        return_attention_mask: bool = True,
        return_token_type_ids: bool | None = None,
        *,
        pad_id: int | None = None,
        padding_side: _Side | None = None,
    ) -> dict[str, npt.NDArray[Any]]:
        """Two-dimensional arrays by the names that models take; int64 by default.

        `token_type_ids` come where rows are pairs, or on demand. Without `pad_id` rows are filled
        up with the tokenizer's padding token, or with id 0 when it has none.
        """

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        """The rows as Arrow data, `list<uint32>`, the ids not copied.

        `large_list<uint32>`, which copies no offsets either, where it is requested, or where 32
        bits do not count the ids.
        """

    def __arrow_c_schema__(self) -> object:
        """The type of these data."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: SupportsIndex, /) -> Encoding: ...
    def __iter__(self) -> Iterator[Encoding]: ...

@final
class TextBatch:
    """The texts of many rows in one buffer: a column for whoever speaks Arrow."""

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        """The texts as Arrow data, `utf8`, not copied.

        `large_utf8`, which copies no offsets either, where it is requested, or where 32 bits do
        not count the bytes.
        """

    def __arrow_c_schema__(self) -> object:
        """The type of these data."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: SupportsIndex, /) -> str: ...
    def __iter__(self) -> Iterator[str]: ...

@final
class DecodeStream:
    """Ids to text one at a time; never half a character."""

    def step(self, id: int) -> str:
        """Take one id; the text that it completes, which may be empty."""

    def finish(self) -> str:
        """What is left at the end."""

@final
class Counts:
    """Words with how often they occur: what training starts from."""

    @property
    def manifest(self) -> dict[str, Any]:
        """How the words were counted, from what, and how much of it."""

    @staticmethod
    def load(path: _Path) -> Counts:
        """Read saved counts; needs `pyarrow`.

        Raises:
            FileError: The file cannot be read.
            FormatError: It holds no counts, or damaged ones.
        """

    @staticmethod
    def merge(parts: Iterable[Counts]) -> Counts:
        """The sum of several counts.

        Raises:
            TrainingError: They were not counted in the same way.
        """

    @property
    def weights(self) -> dict[str, int]:
        """The sources by name, with how often each of their words counts."""

    def weighted(self, weights: Mapping[str, int]) -> Counts:
        """The same occurrences with other weights of sources; those not named keep theirs.

        Raises:
            ArgumentError: A name is no source's.
            TrainingError: A weighted sum does not fit into 64 bits.
        """

    def save(self, path: _Path) -> None:
        """Write the counts to a Parquet file, which `to_arrow` describes, whole or not at all."""

    def to_arrow(self) -> Any:
        """A `pyarrow.Table` with the columns `word` and `count`, ordered by word.

        Sources that are counted apart have columns of their own besides, `count:` and their name;
        `count` is their weighted sum.
        """

    def _columns(self) -> list[npt.NDArray[np.uint64]]: ...
    def _parts(
        self,
    ) -> tuple[bytes, npt.NDArray[np.int64], npt.NDArray[np.uint64], str]: ...
    @staticmethod
    def _from_parts(
        bytes: bytes,
        offsets: npt.NDArray[np.int64],
        counts: npt.NDArray[np.uint64],
        manifest: str,
        columns: Sequence[npt.NDArray[np.uint64]] = ...,
    ) -> Counts: ...
    def __reduce__(self) -> tuple[Any, ...]: ...
    def __add__(self, other: Counts, /) -> Counts: ...
    def __radd__(self, other: object, /) -> Counts: ...
    def __rsub__(self, other: object, /) -> Counts: ...
    def __sub__(self, other: Counts, /) -> Counts:
        """What is left without counts that are a part of these.

        Raises:
            TrainingError: They are no part: a word or a source is missing.
        """

    def __eq__(self, other: object, /) -> bool: ...
    def __mul__(self, weight: int, /) -> Counts: ...
    def __rmul__(self, weight: int, /) -> Counts: ...
    def __len__(self) -> int: ...

@final
class _TextEmbedder:
    def __new__(
        cls,
        tokenizer: Tokenizer,
        embedding: FactorizedEmbedding,
        mode: str,
        max_length: int | None,
        add_special_tokens: bool,
        normalize: bool,
        weights: npt.NDArray[np.float32] | None,
        rows: npt.NDArray[np.uint32] | None,
        skip: Sequence[int],
    ) -> Self: ...
    def __call__(
        self,
        texts: _Texts,
        out: npt.NDArray[np.float32] | None = None,
        threads: int | None = None,
        nulls: Literal["error", "empty"] | None = None,
    ) -> npt.NDArray[np.float32]: ...

def _distinct_ids(
    ids: npt.NDArray[np.int64], size: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]: ...
def _sum_by_slot(
    rows: npt.NDArray[np.float32],
    slots: npt.NDArray[np.uint32],
    count: int,
    threads: int | None = None,
) -> npt.NDArray[np.float32]: ...
def _copy_by_slot(
    rows: npt.NDArray[np.float32], slots: npt.NDArray[np.uint32], threads: int | None = None
) -> npt.NDArray[np.float32]: ...
def _scatter_rows(
    rows: npt.NDArray[np.float32], ids: npt.NDArray[np.int64], size: int
) -> npt.NDArray[np.float32]: ...
def _decode_tokens(component: str, tokens: Sequence[str]) -> str: ...
def _encode_batch(
    tokenizer: Tokenizer,
    texts: _Texts,
    pairs: _Texts | None,
    is_split_into_words: bool,
    add_special_tokens: bool,
    split_special_tokens: bool,
    truncation: tuple[int, str, int, str] | None,
    padding: tuple[int | None, str, int | None, int, int, str] | None,
) -> EncodingBatch: ...
def _from_ranks(
    ranks: Sequence[tuple[bytes, int]],
    pattern: str,
    special_tokens: Sequence[tuple[str, int]],
) -> Tokenizer: ...
def _learn(
    counts: Counts,
    byte_level: bool,
    vocab_size: int,
    special_tokens: Sequence[str],
    min_frequency: int,
    max_token_length: int | None,
    limit_alphabet: int | None,
    initial_alphabet: Sequence[str],
    continuing_subword_prefix: str | None,
    end_of_word_suffix: str | None,
) -> tuple[list[str], list[tuple[int, int]]]: ...
def _normalize(component: str, text: str) -> tuple[str, list[tuple[int, int]]]: ...
def _pre_tokenize(
    component: str, text: str, at_start: bool
) -> list[tuple[str, list[tuple[int, int]]]]: ...
def _tokenize_piece(tokenizer: Tokenizer, piece: str) -> list[tuple[int, str, tuple[int, int]]]: ...
def _with_parts(tokenizer: Tokenizer, head: str) -> Tokenizer: ...
def train_bpe(
    source: _Source,
    vocab_size: int = 32_000,
    *,
    pretokenizer: str | Mapping[str, Any] = "gpt2",
    normalizer: Mapping[str, Any] | None = None,
    special_tokens: Sequence[str] = (),
    min_frequency: int = 0,
    max_token_length: int | None = None,
    max_token_bytes: int | None = None,
    one_script: bool = False,
    max_digits: int | None = None,
    veto: Sequence[str] = (),
    forced_tokens: Sequence[str] = (),
    superwords_from: int | None = None,
    superword_max_words: int = 4,
    superword_pretokenizer: str | Mapping[str, Any] | None = None,
    checkpoint: _Path | None = None,
    checkpoint_seconds: float = 30,
    limit_alphabet: int | None = None,
    initial_alphabet: str | Sequence[str] | None = "bytes",
    continuing_subword_prefix: str | None = None,
    end_of_word_suffix: str | None = None,
    ties: str = "tokenizers",
    weights: Mapping[str, int] | None = None,
    max_bytes: _Size | Mapping[str, int] | None = None,
    field: str = "text",
    column: str = "text",
    errors: Literal["strict", "replace"] = "strict",
    resume: _Path | None = None,
    memory_limit: _Size | None = None,
    threads: int | None = None,
    progress: _Progress | None = None,
) -> Tokenizer:
    """Train a byte-pair encoding; the merges equal those of tokenizers' `BpeTrainer`.

    Args:
        source: Text, as `count` takes it, or counts.
        vocab_size: How many tokens, alphabet and special tokens included.
        pretokenizer: A known name, a regex, or a component of `tokenizer.json`. Counts bring
            their own.
        normalizer: A component of `tokenizer.json`.
        special_tokens: Tokens that get the first ids. They are cut out of text, as `count` does it.
        min_frequency: Merge only pairs that occur so often.
        max_token_length: Merged tokens have fewer bytes than this; two may always merge.
        max_token_bytes: The most bytes of a merged token. This limit and the next three are asked
            when a pair is about to be merged: one whose token breaks a limit never merges, and the
            report says so under `refused`.
        one_script: Letters of two scripts never share a token. Digits, punctuation, spaces and
            combining marks go with any script; kana counts as Han.
        max_digits: The most ASCII digits of a token.
        veto: Texts that no merged token may contain.
        forced_tokens: Tokens that the vocabulary must have. Where one stands as a word of its own
            it is encoded as one id. Merges reach them: what learned merges leave of one is joined
            by merges of the last ranks, so no other text is cut differently; no limit applies. What
            the pretokenizer cuts cannot be one: that must be an added token.
        superwords_from: After so many merges, let words and the spaces between them merge, too
            (SuperBPE). The tokenizer then cuts text by `superword_pretokenizer`, and `pretokenizer`
            cuts the words of the first merges out of those pieces.
        superword_max_words: The most words of such a token, counted between white space.
        superword_pretokenizer: By default `pretokenizer` with words of letters kept together where
            a single space is between them, known for gpt2, cl100k_base, llama3, o200k_base, qwen2
            and patterns written like theirs. Counts must have been counted with it.
        checkpoint: A file that keeps what was merged. If it is there, merging goes on from it, and
            the result is the same as without a break. It is written every `checkpoint_seconds`, on
            Ctrl-C and at the end, and is left in place.
        checkpoint_seconds: The time between two saves.
        limit_alphabet: Keep only so many single characters.
        initial_alphabet: `"bytes"`, or characters that the alphabet must hold; none for those
            of the text alone.
        continuing_subword_prefix: Before tokens inside a word.
        end_of_word_suffix: After tokens that end a word.
        ties: Which of equally frequent pairs comes first: the smallest ids (`"tokenizers"`), the
            greatest bytes (`"cs336"`) or the smallest (`"raw_bytes"`); left token, then right.
        weights: How often the words of each source count, of text or of counts; see `count`.
        max_bytes: The most text that is taken from a source.
        field: The field of JSON lines that holds the text.
        column: The column of Parquet files and tables that holds the text.
        errors: What becomes of bytes of text files that are no UTF-8: `"strict"` or `"replace"`.
        resume: A folder to take counting up from; see `count`.
        memory_limit: Bytes to stay within, such as `"500MB"`; the vocabulary is the same.
        threads: How many threads; by default `SUBTOK_NUM_THREADS`, or the processors.
        progress: Called with (phase, done, total); or True for a line on a terminal, "json" for
            lines of JSON on standard error, a path or a file for them there.

    Returns:
        The tokenizer. Its `training_report` is a dict: `vocab_size`, `special_tokens`, `alphabet`
        and `merges`; `stop_reason` (`vocab_size`, `alphabet`, `min_frequency` or `no_pairs`);
        `ties`, and `near_ties`: merges for which another pair was as frequent, so that `ties`
        decided; `refused`: by limit the pairs, their occurrences and examples; `forced_merges`;
        `superwords`: tokens of more than one word; `dropped`: the characters that a limited
        alphabet left out; `curve`: rows of (entries, tokens of the text, bytes per token) at powers
        of two, halfway between them, and at the end; `kept`: what was there before (`extend_bpe`);
        `words`, `occurrences`, `documents` and `bytes` that were counted; `seconds` by phase;
        `peak_bytes`: the most memory that the process ever held.

    Raises:
        TrainingError: There are no words, or the vocabulary is smaller than its alphabet, or the
            checkpoint belongs to other counts or another configuration.
        FormatError: The checkpoint is damaged.
        KeyboardInterrupt: Ctrl-C; nothing but the checkpoint has been written.
    """

def extend_bpe(
    tokenizer: Tokenizer,
    source: _Source,
    vocab_size: int,
    *,
    min_frequency: int = 0,
    max_token_length: int | None = None,
    max_token_bytes: int | None = None,
    one_script: bool = False,
    max_digits: int | None = None,
    veto: Sequence[str] = (),
    forced_tokens: Sequence[str] = (),
    ties: str = "tokenizers",
    checkpoint: _Path | None = None,
    checkpoint_seconds: float = 30,
    weights: Mapping[str, int] | None = None,
    max_bytes: _Size | Mapping[str, int] | None = None,
    field: str = "text",
    column: str = "text",
    errors: Literal["strict", "replace"] = "strict",
    resume: _Path | None = None,
    memory_limit: _Size | None = None,
    threads: int | None = None,
    progress: _Progress | None = None,
) -> Tokenizer:
    """Go on with a BPE vocabulary: more entries learned from new text, old ids in their places.

    The text is counted as `tokenizer` cuts it and encoded by its merges; then merging goes on. With
    the text that it was trained on the result is what training with the larger `vocab_size` gives.
    Characters that the vocabulary lacks become tokens first. New ids are above all that are taken,
    added tokens included, and no new token is spelled like an added one.

    Args:
        tokenizer: A tokenizer with a BPE model, of any origin. It is not changed.
        source: As in `train_bpe`; the tokens added to `tokenizer` are cut out of text. Counts
            must have been counted with its normalizer and pretokenizer.
        vocab_size: How many tokens in the end, old ones and added ones included.
        min_frequency: As in `train_bpe`, like all that follows.
        max_token_length: As there.
        max_token_bytes: As there.
        one_script: As there.
        max_digits: As there.
        veto: As there.
        forced_tokens: As there.
        ties: As there.
        checkpoint: As there.
        checkpoint_seconds: As there.
        weights: As there.
        max_bytes: As there.
        field: As there.
        column: As there.
        errors: As there.
        resume: As there.
        memory_limit: As there.
        threads: As there.
        progress: As there.

    Raises:
        ArgumentError: `vocab_size` is less than what is there.
        UnsupportedError: The model is no BPE, or leaves merges out at random.
        TrainingError: As in `train_bpe`.
    """

def train_wordpiece(
    source: _Source,
    vocab_size: int = 30_000,
    *,
    lowercase: bool = True,
    strip_accents: bool | None = None,
    handle_chinese_chars: bool = True,
    special_tokens: Sequence[str] = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    min_frequency: int = 0,
    limit_alphabet: int | None = None,
    initial_alphabet: Sequence[str] = (),
    continuing_subword_prefix: str = "##",
    score: Literal["frequency", "likelihood"] = "frequency",
    weights: Mapping[str, int] | None = None,
    max_bytes: _Size | Mapping[str, int] | None = None,
    field: str = "text",
    column: str = "text",
    errors: Literal["strict", "replace"] = "strict",
    resume: _Path | None = None,
    memory_limit: _Size | None = None,
    threads: int | None = None,
    progress: _Progress | None = None,
) -> Tokenizer:
    """Train a BERT-style WordPiece vocabulary; the same input gives the same result.

    Args:
        source: Text, as `count` takes it, or counts.
        vocab_size: How many tokens, alphabet and special tokens included.
        lowercase: Lower-case the text.
        strip_accents: Remove accents; by default where the text is lower-cased.
        handle_chinese_chars: Make every Chinese character a word.
        special_tokens: Tokens that get the first ids. They are cut out of text, as `count` does it.
        min_frequency: Merge only pairs that occur so often.
        limit_alphabet: Keep only so many single characters.
        initial_alphabet: Characters that the alphabet must hold.
        continuing_subword_prefix: Before tokens inside a word.
        score: Which pair merges next: the most frequent one (`"frequency"`, as in tokenizers), or
            the one with the highest count(a b) / (count(a) * count(b)) (`"likelihood"`), where the
            counts are those of the text as it is cut at that moment, compared as exact fractions,
            the smallest ids first among equals. With it `min_frequency` should be 2 or more: what
            occurs once has the highest score there is.
        weights: How often the words of each source count, of text or of counts; see `count`.
        max_bytes: The most text that is taken from a source.
        field: The field of JSON lines that holds the text.
        column: The column of Parquet files and tables that holds the text.
        errors: What becomes of bytes of text files that are no UTF-8: `"strict"` or `"replace"`.
        resume: A folder to take counting up from; see `count`.
        memory_limit: Bytes to stay within, such as `"500MB"`; the vocabulary is the same.
        threads: How many threads; by default `SUBTOK_NUM_THREADS`, or the processors.
        progress: Called with (phase, done, total); or True for a line on a terminal, "json" for
            lines of JSON on standard error, a path or a file for them there.
    """

def count(
    source: _Source,
    pretokenizer: str | Mapping[str, Any] = "gpt2",
    *,
    normalizer: Mapping[str, Any] | None = None,
    special_tokens: Sequence[str] = (),
    weights: Mapping[str, int] | None = None,
    max_bytes: _Size | Mapping[str, int] | None = None,
    field: str = "text",
    column: str = "text",
    errors: Literal["strict", "replace"] = "strict",
    resume: _Path | None = None,
    memory_limit: _Size | None = None,
    threads: int | None = None,
    progress: _Progress | None = None,
) -> Counts:
    """Count the words of texts: the first half of training.

    Args:
        source: What holds text, or a dict of it by name: then each name is a source that is counted
            apart. Text is

            - a path or a list of paths. A folder stands for all files beneath it, a pattern (`*`,
              `?`, `[`, `**`) for those that match. A text file is one document; `.jsonl` and
              `.ndjson` have one a line, `.parquet` one a row; text and lines also as `.gz` and
              `.zst`;
            - an iterator of strings, or of bytes in UTF-8: one document each;
            - a column of text, or a table with one, that speaks Arrow's C interface: an array, a
              series, a data frame, a stream.
        pretokenizer: A known name, a regex, or a component of `tokenizer.json`.
        normalizer: A component of `tokenizer.json`.
        special_tokens: Tokens that are cut out of the text before anything else and counted apart;
            words do not reach across them. How often they were there is in the manifest.
        weights: Whole numbers by name of a source: how often each of its words counts (1). Only
            their ratio matters to merges: for 0.3 and 0.7 give 3 and 7.
        max_bytes: The most text that is taken from each source, or from those that are named: up to
            the end of the last line or document that fits. Of JSON lines the lines count.
        field: The field of JSON lines that holds the text.
        column: The column of Parquet files and tables that holds the text.
        errors: What becomes of bytes of text files that are no UTF-8: `"strict"` is an error with
            the place; `"replace"` puts U+FFFD, and the manifest says how often.
        resume: A folder where what was counted is written down about every 256 MB of files. Another
            call with the same arguments goes on from there, after a crash or with more files. It
            belongs to one call at a time and is removed by nobody.
        memory_limit: Bytes to stay within, at least 16 MiB: an integer or a text such as `"500MB"`
            or `"2GiB"`. Tables that are full go to files in the folder for temporary files
            (`TMPDIR`) and are merged from there: the counts are the same.
        threads: How many threads; by default `SUBTOK_NUM_THREADS`, or the processors.
        progress: Called with (phase, done, total); or True for a line on a terminal, "json" for
            lines of JSON on standard error, a path or a file for them there.

    Raises:
        FileError: A file cannot be read; nothing was counted then.
        FormatError: A file is not UTF-8, not JSON, without the field, or damaged: with the place.
        TextError: A text of an iterator or a table is not valid Unicode.
        TrainingError: The words do not fit into `memory_limit`, or `resume` holds something else.
        KeyboardInterrupt: Ctrl-C.
    """

@final
class AlbertEmbeddings:
    """A model's whole embedding stage: LayerNorm(word + position + token type) @ P + bias.

    For inference, without dropout. ALBERT's and ELECTRA's; without P, the stage of BERT and
    RoBERTa.
    """

    def __new__(
        cls,
        word_embeddings: npt.ArrayLike,
        position_embeddings: npt.ArrayLike,
        token_type_embeddings: npt.ArrayLike,
        layer_norm_weight: npt.ArrayLike,
        layer_norm_bias: npt.ArrayLike,
        projection: npt.ArrayLike | None = None,
        bias: npt.ArrayLike | None = None,
        *,
        layer_norm_eps: float = 1e-12,
        position_padding_id: int | None = None,
    ) -> Self:
        """A stage out of its tensors, which are copied as 32-bit numbers.

        Args:
            word_embeddings: (vocab_size, embedding_dim).
            position_embeddings: (max_position_embeddings, embedding_dim).
            token_type_embeddings: (type_vocab_size, embedding_dim).
            layer_norm_weight: (embedding_dim,).
            layer_norm_bias: (embedding_dim,).
            projection: As torch.nn.Linear keeps it: (hidden_dim, embedding_dim). Without it the
                stage ends at the normalisation.
            bias: Of the projection: (hidden_dim,).
            layer_norm_eps: What LayerNorm adds to the variance; at least 1e-30.
            position_padding_id: RoBERTa's rule: positions count from the number after this, over
                the ids that are not this one, which has this position.

        Raises:
            ArgumentError: Sizes do not fit one another, or a number is not finite.
        """

    @staticmethod
    def load(
        path: _Path,
        mmap: bool = True,
        *,
        layer_norm_eps: float | None = None,
        position_padding_id: int | None = None,
    ) -> AlbertEmbeddings:
        """Read the embedding stage of a model.

        Args:
            path: A safetensors file with the names that `transformers` gives to ALBERT, RemBERT,
                ELECTRA, BERT, DistilBERT, RoBERTa or MPNet, under any prefix; or a folder with such
                a `model.safetensors`.
            mmap: Leave words in the file until they are used. It must not be changed in place then.
            layer_norm_eps: By default what a file of `save` says, else the `config.json` in the
            same
                folder, else 1e-12. RoBERTa's models differ: without a configuration it must be
                given.
            position_padding_id: By default likewise; 1 for names of RoBERTa.

        Raises:
            FileError: A file cannot be read.
            FormatError: It is not such a file, or does not say what must be known.
            UnsupportedError: The configuration has positions that are not added to words.
        """

    def save(self, path: _Path) -> None:
        """Write a safetensors file for `AlbertModel.load_state_dict`, whole or not at all."""

    def __call__(
        self,
        ids: npt.ArrayLike,
        token_type_ids: npt.ArrayLike | None = None,
        position_ids: npt.ArrayLike | None = None,
        out: npt.NDArray[np.float32] | None = None,
        *,
        threads: int | None = None,
    ) -> npt.NDArray[np.float32]:
        """Vectors for ids of any shape: (*shape, hidden_dim).

        Args:
            ids: Integers of any type, shape and memory layout; the last axis is the sequence.
            token_type_ids: As many, or numbers that numpy would repeat to as many; 0 by default.
            position_ids: Likewise; by default 0, 1, 2 ... along the last axis, or RoBERTa's rule.
            out: Where to write: float32, of that shape, in C order.
            threads: How many threads; the result does not depend on it.

        Raises:
            UnknownIdError: An id has no row; the message names it, its position and its row.
            ArgumentError: The same for a token type or a position; a sequence is longer than there
                are positions; shapes do not fit.
        """

    def transfer(
        self, old_tok: Tokenizer, new_tok: Tokenizer
    ) -> tuple[AlbertEmbeddings, dict[str, Any]]:
        """The stage for another vocabulary: see `FactorizedEmbedding.transfer`.

        Raises:
            ArgumentError: Positions count from behind the padding id, and that is another one now.
        """

    def factors(
        self,
    ) -> tuple[
        npt.NDArray[np.float32], npt.NDArray[np.float32] | None, npt.NDArray[np.float32] | None
    ]:
        """Table, projection and bias as float32 arrays: see `FactorizedEmbedding.factors`."""

    @property
    def plain(self) -> FactorizedEmbedding | None:
        """The plain layout, sharing memory: A[id] @ P + bias; none without a projection.

        What stands between the table and the projection here is left out.
        """

    @property
    def layout(self) -> Literal["albert"]:
        """The name of what is computed; `FactorizedEmbedding` is "plain"."""

    @property
    def vocab_size(self) -> int:
        """How many ids have a row."""

    @property
    def embedding_dim(self) -> int:
        """The length of the rows of words, positions and token types."""

    @property
    def hidden_dim(self) -> int:
        """The length of the vectors."""

    @property
    def max_position_embeddings(self) -> int:
        """How many positions there are."""

    @property
    def type_vocab_size(self) -> int:
        """How many token types there are."""

    @property
    def layer_norm_eps(self) -> float:
        """What LayerNorm adds to the variance."""

    @property
    def position_padding_id(self) -> int | None:
        """The id that has the position of its own number, where positions count from behind it."""

@final
class FactorizedEmbedding:
    """Vectors for ids out of two small tables: row = A[id] @ P (+ bias)."""

    def __new__(
        cls,
        vocab_size: int,
        embedding_dim: int,
        hidden_dim: int,
        *,
        seed: int = 0,
        padding_id: int | None = None,
        bias: bool = False,
    ) -> Self:
        """A new table, drawn from a seed: the same one on every machine.

        Args:
            vocab_size: How many ids have a row.
            embedding_dim: The length of an inner row.
            hidden_dim: The length of a row.
            seed: From 0 to 2**64 - 1.
            padding_id: The id whose row is zero.
            bias: Add a bias to every other row; it starts with zeros.

        Raises:
            ArgumentError: A size is out of bounds, or the padding id is not in the vocabulary.
        """

    @staticmethod
    def from_dense(
        weight: npt.ArrayLike,
        *,
        rank: int | None = None,
        energy: float | None = None,
        budget_bytes: int | None = None,
        counts: Counts | Literal["rank"] | npt.ArrayLike | None = None,
        alpha: float = 0.75,
        center: bool = False,
        tokenizer: Tokenizer | None = None,
        threads: int | None = None,
    ) -> tuple[FactorizedEmbedding, dict[str, Any]]:
        """Factorise a trained table; the report says what that costs, and what would be better.

        The best factors of their size for the weights of the rows (Eckart, Young), from one
        eigen-solve of the weighted Gram matrix in 64 bits; the same on every machine.

        Args:
            weight: The table, one row for each id.
            rank: The embedding_dim to reach. Give this, or one of the next two.
            energy: The share of the weighted squares to keep, above 0 and at most 1.
            budget_bytes: The bytes that the factors may take.
            counts: How often each id occurs: an array; `Counts` of words, which `tokenizer` turns
                into counts of its tokens; or "rank", 1 / (id + 10), for vocabularies that are
                ordered by falling frequency. Rows weigh counts ** alpha; without counts all alike.
            alpha: See counts. 0.75 kept most of retrieval among 0, 0.25, ... 1.25.
            center: Keep the weighted mean of the rows as bias.
            tokenizer: Whose ids the rows have; names the tokens in the report.
            threads: How many threads; the result does not depend on it.

        Returns:
            The embedding, and a dict: rank; energy, the share that is kept; relative_error, every
            row alike; weighted_error, by counts; bytes; dense_bytes; counts, where they came from;
            recommendation, a sentence; alternatives, the whole table as int8 and int4, each with
            name, bytes, relative_error and weighted_error (measured on up to 2048 rows);
            worst_tokens, ten with the largest relative_error, and costliest_tokens, ten with the
            largest share in the weighted error, each with id, token, count, relative_error, share.

        Raises:
            ArgumentError: A size cannot be met, the table is empty or not finite, counts do not
            fit.
        """

    def transfer(
        self, old_tok: Tokenizer, new_tok: Tokenizer
    ) -> tuple[FactorizedEmbedding, dict[str, Any]]:
        """The embedding for another vocabulary: only the table changes, in 32 bits.

        A token of both vocabularies keeps its row, however they mark words (`##`, `Ġ`, `▁`). A
        special token without its like takes the row of the one with its job (padding, unknown,
        begin, end, mask). Any other is the mean of the rows of the pieces that `old_tok` makes of
        its text, weighted by their length in bytes; without a piece it is drawn from a normal
        distribution with the mean and the deviation of every column of the old table.

        Args:
            old_tok: Whose ids the rows have now.
            new_tok: Whose ids they shall have.

        Returns:
            The embedding, and a dict: rows, old_rows, matched, by_role (a list of id, token, role,
            from), composed, drawn, holes (ids without a token, drawn as well), unused_old_rows,
            composed_examples (id, token, pieces with their bytes), drawn_examples, drawn_from.

        Raises:
            ArgumentError: The table has fewer rows than the old tokenizer has ids.
        """

    @property
    def layout(self) -> Literal["plain"]:
        """The name of what is computed; `AlbertEmbeddings` is "albert"."""

    @staticmethod
    def load(path: _Path, mmap: bool = True) -> FactorizedEmbedding:
        """Read a safetensors file with ALBERT's names, or one that `save` wrote.

        Args:
            path: The file.
            mmap: Leave rows in the file until they are used. It must not be changed in place then;
                a call that finds it shortened raises FormatError.

        Raises:
            FileError: The file cannot be read.
            FormatError: It is not such a file.
        """

    @classmethod
    def _from_bytes(cls, content: bytes) -> FactorizedEmbedding: ...
    def to_torch(self) -> Any:
        """Plain modules that compute the same: an `nn.Embedding`, then an `nn.Linear`.

        They need no subtok. A table with a bias and a padding id has one more inner column, which
        holds the bias. `subtok.torch.FactorizedEmbedding.from_numpy` gives a trainable module that
        is faster.

        Raises:
            MissingDependencyError: torch is not installed.
        """

    def save(self, path: _Path) -> None:
        """Write a safetensors file with ALBERT's names; an old file is replaced as a whole.

        A table of floats is `embeddings.word_embeddings.weight`. One of "int8" is `...weight_q`
        (I8) with a scale for every row in `...weight_scale` (BF16); one of "int4" is `...weight_q`
        (U8, two numbers a byte, the first in the lower half, 8 added to each) with a scale for
        every 32 columns.
        """

    @staticmethod
    def from_table(weight: npt.ArrayLike, *, padding_id: int | None = None) -> FactorizedEmbedding:
        """Keep a whole table, without projection: to `quantize` it, where factors would lose more.

        Args:
            weight: The table, (vocab_size, hidden_dim) real numbers; kept in 32 bits.
            padding_id: The id whose row is zero, whatever the table says.

        Raises:
            ArgumentError: The table is empty or not finite, or the padding id is not in it.
        """

    def quantize(
        self,
        kind: Literal["float32", "float16", "bfloat16", "int8", "int4"],
        *,
        threads: int | None = None,
    ) -> FactorizedEmbedding:
        """The same embedding with its table (A, not P) in another kind, in memory and in files.

        "int8" has a scale for every row and loses about 0.6 % of normally distributed rows, "int4"
        one for every 32 columns and about 8 %, "bfloat16" 0.2 %, "float16" 0.02 %. Scales have the
        range of float32. Vectors are computed in float32 from the rounded rows: those of
        `factors()`.

        Args:
            kind: How numbers are kept. "float32" undoes it, up to what was lost.
            threads: How many threads; the result does not depend on it.

        Raises:
            ArgumentError: The kind is unknown, or a number is not finite or out of its range.
        """

    def factors(
        self,
    ) -> tuple[
        npt.NDArray[np.float32], npt.NDArray[np.float32] | None, npt.NDArray[np.float32] | None
    ]:
        """The factors as new float32 arrays, however they are kept: row = A[id] @ P + b.

        Returns:
            A (vocab_size, embedding_dim), P (embedding_dim, hidden_dim) or None for a table from
            `from_table`, and b (hidden_dim,) or None. The vector of the padding id is zero,
            whatever they say.

        Raises:
            ArgumentError: They do not fit into memory.
        """

    @overload
    def __call__(
        self,
        ids: npt.ArrayLike,
        out: _Out,
        *,
        dtype: npt.DTypeLike | None = None,
        threads: int | None = None,
    ) -> _Out: ...
    @overload
    def __call__(
        self,
        ids: npt.ArrayLike,
        out: None = None,
        *,
        dtype: Literal["float32"] | None = None,
        threads: int | None = None,
    ) -> npt.NDArray[np.float32]: ...
    @overload
    def __call__(
        self,
        ids: npt.ArrayLike,
        out: None = None,
        *,
        dtype: npt.DTypeLike,
        threads: int | None = None,
    ) -> npt.NDArray[Any]:
        """Rows for ids of any shape: (*shape, hidden_dim).

        A large result lies in memory that is used again once no array refers to it; see
        `release_buffers`.

        Args:
            ids: Integers of any type, shape and memory layout.
            out: Where to write the rows, in C order: float32 or float16, uint16 for "bfloat16".
            dtype: "float32" (usual), "float16" or "bfloat16": rounded once, half to even. numpy
                has no bfloat16: asked for by name it is returned as uint16, the upper halves of
                float32 (`torch.from_numpy(rows).view(torch.bfloat16)`); asked for as
                `ml_dtypes.bfloat16`, in that type.
            threads: How many threads; the result does not depend on it.

        Raises:
            UnknownIdError: An id has no row; the message names it and its position.
            FormatError: The mapped file was shortened.
        """

    @staticmethod
    def release_buffers() -> int:
        """Give back the memory that is kept for large results: at most 256 MiB, in 8 pieces.

        The system takes it by itself when memory runs short. Memory of arrays that still exist is
        not touched.

        Returns:
            The bytes that were kept.
        """

    def pool(
        self,
        ids: npt.ArrayLike,
        offsets: npt.ArrayLike | None = None,
        mask: npt.ArrayLike | None = None,
        mode: Literal["mean", "sum", "max"] = "mean",
        normalize: bool = False,
        *,
        threads: int | None = None,
    ) -> npt.NDArray[np.float32]:
        """One row for each row of ids: (rows, hidden_dim).

        Args:
            ids: A matrix of ids; or flat ids with `offsets`.
            offsets: Where each row starts in flat ids; one more than there are rows.
            mask: The weight of each id.
            mode: What becomes of the ids of a row.
            normalize: Scale each result to length 1.
            threads: How many threads.
        """

    @property
    def vocab_size(self) -> int:
        """How many ids have a row."""

    @property
    def embedding_dim(self) -> int:
        """The length of an inner row."""

    @property
    def hidden_dim(self) -> int:
        """The length of a row."""

    @property
    def kind(self) -> Literal["float32", "float16", "bfloat16", "int8", "int4"]:
        """How the numbers of the table are kept."""

    @property
    def nbytes(self) -> int:
        """Bytes of the factors and the bias, in memory or in a mapped file."""

    @property
    def padding_id(self) -> int | None:
        """The id whose row is zero."""
