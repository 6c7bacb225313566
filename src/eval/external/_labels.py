"""Labels of other code bases: a column per class, a class number per item, or its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..arrays.array_files import LoadedArray
from ..ranking.pair_checks import Labels

CLASS_NUMBERS, CLASS_NAMES, CLASS_COLUMNS = "class numbers", "class names", "0/1, a column per class"
_SHOWN = 3  # classes that a message lists


def as_vectors(labels: Sequence[LoadedArray], codes: Sequence[LoadedArray]) -> list[LoadedArray]:
    """Return class numbers and names as vectors, where both sides are a single column, or a row that is not that of a single item.

    Raises:
        DataError: where the sides are written in different ways.
    """
    single = [
        side.values.ndim == 1 or side.values.shape[1] == 1 or (len(side.values) == 1 and len(items.values) > 1)
        for side, items in zip(labels, codes, strict=True)
    ]
    named = [side.values.dtype.kind == "U" for side in labels]
    if all(single) and named[0] == named[1]:
        flat = [side.values.reshape(-1) for side in labels]  # names in MATLAB are filled up with blanks to the length of the longest
        return [replace(side, values=np.char.strip(one) if named[0] else one) for side, one in zip(labels, flat, strict=True)]
    if all(single):
        ways = ["names" if name else "numbers" for name in named]
        raise DataError(f"{labels[0]} and {labels[1]}: one holds class {ways[0]}, the other class {ways[1]}: write both in the same way")
    for side, name in zip(labels, named, strict=True):
        if name:
            raise DataError(f"{side} holds names in several columns: labels are one name or number per item, or a table of 0 and 1")
        if side.values.ndim == 1:
            raise DataError(f"{labels[0]} and {labels[1]}: one holds class numbers, the other a table: write both in the same way")
    return list(labels)


def read_labels(labels: Sequence[LoadedArray]) -> tuple[tuple[Labels, Labels], str, list[str]]:
    """Return labels as 0/1, (items, classes), what they were taken for, and what is to be known about them.

    Args:
        labels: those of the queries and of the database, from :func:`as_vectors`, with a row per item.

    Raises:
        DataError: for entries that are no labels.
    """
    if labels[0].values.ndim == 2:
        tables = _zero_one(labels)
        most = [int(table.sum(axis=1, dtype=np.int64).max()) for table in tables]
        least = [int(table.sum(axis=1, dtype=np.int64).min()) for table in tables]
        span = str(most[0]) if {*most, *least} == {most[0]} else f"{min(least)} to {max(most)}"
        return tables, CLASS_COLUMNS, [f"labels: {tables[0].shape[1]} classes, {span} per item"]
    named = labels[0].values.dtype.kind == "U"
    if not named:
        labels = _exact(labels)
    classes = np.unique(np.concatenate([side.values for side in labels]))
    said = [f"labels: {len(classes)} {'class' if len(classes) == 1 else 'classes'}, 1 per item"]
    lacking = np.setdiff1d(labels[0].values, labels[1].values).tolist()
    if lacking:
        shown = ", ".join(map(str, lacking[:_SHOWN])) + ", ..." * (len(lacking) > _SHOWN)
        said.append(f"labels: {len(lacking)} of the classes of the queries ({shown}) are those of no database item")
    return _one_hot(labels, classes), CLASS_NAMES if named else CLASS_NUMBERS, said


def _exact(labels: Sequence[LoadedArray]) -> list[LoadedArray]:
    """Return class numbers in a type that holds them exactly, the same for both sides."""
    for side in labels:
        wrong = np.flatnonzero((side.values < 0) | (side.values != np.floor(side.values)))
        if len(wrong):
            value = side.values[wrong[0]]
            raise DataError(f"{side} holds {value:g} in row {wrong[0]}, counted from 0: class numbers are whole numbers of at least 0")
    return [replace(side, values=side.values.astype(np.uint64)) for side in labels]


def _one_hot(labels: Sequence[LoadedArray], classes: NDArray[Any]) -> tuple[Labels, Labels]:
    """Return class numbers or names as 0/1, with a column for each class of either side."""
    queries, items = (np.zeros((len(side.values), len(classes)), dtype=np.uint8) for side in labels)
    for side, indicators in zip(labels, (queries, items), strict=True):
        indicators[np.arange(len(indicators)), np.searchsorted(classes, side.values)] = 1
    return queries, items


def _zero_one(labels: Sequence[LoadedArray]) -> tuple[Labels, Labels]:
    """Return 0/1 as bytes."""
    for side in labels:
        wrong = np.argwhere((side.values != 0) & (side.values != 1))
        if len(wrong):
            position = tuple(map(int, wrong[0]))
            raise DataError(
                f"{side} holds {side.values[position]:g} at {position}, counted from 0: labels are a table of 0 and 1 with a column per "
                "class, or one class number or name per item"
            )
    queries, items = (side.values.astype(np.uint8, order="C") for side in labels)
    return queries, items
