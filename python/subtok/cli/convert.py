"""`subtok convert`: a tokenizer in another format, where nothing is lost."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subtok._subtok import Tokenizer
from subtok.cli._common import DIFFERENT, DONE, add_tokenizer, add_verb, load, output, show_error
from subtok.errors import ArgumentError, UnsupportedError

if TYPE_CHECKING:
    import argparse

    from subtok.cli._common import Verbs

_KINDS = {".json": "tokenizer.json", ".tiktoken": "tiktoken"}

_PROBES = (
    "",
    " ",
    "Hello, world!  It's 12345 o'clock.\n\n\tfn main() { println!(\"x\"); }  ",
    "Ünïcödé e\u0301 \u00a0\u3000 ﬁ Ⅷ ½ ß İ",
    "日本語のテキスト、한국어 텍스트, русский текст, हिन्दी, العربية, ไทย",
    "🤗👩‍👩‍👧 \U0001f1e9\U0001f1ea \x00\x01\x7f \u200b \ufeff \ufffd \U0010ffff",
    "a" * 300 + " " * 50 + "\r\n" * 5,
    "<s></s><unk><|endoftext|>[CLS][SEP]<0x41>\u2581\u2581",
)


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "convert",
        _run,
        "write a tokenizer in another format",
        "Only where nothing is lost: what the other format cannot say is named, nothing is "
        "written, and the exit code is 1. What was written is read again and compared.",
    )
    add_tokenizer(verb, option=False)
    verb.add_argument("output", metavar="OUT", help="tokenizer.json or .tiktoken, by its extension")
    verb.add_argument("--to", choices=sorted(_KINDS.values()), help="the format, whatever the name")
    verb.add_argument("--json", action="store_true", help="the result as JSON")


def _run(args: argparse.Namespace) -> int:
    kind = args.to or _KINDS.get(Path(args.output).suffix.lower())
    if kind is None:
        message = f"no format goes with the name {args.output}: give one with --to"
        raise ArgumentError(message)
    tok = load(args)
    try:
        content = _tiktoken(tok) if kind == "tiktoken" else _json(tok)
    except UnsupportedError as error:
        show_error(f"cannot convert without a loss: {error}")
        return DIFFERENT
    with output(args.output) as out:
        out.write(content)
    result: dict[str, Any] = {"output": args.output, "format": kind, "texts": len(_PROBES)}
    if kind == "tiktoken":
        # Neither is a part of the file.
        result["special_tokens"] = tok.special_tokens
        result["pattern"] = "to be given again: a rank file has none"
        again = Tokenizer.from_tiktoken(args.output, args.pattern, tok.special_tokens)
        differing = _differing_ranks(tok, again)
    else:
        again = Tokenizer.from_file(args.output)
        differing = [text for text in _PROBES if not _same(tok, again, text)]
    result["differing"] = differing
    if args.json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    else:
        compared = "the ranks" if kind == "tiktoken" else f"{len(_PROBES)} texts"
        same = "equal" if not differing else f"DIFFERENT: {differing[:3]!r}"
        sys.stdout.write(f"wrote {args.output} ({kind}); read again and compared {compared}: {same}\n")
        if kind == "tiktoken" and tok.special_tokens:
            sys.stdout.write("special tokens and split pattern are no part of the file\n")
    return DIFFERENT if differing else DONE


def _json(tok: Tokenizer) -> bytes:
    if tok.info()["model"] == "SentencePiece":
        message = (
            "a tokenizer.json of a sentencepiece model: its normalizer matches the longest rule, its "
            "scores are added in 32 bits, its decoder knows kinds of pieces; no component of a "
            "tokenizer.json does (Tokenizer.save writes a file that only subtok reads)"
        )
        raise UnsupportedError(message)
    return tok.to_str().encode()


def _tiktoken(tok: Tokenizer) -> bytes:
    return tok.to_tiktoken()


def _same(left: Tokenizer, right: Tokenizer, text: str) -> bool:
    for special in (True, False):
        a = left.encode(text, add_special_tokens=special).ids
        b = right.encode(text, add_special_tokens=special).ids
        if a.tolist() != b.tolist() or left.decode(a) != right.decode(b):
            return False
    return True


def _differing_ranks(left: Tokenizer, right: Tokenizer) -> list[int]:
    """Ids whose bytes are not the same."""
    ids = set(left.get_vocab().values()) | set(right.get_vocab().values())
    limit = min(left.id_limit, right.id_limit)
    return sorted(
        id_ for id_ in ids if id_ >= limit or left.token_bytes(id_) != right.token_bytes(id_)
    )
