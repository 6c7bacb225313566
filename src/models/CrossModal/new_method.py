"""Write a file with a cross-modal loss of one's own: ``python src/models/CrossModal/new_method.py NAME``."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.errors import guard
from biodeephashing.settings.parsers import new_loss_parser


def main(argv: Sequence[str] | None = None) -> None:
    """Parse a command line, write the file, and say how to train with it."""
    arguments = new_loss_parser().parse_args(argv)
    from biodeephashing.commands.new_loss import from_arguments

    from_arguments(arguments)


if __name__ == "__main__":
    raise SystemExit(guard(main))
