"""Make codes of images by an exported network, without PyTorch: ``python src/search/infer.py -m FOLDER -img FILE``."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.errors import guard
from biodeephashing.search.parsers import infer_parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse a command line, print the codes of its images, and return the exit status."""
    arguments = infer_parser().parse_args(argv)
    from biodeephashing.commands.search_infer import from_arguments

    return from_arguments(arguments)


if __name__ == "__main__":
    raise SystemExit(guard(main))
