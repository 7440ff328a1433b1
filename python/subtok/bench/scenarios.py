"""What one process measures, with one library that has loaded one tokenizer."""

# The clock runs over calls and over what makes flat arrays of what they return, nothing else.
# Results are digested off the clock, so that other processes can be held against them.

from __future__ import annotations

import hashlib
import os
import statistics
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from subtok.bench.metrics import MB, SHORT_SIZES, SHORT_TEXTS
from subtok.bench.texts import SHORT_COUNT, VERIFY_COUNT, all_short, short_texts, take

if TYPE_CHECKING:
    from collections.abc import Callable

    from subtok.bench.peers import Calls

    Clock = Callable[[], float]
    Texts = dict[str, list[str]]

__all__ = ["WrongError", "measure", "resident"]

_PORTION = MB
_STEP = 1 << 17
_SHORT_ROUNDS, _SHORT_WARM = 25, 5
_REPEATS = 3
_COLD = 64_000


class WrongError(Exception):
    """A result that cannot be right whatever the tokenizer says."""


def measure(calls: Calls, texts: Texts, job: dict[str, Any]) -> dict[str, Any]:
    """Measure one group; see `child` for what the job says."""
    group = job["group"]
    clock: Clock = time.perf_counter
    if job["clock"] == "cpu" and job["threads"] == 1:
        clock = time.process_time
    if group == "verify":
        return _verify(calls, texts, job)
    if group in ("stream", "threads"):
        return _stream(calls, texts, job, clock)
    if group == "cold":
        return {"figures": _cold(calls, texts["texts"], clock)}
    if group == "short":
        return {"figures": _short(calls, texts["texts"], clock)}
    if group == "decode":
        return _decode(calls, texts["texts"], job, clock)
    return _offsets(calls, texts["texts"], clock)


