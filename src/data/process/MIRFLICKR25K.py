"""Prepare MIRFLICKR-25000: by default 4,000 train, 1,000 query and 1,000 val images, the rest database; all disjoint."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.data.parsers import process_parser
from biodeephashing.errors import guard


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = process_parser("MIRFLICKR25K", __doc__).parse_args(argv)
    from biodeephashing.commands.prepare import prepare_public

    prepare_public("MIRFLICKR25K", options)


if __name__ == "__main__":
    raise SystemExit(guard(main))
