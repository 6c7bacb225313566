"""Compiled loops over pixels; all in one file, because a kernel in the cache notices changes of its own file only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..._compiled import kernel
from ._enlarge import BITS
from ._enlarge import HALF as _HALF

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Taps = NDArray[np.int32]

HALF = np.int32(_HALF)
WHITE = np.float32(255)


@kernel
def normalise(planes: Bytes, means: Floats, deviations: Floats, finished: Floats) -> None:
    """Scale bytes to [0, 1], take the mean of their channel off and divide by its deviation: the same bits as PyTorch's operations.

    Args:
        planes: bytes (planes, pixels); the channel of a plane is its number modulo the channels.
        means: of each channel, (channels,).
        deviations: of each channel, (channels,).
        finished: where it goes, (planes, pixels).
    """
    channels = len(means)
    for plane in range(len(planes)):
        source, target, mean, deviation = planes[plane], finished[plane], means[plane % channels], deviations[plane % channels]
        for pixel in range(len(source)):
            target[pixel] = (np.float32(source[pixel]) / WHITE - mean) / deviation


@kernel
def enlarge_and_normalise(planes: Bytes, across: Taps, down: Taps, means: Floats, deviations: Floats, finished: Floats) -> None:
    """Enlarge planes as Pillow does, across and then down with bytes in between, and normalise them as :func:`normalise` does.

    No sum leaves 32 bits: the two weights of a pixel add up to one, that is to two to the power 22, within rounding.

    Args:
        planes: bytes (planes, height, width); the channel of a plane is its number modulo the channels.
        across: of each new column the two old ones it lies between and their weights, (4, columns).
        down: the same of each new row, (4, rows).
        means: of each channel, (channels,).
        deviations: of each channel, (channels,).
        finished: where it goes, (planes, rows, columns).
    """
    channels, rows, columns = len(means), down.shape[1], across.shape[1]
    lines = np.empty((planes.shape[1], columns), np.int32)
    for plane in range(len(planes)):
        for row in range(down[0, 0], down[1, rows - 1] + 1):
            source, line = planes[plane, row], lines[row]
            for x in range(columns):
                line[x] = (source[across[0, x]] * across[2, x] + source[across[1, x]] * across[3, x] + HALF) >> BITS
        mean, deviation = means[plane % channels], deviations[plane % channels]
        for y in range(rows):
            upper, lower, near, far = lines[down[0, y]], lines[down[1, y]], down[2, y], down[3, y]
            target = finished[plane, y]
            for x in range(columns):  # computed, not looked up: eight at a time, where a table gives one after the other
                byte = np.int32(upper[x] * near + lower[x] * far + HALF) >> BITS
                target[x] = (np.float32(byte) / WHITE - mean) / deviation