def resident() -> float | None:
    """The memory of this process in MB; none where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / MB
    except (OSError, ValueError, AttributeError):
        return None


def _verify(calls: Calls, texts: Texts, job: dict[str, Any]) -> dict[str, Any]:
    """Save the ids of the batch that is held against the reference, and of single calls."""
    batch = texts["timed"] + texts["warm"]
    singles = all_short(texts["short"], VERIFY_COUNT)
    rows = [np.asarray(calls.one(text)) for text in singles]
    found = np.asarray(calls.ids(batch)) if batch else np.zeros(0, np.uint32)
    if found.dtype != np.uint32 or found.ndim != 1:
        raise WrongError(f"ids are {found.dtype} of {found.ndim} dimensions, not flat uint32")
    np.save(job["save"], np.concatenate([found, *rows]).astype(np.uint32))
    if not job["rows"]:
        return {}
    # Where each text ends; and the other call must say the same.
    ends = [np.asarray(calls.one(text)) for text in batch]
    if batch and not np.array_equal(np.concatenate(ends), found):
        raise WrongError("the ids of a batch and those of single calls differ")
    sizes = [len(row) for row in (*ends, *rows)]
    timed = sum(sizes[: len(texts["timed"])])
    return {"ends": np.cumsum(sizes).tolist(), "timed": timed}


def _stream(calls: Calls, texts: Texts, job: dict[str, Any], clock: Clock) -> dict[str, Any]:
    """Warm up, then one batch of text that was not seen before, then the same again."""
    warm, timed = texts["warm"], texts["timed"]
    threads, limit = job["threads"], job["seconds"]
    after_load = resident()
    begun, done, speed = time.perf_counter(), 0, 0.0
    while done < len(warm) and time.perf_counter() - begun < limit:
        portion = warm[done : done + take(warm[done:], _PORTION)]
        start = time.perf_counter()
        calls.ids(portion, threads)
        speed = _size(portion) / (time.perf_counter() - start)
        done += len(portion)
    # A slow library gets as much text as it has time for.
    sample = timed[: take(timed, max(_PORTION, speed * limit))] if speed else timed
    size = _size(sample) / MB
    start = clock()
    found = calls.batch(sample, threads)
    called = clock()
    ids = found if calls.flat is None else calls.flat(found)
    ended = clock()
    # What the call returned goes before the memory is looked at: ids alone are kept.
    del found
    digest = _digest(ids)
    count = len(ids)
    del ids
    figures = {
        "threads" if job["group"] == "threads" else "fresh": size / (ended - start),
        "memory_load": _less(after_load, job["before"]),
        "memory_fresh": _less(resident(), job["before"]),
    }
    result = {
        "reduced": done < len(warm) or len(sample) < len(timed),
        "converting": (ended - called) / (ended - start),
        "digest": {"bytes": round(size * MB), "ids": digest},
        "tokens": count,
        "bytes": round(size * MB),
    }
    if "replay" in job["figures"]:
        best, digests = _best(lambda: calls.ids(sample, 1), limit, clock, _digest)
        if any(one != digest for one in digests):
            raise WrongError("ids differ from one call to the next")
        figures["replay"] = size / best
    return {**result, "figures": figures}


def _cold(calls: Calls, texts: list[str], clock: Clock) -> dict[str, float]:
    """The first texts after loading, one by one."""
    sizes = np.cumsum([len(text.encode()) for text in texts])
    times = []
    start = clock()
    for text in texts:
        calls.one(text)
        times.append(clock() - start)
    found = {}
    for name, limit in (("cold64k", _COLD), ("cold1m", MB)):
        at = int(np.searchsorted(sizes, limit))
        if at < len(texts):
            found[name] = float(sizes[at]) / MB / times[at]
    return found


def _short(calls: Calls, documents: list[str], clock: Clock) -> dict[str, float]:
    """Nanoseconds of a call, over texts that have been seen before."""
    found = {}
    for name, size in SHORT_SIZES.items():
        texts = short_texts(documents, size, SHORT_COUNT)
        if len(texts) < SHORT_TEXTS // 2:
            continue
        times = []
        for _ in range(_SHORT_ROUNDS):
            start = clock()
            for text in texts:
                calls.one(text)
            times.append((clock() - start) / len(texts) * 1e9)
        found[name] = statistics.median(times[_SHORT_WARM:])
    return found


def _decode(calls: Calls, texts: list[str], job: dict[str, Any], clock: Clock) -> dict[str, Any]:
    """Arrays of ids to texts."""
    decode = calls.decode
    if decode is None:
        return {"figures": {}}
    rows = [np.array(calls.one(text)) for text in texts]
    size, limit = _size(texts) / MB, job["seconds"]
    best, digests = _best(lambda: [decode(row) for row in rows], limit, clock, _digest_text)
    # Who has no call for many rows is used row by row.
    figures = dict.fromkeys(("decode", "decode_batch"), size / best)
    many = calls.decode_batch
    if many is not None:
        best, others = _best(lambda: many(rows), limit, clock, _digest_text)
        figures["decode_batch"] = size / best
        digests |= others
    if len(digests) > 1:
        raise WrongError("decoded text differs from one call to the next")
    return {"figures": figures, "digest": digests.pop()}


def _offsets(calls: Calls, texts: list[str], clock: Clock) -> dict[str, Any]:
    """Ids with the characters that each came from, one text after the other."""
    if calls.offsets is None:
        return {"figures": {}}
    third = len(texts) // 3
    for text in texts[:third]:
        calls.offsets(text)
    start = clock()
    found = [calls.offsets(text) for text in texts[third:]]
    seconds = clock() - start
    flat = np.concatenate([np.asarray(x, np.int64).reshape(-1, 2) for x in found])
    return {
        "figures": {"offsets": _size(texts[third:]) / MB / seconds},
        "digest": hashlib.blake2b(flat.tobytes(), digest_size=8).hexdigest(),
    }


def _best(
    call: Callable[[], Any], limit: float, clock: Clock, digest: Callable[[Any], Any]
) -> tuple[float, set[Any]]:
    """The shortest of three calls, of fewer where they take long; and the digests of results."""
    times: list[float] = []
    digests: set[Any] = set()
    while len(times) < _REPEATS and sum(times) < limit:
        start = clock()
        found = call()
        times.append(clock() - start)
        digests.add(digest(found))
        del found
    return min(times), digests


def _digest(ids: Any) -> tuple[str, ...]:
    """Digests of the first ids, of more of them, and so on: a shorter sample is a prefix."""
    state = hashlib.blake2b(digest_size=8)
    found = []
    borders = [*range(0, len(ids), _STEP), len(ids)]
    for start, stop in pairwise(borders):
        state.update(np.ascontiguousarray(ids[start:stop], np.uint32).tobytes())
        # The last one is shorter, and only equal samples end alike.
        found.append(state.hexdigest())
    return tuple(found)


def _digest_text(texts: list[str]) -> str:
    joined = "\0".join(texts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(joined, digest_size=8).hexdigest()


def _size(texts: list[str]) -> int:
    return sum(len(text.encode()) for text in texts)


def _less(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else now - before
