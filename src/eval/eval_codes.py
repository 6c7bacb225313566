"""Evaluate anybody's codes: ``python src/eval/eval_codes.py -queries FILE -database FILE -query_labels FILE -database_labels FILE``."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.errors import guard
from biodeephashing.settings.parsers import evaluate_codes_parser


def main(argv: Sequence[str] | None = None) -> None:
    """Parse a command line and evaluate the codes it names."""
    arguments = evaluate_codes_parser().parse_args(argv)
    from biodeephashing.commands.evaluate_codes import from_arguments

    from_arguments(arguments)


if __name__ == "__main__":
    raise SystemExit(guard(main))
