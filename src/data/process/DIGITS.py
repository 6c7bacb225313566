"""Prepare DIGITS, the handwritten digits inside scikit-learn: per class 80 train, 20 query, 20 val, the rest database."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.data.parsers import process_parser
from biodeephashing.errors import guard


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = process_parser("DIGITS", __doc__).parse_args(argv)
    from biodeephashing.commands.prepare import prepare_public

    prepare_public("DIGITS", options)


if __name__ == "__main__":
    raise SystemExit(guard(main))
