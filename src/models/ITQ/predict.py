"""Write the codes of a rotated run: ``python src/models/ITQ/predict.py -p RUN``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from biodeephashing.errors import guard
from biodeephashing.models.entrances import predict


def main(argv: Sequence[str] | None = None) -> None:
    """Parse a command line, predict, and say what comes next."""
    predict(["ITQ", *(sys.argv[1:] if argv is None else argv)])


if __name__ == "__main__":
    raise SystemExit(guard(main))
