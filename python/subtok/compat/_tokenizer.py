"""`Tokenizer`: a mutable shell over the immutable core.

The shell holds the components, the added tokens and what `tokenizers` keeps as state (truncation,
padding). The core is built when it is first needed, and again when a component has changed; how
that is noticed cheaply is said in `_base`. A core that came out of a file is kept, and its model is
not looked into until somebody asks for it.
"""

from __future__ import annotations

import asyncio
import copy
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from subtok import _subtok
from subtok.compat import _process, _training
from subtok.compat._base import AddedToken, clock, compact, ignored, text, touch
from subtok.compat._encoding import Encoding
from subtok.compat._show import show
from subtok.compat.decoders import Decoder
from subtok.compat.models import Model, _number
from subtok.compat.normalizers import Normalizer
from subtok.compat.pre_tokenizers import PreTokenizer
from subtok.compat.processors import PostProcessor
from subtok.compat.trainers import Trainer
from subtok.errors import (
    ArgumentError,
    ArgumentTypeError,
    FileError,
    MissingDependencyError,
    SubtokError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from subtok.compat._base import Component

__all__ = ["Tokenizer"]

_FAMILIES: dict[str, type[Component]] = {
    "normalizer": Normalizer,
    "pre_tokenizer": PreTokenizer,
    "post_processor": PostProcessor,
    "decoder": Decoder,
}
# State in the order in which the extension takes it.
_TRUNCATION = ("max_length", "strategy", "stride", "direction")
_PADDING = ("length", "direction", "pad_to_multiple_of", "pad_id", "pad_type_id", "pad_token")
_STRATEGIES = {
    "longest_first": "LongestFirst",
    "only_first": "OnlyFirst",
    "only_second": "OnlySecond",
}


def _split_document(document: str) -> tuple[dict[str, Any], str]:
    """What stands before the model in a `tokenizer.json` of ours, and the model as text."""
    decoder = json.JSONDecoder()
    head: dict[str, Any] = {}
    at = document.index("{") + 1
    while True:
        key, at = decoder.raw_decode(document, at)
        if key == "model":
            return head, document[at + 1 : document.rindex("}")]
        head[key], at = decoder.raw_decode(document, at + 1)
        at += 1


def _part(slot: str, doc: str) -> property:
    """A component that may be exchanged."""

    def read(self: Tokenizer) -> Any:
        return self._parts[slot]

    def write(self: Tokenizer, value: Any) -> None:
        self._set(slot, value)

    return property(read, write, doc=doc)


class Tokenizer:
    """Text to ids and back, out of components that may be exchanged."""

    def __init__(self, model: Any) -> None:
        self._start(Model._take(model))

    def _start(self, model: Any = None) -> None:
        self._core: _subtok.Tokenizer | None = None
        self._model: Any = model
        self._parts: dict[str, Any] = dict.fromkeys(_FAMILIES)
        self._added: list[dict[str, Any]] = []
        self._truncation: dict[str, Any] | None = None
        self._padding: dict[str, Any] | None = None
        self._plain_specials = False
        self._seen = -1
        self._built: tuple[Any, ...] = ()

    @classmethod
    def _of(cls, core: _subtok.Tokenizer) -> Self:
        """Over a `subtok.Tokenizer`."""
        made = cls.__new__(cls)
        made._start()
        head, _ = _split_document(core.to_str())
        for slot, family in _FAMILIES.items():
            if head[slot] is not None:
                made._parts[slot] = family._from_dict(head[slot])
        for token in head["added_tokens"]:
            made._added.append({k: v for k, v in token.items() if k != "id"})
        truncation, padding = head["truncation"], head["padding"]
        if truncation is not None:
            made._truncation = {
                "max_length": truncation["max_length"],
                "stride": truncation["stride"],
                "strategy": next(k for k, v in _STRATEGIES.items() if v == truncation["strategy"]),
                "direction": truncation["direction"].lower(),
            }
        if padding is not None:
            fixed = padding["strategy"]
            made._padding = {
                "length": fixed["Fixed"] if isinstance(fixed, dict) else None,
                "pad_to_multiple_of": padding["pad_to_multiple_of"],
                "pad_id": padding["pad_id"],
                "pad_token": padding["pad_token"],
                "pad_type_id": padding["pad_type_id"],
                "direction": padding["direction"].lower(),
            }
        made._core, made._seen, made._built = core, clock(), made._key()
        return made

    # What it is made of.

    def _key(self) -> tuple[Any, ...]:
        """What the core depends on: parts that are cheap to exchange, and those that are not."""
        parts = {slot: part and part._dict() for slot, part in self._parts.items()}
        cut = compact(parts.pop("pre_tokenizer"))
        model = None if self._model is None else (id(self._model), self._model._version)
        return (compact({**parts, "added_tokens": self._listed()}), cut, model)

    def _listed(self) -> list[dict[str, Any]]:
        """The added tokens as a file has them; the ids in it are never obeyed."""
        return [{"id": number, **token} for number, token in enumerate(self._added)]

    def _compiled(self) -> _subtok.Tokenizer:
        """The core, built anew when something has changed."""
        now = clock()
        if self._core is not None and self._seen == now:
            return self._core
        key = self._key()
        if self._core is None or key != self._built:
            self._core = self._build(key)
            self._built = key
        self._seen = now
        return self._core

    def _build(self, key: tuple[Any, ...]) -> _subtok.Tokenizer:
        head, cut, _ = key
        if self._core is not None and key[1:] == self._built[1:]:
            return _subtok._with_parts(self._core, head)
        model = self._model_text()
        return _subtok.Tokenizer.from_str(f'{head[:-1]},"pre_tokenizer":{cut},"model":{model}}}')

    def _model_text(self) -> str:
        if self._model is not None:
            return str(self._model._json())
        assert self._core is not None  # noqa: S101 (one of the two is there)
        return _split_document(self._core.to_str())[1]

    @property
    def model(self) -> Any:
        """The model."""
        if self._model is None:
            self._model = Model._lazy(self._model_text())
            self._built = (*self._built[:2], (id(self._model), 0))
        return self._model

    @model.setter
    def model(self, model: Any) -> None:
        self._model = Model._take(model)
        touch()

    def _set(self, slot: str, value: Any) -> None:
        self._parts[slot] = None if value is None else _FAMILIES[slot]._take(value)
        touch()

    normalizer = _part("normalizer", "The normalizer, or None.")
    pre_tokenizer = _part("pre_tokenizer", "The pre-tokenizer, or None.")
    post_processor = _part("post_processor", "The post-processor, or None.")
    decoder = _part("decoder", "The decoder, or None.")

    @property
    def encode_special_tokens(self) -> bool:
        """Whether special tokens written in a text are encoded as plain text."""
        return self._plain_specials

    @encode_special_tokens.setter
    def encode_special_tokens(self, value: bool) -> None:
        self._plain_specials = bool(value)

    # Reading and writing.

    @staticmethod
    def from_file(path: str) -> Tokenizer:
        """Read a `tokenizer.json`."""
        return Tokenizer._of(_subtok.Tokenizer.from_file(path))

    @staticmethod
    def from_str(json: str) -> Tokenizer:
        """Read the text of a `tokenizer.json`."""
        return Tokenizer._of(_subtok.Tokenizer.from_str(json))

    @staticmethod
    def from_buffer(buffer: Any) -> Tokenizer:
        """Read the bytes of a `tokenizer.json`."""
        if not isinstance(buffer, bytes):
            kind = type(buffer).__name__
            raise ArgumentTypeError(f"'{kind}' object is not an instance of 'bytes'")
        try:
            given = buffer.decode()
        except UnicodeDecodeError as error:
            problem = (
                f"Cannot instantiate Tokenizer from buffer: invalid UTF-8 at byte {error.start}"
            )
            raise ArgumentError(problem) from error
        return Tokenizer.from_str(given)

    @staticmethod
    def from_pretrained(
        identifier: str, revision: str = "main", token: str | None = None
    ) -> Tokenizer:
        """Fetch a `tokenizer.json` through `huggingface_hub`, which must be installed."""
        try:
            import huggingface_hub  # noqa: PLC0415 (an extra)
        except ImportError as error:
            raise MissingDependencyError(
                "from_pretrained needs huggingface_hub: pip install 'subtok[transformers]'"
            ) from error
        path = huggingface_hub.hf_hub_download(
            identifier, "tokenizer.json", revision=revision, token=token
        )
        return Tokenizer.from_file(path)

    def to_str(self, pretty: bool = False) -> str:
        """The text of a `tokenizer.json`."""
        document = self._compiled().to_str(pretty=pretty)
        # The core knows nothing of truncation and padding; they are written in their place.
        start = document.index('"truncation"')
        end = _end_of(document, "padding", _end_of(document, "truncation", start))
        state = {"truncation": _stored_truncation(self._truncation)}
        state["padding"] = _stored_padding(self._padding)
        if pretty:
            written = json.dumps(state, ensure_ascii=False, indent=2)[4:-2]
        else:
            written = compact(state)[1:-1]
        return f"{document[:start]}{written}{document[end:]}"

    def save(self, path: str, pretty: bool = True) -> None:
        """Write a `tokenizer.json`."""
        try:
            Path(path).write_text(self.to_str(pretty), "utf-8", newline="\n")
        except OSError as error:
            made = FileError(f"cannot write {path}: {error.strerror}")
            made.filename, made.errno = str(path), error.errno
            raise made from error

    def __copy__(self) -> Self:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A shell of its own; the core, which never changes, is shared."""
        made = type(self).__new__(type(self))
        vars(made).update(vars(self))
        made._parts = copy.deepcopy(self._parts, memo)
        made._added = list(self._added)
        made._truncation, made._padding = self.truncation, self.padding
        if self._model is not None:
            if self._core is not None and self._built == self._key():
                # What the core holds is read again when it is needed.
                made._model, made._built = None, (*self._built[:2], None)
            else:
                made._model, made._core = copy.deepcopy(self._model, memo), None
        made._seen = -1
        return made

    def __getstate__(self) -> bytes:
        return self.to_str().encode()

    def __setstate__(self, state: bytes) -> None:
        vars(self).update(vars(self.from_buffer(state)))

    def __repr__(self) -> str:
        return self._shown(99)

    def __str__(self) -> str:
        return self._shown(5)

    def _shown(self, limit: int) -> str:
        document = json.loads(self.to_str())
        for name, shown in (("truncation", "TruncationParams"), ("padding", "PaddingParams")):
            if document[name] is not None:
                document[name] = {"type": shown, **document[name]}
        return show({"type": "Tokenizer", **document}, limit)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokenizer) and self.to_str() == other.to_str()

    __hash__ = object.__hash__

    # The vocabulary.

    def _known(self) -> _subtok.Tokenizer | None:
        """The core if it can be built; a model without tokens is no tokenizer yet."""
        try:
            return self._compiled()
        except SubtokError:
            return None

    def _ids_of_added(self) -> dict[int, dict[str, Any]]:
        """The added tokens by their ids."""
        if (core := self._known()) is not None:
            found = ((core.token_to_id(token["content"]), token) for token in self._added)
            return {number: token for number, token in found if number is not None}
        vocab = self.model._vocab()
        by_id: dict[int, dict[str, Any]] = {}
        ids: dict[str, int] = {}
        for token in self._added:
            content = token["content"]
            following = max(len(vocab), max(by_id, default=-1) + 1)
            number = ids.setdefault(content, vocab.get(content, following))
            by_id[number] = token
        return by_id

    def get_vocab(self, with_added_tokens: bool = True) -> dict[str, int]:
        """All tokens with their ids."""
        if (core := self._known()) is not None:
            return core.get_vocab(with_added_tokens)
        vocab = dict(self.model._vocab())
        if with_added_tokens:
            vocab |= {token["content"]: number for number, token in self._ids_of_added().items()}
        return vocab

    def get_vocab_size(self, with_added_tokens: bool = True) -> int:
        """The number of tokens."""
        core = self._known()
        if core is not None and with_added_tokens:
            return core.vocab_size
        return len(self.get_vocab(with_added_tokens))

    def token_to_id(self, token: str) -> int | None:
        """The id of a token; None if there is none."""
        if (core := self._known()) is not None:
            return core.token_to_id(token)
        return self.get_vocab().get(text(token, "token"))

    def id_to_token(self, id: int) -> str | None:
        """The token of an id; None if there is none."""
        number = _number(id)
        if (core := self._known()) is not None:
            return core.id_to_token(number) if number < core.id_limit else None
        return next((token for token, at in self.get_vocab().items() if at == number), None)

    def get_added_tokens_decoder(self) -> dict[int, AddedToken]:
        """The added tokens by their ids."""
        return {at: AddedToken(**token) for at, token in sorted(self._ids_of_added().items())}

    def add_tokens(self, tokens: Any) -> int:
        """Add tokens; how many of them are new, or differ from what was there."""
        return self._add(tokens, special=None)

    def add_special_tokens(self, tokens: Any) -> int:
        """Add special tokens, which decoding can leave out; how many of them are new or differ."""
        return self._add(tokens, special=True)

    def _add(self, tokens: Any, *, special: bool | None) -> int:
        if not isinstance(tokens, list):
            kind = type(tokens).__name__
            raise ArgumentTypeError(f"'{kind}' object is not an instance of 'list'")
        given = [AddedToken._take(token, special=special)._dict() for token in tokens]
        current = {token["content"]: token for token in self._ids_of_added().values()}
        added = 0
        for token in given:
            content = token["content"]
            if content and current.get(content) != token:
                current[content] = token
                self._added.append(token)
                added += 1
        if added:
            touch()
        return added

    # State.

    @property
    def truncation(self) -> dict[str, Any] | None:
        """How texts are cut, or None."""
        return None if self._truncation is None else dict(self._truncation)

    def enable_truncation(
        self,
        max_length: int,
        stride: int = 0,
        strategy: str = "longest_first",
        direction: str = "right",
        **kwargs: Any,
    ) -> None:
        """Cut texts to `max_length` tokens, special tokens included.

        Raises:
            ArgumentError: The stride leaves no step forward.
        """
        ignored(kwargs)
        if strategy not in _STRATEGIES:
            raise ArgumentError(
                f"Unknown `strategy`: `{strategy}`. Use one of `longest_first`, `only_first`, or "
                "`only_second`"
            )
        _side(direction)
        added = self.num_special_tokens_to_add(is_pair=False)
        room = _number(max_length) - added
        if _number(stride) > room >= 0:
            raise ArgumentError(
                f"tokenizer stride set to {stride}, which is greater than or equal to its "
                f"effective max length of {room} (= {max_length} original max length - {added} "
                "added special tokens), "
            )
        self._truncation = {
            "max_length": int(max_length),
            "stride": int(stride),
            "strategy": strategy,
            "direction": direction,
        }

    def no_truncation(self) -> None:
        """Cut nothing."""
        self._truncation = None

    @property
    def padding(self) -> dict[str, Any] | None:
        """How rows are filled up, or None."""
        return None if self._padding is None else dict(self._padding)

    def enable_padding(
        self,
        direction: str = "right",
        pad_id: int = 0,
        pad_type_id: int = 0,
        pad_token: str = "[PAD]",
        length: int | None = None,
        pad_to_multiple_of: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Fill rows up to `length`, or to the longest of a batch."""
        ignored(kwargs)
        _side(direction)
        self._padding = {
            "length": None if length is None else _number(length),
            "pad_to_multiple_of": None
            if pad_to_multiple_of is None
            else _number(pad_to_multiple_of),
            "pad_id": _number(pad_id),
            "pad_token": text(pad_token, "pad_token"),
            "pad_type_id": _number(pad_type_id),
            "direction": direction,
        }

    def no_padding(self) -> None:
        """Fill nothing up."""
        self._padding = None

    def num_special_tokens_to_add(self, is_pair: bool) -> int:
        """How many special tokens are put around a text, or a pair."""
        return _process.added_tokens(self._declared_processor(), pair=bool(is_pair))

    def _declared_processor(self) -> dict[str, Any] | None:
        processor = self.post_processor
        return None if processor is None else processor._dict()

    # Encoding.

    def encode(
        self,
        sequence: Any,
        pair: Any = None,
        is_pretokenized: bool = False,
        add_special_tokens: bool = True,
    ) -> Encoding:
        """Encode a text, or a pair."""
        row = (
            _input(sequence, words=is_pretokenized),
            None if pair is None else _input(pair, words=is_pretokenized),
        )
        return self._rows([row], words=is_pretokenized, special=add_special_tokens, sparse=False)[0]

    def encode_batch(
        self,
        input: Sequence[Any],
        is_pretokenized: bool = False,
        add_special_tokens: bool = True,
    ) -> list[Encoding]:
        """Encode many texts or pairs on several threads."""
        rows = _inputs(input, words=is_pretokenized)
        return self._rows(rows, words=is_pretokenized, special=add_special_tokens, sparse=False)

    def encode_batch_fast(
        self,
        input: Sequence[Any],
        is_pretokenized: bool = False,
        add_special_tokens: bool = True,
    ) -> list[Encoding]:
        """Encode many texts or pairs; without the strings of tokens, their places and words."""
        rows = _inputs(input, words=is_pretokenized)
        return self._rows(rows, words=is_pretokenized, special=add_special_tokens, sparse=True)

    def _rows(
        self, rows: list[tuple[Any, Any]], *, words: bool, special: bool, sparse: bool
    ) -> list[Encoding]:
        core = self._compiled()
        pairs = [at for at, (_, pair) in enumerate(rows) if pair is not None]
        if len(pairs) in {0, len(rows)}:
            return self._encode(core, rows, words, special, sparse, self._padding)
        # Texts and pairs in one batch: rows are as long as the longest of all.
        found: list[Any] = [None] * len(rows)
        for group in (pairs, sorted(set(range(len(rows))) - set(pairs))):
            some = [rows[at] for at in group]
            encoded = self._encode(core, some, words, special, sparse, None)
            for at, encoding in zip(group, encoded, strict=True):
                found[at] = encoding
        if self._padding is not None:
            _process.pad(found, self._padding)
        return found

    def _encode(
        self,
        core: _subtok.Tokenizer,
        rows: list[tuple[Any, Any]],
        words: bool,
        special: bool,
        sparse: bool,
        padding: dict[str, Any] | None,
    ) -> list[Encoding]:
        if not rows:
            return []
        paired = rows[0][1] is not None
        truncation = self._truncation
        if truncation is not None:
            added = self.num_special_tokens_to_add(paired) if special else 0
            if truncation["max_length"] < added:
                # There the subtraction wraps around, and nothing is cut.
                truncation = None
        cut: Any = truncation and tuple(truncation[key] for key in _TRUNCATION)
        filled: Any = padding and tuple(padding[key] for key in _PADDING)
        batch = _subtok._encode_batch(
            core,
            [text for text, _ in rows],
            [pair for _, pair in rows] if paired else None,
            words,
            special,
            self._plain_specials,
            cut,
            filled,
        )
        texts, processed = 1 + paired, self.post_processor is not None
        return [
            Encoding._from_core(row, texts=texts, processed=processed, sparse=sparse)
            for row in batch
        ]

    def post_process(
        self, encoding: Encoding, pair: Encoding | None = None, add_special_tokens: bool = True
    ) -> Encoding:
        """Truncate, put special tokens around, and fill up what was encoded before."""
        declared = self._declared_processor()
        if self._truncation is not None:
            added = _process.added_tokens(declared, pair=pair is not None)
            room = self._truncation["max_length"] - (added if add_special_tokens else 0)
            if room >= 0:
                encoding, pair = _process.truncate(encoding, pair, self._truncation, room)
        made = _process.process(declared, encoding, pair, special=add_special_tokens)
        if self._padding is not None:
            _process.pad([made], self._padding)
        return made

    # Decoding.

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        """The text of ids; ids that no token has are left out."""
        core = self._compiled()
        return core.decode(
            _row(ids, core.id_limit), skip_special_tokens=skip_special_tokens, errors="skip"
        )

    def decode_batch(
        self, sequences: Sequence[Sequence[int]], skip_special_tokens: bool = True
    ) -> list[str]:
        """The texts of many rows of ids."""
        core = self._compiled()
        rows = [_row(ids, core.id_limit) for ids in sequences]
        return core.decode_batch(rows, skip_special_tokens=skip_special_tokens, errors="skip")

    # The same for programs that wait in an event loop.

    async def async_encode(
        self,
        sequence: Any,
        pair: Any = None,
        is_pretokenized: bool = False,
        add_special_tokens: bool = True,
    ) -> Encoding:
        """`encode` on another thread."""
        arguments = (sequence, pair, is_pretokenized, add_special_tokens)
        return await asyncio.to_thread(self.encode, *arguments)

    async def async_encode_batch(
        self,
        input: Sequence[Any],
        is_pretokenized: bool = False,
        add_special_tokens: bool = True,
    ) -> list[Encoding]:
        """`encode_batch` on another thread."""
        return await asyncio.to_thread(
            self.encode_batch, input, is_pretokenized, add_special_tokens
        )

    async def async_encode_batch_fast(
        self,
        input: Sequence[Any],
        is_pretokenized: bool = False,
        add_special_tokens: bool = True,
    ) -> list[Encoding]:
        """`encode_batch_fast` on another thread."""
        arguments = (input, is_pretokenized, add_special_tokens)
        return await asyncio.to_thread(self.encode_batch_fast, *arguments)

    async def async_decode_batch(
        self, sequences: Sequence[Sequence[int]], skip_special_tokens: bool = True
    ) -> list[str]:
        """`decode_batch` on another thread."""
        return await asyncio.to_thread(self.decode_batch, sequences, skip_special_tokens)

    # Training.

    def train(self, files: Sequence[str], trainer: Trainer | None = None) -> None:
        """Learn the model's vocabulary from text files, line by line."""
        self._train(_training.lines(files), trainer)

    def train_from_iterator(
        self, iterator: Iterable[Any], trainer: Trainer | None = None, length: int | None = None
    ) -> None:
        """Learn the model's vocabulary from texts, or lists of texts. `length` is not needed."""
        self._train(_training.texts(iterator), trainer)

    def _train(self, source: Any, trainer: Trainer | None) -> None:
        chosen = self.model.get_trainer() if trainer is None else Trainer._take(trainer)
        _training.train(self, source, chosen)


def _side(direction: str) -> None:
    if direction not in {"left", "right"}:
        raise ArgumentError(f"Unknown `direction`: `{direction}`. Use one of `left` or `right`")


def _end_of(document: str, key: str, start: int) -> int:
    """Where the value of a key ends that stands at or after `start`."""
    found = re.compile(rf',?\s*"{key}":\s*').match(document, start)
    assert found is not None  # noqa: S101 (the core writes its keys in one order)
    _, end = json.JSONDecoder().raw_decode(document, found.end())
    return end


def _stored_truncation(given: dict[str, Any] | None) -> dict[str, Any] | None:
    return given and {
        "direction": given["direction"].title(),
        "max_length": given["max_length"],
        "strategy": _STRATEGIES[given["strategy"]],
        "stride": given["stride"],
    }


def _stored_padding(given: dict[str, Any] | None) -> dict[str, Any] | None:
    return given and {
        "strategy": "BatchLongest" if given["length"] is None else {"Fixed": given["length"]},
        "direction": given["direction"].title(),
        "pad_to_multiple_of": given["pad_to_multiple_of"],
        "pad_id": given["pad_id"],
        "pad_type_id": given["pad_type_id"],
        "pad_token": given["pad_token"],
    }


def _input(value: Any, *, words: bool) -> Any:
    """A text, or a list of words."""
    if not words:
        if not isinstance(value, str):
            raise ArgumentTypeError("TextInputSequence must be str")
        return value
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, (list, tuple)) or not all(isinstance(word, str) for word in value):
        raise ArgumentTypeError("PreTokenizedInputSequence must be Union[List[str], Tuple[str]]")
    return value


