"""Ready-made tokenizers of well-known kinds, around a `Tokenizer`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence  # noqa: TC003 (get_type_hints works)
from typing import Any

from subtok.compat import decoders, normalizers, pre_tokenizers, processors, trainers
from subtok.compat._base import AddedToken, Regex
from subtok.compat._encoding import Encoding  # noqa: TC001 (get_type_hints works)
from subtok.compat._tokenizer import Tokenizer
from subtok.compat.models import BPE, Unigram, WordPiece
from subtok.errors import UnsupportedError

__all__ = [
    "BaseTokenizer",
    "BertWordPieceTokenizer",
    "ByteLevelBPETokenizer",
    "CharBPETokenizer",
    "SentencePieceBPETokenizer",
    "SentencePieceUnigramTokenizer",
]

_Token = str | AddedToken


def _forwarded(name: str, doc: str) -> property:
    """A part of the tokenizer inside."""

    def read(self: BaseTokenizer) -> Any:
        return getattr(self._tokenizer, name)

    def write(self: BaseTokenizer, value: Any) -> None:
        setattr(self._tokenizer, name, value)

    return property(read, write, doc=doc)


class BaseTokenizer:
    """A tokenizer with the parameters that it was made with; its calls are those of `Tokenizer`."""

    def __init__(self, tokenizer: Tokenizer, parameters: dict[str, Any] | None = None) -> None:
        self._tokenizer = tokenizer
        self._parameters = {} if parameters is None else parameters

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in self._parameters.items())
        return f"Tokenizer(vocabulary_size={self._tokenizer.get_vocab_size()}, {shown})"

    def num_special_tokens_to_add(self, is_pair: bool) -> int:
        """How many special tokens are put around a text, or a pair."""
        return self._tokenizer.num_special_tokens_to_add(is_pair)

    def get_vocab(self, with_added_tokens: bool = True) -> dict[str, int]:
        """All tokens with their ids."""
        return self._tokenizer.get_vocab(with_added_tokens=with_added_tokens)

    def get_added_tokens_decoder(self) -> dict[int, AddedToken]:
        """The added tokens by their ids."""
        return self._tokenizer.get_added_tokens_decoder()

    def get_vocab_size(self, with_added_tokens: bool = True) -> int:
        """The number of tokens."""
        return self._tokenizer.get_vocab_size(with_added_tokens=with_added_tokens)

    def enable_padding(
        self,
        direction: str = "right",
        pad_to_multiple_of: int | None = None,
        pad_id: int = 0,
        pad_type_id: int = 0,
        pad_token: str = "[PAD]",
        length: int | None = None,
    ) -> None:
        """Fill rows up to `length`, or to the longest of a batch."""
        self._tokenizer.enable_padding(
            direction=direction,
            pad_to_multiple_of=pad_to_multiple_of,
            pad_id=pad_id,
            pad_type_id=pad_type_id,
            pad_token=pad_token,
            length=length,
        )

    def no_padding(self) -> None:
        """Fill nothing up."""
        self._tokenizer.no_padding()

    @property
    def padding(self) -> dict[str, Any] | None:
        """How rows are filled up, or None."""
        return self._tokenizer.padding

    def enable_truncation(
        self, max_length: int, stride: int = 0, strategy: str = "longest_first"
    ) -> None:
        """Cut texts to `max_length` tokens."""
        self._tokenizer.enable_truncation(max_length, stride=stride, strategy=strategy)

    def no_truncation(self) -> None:
        """Cut nothing."""
        self._tokenizer.no_truncation()

    @property
    def truncation(self) -> dict[str, Any] | None:
        """How texts are cut, or None."""
        return self._tokenizer.truncation

    def add_tokens(self, tokens: list[_Token]) -> int:
        """Add tokens; how many are new."""
        return self._tokenizer.add_tokens(tokens)

    def add_special_tokens(self, special_tokens: list[_Token]) -> int:
        """Add special tokens; how many are new."""
        return self._tokenizer.add_special_tokens(special_tokens)

    def normalize(self, sequence: str) -> str:
        """The text as the normalizer rewrites it."""
        return str(self._tokenizer.normalizer.normalize_str(sequence))

    def encode(
        self,
        sequence: Any,
        pair: Any = None,
        is_pretokenized: bool = False,
        add_special_tokens: bool = True,
    ) -> Encoding:
        """Encode a text, or a pair."""
        if sequence is None:
            raise ValueError("encode: `sequence` can't be `None`")
        return self._tokenizer.encode(sequence, pair, is_pretokenized, add_special_tokens)

    def encode_batch(
        self, inputs: Sequence[Any], is_pretokenized: bool = False, add_special_tokens: bool = True
    ) -> list[Encoding]:
        """Encode many texts or pairs."""
        if inputs is None:
            raise ValueError("encode_batch: `inputs` can't be `None`")
        return self._tokenizer.encode_batch(inputs, is_pretokenized, add_special_tokens)

    async def async_encode_batch(
        self, inputs: Sequence[Any], is_pretokenized: bool = False, add_special_tokens: bool = True
    ) -> list[Encoding]:
        """`encode_batch` on another thread."""
        if inputs is None:
            raise ValueError("async_encode_batch: `inputs` can't be `None`")
        return await self._tokenizer.async_encode_batch(inputs, is_pretokenized, add_special_tokens)

    async def async_encode_batch_fast(
        self, inputs: Sequence[Any], is_pretokenized: bool = False, add_special_tokens: bool = True
    ) -> list[Encoding]:
        """`encode_batch_fast` on another thread."""
        if inputs is None:
            raise ValueError("async_encode_batch_fast: `inputs` can't be `None`")
        arguments = (inputs, is_pretokenized, add_special_tokens)
        return await self._tokenizer.async_encode_batch_fast(*arguments)

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        """The text of ids."""
        if ids is None:
            raise ValueError("None input is not valid. Should be a list of integers.")
        return self._tokenizer.decode(ids, skip_special_tokens=skip_special_tokens)

    def decode_batch(
        self, sequences: Sequence[Sequence[int]], skip_special_tokens: bool = True
    ) -> list[str]:
        """The texts of many rows of ids."""
        if sequences is None:
            raise ValueError("None input is not valid. Should be list of list of integers.")
        return self._tokenizer.decode_batch(sequences, skip_special_tokens=skip_special_tokens)

    async def async_decode_batch(
        self, sequences: Sequence[Sequence[int]], skip_special_tokens: bool = True
    ) -> list[str]:
        """`decode_batch` on another thread."""
        if sequences is None:
            raise ValueError("async_decode_batch: `sequences` can't be `None`")
        return await self._tokenizer.async_decode_batch(sequences, skip_special_tokens)

    def token_to_id(self, token: str) -> int | None:
        """The id of a token; None if there is none."""
        return self._tokenizer.token_to_id(token)

    def id_to_token(self, id: int) -> str | None:
        """The token of an id; None if there is none."""
        return self._tokenizer.id_to_token(id)

    def save_model(self, directory: str, prefix: str | None = None) -> list[str]:
        """Write the model's files to a folder; their names."""
        return list(self._tokenizer.model.save(directory, prefix=prefix))

    def save(self, path: str, pretty: bool = True) -> None:
        """Write a `tokenizer.json`."""
        self._tokenizer.save(path, pretty)

    def to_str(self, pretty: bool = False) -> str:
        """The text of a `tokenizer.json`."""
        return self._tokenizer.to_str(pretty)

    def post_process(
        self, encoding: Encoding, pair: Encoding | None = None, add_special_tokens: bool = True
    ) -> Encoding:
        """Truncate, put special tokens around, and fill up what was encoded before."""
        return self._tokenizer.post_process(encoding, pair, add_special_tokens)

    model = _forwarded("model", "The model.")
    normalizer = _forwarded("normalizer", "The normalizer, or None.")
    pre_tokenizer = _forwarded("pre_tokenizer", "The pre-tokenizer, or None.")
    post_processor = _forwarded("post_processor", "The post-processor, or None.")
    decoder = _forwarded("decoder", "The decoder, or None.")

    def _train_files(self, files: str | list[str], trainer: trainers.Trainer) -> None:
        self._tokenizer.train([files] if isinstance(files, str) else files, trainer=trainer)


