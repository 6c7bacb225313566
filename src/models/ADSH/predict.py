"""Write the codes of a trained run: ``python src/models/ADSH/predict.py -p RUN`` or with the flags of train."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from biodeephashing.errors import guard
from biodeephashing.models.entrances import predict


def main(argv: Sequence[str] | None = None) -> None:
    """Parse a command line, predict, and say what comes next."""
    predict(["ADSH", *(sys.argv[1:] if argv is None else argv)])


if __name__ == "__main__":
    raise SystemExit(guard(main))
