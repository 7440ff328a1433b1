"""What is compared between two tokenizers, and how each side says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from subtok._subtok import Tokenizer
    from subtok.compare.sources import Source

__all__ = ["Aspect", "aspects"]

_FIELDS = (
    "ids",
    "tokens",
    "offsets",
    "word_ids",
    "sequence_ids",
    "type_ids",
    "special_tokens_mask",
    "attention_mask",
)
_KINDS: tuple[tuple[str, dict[str, bool]], ...] = (
    ("", {}),
    ("no-special ", {"special": False}),
    ("pair ", {"pair": True}),
)
# tokenizers says None where subtok says -1.
_OPTIONAL = ("word_ids", "sequence_ids")


@dataclass(frozen=True)
class Aspect:
    """One call of both sides: texts to one dictionary of results for each."""

    label: str
    reference: Callable[[Sequence[str]], list[dict[str, Any]]]
    subject: Callable[[Sequence[str]], list[dict[str, Any]]]


def aspects(subject: Source, reference: Source, *, sweep: bool = False) -> list[Aspect]:
    """Everything that the two sides can be compared in.

    Args:
        subject: This side.
        reference: The other side.
        sweep: For the many texts of a sweep: ids and offsets only.
    """
    if reference.library.startswith("tokenizers "):
        oracle, tok = reference.native, subject.native
        if sweep:
            fields = ("ids", "offsets")
            return [Aspect("", _theirs(oracle, fields), _ours(tok, fields))]
        return [
            Aspect(label, _theirs(oracle, _FIELDS, **how), _ours(tok, _FIELDS, **how))
            for label, how in _KINDS
        ]
    if sweep:
        return [Aspect("", _ids(reference.encode), _ids(subject.encode))]
    found = [
        Aspect("", _ids(reference.encode), _ids(subject.encode)),
        Aspect("plain ", _ids(reference.plain), _ids(subject.plain)),
    ]
    if reference.decode is not None:
        found.append(Aspect("", _decoded(reference), _decoded(subject)))
    return found


def _ids(encode: Callable[[Sequence[str]], Sequence[Any]]) -> Callable[..., list[dict[str, Any]]]:
    def call(texts: Sequence[str]) -> list[dict[str, Any]]:
        return [{"ids": _plain(ids)} for ids in encode(texts)]

    return call


def _decoded(source: Source) -> Callable[..., list[dict[str, Any]]]:
    decode = source.decode

    def call(texts: Sequence[str]) -> list[dict[str, Any]]:
        return [] if decode is None else [{"decode": x} for x in decode(source.plain(texts))]

    return call


def _theirs(
    oracle: Any, fields: Sequence[str], *, special: bool = True, pair: bool = False
) -> Callable[[Sequence[str]], list[dict[str, Any]]]:
    if oracle.truncation is not None or oracle.padding is not None:
        # Whole texts are compared; the caller's own tokenizer keeps its settings.
        oracle = type(oracle).from_str(oracle.to_str())
        oracle.no_truncation()
        oracle.no_padding()

    def call(texts: Sequence[str]) -> list[dict[str, Any]]:
        given = _pairs(texts) if pair else list(texts)
        batch = oracle.encode_batch(given, add_special_tokens=special)
        found = [{name: _none(_plain(getattr(x, name)), name) for name in fields} for x in batch]
        if fields is _FIELDS and not pair:
            _add_decoded(found, special, oracle.decode_batch)
        return found

    return call


def _ours(
    tok: Tokenizer, fields: Sequence[str], *, special: bool = True, pair: bool = False
) -> Callable[[Sequence[str]], list[dict[str, Any]]]:
    def call(texts: Sequence[str]) -> list[dict[str, Any]]:
        pairs = [second for _, second in _pairs(texts)] if pair else None
        batch = tok.encode_batch(
            list(texts), pairs, add_special_tokens=special, truncation=False, padding=False
        )
        found = [{name: _plain(getattr(x, name)) for name in fields} for x in batch]
        if fields is _FIELDS and not pair:
            _add_decoded(found, special, tok.decode_batch)
        return found

    return call


def _add_decoded(found: list[dict[str, Any]], special: bool, decode: Callable[..., Any]) -> None:
    # Once without the special tokens and once with them.
    texts = decode([x["ids"] for x in found], skip_special_tokens=special)
    for one, text in zip(found, texts, strict=True):
        one["decode"] = text


def _pairs(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Each text with the one before it in the batch."""
    return [(text, texts[index - 1]) for index, text in enumerate(texts)]


def _plain(value: Any) -> Any:
    """Lists of numbers, strings or pairs, whatever the library uses."""
    if not isinstance(value, np.ndarray):
        return list(value)
    if value.ndim == 1:
        return value.tolist()
    # Pairs as tuples, the form that the reference has them in.
    return list(zip(*value.T.tolist(), strict=True))


def _none(values: list[Any], name: str) -> list[Any]:
    return [-1 if x is None else x for x in values] if name in _OPTIONAL else values
