"""The run that is rotated: checks, and its features."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ... import codes
from ...codes.rotations import zero_rows
from ...data import PreparedDataset
from ...errors import RunError
from ...eval import leave_one_out_average_precision
from ...eval.records.code_files import FoldCodes, current_predictions, read_fold
from ...losses import LOSSES
from ...runs import Run
from ...runs.predictions_json import PREDICT, Predictions
from ...runs.rotation_json import Source
from ...settings import FOLDS
from ...training.feeding import check_preprocessing
from ...training.same_split import check_split
from ...training.validation import Validation
from ..encoder import check_finished
from .settings import ParentSettings

_NEEDED = ("train", "val")  # to learn from, and to choose by


@dataclass(frozen=True)
class Parent:
    """A finished and predicted run whose codes may be rotated.

    Args:
        run: the run.
        settings: its settings.
        predictions: the record of its features.
        data: its dataset.
    """

    run: Run
    settings: ParentSettings
    predictions: Predictions
    data: PreparedDataset

    @classmethod
    def of(cls, settings: ParentSettings) -> Parent:
        """Return the run of some settings.

        Raises:
            RunError: if its loss has fixed axes, it is not finished or not predicted, or train or val have no features.
            DataError: if its dataset is missing or was changed.
        """
        run = Run.of(settings)
        if reason := LOSSES[settings.loss].fixed_axes:
            raise RunError(f"{run} cannot be rotated: the codes of {settings.loss} have fixed axes, as {reason}")
        check_finished(run)
        check_split(run)
        check_preprocessing(run, settings)
        predictions = current_predictions(run)
        if missing := [fold for fold in _NEEDED if fold not in predictions.folds]:
            raise RunError(f"{run} has no features of {' and '.join(missing)}, from which a rotation is learnt: {PREDICT}")
        return cls(run, settings, predictions, PreparedDataset(run.database))

    @property
    def source(self) -> Source:
        """What a rotation of this run is learnt from."""
        checksums = {fold: self.predictions.fact(fold, "features_sha256") for fold in _NEEDED}
        return Source(self.predictions.fingerprint.sha256, checksums)

    @property
    def folds(self) -> tuple[str, ...]:
        """The folds that it predicted."""
        return tuple(fold for fold in FOLDS if fold in self.predictions.folds)

    def coded(self, fold: str) -> FoldCodes:
        """Read the features of a fold, float32 (n, bits), and which of its rows have none.

        Raises:
            RunError: if they are missing, damaged, changed or not finite; names the row.
        """
        metadata = self.data.fold(fold)
        checksum = self.data.split.sha256[metadata.file.name]
        views = read_fold(self.run, fold, self.predictions, rows=len(metadata), metadata_sha256=checksum)
        return views[""]

    def features(self, fold: str) -> Tensor:
        """Read the features of the items of a fold that have an image, float32; raises as :meth:`coded`."""
        coded = self.coded(fold)
        return torch.from_numpy(coded.features)[np.isin(np.arange(len(coded.codes)), coded.absent, invert=True)]

    def validated(self, train: Tensor, val: Tensor) -> float:
        """Return the val mAP of features of train and val, ranked as in training."""
        seen = [fold.items(fold.present) for fold in map(self.data.fold, _NEEDED)]
        rows = Validation.of(*seen).companions
        ranked = [val.numpy()] if rows is None else [val.numpy(), train.numpy()[rows]]
        labels = [seen[1].labels] if rows is None else [seen[1].labels, seen[0].labels[rows]]
        return leave_one_out_average_precision(codes.pack(np.concatenate(ranked)), np.concatenate(labels), queries=len(seen[1]))

    def warn(self, train: Tensor) -> None:
        """Warn of what makes a rotation of this run gain less, and of the features of train (n, bits) that are all zero."""
        if pulls := pulls_to_axes(self.settings):
            warnings.warn(
                f"{self.run} was trained with {' and '.join(pulls)}, which {'draw' if len(pulls) > 1 else 'draws'} codes to the axes that "
                f"a rotation leaves: rotations are meant for runs with -no_cube and without penalty",
                stacklevel=2,
            )
        if rows := zero_rows(train):
            seen = self.data.fold("train")
            paths = seen.items(seen.present).paths
            more = f" and {len(rows) - 1:,} more" if len(rows) > 1 else ""
            warnings.warn(
                f"the features of row {rows[0]} of train ({paths[rows[0]]}){more} are all zero: they have no direction, and a rotation "
                f"gives them none",
                stacklevel=2,
            )


def pulls_to_axes(settings: ParentSettings) -> list[str]:
    """Return which settings of a training drew its codes to the axes, in words.

    Example:
        >>> pulls_to_axes(ParentSettings(loss="DCH", penalty=0.5))
        ['tanh', '-penalty 0.5']
        >>> pulls_to_axes(ParentSettings(loss="HyP2", penalty=0.5, no_cube=True))
        []
    """
    loss = LOSSES[settings.loss]
    tanh = ["tanh"] if loss.own_relaxation or not settings.no_cube else []
    own = [f"-penalty {settings.penalty:g}"] if settings.penalty and loss.has_penalty and loss.draws_to_corners else []
    return tanh + own + [f"-{name}_penalty {weight:g}" for name, weight in settings.penalties.items() if weight]