def _unicode(unicode_normalizer: str | None, *, lowercase: bool) -> list[Any]:
    """Normalizers by their short names."""
    chain: list[Any] = []
    if unicode_normalizer:
        chain.append(normalizers.unicode_normalizer_from_str(unicode_normalizer))
    if lowercase:
        chain.append(normalizers.Lowercase())
    return chain


def _chained(chain: list[Any]) -> Any:
    """One normalizer out of several."""
    return normalizers.Sequence(chain) if len(chain) > 1 else next(iter(chain), None)


_BERT_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


class BertWordPieceTokenizer(BaseTokenizer):
    """WordPiece as BERT has it."""

    def __init__(
        self,
        vocab: str | dict[str, int] | None = None,
        unk_token: _Token = "[UNK]",
        sep_token: _Token = "[SEP]",
        cls_token: _Token = "[CLS]",
        pad_token: _Token = "[PAD]",
        mask_token: _Token = "[MASK]",
        clean_text: bool = True,
        handle_chinese_chars: bool = True,
        strip_accents: bool | None = None,
        lowercase: bool = True,
        wordpieces_prefix: str = "##",
    ) -> None:
        tokenizer = Tokenizer(WordPiece(vocab, unk_token=str(unk_token)))
        for token in (unk_token, sep_token, cls_token, pad_token, mask_token):
            if tokenizer.token_to_id(str(token)) is not None:
                tokenizer.add_special_tokens([str(token)])
        tokenizer.normalizer = normalizers.BertNormalizer(
            clean_text=clean_text,
            handle_chinese_chars=handle_chinese_chars,
            strip_accents=strip_accents,
            lowercase=lowercase,
        )
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        if vocab is not None:
            ends = []
            for name, token in (("sep_token", str(sep_token)), ("cls_token", str(cls_token))):
                number = tokenizer.token_to_id(token)
                if number is None:
                    raise TypeError(f"{name} not found in the vocabulary")
                ends.append((token, number))
            tokenizer.post_processor = processors.BertProcessing(*ends)
        tokenizer.decoder = decoders.WordPiece(prefix=wordpieces_prefix)
        parameters = {
            "model": "BertWordPiece",
            "unk_token": unk_token,
            "sep_token": sep_token,
            "cls_token": cls_token,
            "pad_token": pad_token,
            "mask_token": mask_token,
            "clean_text": clean_text,
            "handle_chinese_chars": handle_chinese_chars,
            "strip_accents": strip_accents,
            "lowercase": lowercase,
            "wordpieces_prefix": wordpieces_prefix,
        }
        super().__init__(tokenizer, parameters)

    @staticmethod
    def from_file(vocab: str, **kwargs: Any) -> BertWordPieceTokenizer:
        """A tokenizer out of a `vocab.txt`."""
        return BertWordPieceTokenizer(WordPiece.read_file(vocab), **kwargs)

    @staticmethod
    def _trainer(
        vocab_size: int,
        min_frequency: int,
        limit_alphabet: int,
        initial_alphabet: Sequence[str],
        special_tokens: Sequence[_Token],
        show_progress: bool,
        wordpieces_prefix: str,
    ) -> trainers.Trainer:
        return trainers.WordPieceTrainer(
            vocab_size=vocab_size,
            min_frequency=min_frequency,
            limit_alphabet=limit_alphabet,
            initial_alphabet=initial_alphabet,
            special_tokens=special_tokens,
            show_progress=show_progress,
            continuing_subword_prefix=wordpieces_prefix,
        )

    def train(
        self,
        files: str | list[str],
        vocab_size: int = 30000,
        min_frequency: int = 2,
        limit_alphabet: int = 1000,
        initial_alphabet: Sequence[str] = (),
        special_tokens: Sequence[_Token] = _BERT_TOKENS,
        show_progress: bool = True,
        wordpieces_prefix: str = "##",
    ) -> None:
        """Learn the vocabulary from files."""
        settings = (vocab_size, min_frequency, limit_alphabet, initial_alphabet, special_tokens)
        self._train_files(files, self._trainer(*settings, show_progress, wordpieces_prefix))

    def train_from_iterator(
        self,
        iterator: Iterable[Any],
        vocab_size: int = 30000,
        min_frequency: int = 2,
        limit_alphabet: int = 1000,
        initial_alphabet: Sequence[str] = (),
        special_tokens: Sequence[_Token] = _BERT_TOKENS,
        show_progress: bool = True,
        wordpieces_prefix: str = "##",
        length: int | None = None,
    ) -> None:
        """Learn the vocabulary from texts."""
        settings = (vocab_size, min_frequency, limit_alphabet, initial_alphabet, special_tokens)
        trainer = self._trainer(*settings, show_progress, wordpieces_prefix)
        self._tokenizer.train_from_iterator(iterator, trainer=trainer, length=length)


