"""Tokenizers of any library behind one small interface; no other library is imported here.

Who hands over a `tiktoken.Encoding` has tiktoken imported already: objects are recognised by the
module of their class. Only a library that is asked for by name is imported, by `require`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import reprlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from subtok._subtok import Tokenizer, __version__
from subtok.errors import ArgumentError, ArgumentTypeError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Source", "declaration", "named", "require", "wrap"]


@dataclass(frozen=True)
class Source:
    """What comparing and verifying need of a tokenizer.

    Attributes:
        library: The library with its version.
        plain: Texts to ids, where special tokens in a text are plain text and none are added.
        encode: Texts to ids, where special tokens in a text are recognised and the template's are
            added.
        decode: Rows of ids to texts, special tokens kept; none where the library has no way back.
        vocab_size: How many ids there are.
        unknown: The id that stands for what the vocabulary cannot express.
        specials: Tokens that a text may name.
        native: The library's own object.
    """

    library: str
    plain: Callable[[Sequence[str]], Sequence[Any]]
    encode: Callable[[Sequence[str]], Sequence[Any]]
    decode: Callable[[Sequence[Any]], list[str]] | None
    vocab_size: int | None = None
    unknown: int | None = None
    specials: tuple[str, ...] = ()
    native: Any = field(default=None, repr=False)


def wrap(tokenizer: Any) -> Source:
    """Any tokenizer as a `Source`.

    Args:
        tokenizer: A `subtok.Tokenizer` or the path of one, a `tokenizers.Tokenizer`, a
            `tiktoken.Encoding`, a `sentencepiece.SentencePieceProcessor`, or a callable from a text
            to its ids.

    Raises:
        ArgumentTypeError: It is none of these.
    """
    if isinstance(tokenizer, Source):
        return tokenizer
    if isinstance(tokenizer, (str, os.PathLike)):
        return _subtok(Tokenizer.from_file(tokenizer))
    if isinstance(tokenizer, Tokenizer):
        return _subtok(tokenizer)
    module = type(tokenizer).__module__.split(".")[0]
    known = {"tokenizers": _tokenizers, "tiktoken": _tiktoken, "sentencepiece": _sentencepiece}
    if module in known and (hasattr(tokenizer, "encode") or hasattr(tokenizer, "Encode")):
        return known[module](tokenizer)
    if callable(tokenizer):
        return _function(tokenizer)
    raise ArgumentTypeError(
        f"{type(tokenizer).__module__}.{type(tokenizer).__qualname__} is no tokenizer: give a "
        "subtok.Tokenizer, tokenizers.Tokenizer, tiktoken.Encoding, "
        "sentencepiece.SentencePieceProcessor, or a callable from a text to ids"
    )


def require(library: str) -> Any:
    """Import an optional library.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise MissingDependencyError(
            f"{library} is not installed: pip install 'subtok[compare]'", name=library
        ) from error


def declaration(tok: Tokenizer) -> dict[str, Any]:
    """The components of a tokenizer, as `tokenizer.json` declares them."""
    content: dict[str, Any] = json.loads(tok.to_str())
    return content


def _version(library: str) -> str:
    try:
        return f"{library} {importlib.metadata.version(library)}"
    except importlib.metadata.PackageNotFoundError:
        return library


def _subtok(tok: Tokenizer) -> Source:
    unknown, specials = _declared(declaration(tok))

    def encode(texts: Sequence[str], **options: Any) -> Sequence[Any]:
        batch = tok.encode_batch(list(texts), truncation=False, padding=False, **options)
        return np.split(batch.ids, batch.row_offsets[1:-1]) if texts else []

    return Source(
        library=f"subtok {__version__}",
        plain=lambda texts: encode(texts, add_special_tokens=False, split_special_tokens=True),
        encode=encode,
        decode=lambda rows: tok.decode_batch(list(rows), skip_special_tokens=False),
        vocab_size=tok.vocab_size,
        unknown=unknown,
        specials=specials,
        native=tok,
    )


