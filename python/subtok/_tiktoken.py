"""A byte-level BPE tokenizer of ours as a `tiktoken.Encoding`, where tiktoken can express it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from subtok.compare.sources import declaration, require
from subtok.errors import UnsupportedError

if TYPE_CHECKING:
    from subtok._subtok import Tokenizer

__all__ = ["encoding", "split_pattern"]

_GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_BYTES = 256


def encoding(tok: Tokenizer) -> Any:
    """The same tokenizer in tiktoken.

    Raises:
        MissingDependencyError: tiktoken is not installed.
        UnsupportedError: It is more than a split pattern, byte-level BPE by rank and special
            tokens.
    """
    tiktoken = require("tiktoken")
    content = declaration(tok)
    if content.get("normalizer") is not None:
        raise _unsupported("a normalizer")
    pattern = split_pattern(content.get("pre_tokenizer"))
    added = {token["content"]: token["id"] for token in content.get("added_tokens") or ()}
    ranks = {
        tok.token_bytes(id_): id_
        for token, id_ in tok.get_vocab(with_added_tokens=False).items()
        if token not in added
    }
    _check_ranks(content["model"], ranks)
    return tiktoken.Encoding("subtok", pat_str=pattern, mergeable_ranks=ranks, special_tokens=added)


def split_pattern(component: Any) -> str:
    """The one split pattern of a pre-tokenizer."""
    steps = (
        component["pretokenizers"] if component and "pretokenizers" in component else [component]
    )
    pattern = None
    for step in steps:
        kind = step and step["type"]
        if kind == "ByteLevel" and not step.get("add_prefix_space", True):
            if not step.get("use_regex", True):
                continue
            found: str | None = _GPT2
        elif kind == "Split" and step["behavior"] in ("Isolated", "isolated"):
            found = step["pattern"].get("Regex")
            if step.get("invert"):
                found = None
        else:
            found = None
        if found is None or pattern is not None:
            raise _unsupported("a pre-tokenizer other than one split pattern")
        pattern = found
    if pattern is None:
        raise _unsupported("a tokenizer without a split pattern")
    return pattern


def _check_ranks(model: dict[str, Any], ranks: dict[bytes, int]) -> None:
    """Merges must apply in the order of the ids that they make."""
    if model.get("type") != "BPE":
        raise _unsupported(f"the model {model.get('type')}")
    single = sum(1 for token in ranks if len(token) == 1)
    if single != _BYTES:
        raise _unsupported(f"a vocabulary with {single} of the 256 bytes")
    previous = -1
    for merge in model["merges"]:
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        made: int = model["vocab"][left + right]
        # Several merges may make one token: they stand side by side.
        if made < previous:
            raise _unsupported("merges in another order than their ids")
        previous = made


def _unsupported(what: str) -> UnsupportedError:
    return UnsupportedError(f"tiktoken cannot express {what}")
