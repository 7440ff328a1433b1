"""The command line: `subtok VERB`, also `python -m subtok VERB`.

Text comes from standard input and goes to standard output unless files are named; `-` is accepted
for either. Progress and log go to standard error, and only to a terminal.

Exit codes: 0 done, 1 a difference was found, 2 wrong usage, 3 a bad file, 130 interrupted, 141 the
reader of the output went away, 70 a mistake in subtok itself.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subtok._starting import started
from subtok._subtok import __version__
from subtok.cli import bench, compare, convert, count, decode, embed, encode, inspect, train, verify
from subtok.cli._common import FILE, INTERNAL, INTERRUPTED, PIPE, USAGE, show_error
from subtok.errors import ArgumentError, ArgumentTypeError, MissingDependencyError, SubtokError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_USAGE_ERRORS = (ArgumentError, ArgumentTypeError, MissingDependencyError)
_EPILOG = """\
exit codes: 0 done, 1 a difference was found, 2 wrong usage, 3 a bad file, 130 interrupted,
  141 the reader of the output went away, 70 a mistake in subtok itself

example:
  subtok train --vocab-size 8000 -o tokenizer.json corpus.txt
  subtok encode -t tokenizer.json < corpus.txt | subtok decode -t tokenizer.json
  subtok verify tokenizer.json corpus.txt
  subtok compare tokenizer.json other.json --texts corpus.txt
  subtok bench tokenizer.json corpus.txt
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The arguments after the program's name; those of the process by default.

    Returns:
        The exit code.
    """
    try:
        started()
        _fill_closed()
        args = _parser().parse_args(embed.words(sys.argv[1:] if argv is None else argv))
        code: int = args.run(args)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        show_error("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return PIPE
    except SubtokError as error:
        show_error(str(error))
        return USAGE if isinstance(error, _USAGE_ERRORS) else FILE
    except (OSError, MemoryError) as error:
        _drop_output()
        show_error(str(error) or "out of memory")
        return FILE
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 (a panic of the extension is no Exception)
        _drop_output()
        show_error(_internal(error))
        return INTERNAL
    return code


class _Verb(argparse.ArgumentParser):
    """A parser that takes files before, between and after the options."""

    _mixing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Called for the verb; it calls itself again for options and files apart."""
        if self._mixing:
            return super().parse_known_args(args, namespace)
        self._mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="subtok",
        description="Train, run, prove and compare subword tokenizers; turn ids into vectors.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"subtok {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True, parser_class=_Verb)
    for verb in (train, encode, decode, count, inspect, verify, compare, bench, convert, embed):
        verb.add(verbs)
    return parser


def _fill_closed() -> None:
    """See that no file of ours gets the number of a standard stream that is closed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The system gives the lowest free number.
            os.open(os.devnull, os.O_RDWR)


def _drop_output() -> None:
    # The interpreter flushes standard output once more as it ends: give that a place to go.
    try:
        number = sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):
        return
    hole = os.open(os.devnull, os.O_WRONLY)
    os.dup2(hole, number)
    os.close(hole)


def _internal(error: BaseException) -> str:
    """What to say, and to report, about an exception that should not have come here."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"this is a mistake in subtok: {type(error).__name__}: {error}{place}"
