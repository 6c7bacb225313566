"""Prepare a dataset from HashNet's lists of images, `<path> l_1 ... l_C` or `<path> <class number>`, or write such lists of one."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.data.parsers import lists_parser
from biodeephashing.errors import guard


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = lists_parser(__doc__).parse_args(argv)
    from biodeephashing.commands.prepare import prepare_lists

    prepare_lists(options)


if __name__ == "__main__":
    raise SystemExit(guard(main))
