"""Write the codes of a trained run: ``python src/models/PenaltyStrategies/predict.py -p RUN`` or with the flags of train."""

from __future__ import annotations

import dataclasses
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from biodeephashing.arguments import StrictParser, add_settings, collect_settings, given_images, given_settings
from biodeephashing.data.own_images import check_given
from biodeephashing.errors import UsageError, guard
from biodeephashing.hparams import Settings, table
from biodeephashing.interrupts import held_back
from biodeephashing.runs import Run


def predict(settings: Settings, *, quiet: bool = False) -> Run:
    """Write features and packed codes of the wanted folds of a finished run; folds that are up to date are skipped.

    Args:
        settings: the run's settings, with the folds, the batch size and the device to use.
        quiet: print nothing.

    Returns:
        The run.

    Raises:
        BioDeepHashingError: when the run is not finished, or its checkpoint or data cannot be used.
    """
    with held_back():
        from biodeephashing.models.PenaltyStrategies._predict import write_codes

    run = Run.of(settings)
    write_codes(run, settings, quiet=quiet)
    return run


def settings_of(arguments: Namespace) -> Settings:
    """Return the settings of a command line: those of the run that ``-p`` names, or those given by flags.

    Raises:
        UsageError: when a flag contradicts the run that ``-p`` names.
    """
    if arguments.path is None:
        return collect_settings(arguments, arguments.config)
    if arguments.config is not None:
        raise UsageError("-p names a run whose settings are known: leave out -config")
    run = Run.at(arguments.path)
    settings, given = run.settings(), given_settings(arguments)
    for field, setting in table():
        identifies = setting.named != "never" or field.name in ("database", "experiment_name")
        if identifies and field.name in given and given[field.name] != getattr(settings, field.name):
            raise UsageError(
                f"-{setting.flag} {given[field.name]} contradicts the run that -p names: it has {getattr(settings, field.name)}"
            )
    once: dict[str, Any] = {field.name: field.default for field, setting in table() if field.name in ("no_skip", "tsv", "datafolds")}
    return dataclasses.replace(settings, **(once | given))


def main(argv: Sequence[str] | None = None) -> None:
    """Parse a command line, predict, and say what comes next."""
    parser = StrictParser(description="Write the codes of a trained run.")
    parser.add_argument("-p", "--path", metavar="RUN", help="run directory; its settings are read from there")
    parser.add_argument("-config", "--config", type=Path, metavar="FILE", help="YAML file of settings; flags win over it")
    add_settings(parser, "predict")
    arguments = parser.parse_args(argv)
    settings = settings_of(arguments)
    check_given(given_images(arguments, arguments.config))
    run = predict(settings)
    print(f"next: python src/eval/eval_map.py -p {run.quoted}")


if __name__ == "__main__":
    raise SystemExit(guard(main))
