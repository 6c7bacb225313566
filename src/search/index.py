"""Build and change the index of a run: ``python src/search/index.py -p RUN``."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.errors import guard
from biodeephashing.search.parsers import index_parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse a command line, build or change the index that it names, and return the exit status."""
    arguments = index_parser().parse_args(argv)
    from biodeephashing.commands.search_index import from_arguments

    return from_arguments(arguments)


if __name__ == "__main__":
    raise SystemExit(guard(main))
