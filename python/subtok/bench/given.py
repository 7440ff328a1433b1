"""The tokenizer to measure, in every form in which a library can take it.

A library is handed the user's own file where it reads that kind, else a `tokenizer.json` or a rank
file that subtok writes of it where nothing is lost. Who then gives other ids is found out before
anything is timed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subtok._subtok import Tokenizer
from subtok._tiktoken import split_pattern
from subtok.errors import FileError, FormatError, SubtokError, UnsupportedError

if TYPE_CHECKING:
    from subtok._text import StrPath

__all__ = ["REFERENCES", "Given", "given", "open_subtok"]

# Who says what the ids of a kind of file are.
REFERENCES = {"ranks": "tiktoken", "sentencepiece": "sentencepiece"}
# Rank files and tokenizer.json files spell one and the same split differently; libraries that know
# splits by their spelling know this one. See `short_texts` for where the two part.
_SPELLING = {"cl100k_base": "llama3"}
# What is `true` of letters in a text with `<s>` in it, and of ids that no text gives.
_ACCEPTED = ["controls", "decoding"]


@dataclass(frozen=True)
class Given:
    """A tokenizer file and what was made of it.

    Attributes:
        path: The file as the user named it.
        kind: `ranks`, `sentencepiece`, `tokenizer.json`, or `other`.
        pattern: The split pattern of a rank file, a name or a regex.
        lowercase: Whether a `vocab.txt` is read as an uncased one.
        json: A `tokenizer.json`, or none where the tokenizer cannot be one.
        json_by: Who wrote it: `given`, or `subtok`.
        ranks: A rank file, or none.
        split: The split pattern that belongs to it, as a regex or a name that tiktoken knows.
        missing: Why there is no such form, by its name.
        notes: What was changed.
    """

    path: str
    kind: str
    pattern: str
    lowercase: bool
    json: str | None
    json_by: str
    ranks: str | None
    split: str | None
    missing: dict[str, str]
    notes: list[str]

    @property
    def reference(self) -> str:
        """The library that says what the ids are."""
        return REFERENCES.get(self.kind, "tokenizers")

    def to_dict(self) -> dict[str, Any]:
        """For a child's job."""
        return asdict(self)


def given(path: StrPath, pattern: str, folder: Path, *, cased: bool = False) -> Given:
    """Read a tokenizer file and write the forms that it has not, into a folder.

    Raises:
        FileError: It cannot be read.
        FormatError: It is no tokenizer.
    """
    name = str(path)
    if name.endswith(".tiktoken"):
        return _ranks(name, pattern, folder)
    lowercase = not (cased and name.endswith(".txt"))
    tok = open_subtok(
        {"kind": "other", "path": name, "pattern": pattern, "lowercase": lowercase, "json": None}
    )
    missing: dict[str, str] = {}
    notes: list[str] = []
    if tok.info()["model"] == "SentencePiece":
        made, reason = None, ""
        try:
            made = _write(folder, tok.to_components(_ACCEPTED).to_str())
        except UnsupportedError as error:
            reason = str(error)
        if reason:
            missing["json"] = reason
        missing["ranks"] = "a sentencepiece model"
        return Given(
            name, "sentencepiece", pattern, True, made, "subtok", None, None, missing, notes
        )
    content = _content(name)
    declared: str | None
    if content is None:
        kind, json_by, declared = "other", "subtok", _write(folder, tok.to_str())
    else:
        kind, json_by, declared = "tokenizer.json", "given", name
        cleared = [key for key in ("truncation", "padding") if content.get(key) is not None]
        if cleared:
            # They would be state of some libraries' objects and options of others' calls.
            notes.append(f"the file's {' and '.join(cleared)} is left out")
            text = json.dumps(content | dict.fromkeys(cleared), ensure_ascii=False)
            declared = _write(folder, text)
    ranks = split = None
    try:
        split = split_pattern(json.loads(tok.to_str()).get("pre_tokenizer"))
        target = folder / "handed.tiktoken"
        target.write_bytes(tok.to_tiktoken())
        ranks = str(target)
    except UnsupportedError as error:
        missing["ranks"] = str(error)
    return Given(name, kind, pattern, lowercase, declared, json_by, ranks, split, missing, notes)


def open_subtok(form: dict[str, Any]) -> Tokenizer:
    """The tokenizer, in subtok; `form` is what `Given.to_dict` says."""
    if form["kind"] == "ranks":
        return Tokenizer.from_tiktoken(form["path"], form["pattern"], {})
    if form["kind"] == "tokenizer.json":
        return Tokenizer.from_file(form["json"])
    if not form["lowercase"]:
        return Tokenizer.from_wordpiece(form["path"], lowercase=False)
    return Tokenizer.from_file(form["path"])


def _ranks(path: str, pattern: str, folder: Path) -> Given:
    Tokenizer.from_tiktoken(path, pattern, {})
    missing: dict[str, str] = {}
    made = None
    try:
        spelled = Tokenizer.from_tiktoken(path, _SPELLING.get(pattern, pattern), {})
        made = _write(folder, spelled.to_str())
    except SubtokError as error:
        missing["json"] = str(error)
    split = pattern
    if pattern.isidentifier() and made is not None:
        # A name: what is written of it is the pattern in full.
        own = json.loads(Tokenizer.from_tiktoken(path, pattern, {}).to_str())
        split = split_pattern(own["pre_tokenizer"])
    return Given(path, "ranks", pattern, True, made, "subtok", path, split, missing, [])


def _content(path: str) -> dict[str, Any] | None:
    """A `tokenizer.json`; none for a file of another kind."""
    try:
        content = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        return None
    return content


def _write(folder: Path, text: str) -> str:
    target = folder / "handed.json"
    target.write_text(text, "utf-8")
    return str(target)


def checked_json(form: dict[str, Any]) -> str:
    """The path of a `tokenizer.json`.

    Raises:
        FormatError: There is none; the message says why.
    """
    if form["json"] is None:
        raise FormatError(f"there is no tokenizer.json of it: {form['missing'].get('json', '')}")
    found: str = form["json"]
    return found
