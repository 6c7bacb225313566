"""Write the codes of a trained run: ``python src/models/PenaltyStrategies/predict.py -p RUN`` or with the flags of train."""

from __future__ import annotations

from collections.abc import Sequence

from biodeephashing.errors import guard
from biodeephashing.interrupts import held_back
from biodeephashing.settings.arguments import given_images
from biodeephashing.settings.parsers import predict_parser, prediction_settings


def main(argv: Sequence[str] | None = None) -> None:
    """Parse a command line, predict, and say what comes next."""
    arguments = predict_parser().parse_args(argv)
    settings = prediction_settings(arguments)
    with held_back():
        from biodeephashing.commands.predict import predict_and_advise

    predict_and_advise(settings, given_images(arguments, arguments.config))


if __name__ == "__main__":
    raise SystemExit(guard(main))
