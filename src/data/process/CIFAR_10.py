"""Prepare CIFAR-10: by default, per class 500 train, 100 query and 100 val images, the rest database; all disjoint."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.data.parsers import process_parser
from biodeephashing.errors import guard


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = process_parser("CIFAR_10", __doc__).parse_args(argv)
    from biodeephashing.commands.prepare import prepare_public

    prepare_public("CIFAR_10", options)


if __name__ == "__main__":
    raise SystemExit(guard(main))
