"""Compare the learning rules of an experiment, ``python src/eval/compare.py -exp EXP -db DB``, or two runs, ``-p RUN_A RUN_B``."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.errors import guard
from biodeephashing.settings.parsers import compare_parser


def main(argv: Sequence[str] | None = None) -> None:
    """Parse a command line and compare."""
    arguments = compare_parser().parse_args(argv)
    from biodeephashing.commands.compare import from_arguments

    from_arguments(arguments)


if __name__ == "__main__":
    raise SystemExit(guard(main))
