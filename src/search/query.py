"""Find the nearest images: ``python src/search/query.py -p RUN -img FILE``."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.errors import guard
from biodeephashing.search.parsers import query_parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse a command line, answer its queries, and return the exit status."""
    arguments = query_parser().parse_args(argv)
    from biodeephashing.commands.search_query import from_arguments

    return from_arguments(arguments)


if __name__ == "__main__":
    raise SystemExit(guard(main))
