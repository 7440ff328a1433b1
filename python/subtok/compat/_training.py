"""Training a tokenizer from its own components and a trainer's settings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from subtok import _subtok
from subtok.compat import models, trainers
from subtok.errors import (
    ArgumentError,
    ArgumentTypeError,
    FileError,
    TextError,
    TrainingError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from subtok.compat._tokenizer import Tokenizer

__all__ = ["lines", "texts", "train"]


def texts(source: Iterable[Any]) -> Iterator[str]:
    """The texts of an iterator of texts, or of lists of texts."""
    for item in source:
        if isinstance(item, str):
            yield item
            continue
        try:
            several = iter(item)
        except TypeError as error:
            raise ArgumentTypeError(
                f"'{type(item).__name__}' object is not iterable: training takes texts, or lists "
                "of them"
            ) from error
        yield from several


def lines(files: Iterable[Any]) -> Iterator[str]:
    """The lines of files, each with its end, as `tokenizers` reads them."""
    for path in files:
        try:
            with open(path, encoding="utf-8", newline="\n") as file:  # noqa: PTH123 (any path object)
                yield from file
        except OSError as error:
            made = FileError(f"cannot read {path}: {error.strerror}")
            made.filename, made.errno = path, error.errno
            raise made from error
        except UnicodeDecodeError as error:
            raise TextError(f"{path}: invalid UTF-8 at byte {error.start}") from error


def train(tokenizer: Tokenizer, source: Iterator[str], trainer: Any) -> None:
    """Give the tokenizer's model a vocabulary learned from texts.

    Raises:
        UnsupportedError: For Unigram, which cannot be trained here.
        TrainingError: Nothing can be learned from this.
    """
    model = tokenizer.model
    if trainer._model != model._type:
        raise ArgumentError(f"{trainer._type} can only train a {trainer._model}")
    if isinstance(trainer, trainers.UnigramTrainer):
        raise UnsupportedError("training a Unigram model is not supported")
    counts = _subtok.count(
        source,
        _pre_tokenizer(tokenizer),
        normalizer=None if tokenizer.normalizer is None else tokenizer.normalizer._dict(),
    )
    if isinstance(trainer, trainers.WordLevelTrainer):
        fields = {"vocab": _frequent(counts, trainer)}
    else:
        fields = _learned(tokenizer, counts, trainer)
    if isinstance(trainer, trainers.BpeTrainer):
        trainer._counted = len(counts)
    # A model of its own, as a new vocabulary is; whoever holds the old one keeps it.
    data = {**model._dict(), **fields}
    tokenizer.model = models.Model._from_dict(data)
    tokenizer.add_special_tokens(trainer.special_tokens)


def _pre_tokenizer(tokenizer: Tokenizer) -> Any:
    """The component, or one that does not cut."""
    given = tokenizer.pre_tokenizer
    return {"type": "Sequence", "pretokenizers": []} if given is None else given._dict()


def _contents(trainer: Any) -> list[str]:
    return [token.content for token in trainer.special_tokens]


def _learned(tokenizer: Tokenizer, counts: _subtok.Counts, trainer: Any) -> dict[str, Any]:
    piece = trainer._model == "WordPiece"
    prefix = trainer.continuing_subword_prefix
    tokens, merges = _subtok._learn(
        counts,
        byte_level=_is_byte_level(tokenizer.pre_tokenizer),
        vocab_size=trainer.vocab_size,
        special_tokens=_contents(trainer),
        min_frequency=trainer.min_frequency,
        max_token_length=None if piece else trainer.max_token_length,
        limit_alphabet=trainer.limit_alphabet,
        initial_alphabet=trainer.initial_alphabet,
        continuing_subword_prefix=prefix or None,
        end_of_word_suffix=trainer.end_of_word_suffix or None,
    )
    vocab = {token: number for number, token in enumerate(tokens)}
    if piece:
        return {"vocab": vocab} | ({"continuing_subword_prefix": prefix} if prefix else {})
    return {
        "vocab": vocab,
        "merges": [[tokens[left], tokens[right]] for left, right in merges],
        "continuing_subword_prefix": prefix,
        "end_of_word_suffix": trainer.end_of_word_suffix,
    }


def _is_byte_level(pre_tokenizer: Any) -> bool:
    if pre_tokenizer is None:
        return False
    declared = pre_tokenizer._dict()
    return '"type":"ByteLevel"' in json.dumps(declared, separators=(",", ":"))


def _frequent(counts: _subtok.Counts, trainer: Any) -> dict[str, int]:
    """Special tokens, then words: the most frequent first, equally frequent ones by their bytes."""
    data, offsets, numbers, _ = counts._parts()
    if not len(numbers):
        raise TrainingError("there are no words: the text is empty or all white space")
    order = np.argsort(-numbers.astype(np.int64), kind="stable")
    order = order[numbers[order] >= trainer.min_frequency]
    vocab = {token: number for number, token in enumerate(dict.fromkeys(_contents(trainer)))}
    for at in order.tolist():
        if len(vocab) >= trainer.vocab_size:
            break
        word = data[offsets[at] : offsets[at + 1]].decode()
        vocab.setdefault(word, len(vocab))
    return vocab
