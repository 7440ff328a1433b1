"""The surface of `tiktoken` 0.14, running on subtok.

`import subtok.compat.tiktoken as tiktoken` runs code that was written for that library. Nothing is
fetched from a network: `get_encoding` reads a file that the caller names, or one that tiktoken has
left in its cache.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import itertools
import os
import re
import tempfile
from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from subtok import _subtok
from subtok.compat._openai import FILE_OF, FILES, SPECIAL, encoding_of_model
from subtok.errors import (
    ArgumentError,
    ArgumentTypeError,
    FileError,
    FormatError,
    SubtokError,
    UnsupportedError,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from subtok._text import StrPath

__all__ = [
    "DisallowedSpecialTokenError",
    "Encoding",
    "UnknownTokenError",
    "encoding_for_model",
    "encoding_name_for_model",
    "get_encoding",
    "list_encoding_names",
]

_Allowed = Literal["all"] | AbstractSet[str]
_Disallowed = Literal["all"] | Collection[str]


class UnknownTokenError(SubtokError, KeyError):
    """A token or an id that the encoding does not have."""

    def __str__(self) -> str:
        return str(self.args[0])


class DisallowedSpecialTokenError(ArgumentError):
    """A text holds a special token, and nobody said what shall become of it."""


class Encoding:
    """Byte-pair encoding by ranks, with special tokens that must be asked for."""

    def __init__(
        self,
        name: str,
        *,
        pat_str: str,
        mergeable_ranks: dict[bytes, int],
        special_tokens: dict[str, int],
        explicit_n_vocab: int | None = None,
    ) -> None:
        """Compile an encoding.

        Args:
            name: What it is called.
            pat_str: The regular expression that cuts a text into pieces.
            mergeable_ranks: The tokens with their ranks, which are their ids.
            special_tokens: The special tokens with their ids.
            explicit_n_vocab: If given, the number of tokens, which is checked.

        Raises:
            ArgumentError: The pattern is none, or there are not so many tokens.
            FormatError: The ranks contradict themselves.
        """
        self.name = name
        self._pat_str = pat_str
        self._mergeable_ranks = mergeable_ranks
        self._special_tokens = special_tokens
        highest = max(mergeable_ranks.values(), default=0)
        self.max_token_value = max(highest, max(special_tokens.values(), default=0))
        if explicit_n_vocab:
            count = len(mergeable_ranks) + len(special_tokens)
            if count != explicit_n_vocab or self.max_token_value != explicit_n_vocab - 1:
                raise ArgumentError(
                    f"explicit_n_vocab is {explicit_n_vocab}, but there are {count} tokens, and "
                    f"the highest id is {self.max_token_value}"
                )
        self._special_values = frozenset(special_tokens.values())
        # Two special tokens may share an id; the core has one of them, and texts are then cut at
        # special tokens here.
        one_each = {number: token for token, number in special_tokens.items()}
        self._shared_ids = len(one_each) < len(special_tokens)
        self._core = _subtok._from_ranks(
            sorted(mergeable_ranks.items(), key=lambda entry: entry[1]),
            pat_str,
            sorted((token, number) for number, token in one_each.items()),
        )

    def __repr__(self) -> str:
        return f"<Encoding {self.name!r}>"

    # Encoding.

    def encode_ordinary(self, text: str) -> list[int]:
        """Encode a text; special tokens in it are plain text."""
        ids: list[int] = self._ordinary(text).tolist()
        return ids

    def _ordinary(self, text: str) -> npt.NDArray[np.uint32]:
        encoding = self._core.encode(
            text, add_special_tokens=False, split_special_tokens=True, errors="replace"
        )
        return encoding.ids

    def encode(
        self,
        text: str,
        *,
        allowed_special: _Allowed = frozenset(),
        disallowed_special: _Disallowed = "all",
    ) -> list[int]:
        """Encode a text.

        Args:
            text: The text; a lone surrogate is read as U+FFFD.
            allowed_special: Special tokens that are recognised, or `"all"`.
            disallowed_special: Texts that must not occur; by default all other special tokens.
                What is neither allowed nor disallowed is plain text.

        Raises:
            DisallowedSpecialTokenError: One that is disallowed occurs; also a `ValueError`.
        """
        allowed = self._check(text, allowed_special, disallowed_special)
        return self._special(text, allowed)

    def _check(self, text: str, allowed: _Allowed, disallowed: _Disallowed) -> AbstractSet[str]:
        """The special tokens that are recognised, once no disallowed one has been found."""
        known = self.special_tokens_set
        recognised: AbstractSet[str] = known if allowed == "all" else frozenset(allowed)
        refused = known - recognised if disallowed == "all" else frozenset(disallowed)
        if not isinstance(text, str):
            raise ArgumentTypeError(f"text must be a string, not {type(text).__name__}")
        if refused and (found := _any_of(frozenset(refused)).search(text)):
            _refuse(found.group())
        return known & recognised

    def _whole(self, allowed: AbstractSet[str]) -> bool:
        """Whether the core recognises just these special tokens."""
        return len(allowed) == len(self._special_tokens) and not self._shared_ids

    def _special(self, text: str, allowed: AbstractSet[str]) -> list[int]:
        ids: list[int]
        if not allowed:
            return self.encode_ordinary(text)
        if self._whole(allowed):
            options: dict[str, Any] = {"add_special_tokens": False, "errors": "replace"}
            ids = self._core.encode(text, **options).ids.tolist()
            return ids
        ids = []
        done = 0
        for found in _any_of(frozenset(allowed)).finditer(text):
            ids += self.encode_ordinary(text[done : found.start()])
            ids.append(self._special_tokens[found.group()])
            done = found.end()
        return ids + self.encode_ordinary(text[done:])

    def encode_to_numpy(
        self,
        text: str,
        *,
        allowed_special: _Allowed = frozenset(),
        disallowed_special: _Disallowed = "all",
    ) -> npt.NDArray[np.uint32]:
        """`encode`, as an array."""
        import numpy as np  # noqa: PLC0415

        allowed = self._check(text, allowed_special, disallowed_special)
        if not allowed:
            return self._ordinary(text)
        return np.array(self._special(text, allowed), dtype=np.uint32)

    def encode_ordinary_batch(self, text: list[str], *, num_threads: int = 8) -> list[list[int]]:
        """`encode_ordinary` for many texts, on several threads."""
        return self._batch(text, num_threads, plain=True)

    def encode_batch(
        self,
        text: list[str],
        *,
        num_threads: int = 8,
        allowed_special: _Allowed = frozenset(),
        disallowed_special: _Disallowed = "all",
    ) -> list[list[int]]:
        """`encode` for many texts, on several threads."""
        text = list(text)
        allowed: AbstractSet[str] = frozenset()
        for each in text:
            allowed = self._check(each, allowed_special, disallowed_special)
        if allowed and not self._whole(allowed):
            return [self._special(each, allowed) for each in text]
        return self._batch(text, num_threads, plain=not allowed)

    def _batch(self, text: Sequence[str], threads: int, *, plain: bool) -> list[list[int]]:
        batch = self._core.encode_batch(
            list(text),
            threads=threads,
            add_special_tokens=False,
            split_special_tokens=plain,
            errors="replace",
        )
        flat, ends = batch.ids.tolist(), batch.row_offsets.tolist()
        return [flat[start:end] for start, end in itertools.pairwise(ends)]

    def encode_with_unstable(
        self,
        text: str,
        *,
        allowed_special: _Allowed = frozenset(),
        disallowed_special: _Disallowed = "all",
    ) -> NoReturn:
        """Not supported.

        Raises:
            UnsupportedError: Always.
        """
        raise UnsupportedError("encode_with_unstable is not supported")

    def encode_single_token(self, text_or_bytes: str | bytes) -> int:
        """The id of one token, special ones included.

        Raises:
            UnknownTokenError: There is no such token; also a `KeyError`.
        """
        given = text_or_bytes.encode() if isinstance(text_or_bytes, str) else text_or_bytes
        if not isinstance(given, bytes):
            raise ArgumentTypeError(f"a token must be str or bytes, not {type(given).__name__}")
        found = self._mergeable_ranks.get(given)
        if found is None:
            found = self._special_bytes.get(given)
        if found is None:
            raise UnknownTokenError(given)
        return found

    # Decoding.

    @cached_property
    def _special_bytes(self) -> dict[bytes, int]:
        return {token.encode(): number for token, number in self._special_tokens.items()}

    @cached_property
    def _bytes(self) -> dict[int, bytes]:
        special = {number: token for token, number in self._special_bytes.items()}
        return special | {number: token for token, number in self._mergeable_ranks.items()}

    def decode_bytes(self, tokens: Sequence[int]) -> bytes:
        """The bytes of ids.

        Raises:
            UnknownTokenError: An id that no token has; also a `KeyError`.
        """
        known = self._bytes
        try:
            return b"".join([known[token] for token in tokens])
        except KeyError as error:
            raise _unknown(error.args[0], "Invalid token for decoding: ") from None

    def decode(self, tokens: Sequence[int], errors: str = "replace") -> str:
        """The text of ids; what is no UTF-8 is treated as `errors` says."""
        return self.decode_bytes(tokens).decode("utf-8", errors=errors)

    def decode_single_token_bytes(self, token: int) -> bytes:
        """The bytes of one id.

        Raises:
            UnknownTokenError: No token has it; also a `KeyError`.
        """
        found = self._bytes.get(token)
        if found is None:
            raise _unknown(token, "")
        return found

    def decode_tokens_bytes(self, tokens: Sequence[int]) -> list[bytes]:
        """The bytes of each id."""
        return [self.decode_single_token_bytes(token) for token in tokens]

    def decode_with_offsets(self, tokens: Sequence[int]) -> tuple[str, list[int]]:
        """The text of ids, and the character where each begins.

        Raises:
            UnicodeDecodeError: The bytes are no UTF-8.
        """
        parts = self.decode_tokens_bytes(tokens)
        offsets = []
        begun = 0
        for part in parts:
            # A token that begins inside a character has the place of that character.
            inside = _is_continuation(part[0])
            offsets.append(max(0, begun - inside))
            begun += sum(not _is_continuation(byte) for byte in part)
        return b"".join(parts).decode("utf-8", errors="strict"), offsets

    def decode_batch(
        self, batch: Sequence[Sequence[int]], *, errors: str = "replace", num_threads: int = 8
    ) -> list[str]:
        """`decode` for many rows. `num_threads` has no effect."""
        return [self.decode(tokens, errors=errors) for tokens in batch]

    def decode_bytes_batch(
        self, batch: Sequence[Sequence[int]], *, num_threads: int = 8
    ) -> list[bytes]:
        """`decode_bytes` for many rows. `num_threads` has no effect."""
        return [self.decode_bytes(tokens) for tokens in batch]

    # The vocabulary.

    def token_byte_values(self) -> list[bytes]:
        """All tokens but the special ones, by their bytes."""
        return sorted(self._mergeable_ranks)

    @property
    def eot_token(self) -> int:
        """The id of `<|endoftext|>`.

        Raises:
            KeyError: The encoding has no such token.
        """
        return self._special_tokens["<|endoftext|>"]

    @cached_property
    def special_tokens_set(self) -> set[str]:
        """The special tokens."""
        return set(self._special_tokens)

    def is_special_token(self, token: int) -> bool:
        """Whether an id is a special token's."""
        if not isinstance(token, int):
            raise ArgumentTypeError(f"token must be an integer, not {type(token).__name__}")
        return token in self._special_values

    @property
    def n_vocab(self) -> int:
        """One more than the highest id."""
        return self.max_token_value + 1

    def __getstate__(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "pat_str": self._pat_str,
            "mergeable_ranks": self._mergeable_ranks,
            "special_tokens": self._special_tokens,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        Encoding.__init__(self, **state)


def _is_continuation(byte: int) -> bool:
    """Whether a byte is one inside a character of UTF-8."""
    return 0x80 <= byte < 0xC0  # noqa: PLR2004


def _unknown(token: Any, message: str) -> Exception:
    """The error for an id that is none."""
    if isinstance(token, int) and not 0 <= token < 2**32:
        return OverflowError(f"id {token} is out of range")
    return UnknownTokenError(f"{message}{token}")


@lru_cache(maxsize=128)
def _any_of(tokens: frozenset[str]) -> re.Pattern[str]:
    """A pattern for any of some texts, the longest first."""
    return re.compile("|".join(map(re.escape, sorted(tokens, key=lambda t: (-len(t), t)))))


def _refuse(token: str) -> NoReturn:
    raise DisallowedSpecialTokenError(
        f"Encountered text corresponding to disallowed special token {token!r}.\n"
        f"Pass it in allowed_special to encode it as a special token, e.g. "
        f"allowed_special={{{token!r}, ...}}; to encode it as plain text, leave it out of "
        f"disallowed_special, e.g. disallowed_special=(enc.special_tokens_set - {{{token!r}}}) or "
        "disallowed_special=()."
    )


_loaded: dict[tuple[str, str], Encoding] = {}


def list_encoding_names() -> list[str]:
    """The encodings that `get_encoding` knows."""
    return list(SPECIAL)


def get_encoding(encoding_name: Any, path: StrPath | None = None) -> Encoding:
    """A known encoding, with its ranks out of a file.

    Args:
        encoding_name: Such as `"cl100k_base"`.
        path: The `.tiktoken` file. Without it the file is looked for in the folder that
            `TIKTOKEN_CACHE_DIR` (or `DATA_GYM_CACHE_DIR`) names, else where tiktoken keeps its
            files for the time being. It is never fetched.

    Raises:
        ArgumentError: There is no such encoding.
        FileError: The file is not there, or cannot be read.
        FormatError: The file is damaged, or another one.
    """
    if not isinstance(encoding_name, str) or encoding_name not in SPECIAL:
        known = ", ".join(SPECIAL)
        raise ArgumentError(f"Unknown encoding {encoding_name!r}; known are {known}")
    key, digest = FILES[FILE_OF.get(encoding_name, encoding_name)]
    file = Path(path) if path is not None else _cache() / key
    place = (encoding_name, str(file))
    if place not in _loaded:
        _loaded[place] = Encoding(
            encoding_name,
            pat_str=_pattern(encoding_name),
            mergeable_ranks=_ranks(file, digest, encoding_name),
            special_tokens=dict(SPECIAL[encoding_name]),
        )
    return _loaded[place]


def _pattern(name: str) -> str:
    """The split pattern of a known encoding, by the name that subtok has for it."""
    return FILE_OF.get(name, name)


def _cache() -> Path:
    for name in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if folder := os.environ.get(name):
            return Path(folder)
    return Path(tempfile.gettempdir()) / "data-gym-cache"


def _ranks(file: Path, digest: str, name: str) -> dict[bytes, int]:
    try:
        content = file.read_bytes()
    except OSError as error:
        made = FileError(
            f"cannot read the ranks of {name} from {file}: {error.strerror}; give the file as "
            "path=, or have it in the folder that TIKTOKEN_CACHE_DIR names"
        )
        made.filename, made.errno = str(file), error.errno
        raise made from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise FormatError(f"{file} is damaged or is not the rank file of {name}: its hash differs")
    ranks = {}
    for number, line in enumerate(content.splitlines(), 1):
        try:
            token, rank = line.split()
            ranks[base64.b64decode(token)] = int(rank)
        except (ValueError, binascii.Error) as error:
            raise FormatError(f"{file}: line {number} is not a token and a rank") from error
    return ranks


def encoding_name_for_model(model_name: str) -> str:
    """The name of a model's encoding.

    Raises:
        UnknownTokenError: The model is not known; also a `KeyError`.
    """
    found = encoding_of_model(model_name)
    if found is None:
        raise UnknownTokenError(
            f"Could not automatically map {model_name} to a tokeniser. Please use `get_encoding` "
            "to explicitly get the tokeniser you expect."
        )
    return found


def encoding_for_model(model_name: str, path: StrPath | None = None) -> Encoding:
    """The encoding of a model; see `get_encoding`."""
    return get_encoding(encoding_name_for_model(model_name), path)
