"""Finishing on the processor: the same bits as Pillow and PyTorch, on any number of threads, in memory that is nobody else's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from biodeephashing.data import TRANSFORMS, normalise
from biodeephashing.data.images import _processor
from biodeephashing.data.images._enlarge import enlarge
from biodeephashing.data.images._processor import block
from biodeephashing.data.images.transforms import pixels

IMAGENET, NONE = TRANSFORMS["imagenet"], TRANSFORMS["none"]


def noise(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(shape).integers(0, 256, shape, dtype=np.uint8))


def by_pillow(images: torch.Tensor) -> torch.Tensor:
    pictures = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]
    return normalise(torch.from_numpy(np.stack([pixels(TRANSFORMS["imagenet"].geometry(picture)) for picture in pictures])))


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.fixture
def nothing_free(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    free: list[torch.Tensor] = []
    monkeypatch.setattr(_processor, "_free", free)
    return free


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 223), st.integers(1, 223))
@example(32, 32)
@example(1, 1)
@example(1, 223)
@example(223, 7)
def test_finishing_equals_pillow(width: int, height: int) -> None:
    images = noise(2, 3, height, width)
    assert torch.equal(IMAGENET.to_network_input(images), by_pillow(images))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 223), st.integers(1, 223))
def test_a_device_gives_the_same(width: int, height: int) -> None:
    images = noise(2, 3, height, width)
    assert torch.equal(IMAGENET.to_network_input(images), normalise(enlarge(images, 256, 224)))


def test_every_byte_of_every_channel() -> None:
    images = torch.arange(256, dtype=torch.uint8).expand(5, 3, 2, 256)
    assert torch.equal(NONE.to_network_input(images), normalise(images))


def test_any_layout() -> None:
    images = noise(4, 30, 20, 3).permute(0, 3, 1, 2)
    for given_images in (images, images[::2], images[..., ::2, 1:]):
        assert torch.equal(NONE.to_network_input(given_images), normalise(given_images))
        assert torch.equal(IMAGENET.to_network_input(given_images), by_pillow(given_images))


@pytest.mark.parametrize("count", [0, 1, 13, 20])
def test_threads_change_nothing(count: int, threads: int) -> None:
    small, large = noise(count, 3, 30, 44), noise(count, 3, 224, 224)
    assert torch.equal(IMAGENET.to_network_input(small), normalise(enlarge(small, 256, 224)))
    assert torch.equal(IMAGENET.to_network_input(large), normalise(large))


@pytest.mark.parametrize("part", [lambda whole: whole, lambda whole: whole[1:, 0], lambda whole: whole.numpy()[:1], torch.Tensor.detach])
def test_what_is_looked_into_is_not_written_over(part, nothing_free: list[torch.Tensor]) -> None:  # type: ignore[no-untyped-def]
    view = part(NONE.to_network_input(noise(2, 3, 8, 8)))
    before = torch.as_tensor(view).clone()
    others = [NONE.to_network_input(noise(2, 3, 8, 8) + 1) for _ in range(4)]
    assert torch.equal(torch.as_tensor(view), before)
    assert len({other.data_ptr() for other in others}) == 4


def test_what_the_backward_pass_needs_is_not_written_over(nothing_free: list[torch.Tensor]) -> None:
    weight = torch.ones(3, 1, 1, requires_grad=True)
    product = (NONE.to_network_input(noise(2, 3, 8, 8)) * weight).sum()
    NONE.to_network_input(noise(2, 3, 8, 8) + 1)
    product.backward()
    assert torch.equal(weight.grad, normalise(noise(2, 3, 8, 8)).sum((0, 2, 3))[:, None, None])


def test_memory_is_used_again_once_nobody_looks(nothing_free: list[torch.Tensor]) -> None:
    first = block(2, 3, 8, 8)
    address = first.data_ptr()
    del first
    smaller = block(1, 3, 8, 8)
    assert (smaller.data_ptr(), smaller.shape) == (address, (1, 3, 8, 8))
    assert smaller.untyped_storage().nbytes() == 4 * 3 * 8 * 8
    del smaller
    assert block(2, 3, 8, 8).data_ptr() == address


def test_little_memory_is_kept(nothing_free: list[torch.Tensor]) -> None:
    several = [block(5) for _ in range(7)]
    del several
    assert [memory.numel() for memory in nothing_free] == [5, 5]
    larger = block(6)
    assert nothing_free == []
    assert larger.shape == (6,)
