"""Measure codes of images and texts that need no network: ``python src/models/CrossModal/baselines.py -db DB -nbits BITS ...``."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.errors import guard
from biodeephashing.settings.parsers import baselines_parser


def main(argv: Sequence[str] | None = None) -> None:
    """Parse a command line, measure, and print the table."""
    arguments = baselines_parser().parse_args(argv)
    from biodeephashing.commands.baselines import from_arguments

    from_arguments(arguments)


if __name__ == "__main__":
    raise SystemExit(guard(main))
