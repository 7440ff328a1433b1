"""The process that measures: a job comes in as JSON, a result goes out as JSON.

    python -P -m subtok.bench.child < job.json > result.json

A job says `library`, `custom`, `form` (what `Given.to_dict` says), `group`, `figures`, `paths` and
`ranges` of the texts, `threads`, `cores`, `seconds`, `clock`, and for ids to verify `save` and
`rows`. A result has `figures`, or `error` and its `kind`.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from typing import Any

from subtok.bench.peers import import_library, load
from subtok.bench.scenarios import WrongError, measure, resident
from subtok.bench.texts import load_part

_MESSAGE = 300


def main() -> None:
    """Do one job."""
    job: dict[str, Any] = json.loads(sys.stdin.buffer.read())
    # What a library prints is no result.
    channel = os.dup(1)
    os.dup2(2, 1)
    result = _do(job)
    with os.fdopen(channel, "w", encoding="ascii") as out:
        out.write(json.dumps(result))


def _do(job: dict[str, Any]) -> dict[str, Any]:
    # Before a library starts threads, so that they stay where they belong.
    if job["cores"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, job["cores"])
    texts = {name: load_part(job["paths"], span) for name, span in job["ranges"].items()}
    # Pauses of the collector would hit whoever makes most objects; only that library loses less.
    gc.disable()
    kind = "cannot load"
    clock = time.process_time if job["clock"] == "cpu" else time.perf_counter
    job["before"] = resident()
    try:
        import_library(job["library"], job["custom"])
        job["before"] = resident()
        start = clock()
        calls = load(job["library"], job["form"], job["custom"])
        seconds = clock() - start
        kind = "error"
        result = measure(calls, texts, job)
        if job["group"] == "cold":
            result["figures"]["load"] = seconds
    except WrongError as error:
        return {"kind": "wrong", "error": str(error)}
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 (a panic of a library is no Exception)
        return {"kind": kind, "error": f"{type(error).__name__}: {_line(error)}"}
    return result


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [""]
    return lines[0][:_MESSAGE]


if __name__ == "__main__":
    main()
