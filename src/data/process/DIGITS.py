"""Prepare DIGITS, the handwritten digits inside scikit-learn: per class 80 train, 20 query, 20 val, the rest database."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.errors import guard
from biodeephashing.settings.strict_parser import StrictParser


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = StrictParser(description=__doc__)
    parser.add_argument("-no_skip", "--no_skip", action="store_true", help="prepare it again even if it is there")
    options = parser.parse_args(argv)
    from biodeephashing.commands.prepare import prepare_set

    prepare_set("DIGITS", options)


if __name__ == "__main__":
    raise SystemExit(guard(main))
