"""Train, predict, evaluate and compare a grid of runs: ``python src/models/PenaltyStrategies/study.py -config FILE.yaml``."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.errors import guard
from biodeephashing.settings.parsers import study_parser


def main(argv: Sequence[str] | None = None) -> None:
    """Parse a command line, run the grid, and print the comparison."""
    arguments = study_parser().parse_args(argv)
    from biodeephashing.commands.study import from_arguments

    from_arguments(arguments)


if __name__ == "__main__":
    raise SystemExit(guard(main))
