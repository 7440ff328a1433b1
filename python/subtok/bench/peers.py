"""The libraries that are measured, each called in its fastest way that yields flat uint32 ids.

A library of your own joins by `--peer NAME=MODULE:FUNCTION`: the function gets the path of the
tokenizer file and returns a callable from a list of texts to their ids, one after the other in one
array of uint32. Its ids are verified like everybody's.
"""

# None of these libraries is imported unless it is installed and asked for, and then only in a
# process of its own.

from __future__ import annotations

import base64
import importlib
import importlib.util
import itertools
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from subtok.bench.given import checked_json, open_subtok
from subtok.errors import ArgumentError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = [
    "LIBRARIES",
    "NOTES",
    "WITH_OFFSETS",
    "Calls",
    "import_library",
    "installed",
    "load",
    "version",
]

Form = dict[str, Any]


@dataclass(frozen=True)
class Calls:
    """How a library is called once it has loaded a tokenizer.

    Attributes:
        batch: Texts and a number of threads to whatever the library returns.
        one: A text to its ids, an array.
        flat: What `batch` returned as one array; on the clock, and timed apart, too.
        decode: Ids to text.
        decode_batch: Rows of ids to texts; none where a library has no such call.
        offsets: A text to pairs of characters; none where it is not measured.
    """

    batch: Callable[[list[str], int], Any]
    one: Callable[[str], Any]
    flat: Callable[[Any], Any] | None = None
    decode: Callable[[Any], str] | None = None
    decode_batch: Callable[[list[Any]], list[str]] | None = None
    offsets: Callable[[str], Any] | None = None

    def ids(self, texts: list[str], threads: int = 1) -> Any:
        """The ids of a batch, flat."""
        found = self.batch(texts, threads)
        return found if self.flat is None else self.flat(found)


def load(library: str, form: Form, custom: str | None = None) -> Calls:
    """Load the tokenizer with a library.

    Args:
        library: A name in `LIBRARIES`, or of a library of the user's.
        form: What `Given.to_dict` says.
        custom: `MODULE:FUNCTION` of such a library.
    """
    return _custom(custom, form) if custom else LIBRARIES[library](form)


def import_library(library: str, custom: str | None = None) -> None:
    """Import everything that is needed, so that the clock does not see it."""
    for module in [custom.partition(":")[0]] if custom else _MODULES.get(library, (library,)):
        importlib.import_module(module)


def installed(library: str) -> bool:
    """Whether a library can be imported."""
    try:
        return importlib.util.find_spec(library) is not None
    except (ImportError, ValueError):
        return False


def version(library: str) -> str:
    """The version that is installed."""
    if library == "subtok":
        # A clone need not be installed, and another version may be.
        from subtok._subtok import __version__  # noqa: PLC0415

        return __version__
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "of unknown version"


def _subtok(form: Form) -> Calls:
    tok = open_subtok(form)
    # What a file says about truncation and padding is out of it by now.
    return Calls(
        batch=lambda texts, threads: (
            tok.encode_batch(texts, add_special_tokens=False, threads=threads).ids
        ),
        one=lambda text: tok.encode(text, add_special_tokens=False).ids,
        decode=lambda ids: tok.decode(ids, skip_special_tokens=False),
        decode_batch=lambda rows: tok.decode_batch(rows, skip_special_tokens=False),
        offsets=lambda text: tok.encode(text, add_special_tokens=False).offsets,
    )


def _tokenizers(form: Form) -> Calls:
    tok: Any = importlib.import_module("tokenizers").Tokenizer.from_file(checked_json(form))
    return Calls(
        batch=lambda texts, _: tok.encode_batch_fast(texts, add_special_tokens=False),
        flat=lambda rows: _array(row.ids for row in rows),
        one=lambda text: np.array(tok.encode(text, add_special_tokens=False).ids, np.uint32),
        decode=lambda ids: tok.decode(ids.tolist(), skip_special_tokens=False),
        decode_batch=lambda rows: tok.decode_batch(_lists(rows), skip_special_tokens=False),
        offsets=lambda text: tok.encode(text, add_special_tokens=False).offsets,
    )


