"""Mean and deviation of the colours of a fold, for a network that is trained from scratch on it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from ...checksums import digest
from ...preprocessing import Preprocessing
from ..metadata import Metadata, read_metadata
from .fold import ImageFold

_LEAST = 1 / 255  # deviation of a channel that is the same everywhere


def colours_of(fold: Metadata) -> Preprocessing:
    r"""Return the preprocessing of images that keep their size, with mean and deviation of each channel over all pixels of a fold.

    .. math:: \mu_c = \frac1n \sum_p \frac{x_{cp}}{255}, \qquad \sigma_c^2 = \frac1n \sum_p \Bigl(\frac{x_{cp}}{255}\Bigr)^2 - \mu_c^2

    Both are rounded to six digits. The images are read once in a process, and from the cache of decoded images where it has them.

    Args:
        fold: its metadata.

    Raises:
        DataError: if an image is missing or damaged.
    """
    return _colours(fold.file.absolute(), digest(fold.file))


@lru_cache
def _colours(file: Path, sha256: str) -> Preprocessing:
    images = ImageFold(read_metadata(file), "none", cache=True)
    count, sums, squares = 0, np.zeros(3, dtype=np.int64), np.zeros(3, dtype=np.int64)
    for row in np.flatnonzero(images.present).tolist():
        pixels = images.batch([row])[0][0].numpy().reshape(3, -1).astype(np.int64)
        count, sums, squares = count + pixels.shape[1], sums + pixels.sum(axis=1), squares + np.square(pixels).sum(axis=1)
    means = sums / (255 * count)
    deviations = np.sqrt(np.maximum(squares / (255**2 * count) - means**2, 0))
    mean, std = (tuple(round(float(value), 6) for value in values) for values in (means, np.maximum(deviations, _LEAST)))
    return Preprocessing(None, mean=mean, std=std, source="as measured on the train fold")
