"""Rules that assign images to folds: pure functions of labels and a seed, the same on any machine."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

REST = "database"


def per_class(
    classes: NDArray[np.integer], sizes: Mapping[str, int], *, names: Sequence[str], seed: int = 0
) -> dict[str, NDArray[np.int64]]:
    """Give each fold its number of images of every class, in shuffled order, and the rest to the database.

    The indices are shuffled once, by Python's own generator, whose stream is the same everywhere; then each class is
    walked in that order: the first images go to the first fold of ``sizes``, the next to the second, and so on.
    Within a fold the images are in their original order. All folds are disjoint.

    Args:
        classes: class of each image, (n,).
        sizes: images per class of each fold, in the order they are taken.
        names: class names, for the error message.
        seed: seed of the shuffle.

    Returns:
        Indices of each fold, ascending.

    Raises:
        DataError: when a class has too few images to leave at least one for the database.

    Example:
        >>> folds = per_class(np.array([0, 1, 0, 1, 0, 1]), {"train": 1, "query": 1}, names=["cat", "dog"])
        >>> {fold: rows.tolist() for fold, rows in folds.items()}
        {'train': [1, 4], 'query': [2, 5], 'database': [0, 3]}
    """
    order = list(range(len(classes)))
    random.Random(seed).shuffle(order)
    shuffled = np.array(order, dtype=np.int64)
    wanted = sum(sizes.values())
    chosen: dict[str, list[NDArray[np.int64]]] = {fold: [] for fold in (*sizes, REST)}
    for number, name in enumerate(names):
        members = shuffled[classes[shuffled] == number]
        if len(members) <= wanted:
            parts = " + ".join(f"{size} {fold}" for fold, size in sizes.items())
            raise DataError(
                f"class {name!r} has {len(members)} images, too few for the split ({parts} and at least 1 {REST}): more are needed"
            )
        start = 0
        for fold, size in sizes.items():
            chosen[fold].append(members[start : start + size])
            start += size
        chosen[REST].append(members[start:])
    return {fold: np.sort(np.concatenate(parts)) for fold, parts in chosen.items()}


def one_hot(classes: NDArray[np.integer], count: int) -> NDArray[np.uint8]:
    """Return the label vectors of single-class images.

    Args:
        classes: class of each image, (n,).
        count: number of classes C.

    Returns:
        (n, C) uint8.

    Example:
        >>> one_hot(np.array([1, 0]), 3).tolist()
        [[0, 1, 0], [1, 0, 0]]
    """
    return np.eye(count, dtype=np.uint8)[classes]
