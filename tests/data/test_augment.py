"""Random changes of training images: against torchvision, by hand, and independent of workers, order and devices."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from biodeephashing.data import ImageFold, load_fold, loader
from biodeephashing.data.images._augment import crop_and_flip, draws, shift_and_flip
from biodeephashing.data.metadata import Metadata
from biodeephashing.errors import DataError


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_shifting_equals_torchvision() -> None:
    images, bits = noise(200, 3, 32, 32), draws(1, 2, 200)
    changed_images = shift_and_flip(images, bits)
    seen = Counter()
    for image, draw, changed in zip(images, bits.tolist(), changed_images, strict=True):
        top, left, mirrored = draw % 9, draw // 9 % 9, draw // 81 % 2
        padded = v2.functional.pad(torch.from_numpy(image), [4])
        expected = v2.functional.crop(padded, top, left, 32, 32)
        assert np.array_equal(changed, v2.functional.horizontal_flip(expected) if mirrored else expected)
        seen.update([("top", top), ("left", left), ("mirrored", mirrored)])
    assert len(seen) == 9 + 9 + 2  # every offset comes, the ends too


def test_shifts_are_uniform() -> None:
    """81,000 draws: each of 9 × 9 offsets comes about 1,000 times (deviation 31; five of them allowed), mirrored every second."""
    bits = draws(0, 0, 81_000)
    offsets = np.bincount((bits % 81).astype(int), minlength=81)
    assert np.abs(offsets - 1000).max() < 155
    assert abs(int((bits // 81 % 2).sum()) - 40_500) < 5 * 143


@pytest.mark.parametrize("size", [(20, 30), (300, 200), (224, 224)])
def test_cropping_equals_torchvision(size: tuple[int, int]) -> None:
    images, bits = noise(3, 3, *size), draws(5, 1, 3)
    changed_images = crop_and_flip(images, bits)
    change = v2.Compose([v2.RandomResizedCrop(224), v2.RandomHorizontalFlip()])
    for image, draw, changed in zip(images, bits, changed_images, strict=True):
        torch.manual_seed(int(draw) >> 1)
        assert np.array_equal(np.asarray(change(Image.fromarray(image.transpose(1, 2, 0)))).transpose(2, 0, 1), changed)
    assert not np.array_equal(changed_images[0], changed_images[1])


def test_cropping_leaves_the_global_generator() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    crop_and_flip(noise(2, 3, 9, 9), draws(0, 0, 2))
    assert torch.equal(torch.rand(3), expected)


def test_draws_are_those_of_seed_and_epoch() -> None:
    several = {(seed, epoch): tuple(draws(seed, epoch, 20)) for seed in range(3) for epoch in range(3)}
    assert len(set(several.values())) == 9
    assert draws(0, 1, 3).tolist() == np.random.PCG64(np.random.SeedSequence((0, 1), spawn_key=(1,))).random_raw(3).tolist()
    order = np.random.PCG64(np.random.SeedSequence((0, 1))).random_raw(20)
    assert not set(order.tolist()) & set(several[0, 1])  # what comes first and how it is changed have nothing to do with each other


def epoch_of(fold: ImageFold, epoch: int, **options: int) -> dict[int, bytes]:
    """The images of an epoch by row, as they come out of the loader."""
    feed = loader(fold, batch_size=options.pop("batch_size", 8), shuffle=True, seed=4, **options)
    feed.sampler.set_epoch(epoch)
    return {row: image.numpy().tobytes() for images, _, rows in feed for row, image in zip(rows.tolist(), images, strict=True)}


@pytest.mark.parametrize("name", ["cifar-aug", "imagenet-aug"])
@pytest.mark.parametrize("cache", [False, True])
def test_the_same_whoever_decodes(tiny_database: str, name: str, cache: bool) -> None:
    fold = ImageFold(load_fold(tiny_database, "train"), name, cache=cache, augment=3)
    expected = epoch_of(fold, 2)
    assert len(expected) == 32
    assert epoch_of(fold, 2, num_workers=2, batch_size=6) == expected
    shares = [epoch_of(fold, 2, rank=rank, world_size=2) for rank in range(2)]
    assert shares[0] | shares[1] == expected
    other_epoch = epoch_of(fold, 3)
    other_seed = epoch_of(ImageFold(fold.metadata, name, augment=4), 2)
    assert sum(other_epoch[row] == expected[row] for row in expected) < 4
    assert sum(other_seed[row] == expected[row] for row in expected) < 4
    assert {len(image) for image in expected.values()} == {3 * (32 * 32 if name == "cifar-aug" else 224 * 224)}


def test_workers_that_stay_get_each_epoch(tiny_database: str) -> None:
    fold = ImageFold(load_fold(tiny_database, "train"), "cifar-aug", augment=3)
    feed = loader(fold, batch_size=8, num_workers=1)
    for epoch in (0, 1, 5):
        feed.sampler.set_epoch(epoch)
        changed_images = torch.cat([images for images, *_ in feed])
        assert torch.equal(changed_images, fold.batch(range(32), epoch)[0])


@pytest.mark.parametrize(("augmented", "plain"), [("cifar-aug", "none"), ("imagenet-aug", "imagenet")])
def test_nothing_is_random_outside_of_training(tiny_database: str, augmented: str, plain: str) -> None:
    metadata = load_fold(tiny_database, "val")
    rows = range(len(metadata))
    assert torch.equal(ImageFold(metadata, augmented).batch(rows, 7)[0], ImageFold(metadata, plain).batch(rows)[0])


def test_photographs_of_any_size_but_no_mixture_for_shifts(tmp_path: Path) -> None:
    paths = [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    Image.fromarray(noise(40, 30, 3)).save(paths[0])
    Image.fromarray(noise(50, 60, 3)).save(paths[1])
    metadata = Metadata(tmp_path / "train_metadata.txt", paths, np.ones((2, 2), np.uint8))
    for cache in (False, True):
        assert ImageFold(metadata, "imagenet-aug", augment=0, cache=cache).batch([0, 1])[0].shape == (2, 3, 224, 224)
        with pytest.raises(DataError, match=r"different size.*30 × 40 pixels and .*60 × 50"):
            ImageFold(metadata, "cifar-aug", augment=0, cache=cache).batch([0, 1])


def test_a_seed_of_0_is_one_too(tiny_database: str) -> None:
    metadata = load_fold(tiny_database, "train")
    changed = ImageFold(metadata, "cifar-aug", augment=0).batch(range(32))[0]
    assert not torch.equal(changed, ImageFold(metadata, "cifar-aug").batch(range(32))[0])
