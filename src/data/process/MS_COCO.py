"""Prepare MS COCO 2014: by default 10,000 train, 5,000 query and 5,000 val images, the rest database; all disjoint."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.data.parsers import process_parser
from biodeephashing.errors import guard


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = process_parser("MS_COCO", __doc__).parse_args(argv)
    from biodeephashing.commands.prepare import prepare_public

    prepare_public("MS_COCO", options)


if __name__ == "__main__":
    raise SystemExit(guard(main))
