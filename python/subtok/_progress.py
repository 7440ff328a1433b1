"""One line of progress on a terminal, silence everywhere else.

The call signature is that of the `progress=` callbacks: ``(phase, done, total)``, where a total of
0 means that the end is not known.
"""

# Why not a library: forty lines, no dependency, and no bar that breaks a log file.

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Progress"]

_INTERVAL = 0.1
_MINUTE = 60


class Progress:
    """A callback that keeps one line of a terminal up to date.

    Args:
        stream: Where to write; the standard error by default. Nothing is written unless it is a
            terminal.
        quiet: Write nothing in any case.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream = sys.stderr if stream is None else stream
        # Standard error may be closed.
        self._active = not quiet and self._stream is not None and self._stream.isatty()
        self._phase = ""
        self._started = self._drawn = time.monotonic()
        self._width = 0

    def __call__(self, phase: str, done: int, total: int | None) -> None:
        """Note that `done` of `total` units of a phase are finished."""
        if not self._active:
            return
        now = time.monotonic()
        if phase != self._phase:
            self._phase, self._started = phase, now
        elif now - self._drawn < _INTERVAL:
            return
        self._drawn = now
        self._draw(f"{phase}: {_share(done, total)}, {_seconds(now - self._started)}")

    def clear(self) -> None:
        """Remove the line."""
        if self._width:
            self._draw("")

    def _draw(self, line: str) -> None:
        # The old line is overwritten by spaces: it works where escape sequences do not.
        self._stream.write("\r" + line.ljust(self._width) + ("" if line else "\r"))
        self._stream.flush()
        self._width = len(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()


def _share(done: int, total: int | None) -> str:
    return f"{done:,} of {total:,} ({done / total:.0%})" if total else f"{done:,}"


def _seconds(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // _MINUTE} min {int(seconds) % _MINUTE} s"
