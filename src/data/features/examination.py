"""Looking at the ready features of a prepared dataset: their size, their range, and items that are alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ...modalities import MODALITIES
from ...settings import FOLDS
from ..metadata import PreparedDataset
from .rows import Values, load_features, statistics_of

_BLOCK = 4096


def feature_facts(prepared: PreparedDataset) -> Iterator[str]:
    """Yield lines that describe the ready features of a dataset.

    Raises:
        DataError: if features and metadata do not match, or a file cannot be read.
    """
    for modality in filter(prepared.split.has_features, MODALITIES):
        for fold in FOLDS:
            values = load_features(prepared.fold(fold), modality)
            with np.errstate(invalid="ignore"):  # numbers that are not finite are a fault of their own
                mean, deviation = statistics_of(values)
            yield (
                f"{fold}: {modality} features {values.dtype} ({len(values):,}, {values.shape[1]:,}), "
                f"means of columns {mean.min():.3g} to {mean.max():.3g}, deviations up to {deviation.max():.3g}"
            )


def feature_faults(prepared: PreparedDataset) -> Iterator[str]:
    """Yield what no network can use: numbers that are not finite."""
    for modality in filter(prepared.split.has_features, MODALITIES):
        for fold in FOLDS:
            if len(rows := not_finite(load_features(prepared.fold(fold), modality))):
                first = prepared.fold(fold).where(int(rows[0]))
                yield f"{modality} features of {fold} that are not finite: {len(rows):,} rows, the first belongs to {first}"


def feature_remarks(prepared: PreparedDataset) -> Iterator[str]:
    """Yield what is odd about the ready features of a dataset: queries whose features are those of an item of train or database."""
    for modality in filter(prepared.split.has_features, MODALITIES):
        queries = Counter(_rows(load_features(prepared.fold("query"), modality)))
        for fold in ("train", "database"):
            alike = queries.keys() & set(_rows(load_features(prepared.fold(fold), modality)))
            if alike:
                count = sum(queries[row] for row in alike)
                yield f"queries with the same {modality} features as an item of {fold}: {count:,}"


def not_finite(values: Values) -> NDArray[np.int64]:
    """Return the rows of features that hold a number that is not finite."""
    parts = [start + np.flatnonzero(~np.isfinite(values[start : start + _BLOCK]).all(axis=1)) for start in range(0, len(values), _BLOCK)]
    return np.concatenate(parts)


def _rows(values: Values) -> Iterator[bytes]:
    return (row.tobytes() for start in range(0, len(values), _BLOCK) for row in np.ascontiguousarray(values[start : start + _BLOCK]))
