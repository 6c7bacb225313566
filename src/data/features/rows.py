"""``<fold>_image_features.npy``, ``<fold>_text_features.npy``: ready features of the items of a fold, in the order of its metadata."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...runs import replacing
from ..metadata import Metadata
from ..split import features_file, how_to_fix

_BLOCK = 4096  # rows read at once

Values = NDArray[np.floating[Any]]


def has_features(metadata: Metadata, modality: str = "image") -> bool:
    """Return whether a fold has ready features in place of images ("image") or of texts ("text")."""
    return features_file(metadata.file.parent, metadata.fold, modality).is_file()


def load_features(metadata: Metadata, modality: str = "image") -> Values:
    """Return the ready features of a fold, mapped into memory, float16 or float32 (n, D).

    Args:
        metadata: the fold, as :func:`~biodeephashing.data.load_fold` reads it.
        modality: "image" or "text".

    Raises:
        DataError: if the file is missing or damaged, or holds more or fewer rows than the metadata.
    """
    file = features_file(metadata.file.parent, metadata.fold, modality)
    fix = how_to_fix(metadata.file.parent.name)
    try:
        values: Values = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{file} is missing or no array of NumPy ({error}): {fix}") from error
    if values.ndim != 2 or values.dtype not in (np.float16, np.float32) or len(values) != len(metadata):
        raise DataError(f"{file} holds {values.dtype} {values.shape}, but {metadata.file} has {len(metadata):,} lines: {fix}")
    return values


def write_features(file: Path, values: Values, rows: NDArray[np.int64]) -> None:
    """Write some rows of features, whole or not at all, without loading all of them.

    Args:
        file: the file to write or replace.
        values: float16 or float32 (n, D).
        rows: those to write, in their order.
    """
    with replacing(file) as temporary:
        target = np.lib.format.open_memmap(temporary, mode="w+", dtype=values.dtype, shape=(len(rows), values.shape[1]))
        for start in range(0, len(rows), _BLOCK):
            target[start : start + _BLOCK] = values[rows[start : start + _BLOCK]]
        target.flush()


def as_values(array: NDArray[Any], where: str) -> Values:
    """Return an array as features: float16 and float32 as they are, other numbers as float32.

    Args:
        array: (n, D).
        where: where it was read, for messages.

    Raises:
        DataError: for another number of axes, or what is no number.

    Example:
        >>> as_values(np.array([[1, 2]]), "a.npy").dtype
        dtype('float32')
    """
    if array.ndim != 2 or not array.size:
        raise DataError(f"{where} is {array.dtype} {array.shape}, not a table of features with a row for each item")
    if array.dtype.kind not in "fiub":
        raise DataError(f"{where} is {array.dtype} {array.shape}, which are no real numbers")
    values: Values = array if array.dtype in (np.float16, np.float32) else array.astype(np.float32)
    return values


def statistics_of(values: Values) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    r"""Return mean and deviation of each column; the deviation of a column that never changes is given as 1.

    .. math:: \mu_j = \frac{1}{n} \sum_i x_{ij}, \qquad \sigma_j^2 = \frac{1}{n} \sum_i (x_{ij} - \mu_j)^2

    Args:
        values: (n, D).

    Example:
        >>> mean, deviation = statistics_of(np.array([[1, 5], [3, 5]], np.float32))
        >>> mean.tolist(), deviation.tolist()
        ([2.0, 5.0], [1.0, 1.0])
    """
    mean = sum(block.sum(axis=0) for block in _blocks(values)) / len(values)
    deviation = np.sqrt(sum(np.square(block - mean).sum(axis=0) for block in _blocks(values)) / len(values))
    constant = deviation <= np.finfo(np.float32).eps * np.abs(mean)
    return mean.astype(np.float32), np.where(constant, 1, deviation).astype(np.float32)


def _blocks(values: Values) -> Iterator[NDArray[np.float64]]:
    return (np.asarray(values[start : start + _BLOCK], dtype=np.float64) for start in range(0, len(values), _BLOCK))
