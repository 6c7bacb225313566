"""Train a network and codes of the train fold: ``python src/models/ADSH/train.py -exp EXP -db DB ...``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from biodeephashing.errors import guard
from biodeephashing.models.entrances import train


def main(argv: Sequence[str] | None = None) -> None:
    """Parse a command line, train, and say what comes next."""
    train(["ADSH", *(sys.argv[1:] if argv is None else argv)])


if __name__ == "__main__":
    raise SystemExit(guard(main))