class ByteLevelBPETokenizer(BaseTokenizer):
    """Byte-level BPE as GPT-2 has it."""

    def __init__(
        self,
        vocab: str | dict[str, int] | None = None,
        merges: str | list[tuple[str, str]] | None = None,
        add_prefix_space: bool = False,
        lowercase: bool = False,
        dropout: float | None = None,
        unicode_normalizer: str | None = None,
        continuing_subword_prefix: str | None = None,
        end_of_word_suffix: str | None = None,
        trim_offsets: bool = False,
    ) -> None:
        if vocab is not None and merges is not None:
            model = BPE(
                vocab,
                merges,
                dropout=dropout,
                continuing_subword_prefix=continuing_subword_prefix or "",
                end_of_word_suffix=end_of_word_suffix or "",
            )
        else:
            model = BPE()
        tokenizer = Tokenizer(model)
        tokenizer.normalizer = _chained(_unicode(unicode_normalizer, lowercase=lowercase))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=trim_offsets)
        parameters = {
            "model": "ByteLevelBPE",
            "add_prefix_space": add_prefix_space,
            "lowercase": lowercase,
            "dropout": dropout,
            "unicode_normalizer": unicode_normalizer,
            "continuing_subword_prefix": continuing_subword_prefix,
            "end_of_word_suffix": end_of_word_suffix,
            "trim_offsets": trim_offsets,
        }
        super().__init__(tokenizer, parameters)

    @staticmethod
    def from_file(vocab_filename: str, merges_filename: str, **kwargs: Any) -> Any:
        """A tokenizer out of a `vocab.json` and a `merges.txt`."""
        vocab, merges = BPE.read_file(vocab_filename, merges_filename)
        return ByteLevelBPETokenizer(vocab, merges, **kwargs)

    @staticmethod
    def _trainer(
        vocab_size: int, min_frequency: int, show_progress: bool, special_tokens: Sequence[_Token]
    ) -> trainers.Trainer:
        return trainers.BpeTrainer(
            vocab_size=vocab_size,
            min_frequency=min_frequency,
            show_progress=show_progress,
            special_tokens=special_tokens,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )

    def train(
        self,
        files: str | list[str],
        vocab_size: int = 30000,
        min_frequency: int = 2,
        show_progress: bool = True,
        special_tokens: Sequence[_Token] = (),
    ) -> None:
        """Learn the vocabulary from files."""
        trainer = self._trainer(vocab_size, min_frequency, show_progress, special_tokens)
        self._train_files(files, trainer)

    def train_from_iterator(
        self,
        iterator: Iterable[Any],
        vocab_size: int = 30000,
        min_frequency: int = 2,
        show_progress: bool = True,
        special_tokens: Sequence[_Token] = (),
        length: int | None = None,
    ) -> None:
        """Learn the vocabulary from texts."""
        trainer = self._trainer(vocab_size, min_frequency, show_progress, special_tokens)
        self._tokenizer.train_from_iterator(iterator, trainer=trainer, length=length)


