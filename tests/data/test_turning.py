"""Random quarter turns, mirror images and erased words: against torchvision, how often, on which device or worker, and on copies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional

from biodeephashing.data import TRANSFORMS, ImageFold, TextFold, TextRows, TextTransformation, Vocabulary, load_fold, loader
from biodeephashing.data.images._augment import draws
from biodeephashing.data.images.turning import NUMBERS, Turning
from biodeephashing.data.metadata import Metadata
from biodeephashing.data.texts.erasure import Erasure
from biodeephashing.errors import DataError

WHOLE = Turning(rotate=0.6, hflip=0.5, vflip=0.25, keep=0.3)


def numbers(count: int, seed: int = 0) -> np.ndarray:
    return draws(seed, 0, NUMBERS * count, stream=2).reshape(-1, NUMBERS)


def noise(count: int, height: int = 6, width: int = 6) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 3, height, width), dtype=np.uint8)


def test_turning_equals_torchvision_one_step_after_the_other() -> None:
    images, bits = noise(300), numbers(300)
    before = images.copy()
    changed = WHOLE(images, bits)
    assert np.array_equal(images, before)
    for image, result, row in zip(images, changed, bits.tolist(), strict=True):
        kept, turned, angle, mirrored, flipped = (draw / 2**64 for draw in row)
        expected = torch.from_numpy(image)
        if kept >= 0.3:
            expected = functional.rotate(expected, [90, 180, 270][int(3 * angle)]) if turned < 0.6 else expected
            expected = functional.horizontal_flip(expected) if mirrored < 0.5 else expected
            expected = functional.vertical_flip(expected) if flipped < 0.25 else expected
        assert np.array_equal(expected.numpy(), result)


def test_how_often() -> None:
    """Of 20,000 draws, within five deviations of 71 at most."""
    marked = np.zeros((20_000, 3, 2, 2), np.uint8)
    marked[:, :, 0, 0] = 1
    bits = numbers(20_000)
    for turning, moved in (
        (Turning(rotate=0.6), {(0, 0): 0.4, (1, 0): 0.2, (1, 1): 0.2, (0, 1): 0.2}),
        (Turning(rotate=1.0, angles=(90, 180)), {(1, 0): 0.5, (1, 1): 0.5}),
        (Turning(hflip=0.3, keep=0.5), {(0, 0): 0.85, (0, 1): 0.15}),
        (Turning(vflip=1.0, keep=0.25), {(0, 0): 0.25, (1, 0): 0.75}),
        (replace(WHOLE, keep=1.0), {(0, 0): 1.0}),
    ):
        places = np.argwhere(turning(marked, bits)[:, 0])[:, 1:]
        for place, share in moved.items():
            assert abs((places == place).all(axis=1).sum() - 20_000 * share) <= 5 * 71 * (share < 1)


def test_images_that_are_not_square() -> None:
    with pytest.raises(DataError, match="6 × 4"):
        WHOLE(noise(2, 4, 6), numbers(2))
    assert replace(WHOLE, angles=(180,))(noise(2, 4, 6), numbers(2)).shape == (2, 3, 4, 6)
    assert replace(WHOLE, rotate=0.0)(noise(2, 4, 6), numbers(2)).shape == (2, 3, 4, 6)


def epoch_of(fold: ImageFold | TextFold, epoch: int, **options: int) -> dict[int, bytes]:
    feed = loader(fold, batch_size=options.pop("batch_size", 8), shuffle=True, seed=4, **options)
    feed.sampler.set_epoch(epoch)
    return {row: image.numpy().tobytes() for images, _, rows in feed for row, image in zip(rows.tolist(), images, strict=True)}


@pytest.mark.parametrize("name", ["none", "imagenet", "squash", "cifar-aug", "imagenet-aug"])
@pytest.mark.parametrize("cache", [False, True])
def test_turned_after_the_transformation_whoever_decodes(tiny_database: str, name: str, cache: bool) -> None:
    metadata, transformation = load_fold(tiny_database, "train"), replace(TRANSFORMS[name], change=WHOLE)
    fold = ImageFold(metadata, transformation, cache=cache, augment=3)
    expected = epoch_of(fold, 2)
    assert epoch_of(fold, 2, num_workers=int(name == "none"), batch_size=6) == expected
    assert not fold.ready
    plain = ImageFold(metadata, TRANSFORMS[name], augment=3).batch(range(32), 2)[0]
    if TRANSFORMS[name].geometry:  # what is small waits for the device, unless it is turned
        plain = torch.from_numpy(np.stack(_brought_to_size(name, plain)))
    assert expected == {
        row: image.tobytes() for row, image in enumerate(WHOLE(plain.numpy(), draws(3, 2, NUMBERS * 32, stream=2).reshape(-1, NUMBERS)))
    }
    assert epoch_of(fold, 3) != expected
    evaluated = [ImageFold(metadata, kind, cache=cache).batch([5, 6])[0] for kind in (name, transformation)]
    assert torch.equal(*map(transformation.to_network_input, evaluated))  # nothing is turned outside of training
    assert transformation.to_network_input(fold.batch([5], 1)[0]).shape[-1] == (32 if transformation.geometry is None else 224)


def _brought_to_size(name: str, images: torch.Tensor) -> list[np.ndarray]:
    geometry = TRANSFORMS[name].geometry
    assert geometry is not None
    if images.shape[-2:] == geometry.size:
        return list(images.numpy())
    return [np.asarray(geometry(Image.fromarray(image.numpy().transpose(1, 2, 0)))).transpose(2, 0, 1) for image in images]


def test_a_wide_image_is_squashed(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    metadata = Metadata(tmp_path / "train_metadata.txt", [str(tmp_path / "a.png")], np.ones((1, 2), np.uint8))
    expected = np.asarray(Image.fromarray(pixels).resize((224, 224), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.array_equal(ImageFold(metadata, "squash")[0][0].numpy(), expected)


def test_words_are_erased_from_copies() -> None:
    bags = (np.random.default_rng(0).random((400, 50)) < 0.5).astype(np.uint8)
    before = bags.copy()
    changed = Erasure(0.3, keep=0.25, seed=1)(bags, range(400), epoch=2)
    assert np.array_equal(bags, before)
    untouched = (changed == bags).all(axis=1)
    assert 60 < untouched.sum() < 140  # 100 on average, the deviation is 9
    assert ((changed == 0) | (changed == bags)).all()
    ones = Erasure(0.3, value=1, seed=1)(np.zeros((400, 50), np.uint8), range(400), epoch=2)
    assert (ones.sum(axis=1) == 15).all()
    assert np.array_equal(changed[~untouched], (bags * (1 - ones))[~untouched])
    assert (400 * 0.3 - ones.sum(axis=0)).max() < 5 * 9.2  # every word comes as often
    assert np.array_equal(Erasure(0.3, value=1, seed=1)(np.zeros((1, 50), np.uint8), [7], epoch=2)[0], ones[7])
    assert not np.array_equal(Erasure(0.3, value=1, seed=1)(np.zeros((400, 50), np.uint8), range(400), epoch=3), ones)


def test_a_fold_of_texts_erases_by_row_and_epoch() -> None:
    words = tuple("abcdefghij")
    metadata = Metadata(Path("train_metadata.txt"), [f"{row}.png" for row in range(20)], np.eye(2, dtype=np.uint8)[np.arange(20) % 2])
    texts = TextRows(Path("train_texts.txt"), [" ".join(words)] * 20)
    fold = TextFold(metadata, texts, TextTransformation(Vocabulary(words)), Erasure(0.4, seed=2))
    expected = epoch_of(fold, 5)
    assert epoch_of(fold, 5, batch_size=3) == expected
    assert {sum(bag) for bag in expected.values()} == {6}
    assert epoch_of(fold, 6) != expected
    assert fold.bags.sum() == 200
