"""Evaluate the codes of runs: ``python src/eval/eval_map.py -p RUN [RUN ...]``."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.errors import guard
from biodeephashing.settings.parsers import evaluate_parser


def main(argv: Sequence[str] | None = None) -> None:
    """Parse a command line and evaluate every run it names."""
    arguments = evaluate_parser().parse_args(argv)
    from biodeephashing.commands.evaluate import from_arguments

    from_arguments(arguments)


if __name__ == "__main__":
    raise SystemExit(guard(main))
