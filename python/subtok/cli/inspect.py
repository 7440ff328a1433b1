"""`subtok inspect`: what a tokenizer is made of, and what it does to a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from subtok.cli._common import DONE, add_tokenizer, add_verb, load, write_json, write_text
from subtok.compare.sources import declaration

if TYPE_CHECKING:
    import argparse

    from subtok._subtok import Tokenizer
    from subtok.cli._common import Verbs


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    verb = add_verb(verbs, "inspect", run, "show what a tokenizer is made of")
    add_tokenizer(verb, option=False)
    verb.add_argument("--text", help="show the tokens of this text")
    verb.add_argument("--token", action="append", default=[], help="show this token's id")
    verb.add_argument("--id", action="append", default=[], type=int, help="show this id's token")
    verb.add_argument("--json", action="store_true", help="write JSON")


def run(args: argparse.Namespace) -> int:
    """Describe the tokenizer, or what was asked about it."""
    tok = load(args)
    if args.text is None and not args.token and not args.id:
        found = _described(tok)
        write_json(found) if args.json else write_text(_lines(found))
        return DONE
    rows = _looked_up(tok, args)
    if args.text is not None:
        rows += _tokens(tok, args.text)
    if args.json:
        write_json(rows)
    else:
        write_text("".join(_row(row) for row in rows))
    return DONE


def _described(tok: Tokenizer) -> dict[str, Any]:
    added = declaration(tok).get("added_tokens") or []
    return {
        "vocab_size": tok.vocab_size,
        "fingerprint": tok.fingerprint,
        **tok.info(),
        "added_tokens": {token["content"]: token["id"] for token in added},
    }


def _lines(found: dict[str, Any], indent: str = "") -> str:
    parts = []
    for key, value in found.items():
        if isinstance(value, dict) and value:
            parts.append(f"{indent}{key}\n{_lines(value, indent + '  ')}")
        else:
            parts.append(f"{indent}{key}: {value}\n")
    return "".join(parts)


def _looked_up(tok: Tokenizer, args: argparse.Namespace) -> list[dict[str, Any]]:
    pairs = [(tok.token_to_id(token), token) for token in args.token]
    pairs += [(id_, tok.id_to_token(id_)) for id_ in args.id]
    return [{"id": id_, "token": token, "bytes": _bytes(tok, id_, token)} for id_, token in pairs]


def _tokens(tok: Tokenizer, text: str) -> list[dict[str, Any]]:
    encoding = tok.encode(text)
    places = encoding.offsets.tolist()
    return [
        {
            "id": id_,
            "token": token,
            "bytes": _bytes(tok, id_, token),
            "offsets": place,
            "text": text[place[0] : place[1]],
        }
        for id_, token, place in zip(encoding.ids.tolist(), encoding.tokens, places, strict=True)
    ]


def _bytes(tok: Tokenizer, id_: int | None, token: str | None) -> str | None:
    return None if id_ is None or token is None else tok.token_bytes(id_).hex(" ")


def _row(row: dict[str, Any]) -> str:
    id_, token = row["id"], row["token"]
    if id_ is None or token is None:
        return f"{'-' if id_ is None else id_}\t{token or '-'}\tnot in the vocabulary\n"
    start, end = row.get("offsets", ("", ""))
    place = f"\t{start}:{end}\t{row['text']!r}" if "offsets" in row else ""
    return f"{id_}\t{token}\t{row['bytes']}{place}\n"
