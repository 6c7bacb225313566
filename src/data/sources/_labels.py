"""Labels that a source holds beside its images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, unknown_name


def label_vectors(labels: Sequence[Any], classes: Sequence[str], where: Callable[[int], str]) -> NDArray[np.uint8]:
    """Return labels, names or numbers of classes, one or a list of them for each image, as (n, C).

    Args:
        labels: of each image; None for no class.
        classes: the classes that they name, or number from 0.
        where: says in words which image a row is.

    Raises:
        DataError: if a class comes twice.
        UnknownNameError: for a name or number of no class.

    Example:
        >>> label_vectors(["b", [0, 1], None], ["a", "b"], "row {}".format).tolist()
        [[0, 1], [1, 1], [0, 0]]
    """
    known: dict[Any, int] = {label: column for column, name in enumerate(classes) for label in (name, column)}
    vectors = np.zeros((len(labels), len(classes)), dtype=np.uint8)
    for row, value in enumerate(labels):
        named = value if isinstance(value, list) else [] if value is None else [value]
        for label in named:
            if isinstance(label, bool) or label not in known:
                raise unknown_name(f"class in {where(row)}:", str(label), classes)
        columns = [known[label] for label in named]
        if len(set(columns)) < len(columns):
            raise DataError(f"{where(row)} has a class twice: labels are names or numbers of classes, not a 0 or 1 for each")
        vectors[row, columns] = 1
    return vectors