def _tiktoken(form: Form) -> Calls:
    if form["ranks"] is None:
        raise UnsupportedError(f"it reads rank files: {form['missing'].get('ranks', 'none here')}")
    pattern = tiktoken_pattern(form["pattern"]) if form["kind"] == "ranks" else None
    tok: Any = importlib.import_module("tiktoken").Encoding(
        "bench",
        pat_str=pattern or form["split"],
        mergeable_ranks=read_ranks(form["ranks"]),
        special_tokens={},
    )

    def batch(texts: list[str], threads: int) -> Any:
        # One thread without its pool is faster, and so are lists than its call for arrays.
        if threads > 1:
            return tok.encode_ordinary_batch(texts, num_threads=threads)
        return [tok.encode_ordinary(text) for text in texts]

    return Calls(
        batch=batch,
        flat=_array,
        one=lambda text: np.array(tok.encode_ordinary(text), np.uint32),
        decode=lambda ids: tok.decode(ids.tolist()),
        decode_batch=lambda rows: tok.decode_batch(_lists(rows), num_threads=1),
    )


def _sentencepiece(form: Form) -> Calls:
    if form["kind"] != "sentencepiece":
        raise UnsupportedError("it reads .model files only")
    library: Any = importlib.import_module("sentencepiece")
    tok = library.SentencePieceProcessor(model_file=form["path"])
    return Calls(
        batch=lambda texts, threads: tok.encode(texts, out_type=int, num_threads=threads),
        flat=_array,
        one=lambda text: np.array(tok.encode(text, out_type=int), np.uint32),
        decode=lambda ids: tok.decode(ids.tolist()),
        decode_batch=lambda rows: tok.decode(_lists(rows)),
    )


def _gigatoken(form: Form) -> Calls:
    library: Any = importlib.import_module("gigatoken")
    awkward: Any = importlib.import_module("awkward")
    scheme = _GIGATOKEN.get(form["pattern"])
    if form["kind"] == "ranks" and scheme:
        tok = library.Tokenizer.from_tiktoken(form["path"], scheme, {})
    elif form["kind"] == "sentencepiece":
        tok = library.Tokenizer.from_sentencepiece(form["path"])
    else:
        tok = library.Tokenizer(checked_json(form))
    return Calls(
        batch=lambda texts, threads: tok.encode_batch(texts, parallel=threads > 1),
        flat=lambda rows: np.asarray(awkward.flatten(rows, axis=1)),
        one=tok.encode,
        decode=lambda ids: tok.decode(ids).decode("utf-8", "replace"),
    )


def _fastokens(form: Form) -> Calls:
    kind: Any = importlib.import_module("fastokens").Tokenizer
    if form["kind"] == "ranks" and form["pattern"] in _FASTOKENS:
        return _flat_calls(
            kind.from_tiktoken(form["path"], encoding=form["pattern"], special_tokens={})
        )
    return _flat_calls(kind.from_file(checked_json(form)))


def _snaptokens(form: Form) -> Calls:
    library: Any = importlib.import_module("snaptokens")
    return _flat_calls(library.Tokenizer.from_file(checked_json(form)))


def _flat_calls(tok: Any) -> Calls:
    def flat(texts: list[str], _: int = 1) -> Any:
        packed = tok.encode_batch_flat(texts, add_special_tokens=False)[0]
        return np.frombuffer(packed, np.uint32)

    return Calls(
        batch=flat,
        # A batch of one makes no list of Python numbers.
        one=lambda text: flat([text]),
        decode=lambda ids: tok.decode(ids, skip_special_tokens=False),
        decode_batch=lambda rows: tok.decode_batch(rows, skip_special_tokens=False),
    )


