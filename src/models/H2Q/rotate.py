"""Rotate the codes of finished runs: ``python src/models/H2Q/rotate.py -p RUN ...``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from biodeephashing.errors import guard
from biodeephashing.models.rotation import entrance


def main(argv: Sequence[str] | None = None) -> None:
    """Parse a command line, and rotate."""
    entrance.main(["H2Q", *(sys.argv[1:] if argv is None else argv)])


if __name__ == "__main__":
    raise SystemExit(guard(main))
