"""Random erasure of words from the bags of training texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_STREAM = 3  # of the random numbers of a seed: 1 and 2 are those of images


@dataclass(frozen=True)
class Erasure:
    """Sets a share of the columns of a bag of words, other ones in each epoch, to one value; or leaves the bag as it is.

    Args:
        erase: share of all columns, rounded to whole ones.
        value: what they are set to, 0 or 1.
        keep: probability that nothing is done.
        seed: what is drawn is a function of it, the epoch and the row.

    Example:
        >>> bags = np.ones((2, 5), np.uint8)
        >>> Erasure(0.4)(bags, [0, 1], epoch=0).sum(axis=1).tolist(), int(bags.sum())
        ([3, 3], 10)
    """

    erase: float = 0.0
    value: int = 0
    keep: float = 0.0
    seed: int = 0

    def __call__(self, bags: NDArray[np.uint8], rows: Sequence[int], epoch: int) -> NDArray[np.uint8]:
        """Return changed copies of the bags, uint8 (B, d_t), of some rows of a fold."""
        changed, width = bags.copy(), bags.shape[1]
        count = round(self.erase * width)
        for bag, row in zip(changed, rows, strict=True):
            sequence = np.random.SeedSequence((self.seed, epoch, row), spawn_key=(_STREAM,))
            kept, *drawn = np.random.PCG64(sequence).random_raw(1 + width)
            if count and (int(kept) >> 11) * 2.0**-53 >= self.keep:
                bag[np.argsort(drawn, kind="stable")[:count]] = self.value
        return changed
