"""Serve the page and the HTTP API of search: ``python src/search/serve.py -p RUN [RUN ...]``."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.errors import guard
from biodeephashing.search.parsers import serve_parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse a command line, serve until Ctrl-C, and return the exit status."""
    arguments = serve_parser().parse_args(argv)
    from biodeephashing.commands.search_serve import from_arguments

    return from_arguments(arguments)


if __name__ == "__main__":
    raise SystemExit(guard(main))
