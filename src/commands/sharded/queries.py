"""The queries of a database in shards: a fold of the run that encoded it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...data import PreparedDataset
from ...errors import RunError, UsageError
from ...eval.merging import PackedItems
from ...eval.records.code_files import current_predictions
from ...eval.records.run_codes import read_side
from ...runs import Run, run_of
from ...runs.predictions_json import Predictions
from ...runs.shards import Manifest


def read_queries(text: str, manifest: Manifest) -> tuple[PackedItems, dict[str, Any]]:
    """Read the queries of a run, and the facts about them that are stated beside every number.

    Args:
        text: ``RUN:FOLD``.
        manifest: that of the shards.

    Raises:
        UsageError: for a text of another form.
        RunError: if the run has no such codes, or was not what encoded the shards.
        DataError: if its dataset is missing or was changed.
    """
    handle, _, fold = text.rpartition(":")
    if not handle or not fold:
        raise UsageError(f"-queries {text}: the queries of a database in shards are a fold of a run, RUN:FOLD, such as DIGITS/first:query")
    run = run_of(handle)
    predictions, prepared = current_predictions(run), PreparedDataset(run.database)
    sides = read_side(run, prepared, predictions, fold, with_features=False)
    if [*sides] != [""]:
        raise RunError(f"{run} encodes several views ({', '.join(sides)}), and shards hold codes of images alone")
    side, classes = sides[""], tuple(prepared.split.classes)
    _check_encoder(run, predictions, classes, manifest)
    facts = {
        "run": f"{run.method}/{run.database}/{run.experiment}/{run.name}",  # as in the manifest
        "fold": fold,
        "codes_sha256": side.codes.codes_sha256,
        "metadata_sha256": prepared.split.sha256[f"{fold}_metadata.txt"],
        "count": len(side.labels),
        "zeros": side.codes.zeros,
        "health": side.health,
    }
    labels = np.packbits(side.labels.astype(bool), axis=1)
    return PackedItems(side.codes.codes, labels, manifest.bits, len(classes)), facts


def _check_encoder(run: Run, predictions: Predictions, classes: tuple[str, ...], manifest: Manifest) -> None:
    """Refuse the queries of a run that did not encode the shards, naming what differs."""
    pairs = {
        "checkpoint": (predictions.fingerprint.sha256, manifest.checkpoint_sha256),
        "bits": (predictions.bits, manifest.bits),
        "classes": (classes, manifest.classes),
    }
    lines = [f"{name}: {_short(own)} of the queries, {_short(its)} of the shards" for name, (own, its) in pairs.items() if own != its]
    if lines:
        raise RunError(f"{run} did not encode these shards ({manifest.run} did):\n  " + "\n  ".join(lines))


def _short(value: object) -> str:
    """Return a checksum or a list of names as a message shows it."""
    return f"{len(value)} ({', '.join(value[:3])}, ...)" if isinstance(value, tuple) else str(value)[:16]
