"""One command, ``biodeephashing``: every script under one name."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from biodeephashing import __version__
from biodeephashing.commands.menu import entrance_of, help_for
from biodeephashing.errors import guard
from biodeephashing.registry import load
from biodeephashing.settings.strict_parser import PROGRAM, called


def main(argv: Sequence[str] | None = None) -> object:
    """Run the command that the first word names; without any, print the menu."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words == ["--version"]:
        print(f"biodeephashing {__version__}")
        return 0
    if text := help_for(words):
        print(text)
        return 0
    entrance, name, rest = entrance_of(words)
    own_file = argv is None and sys.argv[0].endswith(".py") and not sys.argv[0].endswith("__main__.py")  # a method's, that ends in run()
    with called(name, f"python {sys.argv[0]}" if own_file else PROGRAM):
        return load(entrance)(rest)


def run() -> int:
    """Run the command line, and return its exit status."""
    return guard(main)
