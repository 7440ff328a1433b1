"""Processes for measurements: one at a time, pinned, its threads counted, and ended with us."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["Runner", "cores"]

_THREADS = (
    "SUBTOK_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "FASTOKENS_BPE_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
)
_LINE = 200


def cores(threads: int) -> list[int]:
    """The processors to pin to: the last ones that this process may use.

    The first ones are where systems like to put their own work. Empty where a process cannot be
    pinned.
    """
    if not hasattr(os, "sched_getaffinity"):
        return []
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[::-1][:threads] if len(allowed) >= threads else []


class Runner:
    """Runs jobs in fresh processes.

    Args:
        timeout: Seconds after which a process counts as hanging.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    def run(self, job: dict[str, Any]) -> dict[str, Any]:
        """One job; what goes wrong is a result, too.

        Ctrl-C, and any other exception here, ends the process before it goes on.
        """
        threads = job["threads"]
        with subprocess.Popen(
            [sys.executable, "-P", "-m", "subtok.bench.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(threads),
        ) as process:
            try:
                out, err = process.communicate(json.dumps(job).encode(), self._timeout)
            except subprocess.TimeoutExpired:
                return {"kind": "hangs", "error": f"no result after {self._timeout:g} s"}
            finally:
                if process.poll() is None:
                    process.kill()
        if process.returncode == 0:
            try:
                found: dict[str, Any] = json.loads(out)
            except ValueError:
                pass
            else:
                return found
        return {"kind": "crash", "error": _crash(process.returncode, err)}


def _environment(threads: int) -> dict[str, str]:
    # Modules are found where this process finds them, in that order.
    path = os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path)
    return {
        **os.environ,
        **dict.fromkeys(_THREADS, str(threads)),
        "TOKENIZERS_PARALLELISM": "true" if threads > 1 else "false",
        "PYTHONPATH": path,
    }


def _crash(code: int, err: bytes) -> str:
    lines = err.decode("utf-8", "replace").strip().splitlines() or ["no message"]
    what = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"{what}: {lines[-1][:_LINE]}"
