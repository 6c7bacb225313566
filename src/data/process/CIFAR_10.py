"""Prepare CIFAR-10: by default, per class 500 train, 100 query and 100 val images, the rest database; all disjoint."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.data.parsers import parser_of
from biodeephashing.errors import guard


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = parser_of("CIFAR_10", __doc__, images=False)
    parser.add_argument("-allow_partial", "--allow_partial", action="store_true", help="make do with an incomplete download")
    options = parser.parse_args(argv)
    from biodeephashing.commands.prepare import prepare_set

    prepare_set("CIFAR_10", options)


if __name__ == "__main__":
    raise SystemExit(guard(main))
