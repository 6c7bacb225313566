"""The codes that a run has of image files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...data import PreparedDataset
from ...errors import RunError
from ...eval.records.code_files import current_predictions
from ...runs import home, run_of
from .codes import items_of
from .exported import Exported


def stored_codes(exported: Exported, path: str) -> dict[Path, tuple[str, NDArray[np.uint8]]]:
    """Return fold and row, and the code, of each image of the folds that a run predicted.

    Args:
        exported: an export of it.
        path: the run, or what stands for it.

    Raises:
        RunError: when the run has no codes, or those of another checkpoint than the export.
    """
    run = run_of(path)
    predictions = current_predictions(run)
    if predictions.fingerprint.sha256 != exported.facts["checkpoint_sha256"]:
        raise RunError(
            f"{exported.folder} is an export of {exported.facts['checkpoint']}, and the codes of {run} are of another checkpoint"
        )
    items = items_of(run, PreparedDataset(run.database), tuple(predictions.folds))
    places = (f"{fold}:{row}" for fold, row in items.origins)
    files = ((home() / path).resolve() for path in items.paths)
    return dict(zip(files, zip(places, items.codes, strict=True), strict=True))