class _CharacterBPE(BaseTokenizer):
    """Training that both tokenizers of characters have."""

    @staticmethod
    def _character_trainer(**settings: Any) -> trainers.Trainer:
        return trainers.BpeTrainer(**settings)


class CharBPETokenizer(_CharacterBPE):
    """BPE over characters with an end-of-word suffix, as the original has it."""

    def __init__(
        self,
        vocab: str | dict[str, int] | None = None,
        merges: str | list[tuple[str, str]] | None = None,
        unk_token: _Token = "<unk>",
        suffix: str = "</w>",
        dropout: float | None = None,
        lowercase: bool = False,
        unicode_normalizer: str | None = None,
        bert_normalizer: bool = True,
        split_on_whitespace_only: bool = False,
    ) -> None:
        options = {
            "dropout": dropout,
            "unk_token": str(unk_token),
            "end_of_word_suffix": suffix,
        }
        if vocab is None or merges is None:
            vocab = merges = None
        tokenizer = Tokenizer(BPE(vocab, merges, **options))
        if tokenizer.token_to_id(str(unk_token)) is not None:
            tokenizer.add_special_tokens([str(unk_token)])
        chain = _unicode(unicode_normalizer, lowercase=False)
        if bert_normalizer:
            chain.append(normalizers.BertNormalizer(lowercase=False))
        if lowercase:
            chain.append(normalizers.Lowercase())
        tokenizer.normalizer = _chained(chain)
        tokenizer.pre_tokenizer = (
            pre_tokenizers.WhitespaceSplit()
            if split_on_whitespace_only
            else pre_tokenizers.BertPreTokenizer()
        )
        tokenizer.decoder = decoders.BPEDecoder(suffix=suffix)
        parameters = {
            "model": "BPE",
            "unk_token": unk_token,
            "suffix": suffix,
            "dropout": dropout,
            "lowercase": lowercase,
            "unicode_normalizer": unicode_normalizer,
            "bert_normalizer": bert_normalizer,
            "split_on_whitespace_only": split_on_whitespace_only,
        }
        super().__init__(tokenizer, parameters)

    @staticmethod
    def from_file(vocab_filename: str, merges_filename: str, **kwargs: Any) -> Any:
        """A tokenizer out of a `vocab.json` and a `merges.txt`."""
        vocab, merges = BPE.read_file(vocab_filename, merges_filename)
        return CharBPETokenizer(vocab, merges, **kwargs)

    def train(
        self,
        files: str | list[str],
        vocab_size: int = 30000,
        min_frequency: int = 2,
        special_tokens: Sequence[_Token] = ("<unk>",),
        limit_alphabet: int = 1000,
        initial_alphabet: Sequence[str] = (),
        suffix: str | None = "</w>",
        show_progress: bool = True,
    ) -> None:
        """Learn the vocabulary from files."""
        trainer = self._character_trainer(
            vocab_size=vocab_size,
            min_frequency=min_frequency,
            special_tokens=special_tokens,
            limit_alphabet=limit_alphabet,
            initial_alphabet=initial_alphabet,
            end_of_word_suffix=suffix,
            show_progress=show_progress,
        )
        self._train_files(files, trainer)

    def train_from_iterator(
        self,
        iterator: Iterable[Any],
        vocab_size: int = 30000,
        min_frequency: int = 2,
        special_tokens: Sequence[_Token] = ("<unk>",),
        limit_alphabet: int = 1000,
        initial_alphabet: Sequence[str] = (),
        suffix: str | None = "</w>",
        show_progress: bool = True,
        length: int | None = None,
    ) -> None:
        """Learn the vocabulary from texts."""
        trainer = self._character_trainer(
            vocab_size=vocab_size,
            min_frequency=min_frequency,
            special_tokens=special_tokens,
            limit_alphabet=limit_alphabet,
            initial_alphabet=initial_alphabet,
            end_of_word_suffix=suffix,
            show_progress=show_progress,
        )
        self._tokenizer.train_from_iterator(iterator, trainer=trainer, length=length)


