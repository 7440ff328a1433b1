"""Files that hold a part of a tokenizer: `vocab.json` with `merges.txt`, and `vocab.txt`.

The rest is said by whoever reads them. What has words there (the options of `Tokenizer.from_bpe`
and `Tokenizer.from_wordpiece`) is returned; what has none is a loss, and is named.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from subtok._subtok import Tokenizer
from subtok.errors import SubtokError, UnsupportedError

LOSSES = (
    "added_tokens",
    "decoder",
    "normalizer",
    "padding",
    "post_processor",
    "pre_tokenizer",
    "truncation",
)

# Of a component in a message: so many tokens of a list, so many characters of anything else.
_TOKENS, _CHARS = 3, 80
_PATTERNS = (
    "gpt2",
    "cl100k_base",
    "qwen2",
    "qwen3.5",
    "o200k_base",
    "bert",
    "whitespace",
    "metaspace",
    "none",
)


def bpe_files(tok: Tokenizer, accept: list[str]) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The two files by their names, and the options that go with them."""
    content = json.loads(tok.to_str())
    model = content["model"]
    if model["type"] != "BPE":
        raise UnsupportedError(f"a vocab.json with merges.txt of a {model['type']} model")
    merges = (merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"])
    files = {
        "vocab.json": _json(model["vocab"]),
        "merges.txt": "".join(f"{line}\n" for line in ("#version: 0.2", *merges)).encode(),
    }
    options = {
        name: model[name]
        for name in (
            "dropout",
            "unk_token",
            "continuing_subword_prefix",
            "end_of_word_suffix",
            "fuse_unk",
            "byte_fallback",
            "ignore_merges",
        )
        if model.get(name)
    }
    name = _pattern(content["pre_tokenizer"])
    if name != "gpt2":
        options["pretokenizer"] = name
    return files, _checked(files, options, content, accept)


def vocab_txt(tok: Tokenizer, accept: list[str]) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The file by its name, and the options that go with it."""
    content = json.loads(tok.to_str())
    model = content["model"]
    if model["type"] != "WordPiece":
        raise UnsupportedError(f"a vocab.txt of a {model['type']} model")
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    files = {"vocab.txt": "".join(f"{token}\n" for token in tokens).encode()}
    given = {
        **{name: value for name, value in (content["normalizer"] or {}).items() if name != "type"},
        **{name: model[name] for name in model if name not in ("type", "vocab")},
    }
    defaults = {
        "lowercase": True,
        "strip_accents": None,
        "handle_chinese_chars": True,
        "clean_text": True,
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
    }
    options = {
        name: given[name]
        for name, default in defaults.items()
        if name in given and given[name] != default
    }
    return files, _checked(files, options, content, accept)


def read(folder: Path, files: dict[str, bytes], options: dict[str, Any]) -> Tokenizer:
    """The tokenizer in such files, with these options."""
    if "vocab.txt" in files:
        return Tokenizer.from_wordpiece(folder / "vocab.txt", **options)
    return Tokenizer.from_bpe(folder / "vocab.json", folder / "merges.txt", **options)


def _checked(
    files: dict[str, bytes], options: dict[str, Any], content: dict[str, Any], accept: list[str]
) -> dict[str, Any]:
    """The options, when reading the files with them gives the tokenizer back."""
    with tempfile.TemporaryDirectory() as folder:
        for name, part in files.items():
            (Path(folder) / name).write_bytes(part)
        try:
            again = json.loads(read(Path(folder), files, options).to_str())
        except SubtokError as error:
            message = f"these files would not be read again: {error}".replace(f"{folder}/", "")
            raise UnsupportedError(message) from error
    old, new = _plain(content), _plain(again)
    for name in ("vocab", "merges"):
        if old["model"].get(name) != new["model"].get(name):
            shown = _first_difference(old["model"][name], new["model"][name])
            raise UnsupportedError(f"{' and '.join(files)} cannot say this {name}: {shown}")
    if old["model"] != new["model"]:
        raise UnsupportedError(f"{' and '.join(files)} cannot say an option of this model")
    lost = [name for name in LOSSES if old[name] != new[name]]
    missing = [name for name in lost if name not in accept]
    if missing:
        shown = "; ".join(
            f"{name} is {_short(content[name])} and would be {_short(again[name])}"
            for name in missing
        )
        flags = " ".join(f"--accept {name}" for name in missing)
        raise UnsupportedError(
            f"{' and '.join(files)} have no words for all of it: {shown} ({flags})"
        )
    return options


def _first_difference(old: Any, new: Any) -> str:
    """The first entry that does not come back."""
    if isinstance(old, dict):
        return next(
            f"the token {token!r}" for token in (*old, *new) if old.get(token) != new.get(token)
        )
    both = (f"merge {at}, {a}" for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b)
    return next(both, f"there are {len(old)}, and {len(new)} come back")


def _plain(content: dict[str, Any]) -> dict[str, Any]:
    """A tokenizer in one of the spellings that mean the same."""
    content = {name: content.get(name) for name in (*LOSSES, "model")}
    model = dict(content["model"])
    for name in ("continuing_subword_prefix", "end_of_word_suffix", "dropout"):
        if model["type"] == "BPE":
            # An empty one is none.
            model[name] = model.get(name) or None
    model["merges"] = [
        merge if isinstance(merge, str) else " ".join(merge) for merge in model.get("merges") or ()
    ]
    decoder, post = content["decoder"], content["post_processor"]
    if decoder and decoder["type"] == "ByteLevel":
        # Its options mean nothing for decoding.
        decoder = {"type": "ByteLevel"}
    if post and post["type"] == "BertProcessing":
        post = _template(post)
    tokens = sorted(content["added_tokens"] or (), key=lambda token: token["id"])
    return content | {
        "model": model,
        "decoder": decoder,
        "post_processor": post,
        "added_tokens": tokens,
    }


def _template(post: dict[str, Any]) -> dict[str, Any]:
    """What BERT's processor does, as a template."""
    (sep, sep_id), (cls, cls_id) = post["sep"], post["cls"]

    def special(token: str, type_id: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": token, "type_id": type_id}}

    def text(name: str, type_id: int) -> dict[str, Any]:
        return {"Sequence": {"id": name, "type_id": type_id}}

    single = [special(cls, 0), text("A", 0), special(sep, 0)]
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, text("B", 1), special(sep, 1)],
        "special_tokens": {
            token: {"id": token, "ids": [id_], "tokens": [token]}
            for token, id_ in sorted([(cls, cls_id), (sep, sep_id)])
        },
    }


def _pattern(component: Any) -> str:
    """The name of a pre-tokenizer; that of GPT-2 when it has none."""
    with tempfile.TemporaryDirectory() as folder:
        vocab, merges = Path(folder) / "vocab.json", Path(folder) / "merges.txt"
        vocab.write_text('{"a": 0}', encoding="utf-8")
        merges.write_text("", encoding="utf-8")
        for name in _PATTERNS:
            tok = Tokenizer.from_bpe(vocab, merges, name)
            if json.loads(tok.to_str())["pre_tokenizer"] == component:
                return name
    return "gpt2"


def _json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _short(component: Any) -> str:
    """A component in a few words."""
    if isinstance(component, list):
        names = [token["content"] for token in component]
        more = f" and {len(names) - _TOKENS} more" if len(names) > _TOKENS else ""
        return f"[{', '.join(map(repr, names[:_TOKENS]))}{more}]"
    text = json.dumps(component, ensure_ascii=False)
    return text if len(text) <= _CHARS else f"{text[: _CHARS - 3]}..."
