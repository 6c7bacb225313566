"""Codes of a run as the file that other cross-modal code bases read."""

from __future__ import annotations

from pathlib import Path

from ...data import PreparedDataset
from ...eval.external.hash_files import SIDES, write_hash_file
from ...eval.records.code_files import current_predictions, read_fold
from ...runs import Run


def write_mat(run: Run) -> Path:
    """Write the codes of both views of query and database, with their labels, as a MATLAB file, and return it.

    Args:
        run: a run whose query and database are predicted.

    Raises:
        RunError: if they are not, or a file of it cannot be used.
        DataError: if the dataset is missing or was changed.
    """
    prepared, predictions = PreparedDataset(run.database), current_predictions(run)
    folds = {fold: prepared.fold(fold) for fold in SIDES}
    sides = {}
    for fold, metadata in folds.items():
        checksum = prepared.split.sha256[metadata.file.name]
        sides[fold] = read_fold(run, fold, predictions, rows=len(metadata), metadata_sha256=checksum, with_features=False)
    file = run.hash_file(predictions.bits)
    write_hash_file(file, sides, {fold: metadata.labels for fold, metadata in folds.items()})
    return file