def _metaspace(tokenizer: Tokenizer, replacement: str, *, add_prefix_space: bool) -> None:
    """Cut and join as sentencepiece does."""
    scheme = "always" if add_prefix_space else "never"
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(
        replacement=replacement, prepend_scheme=scheme
    )
    tokenizer.decoder = decoders.Metaspace(replacement=replacement, prepend_scheme=scheme)


class SentencePieceBPETokenizer(_CharacterBPE):
    """BPE over characters that cuts as sentencepiece does."""

    def __init__(
        self,
        vocab: str | dict[str, int] | None = None,
        merges: str | list[tuple[str, str]] | None = None,
        unk_token: _Token = "<unk>",
        replacement: str = "▁",
        add_prefix_space: bool = True,
        dropout: float | None = None,
        fuse_unk: bool | None = False,
    ) -> None:
        if vocab is None or merges is None:
            vocab = merges = None
        unk = str(unk_token)
        model = BPE(vocab, merges, dropout=dropout, unk_token=unk, fuse_unk=bool(fuse_unk))
        tokenizer = Tokenizer(model)
        if tokenizer.token_to_id(unk) is not None:
            tokenizer.add_special_tokens([unk])
        tokenizer.normalizer = normalizers.NFKC()
        _metaspace(tokenizer, replacement, add_prefix_space=add_prefix_space)
        parameters = {
            "model": "SentencePieceBPE",
            "unk_token": unk_token,
            "replacement": replacement,
            "add_prefix_space": add_prefix_space,
            "dropout": dropout,
        }
        super().__init__(tokenizer, parameters)

    @staticmethod
    def from_file(vocab_filename: str, merges_filename: str, **kwargs: Any) -> Any:
        """A tokenizer out of a `vocab.json` and a `merges.txt`."""
        vocab, merges = BPE.read_file(vocab_filename, merges_filename)
        return SentencePieceBPETokenizer(vocab, merges, **kwargs)

    def train(
        self,
        files: str | list[str],
        vocab_size: int = 30000,
        min_frequency: int = 2,
        special_tokens: Sequence[_Token] = ("<unk>",),
        limit_alphabet: int = 1000,
        initial_alphabet: Sequence[str] = (),
        show_progress: bool = True,
    ) -> None:
        """Learn the vocabulary from files."""
        trainer = self._character_trainer(
            vocab_size=vocab_size,
            min_frequency=min_frequency,
            special_tokens=special_tokens,
            limit_alphabet=limit_alphabet,
            initial_alphabet=initial_alphabet,
            show_progress=show_progress,
        )
        self._train_files(files, trainer)

    def train_from_iterator(
        self,
        iterator: Iterable[Any],
        vocab_size: int = 30000,
        min_frequency: int = 2,
        special_tokens: Sequence[_Token] = ("<unk>",),
        limit_alphabet: int = 1000,
        initial_alphabet: Sequence[str] = (),
        show_progress: bool = True,
        length: int | None = None,
    ) -> None:
        """Learn the vocabulary from texts."""
        trainer = self._character_trainer(
            vocab_size=vocab_size,
            min_frequency=min_frequency,
            special_tokens=special_tokens,
            limit_alphabet=limit_alphabet,
            initial_alphabet=initial_alphabet,
            show_progress=show_progress,
        )
        self._tokenizer.train_from_iterator(iterator, trainer=trainer, length=length)


