"""Export the network of a run to ONNX and ``torch.export``: ``python src/search/export.py -p RUN``."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.errors import guard
from biodeephashing.search.parsers import export_parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse a command line, export the run that it names, and return the exit status."""
    arguments = export_parser().parse_args(argv)
    from biodeephashing.commands.search_export import from_arguments

    return from_arguments(arguments)


if __name__ == "__main__":
    raise SystemExit(guard(main))
