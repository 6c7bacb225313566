"""Reducing a photograph exactly as Pillow's bilinear filter does it, but only the part of it that is kept."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ._enlarge import BITS

Reach = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]


def reduce_and_crop(image: Image.Image, scaled: tuple[int, int], cropped: int) -> Image.Image:
    r"""Scale an image down and keep a square in the middle: bit for bit what Pillow's ``resize`` and ``crop`` give, in half the time.

    Pillow goes over the image twice, across and down, and rounds to bytes each time; a new pixel is the mean of all old ones below a
    triangle twice as wide as it is. What lies outside the square is not computed here.

    Args:
        image: an RGB image.
        scaled: its width and height afterwards [pixels], neither above what they are, nor below ``cropped``.
        cropped: side of the square [pixels].

    Example:
        >>> step = Image.fromarray(np.repeat(np.array([[0, 160, 0, 160]], np.uint8), 4, axis=0)[..., None].repeat(3, axis=2))
        >>> np.asarray(reduce_and_crop(step, (2, 2), 2))[0, :, 0].tolist()  # weights 3, 3 and 1 at the left end
        [69, 91]
    """
    from . import _kernels

    (width, height), (columns, rows) = image.size, scaled
    finished = np.empty((cropped, cropped, 3), np.uint8)
    _kernels.reduce(np.asarray(image), *_reach(width, columns, cropped), *_reach(height, rows, cropped), finished)
    return Image.fromarray(finished)


@lru_cache(maxsize=1024)
def _reach(length: int, scaled: int, cropped: int) -> Reach:
    """Return what Pillow makes each new pixel of: a triangle's height over the old ones that it covers, rounded.

    Sums are taken and rounded in Pillow's order, because a rounded weight can depend on it.

    Args:
        length: of the line [pixels].
        scaled: its length afterwards [pixels], not larger.
        cropped: how many pixels of its middle are wanted.

    Returns:
        The first old pixel and how many there are, (``cropped``,) each, and their weights in units of 2⁻²², (``cropped``, most of them).

    Example:
        >>> first, count, weights = _reach(4, 2, 2)
        >>> first.tolist(), count.tolist(), (weights / 2**BITS).round(3).tolist()
        ([0, 1], [3, 3], [[0.429, 0.429, 0.143], [0.143, 0.429, 0.429]])
    """
    scale = length / scaled
    centre = (round((scaled - cropped) / 2) + np.arange(cropped) + 0.5) * scale
    first = np.maximum((centre - scale + 0.5).astype(np.int64), 0)
    count = np.minimum((centre + scale + 0.5).astype(np.int64), length) - first
    place = np.arange(count.max())
    distance = np.abs((first[:, None] + place - centre[:, None] + 0.5) * (1 / scale))
    heights = np.where(place < count[:, None], np.maximum(1 - distance, 0), 0)
    weights = heights / np.cumsum(heights, axis=1)[:, -1:]
    return first, count, (weights * (1 << BITS) + 0.5).astype(np.int32)
