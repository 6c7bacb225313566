"""Which images look nearly like another one, without listing all pairs: a video has millions of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..._compiled import kernel

_NEAR = 3  # bits in which the looks of two images may differ
_BANDS = 4  # of 16 bits: two looks that differ in 3 bits agree on at least one of them

Looks = NDArray[np.uint64]
Rows = NDArray[np.int64]


def first_near(looks: Looks, inside: NDArray[np.bool_]) -> Rows:
    """Return for each image the first other one inside a fold whose look differs in at most 3 of 64 bits.

    Looks are compared only where they agree on one of four bands of 16 bits, and only up to the first that is near. So the memory is
    that of the images, and images that all look alike take no more time than images that do not.

    Args:
        looks: (n,).
        inside: which of the images are in the fold, (n,).

    Returns:
        Rows, (n,); n where there is none.

    Example:
        >>> first_near(np.array([0, 7, 2**40, 15], dtype=np.uint64), np.array([False, True, True, True])).tolist()
        [1, 3, 4, 1]
    """
    nearest = np.full(len(looks), len(looks))
    members = np.flatnonzero(inside)
    for band in looks.view(np.uint16).reshape(len(looks), _BANDS).T:
        others = members[np.argsort(band[members], kind="stable")]  # those of one band ascend
        begins, ends = (np.searchsorted(band[others], band, side) for side in ("left", "right"))
        _search(looks, others, begins, ends, nearest)
    return nearest


@kernel
def _search(looks: Looks, others: Rows, begins: Rows, ends: Rows, nearest: Rows) -> None:
    """Lower each image's row to the first near one among its candidates, an ascending part of the others."""
    one = np.uint64(1)
    for row in range(len(looks)):
        for position in range(begins[row], ends[row]):
            other = others[position]
            if other >= nearest[row]:
                break
            rest = looks[row] ^ looks[other]
            for _ in range(_NEAR):
                rest &= rest - one  # takes one bit away
            if rest == 0 and other != row:
                nearest[row] = other
                break
