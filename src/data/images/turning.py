"""Random quarter turns and mirror images of training images, after they were brought to size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ._augment import Pixels

NUMBERS = 5  # random numbers that an image takes
QUARTERS = (90, 180, 270)


@dataclass(frozen=True)
class Turning:
    """Rotates an image by one of some angles, then mirrors its columns, then its rows, each by chance; or leaves it as it is.

    Args:
        rotate: probability of a rotation.
        hflip: probability of mirroring left and right.
        vflip: probability of mirroring top and bottom.
        keep: probability that nothing is done, whatever the others are.
        angles: what a rotation draws from, counterclockwise [degrees], each 90, 180 or 270.

    Example:
        >>> image, half = np.arange(12, dtype=np.uint8).reshape(1, 3, 2, 2), np.full((1, NUMBERS), 2**63, np.uint64)
        >>> [turning(image, half)[0, 0].tolist() for turning in (Turning(rotate=1.0, angles=(90,)), Turning(vflip=1.0, keep=1.0))]
        [[[1, 3], [0, 2]], [[0, 1], [2, 3]]]
    """

    rotate: float = 0.0
    hflip: float = 0.0
    vflip: float = 0.0
    keep: float = 0.0
    angles: Sequence[int] = QUARTERS

    def __call__(self, images: Pixels, bits: NDArray[np.uint64]) -> Pixels:
        """Return changed images.

        Args:
            images: uint8 (B, 3, H, W).
            bits: 64 random bits for each of the numbers that an image takes, (B, 5).

        Raises:
            DataError: if images are not square and may be turned on their side.
        """
        height, width = images.shape[2:]
        if self.rotate and height != width and set(self.angles) != {180}:
            raise DataError(f"images of {width} × {height} pixels cannot be turned on their side: -trf squash makes squares of them")
        kept, turned, angle, *mirrored = (bits >> np.uint64(11)).T * 2.0**-53
        changes = kept >= self.keep
        quarters = np.asarray(self.angles)[(angle * len(self.angles)).astype(np.intp)] // 90 * (changes & (turned < self.rotate))
        changed = images.copy()
        for quarter in np.unique(quarters[quarters > 0]).tolist():
            changed[quarters == quarter] = np.rot90(images[quarters == quarter], quarter, axes=(2, 3))
        for axis, drawn, probability in zip((3, 2), mirrored, (self.hflip, self.vflip), strict=True):
            rows = changes & (drawn < probability)
            changed[rows] = np.flip(changed[rows], axis)
        return changed