def _nanotoken(form: Form) -> Calls:
    tok: Any = importlib.import_module("nanotoken").Tokenizer(checked_json(form))
    # Its parallel road is the faster one with a single thread, too; the environment says how many.
    return Calls(
        batch=lambda texts, _: tok.encode_batch(texts, add_special_tokens=False, parallel=True),
        flat=lambda found: found.ids,
        one=lambda text: tok.encode(text, add_special_tokens=False),
        decode=lambda ids: tok.decode(ids, skip_special_tokens=False),
        decode_batch=lambda rows: tok.decode_batch(rows, skip_special_tokens=False),
    )


def _custom(place: str, form: Form) -> Calls:
    module, _, function = place.partition(":")
    encode: Any = getattr(importlib.import_module(module), function)(form["path"])
    if not callable(encode):
        raise ArgumentError(f"{place} returned no callable from texts to ids")
    return Calls(batch=lambda texts, _: encode(texts), one=lambda text: encode([text]))


LIBRARIES: dict[str, Callable[[Form], Calls]] = {
    "subtok": _subtok,
    "gigatoken": _gigatoken,
    "fastokens": _fastokens,
    "snaptokens": _snaptokens,
    "nanotoken": _nanotoken,
    "tiktoken": _tiktoken,
    "sentencepiece": _sentencepiece,
    "tokenizers": _tokenizers,
}
# What the table says about each, since no two libraries offer the same call.
NOTES = {
    "subtok": "flat arrays; batch call",
    "gigatoken": "arrays; batch call, flattened by awkward; no batch call for decoding",
    "fastokens": "flat arrays; batch call; a single text is a batch of one",
    "snaptokens": "flat arrays; batch call; a single text is a batch of one",
    "nanotoken": "flat arrays; batch call",
    "tiktoken": "Python lists, made into an array; a loop over single calls on one thread",
    "sentencepiece": "Python lists, made into an array; batch call",
    "tokenizers": "Python lists, made into an array; batch call without offsets",
}
# Whose offsets are measured: those that mean the same thing, characters of the text.
WITH_OFFSETS = ("subtok", "tokenizers")
_MODULES = {
    "gigatoken": ("awkward", "gigatoken"),
    "tiktoken": ("tiktoken", "tiktoken_ext.openai_public"),
}
# What the libraries call the split patterns that they know by name.
_GIGATOKEN = {
    "r50k_base": "r50k",
    "gpt2": "gpt2",
    "cl100k_base": "cl100k",
    "o200k_base": "o200k",
    "qwen2": "qwen2",
}
_FASTOKENS = ("cl100k_base", "o200k_base")


def tiktoken_pattern(name: str) -> str | None:
    """The split pattern that tiktoken has under a name; none where it has none."""
    public: Any = importlib.import_module("tiktoken_ext.openai_public")
    make = public.ENCODING_CONSTRUCTORS.get(name)
    if make is None:
        return None
    # Its constructors fetch the ranks from the network; the rest of them is what is wanted.
    original, public.load_tiktoken_bpe = public.load_tiktoken_bpe, lambda *_, **__: {}
    gpt2, public.data_gym_to_mergeable_bpe_ranks = (
        public.data_gym_to_mergeable_bpe_ranks,
        lambda *_, **__: {},
    )
    try:
        found: str = make()["pat_str"]
    finally:
        public.load_tiktoken_bpe = original
        public.data_gym_to_mergeable_bpe_ranks = gpt2
    return found


def read_ranks(path: str) -> dict[bytes, int]:
    """A rank file that subtok has loaded before."""
    lines = (line.split() for line in Path(path).read_bytes().splitlines())
    return {base64.b64decode(line[0]): int(line[1]) for line in lines if line}


def _array(rows: Iterable[Sequence[int]]) -> Any:
    return np.fromiter(itertools.chain.from_iterable(rows), np.uint32)


def _lists(rows: Sequence[Any]) -> list[list[int]]:
    return [row.tolist() for row in rows]
