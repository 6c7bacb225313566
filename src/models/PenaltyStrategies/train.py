"""Train a network to hash images: ``python src/models/PenaltyStrategies/train.py -exp EXP -db DB -loss DCH ...``."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.errors import guard
from biodeephashing.interrupts import held_back
from biodeephashing.settings.arguments import collect_settings, given_images
from biodeephashing.settings.parsers import train_parser


def main(argv: Sequence[str] | None = None) -> None:
    """Parse a command line, train, and say what comes next."""
    arguments = train_parser().parse_args(argv)
    settings = collect_settings(arguments, arguments.config)
    with held_back():
        from biodeephashing.commands.train import train_and_advise

    train_and_advise(settings, given_images(arguments, arguments.config), arguments.skip_unreadable)


if __name__ == "__main__":
    raise SystemExit(guard(main))
