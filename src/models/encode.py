"""From a finished run to its codes on disk, at the speed of the forward pass."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import codes
from ..checksums import digest
from ..data import load_fold
from ..errors import RunError
from ..runs import Run, replacing
from ..runs.hparams_json import hparams_of, write_hparams
from ..runs.predictions_json import Predictions, read_predictions, write_predictions
from ..settings import CommonSettings
from ..tracking import open_tracker
from ..training.feeding import check_preprocessing, recorded_settings
from ..training.same_split import check_split
from . import method_of
from .encoder import Encoded, check_finished


@dataclass(frozen=True)
class _Task:
    run: Run
    settings: CommonSettings
    checkpoint: Path
    checkpoint_digest: str
    quiet: bool

    def say(self, message: str) -> None:
        if not self.quiet:
            print(message)


def write_codes(run: Run, settings: CommonSettings, *, quiet: bool) -> None:
    """Write features, packed codes and, if asked, text codes of every wanted fold that is not up to date.

    Args:
        run: a finished run.
        settings: its settings, with the folds, the batch size and the device to use.
        quiet: print nothing.

    Raises:
        RunError: when the run is not finished or was trained on another split, its checkpoint is damaged, or its network diverged.
        DataError: when the data set is missing or damaged.
    """
    check_finished(run)
    folds = {fold: load_fold(settings.database, fold) for fold in settings.datafolds}
    check_split(run)
    check_preprocessing(run, settings)
    checkpoint = run.best_checkpoint
    task = _Task(run, settings, checkpoint, digest(checkpoint), quiet)
    known = _known_folds(task)
    started, images = time.monotonic(), 0
    digests = {fold: digest(data.file) for fold, data in folds.items()}
    due = [fold for fold in folds if settings.no_skip or not _is_current(task, known.get(fold), fold, digests[fold])]
    for fold in (fold for fold in folds if fold not in due):
        task.say(f"skipped: {fold} is up to date with {checkpoint.name} (-no_skip writes it again)")
    encoded = method_of(run).encode(run, settings, [folds[fold] for fold in due], quiet=quiet) if due else ()
    for fold, one in zip(due, encoded, strict=True):
        known[fold] = _write_fold(task, fold, one, digests[fold])
        write_predictions(run.predictions_file, Predictions(checkpoint.name, task.checkpoint_digest, settings.number_of_bits, known))
        images += len(one.codes)
        zeros = known[fold]["zeros"]
        task.say(f"{fold}: {len(one.codes):,} codes of {settings.number_of_bits} bits, {zeros:,} exact zeros (counted as +1)")
    write_hparams(run.hparams_file, recorded_settings(settings) | {"datafolds": list(settings.datafolds)})
    if images:
        _track(task, images, time.monotonic() - started)


def _known_folds(task: _Task) -> dict[str, Mapping[str, Any]]:
    """Return the facts about the codes on disk; none when they belong to another checkpoint, or their record is damaged."""
    try:
        known = read_predictions(task.run.predictions_file)
    except RunError:
        return {}
    return dict(known.folds) if known.checkpoint_sha256 == task.checkpoint_digest else {}


def _is_current(task: _Task, facts: Mapping[str, Any] | None, fold: str, metadata_digest: str) -> bool:
    if facts is None or facts["metadata_sha256"] != metadata_digest:
        return False
    wanted = {"features_sha256": task.run.features_file(fold), "codes_sha256": task.run.codes_file(fold)}
    if task.settings.tsv and not task.run.hashes_file(fold).exists():
        return False
    return all(path.exists() and digest(path) == facts[key] for key, path in wanted.items())


def _write_fold(task: _Task, fold: str, encoded: Encoded, metadata_digest: str) -> dict[str, Any]:
    run, features = task.run, encoded.features
    with replacing(run.features_file(fold)) as temporary, temporary.open("wb") as file:
        np.save(file, features)
    with replacing(run.codes_file(fold)) as temporary, temporary.open("wb") as file:
        np.save(file, encoded.codes)
    if task.settings.tsv:
        with replacing(run.hashes_file(fold)) as temporary, temporary.open("w", encoding="ascii", newline="\n") as text:
            np.savetxt(text, codes.unpack(encoded.codes, task.settings.number_of_bits), fmt="%d", delimiter="\t", newline="\n")
    return {
        "rows": len(features),
        "zeros": int((features == 0).sum()),
        "metadata_sha256": metadata_digest,
        "features_sha256": digest(run.features_file(fold)),
        "codes_sha256": digest(run.codes_file(fold)),
    }


def _track(task: _Task, images: int, seconds: float) -> None:
    with open_tracker(task.run, hparams_of(task.settings), enabled=task.settings.tracking == "on", phase="predict") as tracker:
        tracker.log_metrics({"predicted_images": float(images), "predict_seconds": seconds})
