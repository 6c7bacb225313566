"""Prepare NUS-WIDE: by default its 21 most frequent concepts, 10,500 train, 2,100 query and 2,100 val images, the rest database."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.data.parsers import process_parser
from biodeephashing.errors import guard


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = process_parser("NUS_WIDE", __doc__).parse_args(argv)
    from biodeephashing.commands.prepare import prepare_public

    prepare_public("NUS_WIDE", options)


if __name__ == "__main__":
    raise SystemExit(guard(main))
