"""Post-processing of encodings that are already there.

Tokenizers do this in one step with encoding; here it is done to what `Tokenizer.encode` gave, for
`PostProcessor.process` and `Tokenizer.post_process`. The definitions are those of `tokenizers`:
each processor rewrites a list of one or two encodings, and the list is merged at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from subtok.compat._encoding import Encoding, Rows
from subtok.errors import ArgumentError, FormatError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["added_tokens", "pad", "process", "truncate"]


def added_tokens(declared: dict[str, Any] | None, *, pair: bool) -> int:
    """How many special tokens a processor adds."""
    kind = None if declared is None else declared["type"]
    if declared is None or kind == "ByteLevel":
        return 0
    if kind == "Sequence":
        return sum(added_tokens(member, pair=pair) for member in declared["processors"])
    if kind == "BertProcessing":
        return 3 if pair else 2
    if kind == "RobertaProcessing":
        return 4 if pair else 2
    template = declared["pair" if pair else "single"]
    names = [piece["SpecialToken"]["id"] for piece in template if "SpecialToken" in piece]
    return sum(len(declared["special_tokens"][name]["ids"]) for name in names)


def process(
    declared: dict[str, Any] | None,
    encoding: Encoding,
    pair: Encoding | None = None,
    *,
    special: bool = True,
) -> Encoding:
    """One encoding out of one or two; without a processor they stand side by side."""
    given = [encoding._copy()] + ([] if pair is None else [pair._copy()])
    if declared is None:
        if pair is None:
            return given[0]
        for number, each in enumerate(given):
            each.set_sequence_id(number)
        return Encoding.merge(given, growing_offsets=False)
    for number, each in enumerate(given):
        rows = each._lists()
        each.set_sequence_id(number)
        for part in rows.overflowing:
            part.set_sequence_id(number)
        rows.type_ids = [number] * len(rows.ids)
    return Encoding.merge(_apply(declared, given, special=special), growing_offsets=False)


def _apply(declared: dict[str, Any], given: list[Encoding], *, special: bool) -> list[Encoding]:
    kind = declared["type"]
    if kind == "Sequence":
        for member in declared["processors"]:
            given = _apply(member, given, special=special)
        return given
    if kind in {"ByteLevel", "RobertaProcessing"} and declared["trim_offsets"]:
        for each in given:
            _trim(each, prefix=declared["add_prefix_space"])
    if kind == "ByteLevel":
        for number, each in enumerate(given):
            each.set_sequence_id(number)
        return given
    if kind == "TemplateProcessing":
        return _template(declared, given, special=special)
    return _ends(declared, given, special=special)


def _ends(declared: dict[str, Any], given: list[Encoding], *, special: bool) -> list[Encoding]:
    """As BERT and RoBERTa have it."""
    roberta = declared["type"] == "RobertaProcessing"
    if roberta:
        for each in given:
            rows = each._lists()
            rows.type_ids = [0] * len(rows.ids)
    if not special:
        return given
    cls, sep = tuple(declared["cls"]), tuple(declared["sep"])
    around = [(cls, sep), (sep if roberta else None, sep)]
    return [
        _around(each, *around[number], number, roberta=roberta) for number, each in enumerate(given)
    ]


def _around(given: Encoding, before: Any, after: Any, number: int, *, roberta: bool) -> Encoding:
    """A text between two special tokens; its overflowing parts likewise."""
    old = given._lists()
    type_id = 0 if roberta else number
    rows = Rows()
    if before is not None:
        rows.special([before[1]], [before[0]], type_id)
    start = len(rows.ids)
    rows.ids += old.ids
    rows.tokens += old.tokens
    rows.words += old.words
    rows.offsets += old.offsets
    rows.type_ids += [0] * len(old.ids) if roberta else old.type_ids
    rows.special_tokens_mask += [0] * len(old.ids)
    rows.attention_mask += [1] * len(old.ids)
    rows.ranges = {number: range(start, len(rows.ids))}
    rows.special([after[1]], [after[0]], type_id)
    rows.overflowing = [
        _around(part, before, after, number, roberta=roberta) for part in old.overflowing
    ]
    for part in rows.overflowing:
        part._lists().overflowing = []
    return Encoding._from_rows(rows)


def _template(declared: dict[str, Any], given: list[Encoding], *, special: bool) -> list[Encoding]:
    if len(given) not in {1, 2}:
        raise FormatError("post_processor: a template takes one or two encodings")
    pieces = []
    for piece in declared["single" if len(given) == 1 else "pair"]:
        if "Sequence" in piece:
            number = 0 if piece["Sequence"]["id"] == "A" else 1
            if number >= len(given):
                raise ArgumentError("the template for one text uses the second one")
            each = given[number]
            rows = each._lists()
            rows.type_ids = [piece["Sequence"]["type_id"]] * len(rows.ids)
            each.set_sequence_id(number)
            pieces.append(each._copy())
        elif special:
            token = declared["special_tokens"][piece["SpecialToken"]["id"]]
            rows = Rows()
            rows.special(token["ids"], token["tokens"], piece["SpecialToken"]["type_id"])
            pieces.append(Encoding._from_rows(rows))
    return pieces


def _trim(given: Encoding, *, prefix: bool) -> None:
    """Leave white space out of the offsets; `Ġ` is the byte-level sign of a space."""
    rows = given._lists()
    for part in rows.overflowing:
        _trim(part, prefix=prefix)
    for at, (token, (start, end)) in enumerate(zip(rows.tokens, rows.offsets, strict=True)):
        leading, trailing = _blanks(token), _blanks(token[::-1])
        if leading and not ((at == 0 or start == 0) and prefix and leading == 1):
            start = min(start + leading, end)  # noqa: PLW2901
        if trailing and end >= trailing:
            end = max(end - trailing, start)  # noqa: PLW2901
        rows.offsets[at] = (start, end)


def _blanks(token: str) -> int:
    count = 0
    for char in token:
        # Python counts the separators U+001C to U+001F as white space, Unicode does not.
        if char != "Ġ" and (not char.isspace() or "\x1c" <= char <= "\x1f"):
            break
        count += 1
    return count


def truncate(
    encoding: Encoding, pair: Encoding | None, params: dict[str, Any], room: int
) -> tuple[Encoding, Encoding | None]:
    """Cut one or two encodings down to `room` tokens together."""
    first, second = len(encoding), 0 if pair is None else len(pair)
    stride, side = params["stride"], params["direction"]
    if room == 0:
        first = second = 0
    elif first + second <= room:
        return encoding, pair
    elif params["strategy"] == "longest_first":
        first, second = _longest_first(first, second, room) if pair is not None else (room, 0)
    else:
        removed = first + second - room
        if params["strategy"] == "only_first":
            first -= removed
        elif pair is None:
            raise ArgumentError(
                "Truncation error: Second sequence not provided, but the strategy is only_second"
            )
        else:
            second -= removed
        if min(first, second if pair is not None else 1) <= 0:
            raise ArgumentError(
                "Truncation error: Sequence to truncate too short to respect the provided "
                "max_length"
            )
    encoding = encoding._copy()
    encoding.truncate(first, stride, side)
    if pair is not None:
        pair = pair._copy()
        pair.truncate(second, stride, side)
    return encoding, pair


def _longest_first(first: int, second: int, room: int) -> tuple[int, int]:
    short, long = sorted((first, second))
    long = short if short > room else max(short, room - short)
    if short + long > room:
        short = room // 2
        long = short + room % 2
    return (long, short) if first > second else (short, long)


def pad(encodings: Sequence[Encoding], params: dict[str, Any]) -> None:
    """Fill up to the length that is asked for, or to the longest."""
    if not encodings:
        return
    length = params["length"]
    if length is None:
        length = max(len(encoding) for encoding in encodings)
    multiple = params["pad_to_multiple_of"]
    if multiple:
        length += -length % multiple
    for encoding in encodings:
        encoding._pad(
            length,
            params["direction"],
            params["pad_id"],
            params["pad_type_id"],
            params["pad_token"],
        )
