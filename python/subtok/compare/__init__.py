"""Compare tokenizers on texts: how dense, how faithful, how fast.

Example:
    >>> report = subtok.compare({"a": tok_a, "b": tok_b}, ["a.txt", "b.txt"])
    >>> print(report.to_text())
"""

from __future__ import annotations

import errno
import os
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from subtok._text import Rows, StrPath, expand, read_rows
from subtok.compare.measure import WORD_RULE, Measure, Text, count_words, measure
from subtok.compare.render import as_dict, as_json, as_markdown, as_text
from subtok.compare.sources import Source, named
from subtok.errors import ArgumentError, ArgumentTypeError, FileError

__all__ = ["Report", "Texts", "compare", "read_texts"]

_LONGEST_PATH = 1000
_EXTENSIONS = (
    *(".txt", ".text", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".html"),
    *(".xml", ".log", ".parquet", ".arrow", ".gz", ".zst", ".bz2", ".xz", ".zip", ".tar"),
    *(".py", ".rs", ".tex", ".yaml", ".yml", ".toml"),
)

Texts = StrPath | Iterable[StrPath] | Mapping[str, StrPath | Iterable[str]]


@dataclass(frozen=True)
class Report:
    """What `compare` found.

    Attributes:
        tokenizers: What was compared, by name.
        texts: What it was compared on.
        per_text: Text name -> tokenizer name -> what was measured.
        total: Tokenizer name -> the same over all texts.
        word_rule: What a word is.
        rounds: Rounds of timing; 0 when nothing was timed.
        machine: Where it was measured.
    """

    tokenizers: dict[str, Source]
    texts: list[Text]
    per_text: dict[str, dict[str, Measure]]
    total: dict[str, Measure]
    word_rule: str
    rounds: int
    machine: str

    def to_text(self) -> str:
        """Aligned tables for a terminal."""
        return as_text(self)

    def to_markdown(self) -> str:
        """Tables in Markdown."""
        return as_markdown(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values: numbers, strings, lists and dictionaries."""
        return as_dict(self)

    def to_json(self) -> str:
        """A JSON document; a figure that is not defined is null."""
        return as_json(self)

    def __str__(self) -> str:
        return self.to_text()


def compare(
    tokenizers: Any,
    texts: Texts,
    *,
    rows: Rows = "blocks",
    field: str = "text",
    words: Callable[[str], int | None] | None = None,
    word_rule: str | None = None,
    rounds: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Report:
    """Measure several tokenizers on the same texts.

    Args:
        tokenizers: A mapping from names to tokenizers, one tokenizer, or a list of them. One of
            another library may stand wherever one of subtok's may: a `tokenizers.Tokenizer`, a
            `tiktoken.Encoding`, a `sentencepiece.SentencePieceProcessor`, or a callable from a text
            to ids.
        texts: Paths and texts, in a list or as values of a mapping from names. A string that names
            an existing file or folder is a path. So is one that can only be meant as a path: it has
            no white space, and contains a path separator or ends in a file extension such as
            `.txt` or `.jsonl`; when there is no such file, that is an error. Any other string is a
            text. A value of a mapping may also be a list of texts, and there every string is one.
        rows: How a plain text file is cut into the texts that are encoded: `"blocks"` of whole
            lines of about 16 KiB, `"lines"`, or `"whole"`.
        field: The JSON field or Parquet column that holds the text.
        words: The number of words in a text, or none where words are not defined; for fertility.
        word_rule: What `words` calls a word, for the report.
        rounds: Rounds of timing, of which the median is reported; 0 measures no speed.
        progress: Called with (phase, done, total).

    Raises:
        ArgumentError: There is no tokenizer or no text.
        ArgumentTypeError: One of them is neither, or a callable gave no ids.
        FileError: A file cannot be read, or a string that looks like a path names none.
    """
    if rounds < 0:
        raise ArgumentError(f"rounds is {rounds}, but must be at least 0")
    if word_rule is None:
        word_rule = WORD_RULE if words is None else getattr(words, "__name__", "as the caller says")
    sources = named(tokenizers)
    found = [
        Text.of(name, content, words or count_words)
        for name, content in read_texts(texts, rows, field)
    ]
    if not any(text.bytes for text in found):
        raise ArgumentError("there is no text to compare on")
    per_text: dict[str, dict[str, Measure]] = {}
    total = {name: Measure() for name in sources}
    for done, text in enumerate(found):
        if text.name in per_text:
            raise ArgumentError(f"two texts are called {text.name!r}")
        per_text[text.name] = {}
        for name, source in sources.items():
            if progress is not None:
                progress(f"compare {name}", done, len(found))
            one = measure(source, text, rounds)
            per_text[text.name][name] = one
            total[name].add(one)
    return Report(sources, found, per_text, total, word_rule, rounds, _machine())


def read_texts(texts: Texts, rows: Rows, field: str) -> list[tuple[str, list[str]]]:
    """The texts of a call with their names; see `compare` for what may stand there."""
    if isinstance(texts, Mapping):
        return [(str(name), _content(text, rows, field)) for name, text in texts.items()]
    if isinstance(texts, (str, os.PathLike)):
        texts = [texts]
    if not isinstance(texts, Iterable):
        raise ArgumentTypeError(f"texts is {type(texts).__name__}, but must be paths or texts")
    found: list[tuple[str, list[str]]] = []
    for text in texts:
        if not isinstance(text, (str, os.PathLike)):
            raise ArgumentTypeError(f"a text is {type(text).__name__}, but must be str or a path")
        if isinstance(text, os.PathLike) or _is_path(text):
            found.extend(
                (os.fspath(path), list(read_rows(path, rows=rows, field=field)))
                for path in expand(text)
            )
        else:
            found.append((f"text {len(found) + 1}", [text]))
    return found


def _content(text: Any, rows: Rows, field: str) -> list[str]:
    if isinstance(text, os.PathLike) or (isinstance(text, str) and _is_path(text)):
        paths = expand(text)
        return [row for path in paths for row in read_rows(path, rows=rows, field=field)]
    found = [text] if isinstance(text, str) else text
    if not isinstance(found, Iterable) or isinstance(found, bytes):
        raise ArgumentTypeError(
            f"a text is {type(text).__name__}, but must be str, a path, or a list of str"
        )
    found = list(found)
    for one in found:
        if not isinstance(one, str):
            raise ArgumentTypeError(f"a text is {type(one).__name__}, but must be str")
    return found


def _is_path(text: str) -> bool:
    """Whether a string is a path by the rule that `compare` states."""
    if text == "-":
        return True
    try:
        if Path(text).exists():
            return True
    except (OSError, ValueError):
        # Too long for a name, or with a NUL: a text.
        return False
    if any(x.isspace() or x == "\0" for x in text) or len(text) > _LONGEST_PATH:
        return False
    if os.sep in text or "/" in text or text.lower().endswith(_EXTENSIONS):
        error = FileError(
            f"cannot read {text}: there is no such file (a text that looks like a path goes into a "
            'list: {"name": [text]})'
        )
        error.errno, error.filename = errno.ENOENT, text
        raise error
    return False


def _machine() -> str:
    return (
        f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()}, "
        f"{platform.python_implementation()} {platform.python_version()}"
    )
