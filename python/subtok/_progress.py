"""How far long work has come: a line on a terminal, lines of JSON, or a function of yours.

The call signature is that of the `progress=` callbacks: ``(phase, done, total)``, where a total of
0 means that the end is not known.

| `progress=` | what happens |
|---|---|
| `None`, `False` | nothing |
| `True` | one line of the standard error is kept up to date, if that is a terminal |
| `"json"` | lines of JSON on the standard error |
| a path, or an open text file | lines of JSON there; a path is begun anew |
| a function | it is called with (phase, done, total) |
"""

# Why not a library: a hundred lines, no dependency, and no bar that breaks a log file.

from __future__ import annotations

import json
import math
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO

from subtok._files import file_error
from subtok.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["JsonLines", "Progress", "reporter"]

# Seconds between two lines of a terminal, and of a log.
_INTERVAL, _LOGGED = 0.1, 1.0
_MINUTE, _KILO, _PREFIXES = 60, 1000, "kMGT"
# What the phases are counted in; what is not listed has no unit.
_UNITS = {"count": "bytes", "merge": "tokens", "save": "bytes", "bytes": "bytes"}


class _Phases:
    """Something that is told about phases, and knows how long each has taken."""

    def __init__(self) -> None:
        self._phase: str | None = None
        self._started = self._now = time.monotonic()

    def _enter(self, phase: str) -> bool:
        """Note the time; whether another phase begins."""
        before, self._now = self._now, time.monotonic()
        if phase == self._phase:
            return False
        # The first news of a phase comes when something is done already: it began with the last
        # news of the one before.
        self._phase, self._started = phase, before
        return True

    @property
    def _seconds(self) -> float:
        return self._now - self._started

    def close(self) -> None:
        """Leave everything as it was found."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Progress(_Phases):
    """A callback that keeps one line of a terminal up to date.

    Args:
        stream: Where to write; the standard error by default. Nothing is written unless it is a
            terminal.
        quiet: Write nothing in any case.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        super().__init__()
        self._stream = sys.stderr if stream is None else stream
        # Standard error may be closed.
        self._active = not quiet and self._stream is not None and self._stream.isatty()
        self._drawn = time.monotonic()
        self._width = 0

    def __call__(self, phase: str, done: int, total: int | None) -> None:
        """Note that `done` of `total` units of a phase are finished."""
        if not self._active:
            return
        if not self._enter(phase) and self._now - self._drawn < _INTERVAL:
            return
        self._drawn = self._now
        unit = _UNITS.get(phase, "")
        parts = [_share(done, total, unit)]
        if rate := _rate(done, self._seconds):
            parts.append(f"{_amount(rate, unit)}/s")
        self._draw(f"{phase}: {', '.join([*parts, _seconds(self._seconds)])}")

    def clear(self) -> None:
        """Remove the line."""
        if self._width:
            self._draw("")

    close = clear

    def _draw(self, line: str) -> None:
        # The old line is overwritten by spaces: it works where escape sequences do not.
        self._stream.write("\r" + line.ljust(self._width) + ("" if line else "\r"))
        self._stream.flush()
        self._width = len(line)


class JsonLines(_Phases):
    """A callback that writes an object a line: once a second, and where a phase begins and ends.

    An object has `phase`, `done`, `total` (null where it is not known), `unit` (null where there is
    none), `seconds` since the phase began, and `rate`: units a second since then, null at once.

    Args:
        stream: Where to write; the standard error by default.
        owned: Close the stream at the end.
    """

    def __init__(self, stream: TextIO | None = None, *, owned: bool = False) -> None:
        super().__init__()
        self._stream = sys.stderr if stream is None else stream
        self._owned = owned
        self._written = 0.0
        self._waiting: str | None = None

    def __call__(self, phase: str, done: int, total: int | None) -> None:
        """Note that `done` of `total` units of a phase are finished."""
        if self._phase != phase:
            self._last()
        begins = self._enter(phase)
        rate = _rate(done, self._seconds)
        self._waiting = json.dumps(
            {
                "phase": phase,
                "done": done,
                "total": total or None,
                "unit": _UNITS.get(phase),
                "seconds": round(self._seconds, 3),
                "rate": None if rate is None else round(rate, 1),
            }
        )
        if begins or self._now - self._written >= _LOGGED:
            self._last()

    def close(self) -> None:
        """Write what is left to say, and close a stream that is owned."""
        try:
            self._last()
        finally:
            if self._owned:
                self._stream.close()

    def _last(self) -> None:
        # Standard error may be closed.
        if self._waiting is None or self._stream is None:
            return
        line, self._waiting, self._written = self._waiting, None, self._now
        self._stream.write(line + "\n")
        self._stream.flush()


def reporter(progress: Any) -> Progress | JsonLines:
    """What is called for a value of `progress=` that is no function.

    Raises:
        ArgumentError: `False`-like values that mean nothing.
        ArgumentTypeError: It is none of what is said above.
        FileError: The path cannot be written.
    """
    if isinstance(progress, bool):
        return Progress(quiet=not progress)
    if isinstance(progress, str) and progress == "json":
        return JsonLines()
    if isinstance(progress, (str, os.PathLike)):
        path = os.fspath(progress)
        if not path:
            raise ArgumentError("progress: an empty path")
        try:
            stream = Path(path).open("w", encoding="utf-8", newline="\n")  # noqa: SIM115 (closed later)
        except (OSError, ValueError) as error:
            # An embedded NUL is a ValueError.
            problem = error if isinstance(error, OSError) else OSError(str(error))
            raise file_error("write", path, problem) from error
        return JsonLines(stream, owned=True)
    if hasattr(progress, "write") and hasattr(progress, "flush"):
        return JsonLines(progress)
    raise ArgumentTypeError(
        "progress: a function of (phase, done, total), True, 'json', a path or a text file, not "
        f"{type(progress).__name__}"
    )


def _rate(done: int, seconds: float) -> float | None:
    return done / seconds if seconds > 0 else None


def _share(done: int, total: int | None, unit: str) -> str:
    if not total:
        return _amount(done, unit)
    return f"{_amount(done, unit)} of {_amount(total, unit)} ({done / total:.0%})"


def _amount(number: float, unit: str) -> str:
    """A number of units; bytes by the thousand."""
    if unit != "bytes":
        return f"{number:,.0f}"
    if number < _KILO:
        return f"{number:,.0f} B"
    power = min(int(math.log(number, _KILO)), len(_PREFIXES))
    return f"{number / _KILO**power:,.1f} {_PREFIXES[power - 1]}B"


def _seconds(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // _MINUTE} min {int(seconds) % _MINUTE} s"
