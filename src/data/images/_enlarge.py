r"""Enlarging whole batches exactly as Pillow's bilinear filter does it, on any device."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

BITS = 22  # Pillow's weights are whole numbers, in units of 2 to the power -22
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
    across, down = _factors(height, width, scaled, cropped, images.device)
    with torch.autocast(images.device.type, enabled=False):
        rows = (images.to(down.dtype) @ across.T).add_(0.5).floor_()
        return (down @ rows).add_(0.5).to(torch.uint8)


def length_of(side: int, short: int, scaled: int) -> int:
    """Return how long a side becomes when the shorter one becomes ``scaled`` [pixels].

    Example:
        >>> length_of(500, 375, 256), length_of(375, 375, 256)
        (341, 256)
    """
    return scaled if side == short else int(scaled * side / short)


@lru_cache(maxsize=16)
@torch.inference_mode(False)  # kept beyond the mode in which they are first asked for
def _factors(height: int, width: int, scaled: int, cropped: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the weights across and down, of one type; kept, because bringing them to a card has the processor wait for it."""
    found = [torch.from_numpy(_weights(side, length_of(side, min(height, width), scaled), cropped)) for side in (width, height)]
    kind = torch.promote_types(*(matrix.dtype for matrix in found))
    across, down = (matrix.to(device, kind) for matrix in found)
    return across, down


@lru_cache
def _weights(length: int, scaled: int, cropped: int) -> NDArray[np.floating]:
    """Return the weights (cropped, length) that make the middle of a line, in the smallest type whose sums are exact."""
    first, second, near, far = taps(length, scaled, cropped)
    whole = np.zeros((cropped, length), np.int64)
    places = np.arange(cropped)
    whole[places, first] = near
    whole[places, second] += far
    unit = int(np.bitwise_or.reduce(whole, axis=None))
    unit &= -unit  # the largest power of two that divides all weights
    small = int(whole.max()) // unit <= 1 << _WEIGHTS and 256 * int(whole.sum(axis=1).max()) // unit < 1 << _SUMS
    return np.ldexp(whole.astype(np.float32 if small else np.float64), -BITS)


@lru_cache
def taps(length: int, scaled: int, cropped: int) -> NDArray[np.int32]:
    """Return how Pillow enlarges a line: a triangle's height over the two nearest pixels, rounded.

    Args:
        length: of the line [pixels].
        scaled: its length afterwards [pixels], not smaller.
        cropped: how many pixels of its middle are wanted.

    Returns:
        For each of them two pixels and their weights in units of 2⁻²², (4, ``cropped``). At an end of the line there is one
        pixel only: it comes twice, the second time without weight.

    Example:
        >>> (taps(2, 8, 4) / [[1], [1], [1 << BITS], [1 << BITS]]).tolist()
        [[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [0.875, 0.625, 0.375, 0.125], [0.125, 0.375, 0.625, 0.875]]
    """
    found = np.zeros((4, cropped), np.int32)
    start = round((scaled - cropped) / 2)
    for place in range(cropped):
        centre = (start + place + 0.5) * length / scaled
        first, end = max(int(centre - 0.5), 0), min(int(centre + 1.5), length)
        heights = [max(0.0, 1 - abs(pixel + 0.5 - centre)) for pixel in range(first, end)]
        weights = [int(height / sum(heights) * (1 << BITS) + 0.5) for height in heights]
        found[:, place] = first, end - 1, weights[0], sum(weights[1:])
    return found
