"""What weights want done to an image, against timm's own evaluation, pixel by pixel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from timm.data import create_transform
from torchvision.transforms import v2

from biodeephashing.data import TRANSFORMS, ImageFold, transformation
from biodeephashing.data.images._augment import draws
from biodeephashing.data.images.geometry import Geometry
from biodeephashing.data.metadata import Metadata
from biodeephashing.preprocessing import IMAGENET, OWN_SIZE, Preprocessing

HALF = (0.5, 0.5, 0.5)
PREPROCESSING = {
    "bicubic": Preprocessing((224, 224), "bicubic"),
    "bilinear, other statistics": Preprocessing((224, 224), mean=HALF, std=HALF),
    "bilinear, small": Preprocessing((96, 96), crop=0.9, mean=(0.1, 0.2, 0.3), std=(1.0, 1.0, 1.0)),
    "the whole image": Preprocessing((288, 288), "bicubic", crop=1.0),
    "the whole image, bilinear": Preprocessing((160, 160), crop=1.0),
    "squash": Preprocessing((240, 240), "bicubic", crop=0.9, crop_mode="squash", mean=HALF),
    "border": Preprocessing((112, 112), "bicubic", crop=1.0, crop_mode="border", mean=(0.48, 0.458, 0.408)),
    "a black border": Preprocessing((224, 224), "bicubic", crop=1.15),
    "no square": Preprocessing((128, 96), "bicubic", crop=0.95),
}
SIZES = [(100, 75), (150, 301), (96, 96), (31, 640), (224, 224)]


def photograph(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width, 3), dtype=np.uint8))


def by_timm(weights: Preprocessing, image: Image.Image) -> torch.Tensor:
    change = create_transform(
        (3, *(weights.size or ())), interpolation=weights.interpolation, crop_pct=weights.crop, crop_mode=weights.crop_mode,
        mean=weights.mean, std=weights.std,
    )  # fmt: skip
    return change(image)


def test_every_way_equals_timm(tmp_path: Path) -> None:
    """Whether the image is brought to size when it is decoded or, where it is small, by the device."""
    files = [str(tmp_path / f"{width}.png") for width, _ in SIZES]
    for file, size in zip(files, SIZES, strict=True):
        photograph(*size).save(file)
    metadata = Metadata(tmp_path / "val_metadata.txt", files, np.ones((len(files), 2), np.uint8))
    for name, preprocessing in PREPROCESSING.items():
        fold = ImageFold(metadata, transformation("weights", preprocessing))
        for row, size in enumerate(SIZES):
            result = fold.transformation.to_network_input(fold.batch([row])[0])[0]
            assert torch.equal(result, by_timm(preprocessing, photograph(*size))), (name, size)


def test_what_the_weights_want_may_be_what_is_usual() -> None:
    assert transformation("weights", IMAGENET) == TRANSFORMS["imagenet"]
    assert transformation("weights", IMAGENET).geometry == TRANSFORMS["imagenet"].geometry
    for name, fixed in TRANSFORMS.items():
        assert transformation(name, PREPROCESSING["bicubic"]) is fixed


def test_augmentation_takes_size_filter_and_statistics_of_the_weights() -> None:
    preprocessing, bits = Preprocessing((48, 64), "bicubic", mean=HALF), draws(5, 1, 3)
    images = np.stack([np.asarray(photograph(70, 50)).transpose(2, 0, 1)] * 3)
    change = transformation("weights-aug", preprocessing)
    assert change.augment is not None
    expected = v2.Compose([v2.RandomResizedCrop((48, 64), interpolation=v2.InterpolationMode.BICUBIC), v2.RandomHorizontalFlip()])
    for draw, changed in zip(bits, change.augment(images, bits), strict=True):
        torch.manual_seed(int(draw) >> 1)
        assert np.array_equal(np.asarray(expected(photograph(70, 50))).transpose(2, 0, 1), changed)
    assert change.preprocessing == preprocessing


def test_descriptions_tell_their_differences_and_survive_a_record() -> None:
    preprocessing = replace(PREPROCESSING["bicubic"], mean=HALF, source="as somebody says")
    assert str(preprocessing) == "224×224 pixels, bicubic, crop 0.875, mean 0.5 0.5 0.5, deviation 0.229 0.224 0.225, as somebody says"
    assert preprocessing.instead_of(IMAGENET) == "bicubic instead of bilinear, mean 0.5 0.5 0.5 instead of 0.485 0.456 0.406"
    assert preprocessing == replace(preprocessing, source="as somebody else says")
    for one in (*PREPROCESSING.values(), preprocessing, OWN_SIZE):
        record = {key: list(value) if isinstance(value, tuple) else value for key, value in one.record().items()}  # as JSON keeps it
        assert Preprocessing.of_record(record | {"what a later release adds": 1}) == one


def test_no_two_geometries_share_a_name() -> None:
    geometries = {Geometry.of(preprocessing) for preprocessing in PREPROCESSING.values()} | {
        Geometry.of(replace(PREPROCESSING["border"], mean=HALF)),
        Geometry.of(IMAGENET),
    }
    assert len({geometry.name for geometry in geometries}) == len(geometries)
    assert all("-" not in geometry.name for geometry in geometries)
