"""Codes of a finished run on disk, for any method."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from .. import codes
from ..checksums import digest
from ..data import Metadata, load_fold
from ..data.split import features_file, texts_file
from ..errors import RunError
from ..modalities import MODALITIES
from ..runs import Run, replacing
from ..runs.hparams_json import hparams_of, read_hparams, write_hparams
from ..runs.predictions_json import Fingerprint, Predictions, read_predictions, write_predictions
from ..settings import CommonSettings
from ..tracking import open_tracker
from ..training.same_split import check_split
from . import WritesMore, method_of
from .encoder import Encoded
from .loading import check_finished

Encode: TypeAlias = Callable[[Sequence[Metadata]], Iterator[Mapping[str, Encoded]]]


@dataclass(frozen=True)
class _Task:
    run: Run
    settings: CommonSettings
    fingerprint: Fingerprint
    quiet: bool

    def print(self, message: str) -> None:
        if not self.quiet:
            print(message)


def write_codes(run: Run, settings: CommonSettings, *, quiet: bool, encode: Encode | None = None) -> None:
    """Write features, packed codes and, if asked, text codes of every requested fold that is not up to date.

    Args:
        run: a finished run.
        settings: its settings, with the folds, the batch size and the device to use.
        quiet: print nothing.
        encode: yields features and codes of folds in place of the method's own function; None for that one.

    Raises:
        RunError: if the run is not finished or was trained on another split, its checkpoint is damaged, or its network diverged.
        DataError: if the dataset is missing or damaged.
    """
    check_finished(run)
    folds = {fold: load_fold(settings.database, fold) for fold in settings.datafolds}
    check_split(run)
    method = method_of(run)
    task = _Task(run, settings, method.fingerprint(run, settings), quiet)
    known = _known_folds(task)
    started, items = time.monotonic(), 0
    digests = {fold: _digests(data) for fold, data in folds.items()}
    due = [fold for fold in folds if settings.no_skip or not _is_current(task, fold, known.get(fold, {}), digests[fold])]
    made_with = f" with {task.fingerprint.checkpoint}" if task.fingerprint.checkpoint else ""
    for fold in (fold for fold in folds if fold not in due):
        task.print(f"skipped: {fold} is up to date{made_with} (-no_skip writes it again)")
    encode = encode or partial(method.encode, run, settings, quiet=quiet)
    encoded = encode([folds[fold] for fold in due]) if due else ()
    for fold, views in zip(due, encoded, strict=True):
        known[fold] = {view: _write_view(task, (fold, view), one, digests[fold]) for view, one in views.items()}
        write_predictions(run.predictions_file, Predictions(task.fingerprint, settings.number_of_bits, known))
        for view, facts in known[fold].items():
            there = facts["rows"] - len(facts.get("absent", ()))
            items += there
            name, bits = f"{fold} {view}".rstrip(), settings.number_of_bits
            task.print(f"{name}: {there:,} codes of {bits} bits, {facts['zeros']:,} exact zeros (counted as +1)")
    hparams = read_hparams(run.hparams_file) | hparams_of(settings)
    write_hparams(run.hparams_file, hparams | {"datafolds": list(settings.datafolds)})
    if items:
        _track(task, items, time.monotonic() - started)
    if isinstance(method, WritesMore):
        for file in method.further_files(run, settings):
            task.print(f"written: {file}")


def _known_folds(task: _Task) -> dict[str, Mapping[str, Mapping[str, Any]]]:
    """Return the facts about the codes on disk; none when they have another fingerprint, or their record is damaged."""
    try:
        known = read_predictions(task.run.predictions_file)
    except RunError:
        return {}
    return dict(known.folds) if known.fingerprint.sha256 == task.fingerprint.sha256 else {}


def _digests(data: Metadata) -> dict[str, str]:
    """Return the checksums of what the codes of a fold are made from, by the names of the facts."""
    folder, fold = data.file.parent, data.fold
    features = {f"{modality}_features": features_file(folder, fold, modality) for modality in MODALITIES}
    files = {"metadata": data.file, "texts": texts_file(folder, fold), **features}
    return {f"{name}_sha256": digest(file) for name, file in files.items() if file.is_file()}


def _made_from(view: str, digests: Mapping[str, str]) -> dict[str, str]:
    """Return the checksums of what the codes of a view are made from."""
    return {name: value for name, value in digests.items() if not name.startswith("image" if view == "text" else "text")}


def _is_current(task: _Task, fold: str, views: Mapping[str, Mapping[str, Any]], digests: Mapping[str, str]) -> bool:
    return bool(views) and all(_is_whole(task, (fold, view), facts, _made_from(view, digests)) for view, facts in views.items())


def _is_whole(task: _Task, part: tuple[str, str], facts: Mapping[str, Any], made_from: Mapping[str, str]) -> bool:
    if any(facts.get(name) != value for name, value in made_from.items()):
        return False
    files = {"features_sha256": task.run.features_file(*part), "codes_sha256": task.run.codes_file(*part)}
    if task.settings.tsv and not task.run.hashes_file(*part).exists():
        return False
    return all(path.exists() and digest(path) == facts[key] for key, path in files.items())


def _write_view(task: _Task, part: tuple[str, str], encoded: Encoded, digests: Mapping[str, str]) -> dict[str, Any]:
    """Write the files of a view of a fold, and return the facts about them."""
    run, features = task.run, encoded.features
    with replacing(run.features_file(*part)) as temporary, temporary.open("wb") as file:
        np.save(file, features)
    with replacing(run.codes_file(*part)) as temporary, temporary.open("wb") as file:
        np.save(file, encoded.codes)
    if task.settings.tsv:
        with replacing(run.hashes_file(*part)) as temporary, temporary.open("w", encoding="ascii", newline="\n") as text:
            np.savetxt(text, codes.unpack(encoded.codes, task.settings.number_of_bits), fmt="%d", delimiter="\t", newline="\n")
    return {
        "rows": len(features),
        "zeros": int((features == 0).sum()) - len(encoded.absent) * task.settings.number_of_bits,
        **_made_from(part[1], digests),
        "features_sha256": digest(run.features_file(*part)),
        "codes_sha256": digest(run.codes_file(*part)),
        **({"absent": list(encoded.absent)} if encoded.absent else {}),
    }


def _track(task: _Task, items: int, seconds: float) -> None:
    with open_tracker(task.run, hparams_of(task.settings), enabled=task.settings.tracking == "on", phase="predict") as tracker:
        tracker.log_metrics({"predicted_images": float(items), "predict_seconds": seconds})
