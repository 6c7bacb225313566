"""Command lines: a parser that takes flags only as they are spelt, and how commands are called."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NoReturn

from ..errors import UsageError, nearest

PROGRAM = "biodeephashing"
_CALLED: ContextVar[tuple[str, str] | None] = ContextVar("called", default=None)


@contextmanager
def called(command: str, program: str = PROGRAM) -> Iterator[None]:
    """Make help and advice name commands as the user calls them, where those are not files.

    Args:
        command: the command that runs.
        program: what stands before it, and before every other command.

    Example:
        >>> with called("train"):
        ...     print(StrictParser(usage="%(prog)s -ep N").format_usage().strip())
        usage: biodeephashing train -ep N
    """
    token = _CALLED.set((program, command))
    try:
        yield
    finally:
        _CALLED.reset(token)


def command_line(script: str) -> str:
    """Return how to call a script: as a file, or by the one command where that was used to get here or there is no such file.

    Args:
        script: its path below the root of the checkout.

    Example:
        >>> command_line("src/eval/eval_map.py")
        'python src/eval/eval_map.py'
        >>> with called("predict"):
        ...     command_line("src/eval/eval_map.py"), command_line("src/data/process/DIGITS.py")
        ('biodeephashing evaluate', 'biodeephashing prepare DIGITS')
    """
    called = _CALLED.get()
    if called is None and (Path(__file__).resolve().parents[2] / script).is_file():
        return f"python {script}"
    folder, name = script.removesuffix(".py").split("/")[-2:]
    command = {"eval_map": "evaluate", "eval_codes": "evaluate-codes", "index": "search-index", "train": f"train {folder}"}.get(name, name)
    return f"{called[0] if called else PROGRAM} {({'process': 'prepare ', 'download': 'download '}).get(folder, '')}{command}"


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Help that names the defaults which say something, and leaves addresses whole."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        silent = action.default is None or action.default is False or action.default == []
        return action.help if silent else super()._get_help_string(action)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        words = " ".join(text.split())
        return textwrap.fill(words, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)


class StrictParser(argparse.ArgumentParser):
    """An argument parser that takes flags only as they are spelt, and raises instead of exiting.

    ``argparse`` completes abbreviated one-dash flags even with ``allow_abbrev=False``: ``-nb 8`` would set ``-nbits``.

    Raises:
        UsageError: for an unknown, abbreviated, repeated or incomplete flag.
    """

    def __init__(self, **details: Any) -> None:
        super().__init__(**{"prog": " ".join(_CALLED.get() or ()) or None} | details, allow_abbrev=False, formatter_class=_Help)

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse a command line after checking every flag against the exact list."""
        arguments = list(sys.argv[1:] if args is None else args)
        known = self._option_string_actions
        given: dict[str, str] = {}
        for token in arguments:
            flag = token.partition("=")[0]
            if not flag.startswith("-") or flag == "-" or _is_number(token):
                continue
            if flag not in known:
                guess = nearest(flag, known)
                hint = f"did you mean {guess}? " if guess else ""
                raise UsageError(f"unknown flag {flag}: {hint}(-h lists them all; a value that starts with a dash is written --flag=value)")
            dest = known[flag].dest
            if dest in given:
                raise UsageError(f"{given[dest]} is given twice{'' if flag == given[dest] else f' (also as {flag})'}: leave one out")
            given[dest] = flag
        return super().parse_args(arguments, namespace)

    def error(self, message: str) -> NoReturn:
        """Raise what ``argparse`` has to complain about."""
        raise UsageError(message.removeprefix("argument "))


def _is_number(token: str) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return True
