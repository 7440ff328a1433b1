"""`subtok convert`: a tokenizer in another format, where nothing is lost."""

from __future__ import annotations

import json
import random
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subtok._subtok import Tokenizer
from subtok.cli import _parts
from subtok.cli._common import DIFFERENT, DONE, add_tokenizer, add_verb, load, output, show_error
from subtok.errors import ArgumentError, UnsupportedError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from subtok.cli._common import Verbs

_NAMES = {"vocab.json": "vocab.json", "encoder.json": "vocab.json"}
_ENDINGS = {".json": "tokenizer.json", ".tiktoken": "tiktoken", ".txt": "vocab.txt"}
_KINDS = ("tiktoken", "tokenizer.json", "vocab.json", "vocab.txt")
# What may be lost of a sentencepiece model.
_MODEL = ("controls", "decoding")
_ACCEPT = (*_MODEL, *_parts.LOSSES)
_RANDOM, _OWN = 500, 0.8  # texts, and the share of the tokenizer's tokens in them

_PROBES = (
    "",
    " ",
    "  a",
    "a  ",
    "\u2581",
    "Hello, world!  It's 12345 o'clock.\n\n\tfn main() { println!(\"x\"); }  ",
    "Ünïcödé e\u0301 \u00a0\u3000 ﬁ Ⅷ ½ ß İ",
    "日本語のテキスト、한국어 텍스트, русский текст, हिन्दी, العربية, ไทย",
    "🤗👩‍👩‍👧 \U0001f1e9\U0001f1ea \x00\x01\x7f \u200b \ufeff \ufffd \U0010ffff",
    "a" * 300 + " " * 50 + "\r\n" * 5,
    "<s></s><unk><|endoftext|>[CLS][SEP]<0x41>\u2581\u2581",
    *map(chr, range(256)),
)


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "convert",
        _run,
        "write a tokenizer in another format",
        "Only where nothing is lost: what the other format cannot say is named, nothing is "
        "written, and the exit code is 1. What is to be written is read again and compared first.",
    )
    add_tokenizer(verb, option=False)
    verb.add_argument(
        "output",
        metavar="OUT",
        help="tokenizer.json, .tiktoken, vocab.txt, or vocab.json (with merges.txt beside it), by "
        "its name",
    )
    verb.add_argument("--to", choices=_KINDS, help="the format, whatever the name")
    verb.add_argument(
        "--accept",
        action="append",
        default=[],
        choices=_ACCEPT,
        metavar="LOSS",
        help="a difference that does not matter, as the refusal names it; may be repeated",
    )
    verb.add_argument("--json", action="store_true", help="the result as JSON")


def _run(args: argparse.Namespace) -> int:
    target = Path(args.output)
    kind = args.to or _NAMES.get(target.name.lower()) or _ENDINGS.get(target.suffix.lower())
    if kind is None:
        message = f"no format goes with the name {args.output}: give one with --to"
        raise ArgumentError(message)
    meant = {"tokenizer.json": _MODEL, "tiktoken": ()}.get(kind, _parts.LOSSES)
    odd = [name for name in args.accept if name not in meant]
    if odd:
        message = f"--accept {odd[0]} says nothing about a {kind}"
        raise ArgumentError(message)
    tok = load(args)
    try:
        files, again, options = _converted(tok, kind, args)
    except UnsupportedError as error:
        show_error(f"cannot convert without a loss: {error}")
        return DIFFERENT
    differing: list[Any]
    if kind == "tiktoken":
        compared, differing = "the ranks", _differing_ranks(tok, again)
    else:
        probes = list(_probes(tok))
        compared = f"{len(probes)} texts"
        same = _comparison(tok, again, args.accept)
        differing = [text for text in probes if not same(text)]
    written = [args.output, *(str(target.with_name(name)) for name in list(files)[1:])]
    result: dict[str, Any] = {
        "output": args.output,
        "files": written,
        "format": kind,
        "compared": compared,
        "differing": differing[:10],
        **options,
    }
    if not differing:
        for path, content in zip(written, files.values(), strict=True):
            with output(path) as out:
                out.write(content)
    if args.json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    elif differing:
        show_error(f"nothing written: {compared} compared, and these differ: {differing[:3]!r}")
    else:
        sys.stdout.write(f"wrote {' and '.join(written)} ({kind}); ")
        sys.stdout.write(f"read again and compared {compared}: equal\n")
        if options:
            shown = ", ".join(f"{name}={value!r}" for name, value in options.items())
            sys.stdout.write(f"not in the file, to be given again: {shown}\n")
    return DIFFERENT if differing else DONE


