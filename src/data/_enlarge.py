r"""Enlarging whole batches exactly as Pillow's bilinear filter does it, on any device."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

_BITS = 22  # Pillow's weights are whole numbers, in units of 2 to the power -22
_SUMS, _WEIGHTS = 24, 8  # significant bits of float32, and of bfloat16, which a device may be allowed to multiply in


def enlarge(images: torch.Tensor, scaled: int, cropped: int) -> torch.Tensor:
    r"""Scale the shorter side up and keep a square in the middle: bit for bit what Pillow's ``resize`` and ``crop`` give.

    Pillow goes over the image twice, across and down, and rounds to bytes each time:

    .. math:: Y = \lfloor X A^\top + \tfrac12 \rfloor, \quad Z = \lfloor D\, Y + \tfrac12 \rfloor

    The weights in :math:`A` and :math:`D` are whole multiples of :math:`2^{-22}`. All sums are exact in the type chosen here, and
    what is exact is the same on every device and in any order of summation.

    Args:
        images: uint8 (B, 3, H, W), neither side above ``scaled``.
        scaled: length of the shorter side afterwards [pixels].
        cropped: side of the square [pixels], at most ``scaled``.

    Returns:
        uint8 (B, 3, ``cropped``, ``cropped``).

    Example:
        >>> step = torch.tensor([0, 160], dtype=torch.uint8).expand(1, 3, 2, 2)
        >>> enlarge(step, 8, 8)[0, 0, 0].tolist()
        [0, 0, 20, 60, 100, 140, 160, 160]
    """
    height, width = images.shape[-2:]
    short = min(height, width)
    across, down = (
        torch.from_numpy(_weights(side, scaled if side == short else int(scaled * side / short), cropped)) for side in (width, height)
    )
    kind = torch.promote_types(across.dtype, down.dtype)
    across, down = (matrix.to(images.device, kind) for matrix in (across, down))
    with torch.autocast(images.device.type, enabled=False):
        rows = (images.to(kind) @ across.T).add_(0.5).floor_()
        return (down @ rows).add_(0.5).to(torch.uint8)


@lru_cache
def _weights(length: int, scaled: int, cropped: int) -> NDArray[np.floating]:
    """Return the weights (cropped, length) that make the middle of a line, in the smallest type whose sums are exact."""
    whole = _whole_weights(length, scaled)
    start = round((scaled - cropped) / 2)
    whole = whole[start : start + cropped]
    unit = int(np.bitwise_or.reduce(whole, axis=None))
    unit &= -unit  # the largest power of two that divides all weights
    small = int(whole.max()) // unit <= 1 << _WEIGHTS and 256 * int(whole.sum(axis=1).max()) // unit < 1 << _SUMS
    return np.ldexp(whole.astype(np.float32 if small else np.float64), -_BITS)


def _whole_weights(length: int, scaled: int) -> NDArray[np.int64]:
    """Return Pillow's weights (scaled, length) of an enlarged line: two neighbours, a triangle's height over each, rounded."""
    weights = np.zeros((scaled, length), np.int64)
    for place in range(scaled):
        centre = (place + 0.5) * length / scaled
        first, end = max(int(centre - 0.5), 0), min(int(centre + 1.5), length)
        heights = [max(0.0, 1 - abs(pixel + 0.5 - centre)) for pixel in range(first, end)]
        weights[place, first:end] = [int(height / sum(heights) * (1 << _BITS) + 0.5) for height in heights]
    return weights
