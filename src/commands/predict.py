"""Write the codes of a trained run, and print the next command."""

from __future__ import annotations

from pathlib import Path

from ..data.own.images import check_source
from ..models.predictions import write_codes
from ..runs import Run
from ..settings import CommonSettings
from ..settings.strict_parser import command_line


def predict(settings: CommonSettings, *, quiet: bool = False) -> Run:
    """Write features and packed codes of the requested folds of a finished run; folds that are up to date are skipped.

    Args:
        settings: the run's settings, with the folds, the batch size and the device to use.
        quiet: print nothing.

    Returns:
        The run.

    Raises:
        BioDeepHashingError: if the run is not finished, or its checkpoint or data cannot be used.
    """
    run = Run.of(settings)
    write_codes(run, settings, quiet=quiet)
    return run


def predict_and_advise(settings: CommonSettings, images: Path | None = None) -> None:
    """Predict, and print the next command.

    Args:
        settings: the run's settings, with the folds, the batch size and the device to use.
        images: the path of own images (``-db FOLDER:PATH``), or None.

    Raises:
        DataError: if the prepared images come from another path.
    """
    check_source(images)
    print(f"next: {command_line('src/eval/eval_map.py')} -p {predict(settings).quoted}")
