"""Decoding images: modes, transformations against torchvision, and damaged files named through workers."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor

from biodeephashing.data import TRANSFORMS, ImageFold, load_fold, loader, normalise
from biodeephashing.data.metadata import Metadata
from biodeephashing.data.transforms import pixels
from biodeephashing.errors import DataError, UnknownNameError, describe
from biodeephashing.hparams import table
from biodeephashing.preprocessing import IMAGENET
from biodeephashing.registry import names_on_disk


def fold_of(folder: Path, *files: str, transformation: str = "none") -> ImageFold:
    paths = [str(folder / file) for file in files]
    return ImageFold(Metadata(folder / "train_metadata.txt", paths, np.ones((len(paths), 2), np.uint8)), transformation)


def random_image(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_settings_and_registry_agree() -> None:
    (choices,) = [setting.choices for field, setting in table() if field.name == "transformations"]
    assert set(choices) - {"weights", "weights-aug"} == set(TRANSFORMS) == set(names_on_disk("data", "TRANSFORMS"))


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (256, 256), (32, 32), (256, 300), (1, 3), (333, 257), (224, 1000)])
def test_imagenet_equals_torchvision(size: tuple[int, int]) -> None:
    expected = Compose([Resize(256), CenterCrop(224), ToTensor(), Normalize(IMAGENET.mean, IMAGENET.std)])
    image = random_image(*size)
    found = normalise(torch.from_numpy(pixels(TRANSFORMS["imagenet"].geometry(image))))
    assert found.shape == (3, 224, 224)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected(image))


def test_none_keeps_the_size(tmp_path: Path) -> None:
    random_image(5, 3).save(tmp_path / "a.png")
    fold = fold_of(tmp_path, "a.png")
    image, labels, index = fold[0]
    assert image.shape == (3, 3, 5)
    # first pixel, red: (x / 255 - 0.485) / 0.229
    red = int(np.array(random_image(5, 3))[0, 0, 0])
    assert image[0, 0, 0] == red
    assert fold.transformation.finish(image[None])[0, 0, 0, 0].item() == pytest.approx((red / 255 - 0.485) / 0.229, rel=1e-6)
    assert (labels.tolist(), labels.dtype, index) == ([1.0, 1.0], torch.float32, 0)


def test_unknown_transformation(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown transformation 'imagenett': did you mean 'imagenet'"):
        fold_of(tmp_path, transformation="imagenett")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    name = "a.tif" if mode == "CMYK" else "a.png"
    original = random_image(8, 6).convert(mode)
    original.save(tmp_path / name)
    image, *_ = fold_of(tmp_path, name)[0]
    assert np.array_equal(image, pixels(original.convert("RGB")))


def test_cmyk_photographs_as_pillow_converts_them(tmp_path: Path) -> None:
    random_image(16, 16).convert("CMYK").save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as stored:
        assert stored.mode == "CMYK"
        expected = pixels(stored.convert("RGB"))
    assert np.array_equal(fold_of(tmp_path, "a.jpg")[0][0], expected)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, suffix: str, orientation: int) -> None:
    """The corner that a camera says is the upper left one is there: what value turns what is EXIF 2.3, 4.6.4."""
    upright = np.zeros((64, 96, 3), np.uint8)
    upright[:32, :48] = 255
    turned, half_turn = upright.swapaxes(0, 1), upright[::-1, ::-1]
    stored = {
        1: upright, 2: upright[:, ::-1], 3: half_turn, 4: upright[::-1],
        5: turned, 6: turned[::-1], 7: half_turn.swapaxes(0, 1), 8: turned[:, ::-1],
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / f"a.{suffix}", exif=exif)
    image, *_ = fold_of(tmp_path, f"a.{suffix}")[0]
    assert image.shape == (3, 64, 96)
    assert np.abs(image.numpy().transpose(1, 2, 0).astype(int) - upright)[8:24, 8:40].max() < 9  # JPEG is not exact
    assert image[:, 40:].max() < 9


def test_a_damaged_exif_block_leaves_the_picture(tmp_path: Path) -> None:
    random_image(8, 8).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    with Image.open(tmp_path / "a.jpg") as stored:
        expected = pixels(stored.convert("RGB"))
    assert np.array_equal(fold_of(tmp_path, "a.jpg")[0][0], expected)


def test_sixteen_bits_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(DataError, match=r"deep\.png \(line 1 of .*more than 8 bits"):
        fold_of(tmp_path, "deep.png")[0]


def damage(file: Path, how: str) -> None:
    whole = file.read_bytes()
    if how == "missing":
        file.unlink()
    else:
        flipped = whole[:60] + bytes(byte ^ 0xFF for byte in whole[60:200]) + whole[200:]
        file.write_bytes(
            {"empty": b"", "text": b"no image", "cut": whole[: len(whole) // 2], "header": whole[:20], "flipped": flipped}[how]
        )


def complaint_of(fold: ImageFold, workers: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a person reads when the loader of a fold fails."""
    monkeypatch.setattr("torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL", 0.1)  # a worker that has failed is waited for 5 s
    try:
        list(loader(fold, batch_size=4, num_workers=workers))
    except DataError as error:
        message = describe(error)
    gc.collect()  # ends the workers here, not in a later test
    return message


@pytest.mark.parametrize("how", ["missing", "empty", "text", "cut", "header", "flipped"])
@pytest.mark.parametrize("workers", [0, 1])
def test_damaged_image_is_named(tiny_database: str, how: str, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = load_fold(tiny_database, "query")
    damage(metadata.image(5), how)
    message = complaint_of(ImageFold(metadata, "none"), workers, monkeypatch)
    complaint = "is missing" if how == "missing" else "cannot be read"
    assert message.startswith(f"the image {metadata.image(5)} (line 6 of {metadata.file}) {complaint}")
    assert "prepare the data set again" in message
    assert "Traceback" not in message


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp"])
def test_cut_off_images_of_every_format(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a.{suffix}"
    random_image(64, 64).save(file)
    fold = fold_of(tmp_path, file.name)
    assert fold[0][0].shape == (3, 64, 64)
    for kept in (0.9, 0.5, 0.1):
        file.write_bytes(file.read_bytes()[: int(kept * file.stat().st_size)])
        with pytest.raises(DataError, match=r"a\.\w+ \(line 1 of"):
            fold[0]


def test_a_folder_instead_of_an_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        fold_of(tmp_path, "a.png")[0]


@pytest.mark.parametrize("workers", [0, 1])
def test_images_of_different_size(tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random_image(5, 3).save(tmp_path / "a.png")
    random_image(4, 3).save(tmp_path / "b.png")
    message = complaint_of(fold_of(tmp_path, "a.png", "b.png"), workers, monkeypatch)
    assert message.startswith("images of different size cannot share a batch: ")
    assert "a.png has 5 × 3 pixels and" in message
    fold = fold_of(tmp_path, "a.png", "b.png", transformation="imagenet")
    assert [batch[0].shape[2:] for batch in loader(fold, batch_size=2)] == [(224, 224)]
    assert [batch[0].shape[2:] for batch in loader(fold, batch_size=1)] == [(3, 5), (3, 4)]  # alone they are left to the device


def test_paths_lie_below_the_project_root(
    tiny_database: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    fold = ImageFold(load_fold(tiny_database, "val"), "none")
    monkeypatch.setenv("BIODEEPHASHING_HOME", str(tmp_path_factory.mktemp("elsewhere")))
    monkeypatch.chdir(tmp_path_factory.mktemp("also"))
    assert fold[3][0].shape == (3, 32, 32)