def _converted(
    tok: Tokenizer, kind: str, args: argparse.Namespace
) -> tuple[dict[str, bytes], Tokenizer, dict[str, Any]]:
    """The files, what they are when they are read again, and what the reader has to be told."""
    options: dict[str, Any] = {}
    if kind == "vocab.json":
        files, options = _parts.bpe_files(tok, args.accept)
    elif kind == "vocab.txt":
        files, options = _parts.vocab_txt(tok, args.accept)
    elif kind == "tiktoken":
        files = {"x.tiktoken": tok.to_tiktoken()}
    else:
        if tok.info()["model"] == "SentencePiece":
            tok = tok.to_components(args.accept)
        files = {"tokenizer.json": tok.to_str().encode()}
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        first = Path(folder) / next(iter(files))
        if kind == "tiktoken":
            # Neither is a part of the file.
            again = Tokenizer.from_tiktoken(first, args.pattern, tok.special_tokens)
            if tok.special_tokens:
                options["special_tokens"] = tok.special_tokens
            options["pattern"] = "that of the source"
        elif kind == "tokenizer.json":
            again = Tokenizer.from_file(first)
        else:
            again = _parts.read(Path(folder), files, options)
    return files, again, options


def _probes(tok: Tokenizer) -> Iterator[str]:
    """Texts that are likely to show a difference, and texts out of the tokenizer's own tokens."""
    yield from _PROBES
    rng = random.Random(0)  # noqa: S311 (the same texts each time)
    tokens = sorted(tok.get_vocab())
    others = [" ", "  ", "\u2581", "\n", "a", "aa", "é", "の", "\0", "🤗", "'s", "1"]
    for _ in range(_RANDOM):
        parts = (
            rng.choice(tokens if rng.random() < _OWN else others) for _ in range(rng.randrange(12))
        )
        yield "".join(parts).replace("\u0120", " ")


def _comparison(tok: Tokenizer, again: Tokenizer, accept: list[str]) -> Callable[[str], bool]:
    """Whether a text gives the same in both, but for what was accepted."""
    added = [token for token in again.special_tokens if token not in tok.special_tokens]
    if "added_tokens" in accept:
        added += [token for token in tok.special_tokens if token not in again.special_tokens]
    # Ids that special tokens stand for come from the letters of a text in one of the two only.
    apart = "controls" in accept or "added_tokens" in accept
    around = "post_processor" not in accept
    decoded = not {"decoder", "added_tokens"} & set(accept)

    def same(text: str) -> bool:
        for special in (True, False) if around else (False,):
            for split in (True, False):
                if not split and apart and any(token in text for token in added):
                    continue
                a, b = (
                    one.encode(text, add_special_tokens=special, split_special_tokens=split).ids
                    for one in (tok, again)
                )
                if a.tolist() != b.tolist() or (decoded and tok.decode(a) != again.decode(b)):
                    return False
        return True

    if {"normalizer", "pre_tokenizer"} & set(accept):
        # Which texts become other pieces is what was accepted: the tokens are all that is left.
        return lambda text: tok.token_to_id(text) == again.token_to_id(text)
    return same


def _differing_ranks(left: Tokenizer, right: Tokenizer) -> list[int]:
    """Ids whose bytes are not the same."""
    ids = set(left.get_vocab().values()) | set(right.get_vocab().values())
    limit = min(left.id_limit, right.id_limit)
    return sorted(
        id_ for id_ in ids if id_ >= limit or left.token_bytes(id_) != right.token_bytes(id_)
    )
