"""Characters of fonts as images, and orders that are the same on every machine: what the drawn datasets share."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SIDE = 32  # of an image, in pixels
_CANVAS, _SIZE, _BASELINE, _LARGEST = 4 * SIDE, 92, 95, 126  # side of the canvas, the font, and a character, in pixels


def draw_character(character: str, font: Path) -> NDArray[np.uint8]:
    """Draw a character in black on white: as large as its font has it, and on its baseline, so that small and raised ones can be told.

    On 128 × 128 pixels at size 92, smaller where it would not fit, then reduced four times.

    Args:
        character: the character.
        font: the file of the font.

    Returns:
        (32, 32) uint8, 0 is black.
    """
    size = _SIZE
    for _ in range(4):
        left, top, right, bottom = _font(font, size).getbbox(character, anchor="ls")
        if (largest := max(right - left, bottom - top)) <= _LARGEST:
            break
        size = int(size * _LARGEST / largest)
    left, top, right, bottom = _font(font, size).getbbox(character, anchor="ls")
    baseline = max(_BASELINE, 1 - top)
    baseline = min(baseline, _CANVAS - 1 - bottom)
    canvas = Image.new("L", (_CANVAS, _CANVAS), 255)
    where = ((_CANVAS - (right - left)) / 2 - left, baseline)
    ImageDraw.Draw(canvas).text(where, character, fill=0, font=_font(font, size), anchor="ls")
    return np.asarray(canvas.reduce(4))


def drawn_order(count: int, seed: int) -> NDArray[np.int64]:
    """Return an order of 0 to n - 1 as those of training are made: by raw 64-bit draws, which NumPy promises to keep.

    Example:
        >>> drawn_order(5, 0).tolist()
        [3, 2, 1, 0, 4]
    """
    return np.argsort(np.random.PCG64(np.random.SeedSequence(seed)).random_raw(count), kind="stable")


@lru_cache(maxsize=512)
def _font(file: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(file), size, layout_engine=ImageFont.Layout.BASIC)
