"""Examine a prepared dataset: ``python src/data/doctor.py DB``."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.errors import guard
from biodeephashing.settings.parsers import doctor_parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse a command line, examine, and return 0 for a healthy dataset, 1 for another."""
    arguments = doctor_parser().parse_args(argv)
    from biodeephashing.commands.doctor import from_arguments

    return from_arguments(arguments)


if __name__ == "__main__":
    raise SystemExit(guard(main))
