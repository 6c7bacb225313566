"""Ready features with their labels, as any source of them is read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..prepare.class_numbers import vectors_of
from ..prepare.content import Features


@dataclass(frozen=True)
class FeatureTable:
    """Ready features and their labels.

    Args:
        features: of n items.
        labels: (n, C) uint8, each 0 or 1.
        classes: C class names.
        names: a name for each item, n different ones.
        source: where they come from, in words.
        form: how the source writes the labels.
        parts: rows of the folds that the source has, among them "train" and "query"; empty where it has none.
        unused: classes that no item has, by design.
    """

    features: Features
    labels: NDArray[np.uint8]
    classes: Sequence[str]
    names: Sequence[str]
    source: str
    form: str = ""
    parts: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    unused: Collection[str] = ()

    def __len__(self) -> int:
        return len(self.names)


def check_rows(counts: Mapping[str, int]) -> None:
    """Refuse arrays of which one has more rows than another.

    Args:
        counts: rows of each, by where it was read.

    Raises:
        DataError: naming all of them.
    """
    if len(set(counts.values())) > 1:
        raise DataError(
            f"rows belong to each other one by one, but {', '.join(f'{where} has {count:,}' for where, count in counts.items())}"
        )


def labels_of_array(array: NDArray[Any], where: str, names: Sequence[str] | None) -> tuple[Sequence[str], NDArray[np.uint8], str]:
    """Return the classes that an array of labels means, the label vectors, and how it writes them.

    Args:
        array: (n,) or (n, 1) class numbers, or (n, C) of 0 and 1.
        where: where it was read, for messages.
        names: class names; class numbers index them from 0. None for a class per number or column.

    Returns:
        C class names, (n, C) uint8, and in words what the array is.

    Raises:
        DataError: naming the row, for what is no such array.

    Example:
        >>> classes, vectors, form = labels_of_array(np.array([[3], [1], [3]]), "labels.npy", None)
        >>> classes, vectors.tolist(), form
        (['1', '3'], [[0, 1], [1, 0], [0, 1]], 'class numbers')
    """
    if array.dtype.kind not in "fiub" or array.ndim not in (1, 2) or not array.size:
        raise DataError(f"{where} is {array.dtype} {array.shape}, but labels are (n,) class numbers or (n, C) of 0 and 1")
    if array.ndim == 1 or array.shape[1] == 1:
        return _of_numbers(array.reshape(-1), where, names)
    wrong = np.flatnonzero(~np.isin(array, (0, 1)).all(axis=1))
    if len(wrong):
        raise DataError(f"row {wrong[0] + 1:,} of {where} holds {array[wrong[0]].tolist()}, but a row of several labels is of 0 and 1")
    if names is not None and len(names) != array.shape[1]:
        raise DataError(f"{where} has {array.shape[1]:,} labels a row, but there are {len(names):,} class names")
    return names or [str(column) for column in range(array.shape[1])], array.astype(np.uint8), "0/1 vectors"


def check_file(file: Path) -> None:
    """Refuse a file that is not there.

    Raises:
        DataError: naming it.
    """
    if not file.is_file():
        raise DataError(f"there is no file {file}")


def _of_numbers(array: NDArray[Any], where: str, names: Sequence[str] | None) -> tuple[Sequence[str], NDArray[np.uint8], str]:
    wrong = np.flatnonzero(~((array >= 0) & (np.abs(array) < 2**31) & (array == np.floor(array))))
    if len(wrong):
        raise DataError(f"row {wrong[0] + 1:,} of {where} holds {array[wrong[0]]}, which is no class number")
    return *vectors_of(array.astype(np.int64), names, lambda row: f"row {row + 1:,} of {where}"), "class numbers"
