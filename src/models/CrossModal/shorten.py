"""Measure shorter codes made of the bits of a SCAHN run: ``python src/models/CrossModal/shorten.py -p RUN -nbits BITS ...``."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.errors import guard
from biodeephashing.settings.parsers import shorten_parser


def main(argv: Sequence[str] | None = None) -> None:
    """Parse a command line, measure, and print the table."""
    arguments = shorten_parser().parse_args(argv)
    from biodeephashing.commands.shorten import from_arguments

    from_arguments(arguments)


if __name__ == "__main__":
    raise SystemExit(guard(main))
