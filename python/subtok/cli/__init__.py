"""The command line: `subtok VERB`, also `python -m subtok VERB`.

Text comes from standard input and goes to standard output unless files are named; `-` is accepted
for either. Progress and log go to standard error, and only to a terminal.

Exit codes: 0 done, 1 a difference was found, 2 wrong usage, 3 a bad file, 130 interrupted, 141 the
reader of the output went away.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from subtok._subtok import __version__
from subtok.cli import compare, decode, embed, encode, inspect, train, verify
from subtok.cli._common import FILE, INTERRUPTED, PIPE, USAGE, show_error
from subtok.errors import ArgumentError, ArgumentTypeError, MissingDependencyError, SubtokError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_USAGE_ERRORS = (ArgumentError, ArgumentTypeError, MissingDependencyError)
_EPILOG = """\
exit codes: 0 done, 1 a difference was found, 2 wrong usage, 3 a bad file, 130 interrupted

example:
  subtok train --vocab-size 8000 -o tokenizer.json corpus.txt
  subtok encode -t tokenizer.json < corpus.txt | subtok decode -t tokenizer.json
  subtok verify tokenizer.json corpus.txt
  subtok compare tokenizer.json other.json --texts corpus.txt
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The arguments after the program's name; those of the process by default.

    Returns:
        The exit code.
    """
    try:
        args = _parser().parse_args(argv)
        code: int = args.run(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        show_error("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        return _reader_gone()
    except SubtokError as error:
        show_error(str(error))
        return USAGE if isinstance(error, _USAGE_ERRORS) else FILE
    except (OSError, MemoryError) as error:
        show_error(str(error) or "out of memory")
        return FILE
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
    for verb in (train, encode, decode, inspect, verify, compare, embed):
        verb.add(verbs)
    return parser


def _reader_gone() -> int:
    # The interpreter flushes standard output once more as it ends: give that a place to go.
    hole = os.open(os.devnull, os.O_WRONLY)
    os.dup2(hole, sys.stdout.fileno())
    os.close(hole)
    return PIPE
