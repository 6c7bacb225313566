"""Reducing photographs: bit for bit what Pillow does, for every size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from biodeephashing.data import TRANSFORMS
from biodeephashing.data.images._enlarge import BITS, length_of
from biodeephashing.data.images._reduce import _reach, reduce_and_crop


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(width * 10_000 + height).integers(0, 256, (height, width, 3), dtype=np.uint8))


def by_pillow(image: Image.Image) -> Image.Image:
    width, height = (length_of(side, min(image.size), 256) for side in image.size)
    left, top = round((width - 224) / 2), round((height - 224) / 2)
    return image.resize((width, height), Image.Resampling.BILINEAR).crop((left, top, left + 224, top + 224))


@settings(max_examples=60, deadline=None)
@given(st.integers(224, 1100), st.integers(224, 1100))
@example(500, 375)
@example(375, 500)
@example(257, 257)
@example(257, 514)
@example(257, 515)
@example(640, 320)
@example(1000, 256)
@example(4000, 300)
def test_every_size_equals_pillow(width: int, height: int) -> None:
    image = noise(width, height)
    assert TRANSFORMS["imagenet"].geometry(image).tobytes() == by_pillow(image).tobytes()


@pytest.mark.parametrize("value", [0, 255])
def test_the_ends_of_the_scale_stay(value: int) -> None:
    image = Image.new("RGB", (613, 457), (value, value, value))
    assert (np.asarray(TRANSFORMS["imagenet"].geometry(image)) == value).all()


def test_channels_are_kept_apart() -> None:
    assert TRANSFORMS["imagenet"].geometry(Image.new("RGB", (400, 300), (7, 80, 200))).getpixel((100, 50)) == (7, 80, 200)


def test_four_pixels_by_hand() -> None:
    """From 4 to 2 pixels: the triangle of the left one is 2 to either side of 1, so its heights over 0.5, 1.5, 2.5 are 3/4, 3/4, 1/4."""
    line = np.array([10, 20, 90, 0], np.uint8)
    image = Image.fromarray(np.broadcast_to(line[None, :, None], (4, 4, 3)).copy())
    left, right = round((3 * 10 + 3 * 20 + 90) / 7), round((20 + 3 * 90 + 3 * 0) / 7)
    assert np.asarray(reduce_and_crop(image, (2, 2), 2))[0, :, 0].tolist() == [left, right]


@given(st.integers(256, 3000), st.integers(224, 256))
def test_weights_add_up_to_one(length: int, scaled: int) -> None:
    first, count, weights = _reach(length, scaled, 224)
    assert (first >= 0).all()
    assert (first + count <= length).all()
    assert (abs(weights.sum(axis=1, dtype=np.int64) - (1 << BITS)) <= weights.shape[1]).all()
