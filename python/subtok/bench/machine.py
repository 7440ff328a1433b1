"""What figures were measured on, and what else ran there."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import Any

__all__ = ["BUSY", "Others", "machine"]

# So many processors at work for somebody else, and seconds are not to be trusted.
BUSY = 0.2


def machine() -> dict[str, Any]:
    """The machine, the time, and its load average."""
    return {
        "cpu": _cpu(),
        "processors": os.cpu_count(),
        "system": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "when": time.strftime("%Y-%m-%d %H:%M"),
    }


class Others:
    """How many processors work for others, on average since this object was made.

    The load average cannot say: what is measured here adds to it.
    """

    def __init__(self) -> None:
        self._wall, self._all, self._own = time.monotonic(), _all(), _own()

    def busy(self) -> float | None:
        """The number of processors; none where the system does not tell."""
        now = _all()
        if now is None or self._all is None:
            return None
        seconds = now - self._all - (_own() - self._own)
        return round(max(0.0, seconds) / max(1e-3, time.monotonic() - self._wall), 2)


def _all() -> float | None:
    """Seconds that all processors have worked since the system started."""
    try:
        fields = Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()
        user, nice, system, _, _, hard, soft, steal = map(int, fields[1:9])
    except (OSError, ValueError):
        return None
    return (user + nice + system + hard + soft + steal) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    """Seconds that this process and its children, as far as they have ended, have worked."""
    return sum(os.times()[:4])


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
