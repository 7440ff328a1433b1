"""Ctrl-C while the command line is still being loaded: one line and exit code 130, no traceback.

Does nothing where subtok is imported by another program.
"""

# The package is loaded before any function of ours runs, and NumPy takes most of that time: an
# exception there would pass through code of others, which turns it into other exceptions. A handler
# that ends the process has nobody to convince; nothing has been opened or written by then. What is
# imported here is little, since Ctrl-C is not caught before.

from __future__ import annotations

import os
import signal
import sys
from itertools import pairwise

__all__ = ["started"]

_INTERRUPTED = 130


def started() -> None:
    """From now on Ctrl-C is `KeyboardInterrupt` again."""
    if _handles():
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _stop(*_: object) -> None:
    if sys.stderr is not None:
        sys.stderr.write("subtok: error: interrupted\n")
        sys.stderr.flush()
    os._exit(_INTERRUPTED)


def _handles() -> bool:
    return signal.getsignal(signal.SIGINT) is _stop


def _is_command_line() -> bool:
    """Whether this process is `subtok` or `python -m subtok`."""
    name = os.path.basename(sys.argv[0]) if sys.argv else ""  # noqa: PTH119 (pathlib loads slowly)
    if name == "-m":
        return ("-m", "subtok") in pairwise(sys.orig_argv)
    return name in ("subtok", "subtok.exe")


# In a thread, or where Ctrl-C is ignored or handled by somebody, it stays as it is.
if _is_command_line() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _stop)
