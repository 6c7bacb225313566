"""The codes of a run beside the labels of its dataset, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ...errors import RunError
from ...runs import Run, home
from ...runs.hparams_json import read_hparams
from ...runs.predictions_json import Predictions, by_view
from .code_files import current_predictions, read_fold
from .directions import directions_of
from .fold_metrics import LabeledCodes
from .metric_names import FOLDS


class Split(Protocol):
    """What must be known of how a dataset is divided."""

    @property
    def caption(self) -> str:
        """One line to put beside a number."""

    @property
    def classes(self) -> Sequence[str]:
        """Class names, in the order of the label columns."""


class DataSet(Protocol):
    """What evaluation needs of a prepared dataset."""

    @property
    def split(self) -> Any:
        """How it is divided into folds, with the checksum of each metadata file."""

    def fold(self, fold: str, /) -> Any:
        """Return the metadata of a fold: its file, paths and labels."""


@dataclass(frozen=True)
class RunCodes:
    """What a run predicted, read and checked.

    Args:
        run: the run.
        predictions: the record of its prediction.
        prepared: its dataset.
        sides: codes and labels of each view of every fold that was read, the database among them.
    """

    run: Run
    predictions: Predictions
    prepared: DataSet
    sides: Mapping[str, Mapping[str, LabeledCodes]]

    @property
    def folds(self) -> list[str]:
        """The folds whose images are queries."""
        return [fold for fold in FOLDS if fold in self.sides]

    @property
    def directions(self) -> dict[str, tuple[str, str]]:
        """The directions of retrieval, each with the view of the queries and that of the database."""
        return directions_of(self.sides["database"])

    def pair(self, fold: str, direction: str) -> tuple[LabeledCodes, LabeledCodes]:
        """Return queries and database of a direction."""
        query_view, database_view = self.directions[direction]
        return self.sides[fold][query_view], self.sides["database"][database_view]

    def facts(self, fold: str) -> dict[str, Any]:
        """Return what a result file states about where its numbers come from."""
        split, pair = self.prepared.split, (fold, "database")
        codes = {side: {view: one.codes for view, one in self.sides[side].items()} for side in pair}
        return {
            "hparams": read_hparams(self.run.hparams_file),
            "output_path": self.run.evaluation_file(fold).relative_to(home()).as_posix(),
            "datafold": fold,
            "split": {
                "caption": split.caption,
                "protocol": split.protocol,
                "partial": split.partial,
                "note": split.note,
                "sizes": dict(split.sizes),
                "overlaps": dict(split.overlaps),
            },
            "checkpoint": self.predictions.fingerprint.checkpoint,
            "codes_sha256": {side: by_view({view: one.codes_sha256 for view, one in views.items()}) for side, views in codes.items()},
            "features_sha256": {side: by_view({view: one.features_sha256 for view, one in views.items()}) for side, views in codes.items()},
            "metadata_sha256": {side: split.sha256[f"{side}_metadata.txt"] for side in pair},
        }

    def recorded_features(self, fold: str) -> dict[str, Any]:
        """Return the checksums that the features had when they were predicted, be they read or not."""
        return {side: self.predictions.fact(side, "features_sha256") for side in (fold, "database")}


def read_run(run: Run, prepared: DataSet, *, folds: Sequence[str] | None = None, with_features: bool = True) -> RunCodes:
    """Read the codes of a run and the labels they belong to.

    Args:
        run: a predicted run.
        prepared: its dataset.
        folds: the folds whose images are queries; None for every predicted one of query and val.
        with_features: False leaves the files of the features alone.

    Raises:
        RunError: if the run was not trained or predicted, or a file of it cannot be used.
        DataError: if the dataset is missing or was changed.
    """
    predictions = current_predictions(run)
    folds = [fold for fold in FOLDS if fold in predictions.folds] if folds is None else folds
    if not folds:
        raise RunError(f"{run.directory} has codes of {', '.join(predictions.folds) or 'no fold'}, but query or val is needed: predict it")
    sides = {fold: read_side(run, prepared, predictions, fold, with_features=with_features) for fold in (*folds, "database")}
    return RunCodes(run, predictions, prepared, sides)


def read_side(run: Run, prepared: DataSet, predictions: Predictions, fold: str, *, with_features: bool = True) -> dict[str, LabeledCodes]:
    """Read the codes of a fold of a run and the labels they belong to, by view.

    Args:
        run: a predicted run.
        prepared: its dataset.
        predictions: the record of its prediction.
        fold: the fold.
        with_features: False leaves the file of the features alone.

    Raises:
        RunError: if the fold was not predicted, or a file of it cannot be used.
        DataError: if the dataset is missing or was changed.
    """
    metadata, known = prepared.fold(fold), prepared.split.sha256
    parts = {"texts": "texts.txt", **{f"{view}_features": f"{view}_features.npy" for view in ("image", "text")}}
    made_from = {f"{name}_sha256": known[file] for name, end in parts.items() if (file := f"{fold}_{end}") in known}
    checksum = known[metadata.file.name]
    codes = read_fold(
        run, fold, predictions, rows=len(metadata), metadata_sha256=checksum, made_from=made_from, with_features=with_features
    )
    return {view: LabeledCodes.present(one, metadata.labels) for view, one in codes.items()}
