"""List all runs: ``biodeephashing list`` or ``python src/models/list.py``."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.errors import guard
from biodeephashing.settings.parsers import list_parser


def main(argv: Sequence[str] | None = None) -> None:
    """Parse a command line and list the runs."""
    arguments = list_parser().parse_args(argv)
    from biodeephashing.commands.list_runs import from_arguments

    from_arguments(arguments)


if __name__ == "__main__":
    raise SystemExit(guard(main))
