"""Enlarging on the device: bit for bit what Pillow does, for every size and on every device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from biodeephashing.data import TRANSFORMS, ImageFold, loader, normalise
from biodeephashing.data.images._enlarge import _taps_on, enlarge
from biodeephashing.data.images.transforms import _colours, pixels
from biodeephashing.data.metadata import Metadata

IMAGENET = TRANSFORMS["imagenet"]


def noise(width: int, height: int, count: int = 2) -> list[Image.Image]:
    draws = np.random.default_rng(width * 1000 + height).integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    return [Image.fromarray(draw) for draw in draws]


def batch_of(images: list[Image.Image]) -> torch.Tensor:
    return torch.from_numpy(np.stack([pixels(image) for image in images]))


def by_pillow(images: list[Image.Image]) -> torch.Tensor:
    return batch_of([TRANSFORMS["imagenet"].geometry(image) for image in images])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 223), st.integers(1, 223))
@example(32, 32)
@example(28, 28)
@example(1, 1)
@example(1, 223)
@example(223, 7)
def test_enlarging_equals_pillow(width: int, height: int) -> None:
    images = noise(width, height)
    assert torch.equal(enlarge(batch_of(images), 256, 224), by_pillow(images))


@pytest.mark.parametrize("value", [0, 255])
def test_the_ends_of_the_scale_stay(value: int) -> None:
    images = torch.full((1, 3, 19, 31), value, dtype=torch.uint8)
    assert (enlarge(images, 256, 224) == value).all()


def test_two_pixels_by_hand() -> None:
    """From 2 to 8 pixels a new one covers a quarter of an old one; its centre lies at 1/8, 3/8, ... of the way between two."""
    line = torch.tensor([0, 160], dtype=torch.uint8).expand(1, 3, 2, 2)
    assert enlarge(line, 8, 8)[0, 0, 0].tolist() == [0, 0, 20, 60, 100, 140, 160, 160]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_around_it_changes_nothing(dtype: torch.dtype) -> None:
    images = noise(32, 32)
    with torch.autocast("cpu", dtype=dtype):
        result = IMAGENET.to_network_input(batch_of(images))
    assert torch.equal(result, normalise(by_pillow(images)))


@pytest.mark.parametrize("size", [(32, 32), (30, 44), (224, 100), (100, 224), (224, 224)])
def test_finishing_is_the_whole_pipeline(size: tuple[int, int], tmp_path: Path) -> None:
    """Whatever the loader leaves to the device, the network sees the same."""
    files = []
    images = noise(*size, count=5)
    for number, image in enumerate(images):
        files.append(str(tmp_path / f"{number}.png"))
        image.save(files[-1])
    fold = ImageFold(Metadata(tmp_path / "val_metadata.txt", files, np.ones((5, 2), np.uint8)), "imagenet")
    for given_images, _, rows in loader(fold, batch_size=3):
        small = max(size) < 224
        assert given_images.shape[-2:] == (size[::-1] if small else (224, 224))
        assert torch.equal(IMAGENET.to_network_input(given_images), normalise(by_pillow([images[row] for row in rows])))


def test_finishing_none_only_normalises() -> None:
    images = batch_of(noise(20, 30))
    for name in ("none", "cifar-aug"):
        assert torch.equal(TRANSFORMS[name].to_network_input(images), normalise(images))


def test_what_all_batches_need_is_brought_to_a_device_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every transfer makes the CPU wait until a GPU has done all its work."""
    large = torch.zeros(2, 3, 224, 224, dtype=torch.uint8, device="meta")
    small = torch.zeros(2, 3, 31, 30, dtype=torch.uint8)
    with torch.inference_mode():  # evaluation comes first; what it needs serves training, too
        normalise(large)
        enlarge(small, 256, 224)
    for function in ("tensor", "from_numpy"):
        monkeypatch.delattr(torch, function)
    assert normalise(large).is_meta
    assert enlarge(small, 256, 224).shape == (2, 3, 224, 224)
    constants = (*_colours(large.device, IMAGENET.preprocessing.mean, IMAGENET.preprocessing.std), _taps_on(small.device, 30, 256, 224))
    assert not any(tensor.is_inference() for tensor in constants)


@pytest.mark.gpu
def test_a_gpu_gives_the_same_bytes() -> None:
    for size in [(32, 32), (28, 28), (31, 47), (30, 44), (223, 5), (1, 1)]:
        images = noise(*size, count=8)
        assert torch.equal(enlarge(batch_of(images).cuda(), 256, 224).cpu(), by_pillow(images)), size