def _tokenizers(tokenizer: Any) -> Source:
    # Padding, truncation and the treatment of special tokens are state of the object: work on
    # copies.
    text = tokenizer.to_str()
    plain, normal = (type(tokenizer).from_str(text) for _ in range(2))
    for copy in (plain, normal):
        copy.no_padding()
        copy.no_truncation()
    plain.encode_special_tokens = True
    unknown, specials = _declared(json.loads(text))

    def ids(texts: Sequence[str], using: Any, *, special: bool) -> list[Any]:
        batch = using.encode_batch_fast(list(texts), add_special_tokens=special)
        return [encoding.ids for encoding in batch]

    return Source(
        library=_version("tokenizers"),
        plain=lambda texts: ids(texts, plain, special=False),
        encode=lambda texts: ids(texts, normal, special=True),
        decode=lambda rows: list(normal.decode_batch(_lists(rows), skip_special_tokens=False)),
        vocab_size=tokenizer.get_vocab_size(),
        unknown=unknown,
        specials=specials,
        native=normal,
    )


def _tiktoken(encoding: Any) -> Source:
    def decode(rows: Sequence[Any]) -> list[str]:
        return [encoding.decode(row) for row in _lists(rows)]

    return Source(
        library=_version("tiktoken"),
        plain=lambda texts: [encoding.encode_ordinary(text) for text in texts],
        encode=lambda texts: [encoding.encode(text, allowed_special="all") for text in texts],
        decode=decode,
        vocab_size=encoding.n_vocab,
        specials=tuple(sorted(encoding.special_tokens_set)),
        native=encoding,
    )


def _sentencepiece(processor: Any) -> Source:
    def encode(texts: Sequence[str]) -> list[Any]:
        return list(processor.EncodeAsIds(list(texts))) if texts else []

    return Source(
        library=_version("sentencepiece"),
        plain=encode,
        encode=encode,
        decode=lambda rows: [processor.DecodeIds(row) for row in _lists(rows)],
        vocab_size=processor.GetPieceSize(),
        unknown=processor.unk_id() if processor.unk_id() >= 0 else None,
        native=processor,
    )


def _function(function: Callable[[str], Iterable[int]]) -> Source:
    def encode(texts: Sequence[str]) -> list[Any]:
        return [_ids(name, function(text)) for text in texts]

    name = getattr(function, "__name__", type(function).__name__)
    return Source(f"function {name}", encode, encode, None, native=function)


def _ids(name: str, found: Any) -> list[int]:
    """What a caller's function gave, as a list of integers."""
    given = found.tolist() if isinstance(found, np.ndarray) else found
    if isinstance(given, Iterable) and not isinstance(given, (str, bytes)):
        given = list(given)
        if all(isinstance(x, (int, np.integer)) for x in given):
            return given
    raise ArgumentTypeError(f"{name} gave {reprlib.repr(found)} for a text, but must give its ids")


def _declared(content: dict[str, Any]) -> tuple[int | None, tuple[str, ...]]:
    """The unknown id and the added tokens of a `tokenizer.json`."""
    model = content["model"]
    added = {token["content"]: token["id"] for token in content.get("added_tokens") or ()}
    unknown = model.get("unk_id")
    token = model.get("unk_token")
    if token is not None:
        unknown = added.get(token, model["vocab"].get(token))
    return unknown, tuple(added)


def _lists(rows: Sequence[Any]) -> list[list[int]]:
    return [row.tolist() if isinstance(row, np.ndarray) else list(row) for row in rows]


def named(tokenizers: Any) -> dict[str, Source]:
    """Tokenizers with the names they go by in a report.

    Args:
        tokenizers: A mapping from names to tokenizers, one tokenizer, or several; those without a
            name are called by their file or library.

    Raises:
        ArgumentError: There is none.
    """
    if hasattr(tokenizers, "items"):
        found = {str(name): wrap(tokenizer) for name, tokenizer in tokenizers.items()}
    else:
        several = tokenizers if isinstance(tokenizers, (list, tuple)) else [tokenizers]
        found = {}
        for tokenizer in several:
            source = wrap(tokenizer)
            path = isinstance(tokenizer, (str, os.PathLike))
            name = os.fspath(tokenizer) if path else source.library.split(" ")[0]
            unique, number = name, 2
            while unique in found:
                unique, number = f"{name} ({number})", number + 1
            found[unique] = source
    if not found:
        raise ArgumentError("there is no tokenizer to compare")
    return found
