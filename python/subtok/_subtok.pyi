"""The extension module; import its names from `subtok`."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from mmap import mmap
from typing import Any, Literal, Self, SupportsIndex, TypeAlias, final

import numpy as np
import numpy.typing as npt

__all__ = [
    "Counts",
    "DecodeStream",
    "Encoding",
    "EncodingBatch",
    "FactorizedEmbedding",
    "TextBatch",
    "Tokenizer",
    "__version__",
    "_debug_build",
    "_decode_tokens",
    "_encode_batch",
    "_from_ranks",
    "_learn",
    "_normalize",
    "_pre_tokenize",
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
_Bytes: TypeAlias = bytes | bytearray | memoryview | mmap
_Text: TypeAlias = str | _Bytes | npt.NDArray[np.uint8]
_Ids: TypeAlias = Sequence[int] | npt.NDArray[np.integer[Any]]
_Rows: TypeAlias = Sequence[_Ids] | EncodingBatch | npt.NDArray[Any] | Any
_Texts: TypeAlias = Sequence[str | _Bytes] | npt.NDArray[Any] | Any
_Source: TypeAlias = _Path | list[str] | list[_Path] | Iterable[str] | Counts
_Progress: TypeAlias = Callable[[str, int, int], object]
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

    def save(self, path: _Path) -> None:
        """Write the counts to a Parquet file with the columns `word` and `count`."""

    def to_arrow(self) -> Any:
        """A `pyarrow.Table` with the columns `word` and `count`, ordered by word."""

    def _parts(
        self,
    ) -> tuple[bytes, npt.NDArray[np.int64], npt.NDArray[np.uint64], str]: ...
    @staticmethod
    def _from_parts(
        bytes: bytes,
        offsets: npt.NDArray[np.int64],
        counts: npt.NDArray[np.uint64],
        manifest: str,
    ) -> Counts: ...
    def __reduce__(self) -> tuple[Any, ...]: ...
    def __add__(self, other: Counts, /) -> Counts: ...
    def __radd__(self, other: object, /) -> Counts: ...
    def __mul__(self, weight: int, /) -> Counts: ...
    def __rmul__(self, weight: int, /) -> Counts: ...
    def __len__(self) -> int: ...

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
    memory_limit: int | None = None,
    threads: int | None = None,
    progress: _Progress | None = None,
) -> Tokenizer:
    """Train a byte-pair encoding; the merges equal those of tokenizers' `BpeTrainer`.

    Args:
        source: A path or several, an iterator of texts, or counts. A text file is one document;
            `.jsonl` has one in the field `text` of each line, `.parquet` in its column `text`.
        vocab_size: How many tokens, alphabet and special tokens included.
        pretokenizer: A known name, a regex, or a component of `tokenizer.json`. Counts bring
            their own.
        normalizer: A component of `tokenizer.json`.
        special_tokens: Tokens that get the first ids.
        min_frequency: Merge only pairs that occur so often.
        max_token_length: Merged tokens have fewer bytes than this; two may always merge.
        max_token_bytes: The most bytes of a merged token. This limit and the next three are asked
            when
            a pair is about to be merged: one whose token breaks a limit never merges, and the
            report
            says so under `refused`.
        one_script: Letters of two scripts never share a token. Digits, punctuation, spaces and
            combining marks go with any script; kana counts as Han.
        max_digits: The most ASCII digits of a token.
        veto: Texts that no merged token may contain.
        forced_tokens: Tokens that the vocabulary must have. Where one stands as a word of its own
            it is
            encoded as one id. Merges reach them: what learned merges leave of one is joined by
            merges of the last ranks, so no other text is cut differently; no limit applies. What
            the pretokenizer cuts cannot be one: that must be an added token.
        superwords_from: After so many merges, let words and the spaces between them merge, too
            (SuperBPE). The tokenizer then cuts text by `superword_pretokenizer`, and `pretokenizer`
            cuts the words of the first merges out of those pieces.
        superword_max_words: The most words of such a token, counted between white space.
        superword_pretokenizer: By default `pretokenizer` with words of letters kept together where
            a
            single space is between them, known for gpt2, cl100k_base, llama3, o200k_base, qwen2 and
            patterns written like theirs. Counts must have been counted with it.
        checkpoint: A file that keeps what was merged. If it is there, merging goes on from it, and
            the
            result is the same as without a break. It is written every `checkpoint_seconds`, on
            Ctrl-C and at the end, and is left in place.
        checkpoint_seconds: The time between two saves.
        limit_alphabet: Keep only so many single characters.
        initial_alphabet: `"bytes"`, or characters that the alphabet must hold; none for those
            of the text alone.
        continuing_subword_prefix: Before tokens inside a word.
        end_of_word_suffix: After tokens that end a word.
        ties: Which of equally frequent pairs comes first: the smallest ids (`"tokenizers"`), the
            greatest bytes (`"cs336"`) or the smallest (`"raw_bytes"`); left token, then right.
        memory_limit: Bytes to stay within.
        threads: How many threads; by default `SUBTOK_NUM_THREADS`, or the processors.
        progress: Called with (phase, done, total).

    Returns:
        The tokenizer. Its `training_report` is a dict: `vocab_size`, `special_tokens`, `alphabet`
        and
        `merges`; `stop_reason` (`vocab_size`, `alphabet`, `min_frequency` or `no_pairs`); `ties`,
        and
        `near_ties`: merges for which another pair was as frequent, so that `ties` decided;
        `refused`:
        by limit the pairs, their occurrences and examples; `forced_merges`; `superwords`: tokens of
        more than one word; `dropped`: the characters that a limited alphabet left out; `curve`:
        rows
        of (entries, tokens of the text, bytes per token) at powers of two, halfway between them,
        and
        at the end; `kept`: what was there before (`extend_bpe`); `words`, `occurrences`,
        `documents`
        and `bytes` that were counted; `seconds` by phase; `peak_bytes`: the most memory that the
        process ever held.

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
    memory_limit: int | None = None,
    threads: int | None = None,
    progress: _Progress | None = None,
) -> Tokenizer:
    """Go on with a BPE vocabulary: new text, more entries, and every old id in its place.

    The text is counted as `tokenizer` cuts it and encoded by its merges; then merging goes on.
    With the
    text that it was trained on the result is what training with the larger `vocab_size` gives.
    Characters that the vocabulary lacks become tokens first. New ids are above all that are taken,
    added tokens included, and no new token is spelled like an added one.

    Args:
        tokenizer: A tokenizer with a BPE model, of any origin. It is not changed.
        source: As in `train_bpe`. Counts must have been counted with its normalizer and
            pretokenizer.
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
    memory_limit: int | None = None,
    threads: int | None = None,
    progress: _Progress | None = None,
) -> Tokenizer:
    """Train a BERT-style WordPiece vocabulary; the same input gives the same result.

    Args:
        source: A path or several, an iterator of texts, or counts.
        vocab_size: How many tokens, alphabet and special tokens included.
        lowercase: Lower-case the text.
        strip_accents: Remove accents; by default where the text is lower-cased.
        handle_chinese_chars: Make every Chinese character a word.
        special_tokens: Tokens that get the first ids.
        min_frequency: Merge only pairs that occur so often.
        limit_alphabet: Keep only so many single characters.
        initial_alphabet: Characters that the alphabet must hold.
        continuing_subword_prefix: Before tokens inside a word.
        score: Which pair merges next: the most frequent one (`"frequency"`, as in tokenizers), or
            the
            one with the highest count(a b) / (count(a) * count(b)) (`"likelihood"`), where the
            counts
            are those of the text as it is cut at that moment, compared as exact fractions, the
            smallest ids first among equals. With it `min_frequency` should be 2 or more: what
            occurs
            once has the highest score there is.
        memory_limit: Bytes to stay within.
        threads: How many threads; by default `SUBTOK_NUM_THREADS`, or the processors.
        progress: Called with (phase, done, total).
    """

def count(
    source: _Source,
    pretokenizer: str | Mapping[str, Any] = "gpt2",
    *,
    normalizer: Mapping[str, Any] | None = None,
    threads: int | None = None,
    progress: _Progress | None = None,
) -> Counts:
    """Count the words of texts: the first half of training.

    Args:
        source: A path or several, or an iterator of texts; see `train_bpe`.
        pretokenizer: A known name, a regex, or a component of `tokenizer.json`.
        normalizer: A component of `tokenizer.json`.
        threads: How many threads; by default `SUBTOK_NUM_THREADS`, or the processors.
        progress: Called with (phase, done, total).
    """

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
        counts: npt.ArrayLike | None = None,
        alpha: float = 0.75,
        center: bool = False,
        threads: int | None = None,
    ) -> tuple[FactorizedEmbedding, dict[str, Any]]:
        """Factorise a trained table; the report says what that costs.

        Args:
            weight: The table, one row for each id.
            rank: The embedding_dim to reach. Give this, or one of the next two.
            energy: The share of the weighted squares to keep, above 0 and at most 1.
            budget_bytes: The bytes that the factors may take.
            counts: How often each id occurs; rows weigh counts ** alpha.
            alpha: See counts.
            center: Keep the weighted mean of the rows as bias.
            threads: How many threads; the result does not depend on it.

        Returns:
            The embedding, and a dict with rank, energy, relative_error, weighted_error, bytes,
            dense_bytes and recommendation.
        """

    @staticmethod
    def load(path: _Path, mmap: bool = True) -> FactorizedEmbedding:
        """Read a safetensors file with ALBERT's names.

        Args:
            path: The file.
            mmap: Leave rows in the file until they are used. It must not be changed in place then.

        Raises:
            FileError: The file cannot be read.
            FormatError: It is not such a file.
        """

    def save(self, path: _Path) -> None:
        """Write a safetensors file with ALBERT's names; an old file is replaced as a whole."""

    def __call__(
        self,
        ids: npt.ArrayLike,
        out: npt.NDArray[np.float32] | None = None,
        *,
        threads: int | None = None,
    ) -> npt.NDArray[np.float32]:
        """Rows for ids of any shape: (*shape, hidden_dim).

        Args:
            ids: Integers of any type, shape and memory layout.
            out: Where to write the rows: float32, of that shape, in C order.
            threads: How many threads; the result does not depend on it.

        Raises:
            UnknownIdError: An id has no row; the message names it and its position.
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
    def padding_id(self) -> int | None:
        """The id whose row is zero."""