class SentencePieceUnigramTokenizer(BaseTokenizer):
    """Unigram that cuts as sentencepiece does. It encodes; training it is not supported."""

    def __init__(
        self,
        vocab: list[tuple[str, float]] | None = None,
        replacement: str = "▁",
        add_prefix_space: bool = True,
    ) -> None:
        tokenizer = Tokenizer(Unigram(vocab))
        tokenizer.normalizer = normalizers.Sequence(
            [
                normalizers.Nmt(),
                normalizers.NFKC(),
                normalizers.Replace(Regex(" {2,}"), " "),
            ]
        )
        _metaspace(tokenizer, replacement, add_prefix_space=add_prefix_space)
        parameters = {
            "model": "SentencePieceUnigram",
            "replacement": replacement,
            "add_prefix_space": add_prefix_space,
        }
        super().__init__(tokenizer, parameters)

    def train(
        self,
        files: str | list[str],
        vocab_size: int = 8000,
        show_progress: bool = True,
        special_tokens: Sequence[_Token] | None = None,
        initial_alphabet: Sequence[str] | None = None,
        unk_token: str | None = None,
    ) -> None:
        """Not supported.

        Raises:
            UnsupportedError: Always.
        """
        raise UnsupportedError("training a Unigram model is not supported")

    def train_from_iterator(
        self,
        iterator: Iterable[Any],
        vocab_size: int = 8000,
        show_progress: bool = True,
        special_tokens: Sequence[_Token] | None = None,
        initial_alphabet: Sequence[str] | None = None,
        unk_token: str | None = None,
        length: int | None = None,
    ) -> None:
        """Not supported.

        Raises:
            UnsupportedError: Always.
        """
        raise UnsupportedError("training a Unigram model is not supported")

    @staticmethod
    def from_spm(filename: str) -> BaseTokenizer:
        """A tokenizer out of a sentencepiece model."""
        from subtok import _subtok  # noqa: PLC0415

        core = _subtok.Tokenizer.from_file(filename)
        made = SentencePieceUnigramTokenizer.__new__(SentencePieceUnigramTokenizer)
        BaseTokenizer.__init__(made, Tokenizer._of(core), {"model": "SentencePieceUnigram"})
        return made
