r"""Enlarging whole batches exactly as Pillow's bilinear filter does it, on any device."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from .geometry import length_of

BITS = 22  # Pillow's weights are whole numbers, in units of 2 to the power -22
HALF = 1 << (BITS - 1)


def enlarge(images: torch.Tensor, scaled: int, cropped: int) -> torch.Tensor:
    r"""Scale the shorter side up and crop a square from the middle: bit for bit what Pillow's ``resize`` and ``crop`` give.

    Pillow goes over the image twice, across and down, and rounds to bytes each time: a new pixel is

    .. math:: y = \lfloor (x_i w_i + x_{i+1} w_{i+1} + 2^{21}) / 2^{22} \rfloor

    with whole weights :math:`w_i + w_{i+1} = 2^{22}`. All of it is computed in 32-bit integers, so it is the same on every device.

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
    across, down = (_taps_on(images.device, side, length_of(side, min(height, width), scaled), cropped) for side in (width, height))
    left, right, near, far = across
    lines = (images[..., left].int() * near + images[..., right].int() * far + HALF) >> BITS
    upper, lower, near, far = down
    return ((lines[..., upper, :] * near[:, None] + lines[..., lower, :] * far[:, None] + HALF) >> BITS).to(torch.uint8)


@lru_cache(maxsize=16)
@torch.inference_mode(False)  # used beyond the mode in which they are first needed
def _taps_on(device: torch.device, length: int, scaled: int, cropped: int) -> torch.Tensor:
    """Return :func:`taps` on a device; cached, because a transfer to a GPU makes the CPU wait."""
    return torch.from_numpy(taps(length, scaled, cropped)).to(device)


@lru_cache
def taps(length: int, scaled: int, cropped: int) -> NDArray[np.int32]:
    """Return how Pillow enlarges a line: a triangle's height over the two nearest pixels, rounded.

    Args:
        length: of the line [pixels].
        scaled: its length afterwards [pixels], not smaller.
        cropped: how many pixels of its middle are used.

    Returns:
        For each of them two pixels and their weights in units of 2⁻²², (4, ``cropped``). At an end of the line there is one
        pixel only: it comes twice, the second time without weight.

    Example:
        >>> (taps(2, 8, 4) / [[1], [1], [1 << BITS], [1 << BITS]]).tolist()
        [[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [0.875, 0.625, 0.375, 0.125], [0.125, 0.375, 0.625, 0.875]]
    """
    table = np.zeros((4, cropped), np.int32)
    start = round((scaled - cropped) / 2)
    for pixel in range(cropped):
        centre = (start + pixel + 0.5) * length / scaled
        first, end = max(int(centre - 0.5), 0), min(int(centre + 1.5), length)
        heights = [max(0.0, 1 - abs(old + 0.5 - centre)) for old in range(first, end)]
        weights = [int(height / sum(heights) * (1 << BITS) + 0.5) for height in heights]
        table[:, pixel] = first, end - 1, weights[0], sum(weights[1:])
    return table