def _inputs(given: Any, *, words: bool) -> list[tuple[Any, Any]]:
    """The rows of a batch, each a text and perhaps a second one."""
    if isinstance(given, str) or not hasattr(given, "__len__"):
        raise ArgumentTypeError(f"Can't extract `{type(given).__name__}` to `Vec`")
    rows: list[tuple[Any, Any]] = []
    for item in given:
        # Two lists of words, or two texts, are a pair; two words are a text.
        if _is_pair(item, words=words):
            rows.append((_input(item[0], words=words), _input(item[1], words=words)))
        elif words or isinstance(item, str):
            rows.append((_input(item, words=words), None))
        else:
            raise ArgumentTypeError(
                "TextEncodeInput must be Union[TextInputSequence, Tuple[InputSequence, "
                "InputSequence]]"
            )
    return rows


def _is_pair(item: Any, *, words: bool) -> bool:
    if not isinstance(item, (tuple, list)) or len(item) != 2:  # noqa: PLR2004
        return False
    return not words or not any(isinstance(part, str) for part in item)


def _row(ids: Any, limit: int) -> Any:
    """Ids as the core takes them; those beyond every vocabulary are left out here."""
    if isinstance(ids, (str, bytes)) or not hasattr(ids, "__len__"):
        raise ArgumentTypeError(f"'{type(ids).__name__}' object is not an instance of 'Sequence'")
    return [number for number in map(_number, ids) if number < limit]
