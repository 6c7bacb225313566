"""Prepare ImageNet-100 from the lists of the HashNet release: 13,000 train inside 128,503 database, 2,500 query and 2,500 val images."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.data.parsers import process_parser
from biodeephashing.errors import guard


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = process_parser("ImageNet", __doc__).parse_args(argv)
    from biodeephashing.commands.prepare import prepare_public

    prepare_public("ImageNet", options)


if __name__ == "__main__":
    raise SystemExit(guard(main))
