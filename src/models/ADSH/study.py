"""Train, predict, evaluate and compare a grid of runs: ``python src/models/ADSH/study.py -config FILE.yaml``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from biodeephashing.errors import guard
from biodeephashing.models.entrances import study


def main(argv: Sequence[str] | None = None) -> None:
    """Parse a command line, run the grid, and print the comparison."""
    study(["ADSH", *(sys.argv[1:] if argv is None else argv)])


if __name__ == "__main__":
    raise SystemExit(guard(main))
