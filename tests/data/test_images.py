"""Decoding images: modes, transformations against torchvision, and damaged files named through workers."""

from __future__ import annotations

import gc
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor

from biodeephashing.data import TRANSFORMS, ImageFold, load_fold, loader, normalise
from biodeephashing.data.images.decoding import UnreadableError, decode, fault_of
from biodeephashing.data.images.transforms import pixels
from biodeephashing.data.metadata import Metadata
from biodeephashing.errors import DataError, UnknownNameError, UsageError, describe
from biodeephashing.preprocessing import IMAGENET
from biodeephashing.registry import names_on_disk
from biodeephashing.settings import NetworkSettings


def fold_of(folder: Path, *files: str, transformation: str = "none") -> ImageFold:
    paths = [str(folder / file) for file in files]
    return ImageFold(Metadata(folder / "train_metadata.txt", paths, np.ones((len(paths), 2), np.uint8)), transformation)


def random_image(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_settings_and_registry_agree() -> None:
    (choices,) = [setting.choices for field, setting in NetworkSettings.table() if field.name == "transformations"]
    assert set(choices) - {"weights", "weights-aug", "dataset"} == set(TRANSFORMS) == set(names_on_disk("data/images", "TRANSFORMS"))


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (256, 256), (32, 32), (256, 300), (1, 3), (333, 257), (224, 1000)])
def test_imagenet_equals_torchvision(size: tuple[int, int]) -> None:
    expected = Compose([Resize(256), CenterCrop(224), ToTensor(), Normalize(IMAGENET.mean, IMAGENET.std)])
    image = random_image(*size)
    result = normalise(torch.from_numpy(pixels(TRANSFORMS["imagenet"].geometry(image))))
    assert result.shape == (3, 224, 224)
    assert result.dtype == torch.float32
    assert torch.equal(result, expected(image))


def test_none_keeps_the_size(tmp_path: Path) -> None:
    random_image(5, 3).save(tmp_path / "a.png")
    fold = fold_of(tmp_path, "a.png")
    image, labels, index = fold[0]
    assert image.shape == (3, 3, 5)
    # first pixel, red: (x / 255 - 0.485) / 0.229
    red = int(np.array(random_image(5, 3))[0, 0, 0])
    assert image[0, 0, 0] == red
    assert fold.transformation.to_network_input(image[None])[0, 0, 0, 0].item() == pytest.approx((red / 255 - 0.485) / 0.229, rel=1e-6)
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


def png(depth: int, colour: int, channels: int, size: int = 2) -> bytes:
    """A square PNG with any number of bits a channel, which Pillow does not write; it says it is larger than it is from 4 on."""
    header = struct.pack(">IIBBBBB", size, size, depth, colour, 0, 0, 0)
    rows = 2 * (b"\0" + bytes(2 * channels * depth // 8))
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def tiff(bits: int) -> bytes:
    """A TIFF of one RGB pixel."""
    size = 3 * bits // 8
    tags = {256: 1, 257: 1, 258: 122, 259: 1, 262: 2, 273: 128, 277: 3, 278: 1, 279: size}  # the three bits lie at 122, the pixel at 128
    entries = b"".join(struct.pack("<HHII", tag, 3, 3 if tag == 258 else 1, value) for tag, value in tags.items())
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4) + struct.pack("<HHH", bits, bits, bits) + bytes(size)


def test_more_than_eight_bits_are_refused(tmp_path: Path) -> None:
    """Pillow reads 16 bits of a colour image as 8 and says nothing."""
    deep = {f"{channels}.png": png(16, colour, channels) for colour, channels in ((0, 1), (2, 3), (4, 2), (6, 4))}
    deep |= {"a.tif": tiff(16), "a.ppm": b"P6 1 1 65535\n" + bytes(6), "b.ppm": b"P6 1 1 4095\n" + bytes(6), "c.ppm": b"P3 1 1 256\n1 2 3"}
    even = {"3.png": png(8, 2, 3), "1.png": png(1, 0, 8), "a.tif": tiff(8), "a.ppm": b"P6 1 1 100\n" + bytes(3)}
    for name, content in deep.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=rf"{name} \(line 1 of .*more than 8 bits a channel \(.*convert it to 8 bits"):
            fold_of(tmp_path, name)[0]
    for name, content in even.items():
        (tmp_path / name).write_bytes(content)
        assert fold_of(tmp_path, name)[0][0].shape[0] == 3, name


def test_large_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 megapixels are decoded, what a header of 10,000 claims is never allocated, and a variable says otherwise."""
    (tmp_path / "huge.png").write_bytes(png(8, 0, 1, size=100_000))
    (tmp_path / "large.png").write_bytes(png(8, 0, 1, size=20_000))
    (tmp_path / "fits.png").write_bytes(png(8, 0, 1, size=14_000))
    random_image(40, 30).save(tmp_path / "small.png")
    with pytest.raises(DataError, match=r"has more than 536,870,912 pixels, and at most 268,435,456 .*BIODEEPHASHING_MAX_PIXELS"):
        fold_of(tmp_path, "huge.png")[0]
    with pytest.warns(Image.DecompressionBombWarning), pytest.raises(DataError, match=r"20,000 × 20,000 = 400,000,000 pixels, and at most"):
        fold_of(tmp_path, "large.png")[0]
    with pytest.raises(DataError, match=r"fits\.png .* cannot be read"):  # decoded, as far as there are rows
        fold_of(tmp_path, "fits.png")[0]
    monkeypatch.setenv("BIODEEPHASHING_MAX_PIXELS", "1199")
    with pytest.warns(Image.DecompressionBombWarning), pytest.raises(DataError, match="40 × 30 = 1,200 pixels, and at most 1,199"):
        fold_of(tmp_path, "small.png")[0]
    monkeypatch.setenv("BIODEEPHASHING_MAX_PIXELS", "1200")
    assert fold_of(tmp_path, "small.png")[0][0].shape == (3, 30, 40)
    for wrong in ("1e9", "0", ""):
        monkeypatch.setenv("BIODEEPHASHING_MAX_PIXELS", wrong)
        with pytest.raises(UsageError, match=f"BIODEEPHASHING_MAX_PIXELS='{wrong}'"):
            fold_of(tmp_path, "small.png")[0]


def test_what_becomes_of_transparency_frames_and_palettes(tmp_path: Path) -> None:
    """What docs/data.md says: the colour under transparent pixels, the first frame or page, a palette's own colours."""
    Image.new("RGBA", (2, 2), (10, 20, 30, 0)).save(tmp_path / "a.png")
    Image.new("LA", (2, 2), (10, 0)).save(tmp_path / "b.png")
    frames = [Image.new("RGB", (2, 2), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    frames[0].save(tmp_path / "c.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "d.tif", save_all=True, append_images=frames[1:])
    palette = frames[0].quantize(2)
    palette.save(tmp_path / "e.png", bits=1, transparency=0)
    expected = {"a.png": (10, 20, 30), "b.png": (10, 10, 10), "c.gif": (255, 0, 0), "d.tif": (255, 0, 0), "e.png": (255, 0, 0)}
    for name, colour in expected.items():
        image = fold_of(tmp_path, name)[0][0]
        assert image[:, 1, 1].tolist() == list(colour), name


def test_what_a_check_finds_is_what_decoding_finds(tmp_path: Path) -> None:
    """A JPEG is checked at an eighth of its size: cut or changed anywhere, both ways of reading must agree."""
    file, generator = tmp_path / "a.jpg", np.random.default_rng(0)
    for progressive in (False, True):
        random_image(64, 48).save(file, progressive=progressive)
        whole = file.read_bytes()
        for number in range(60):
            damaged = bytearray(whole[: len(whole) - number] if number % 2 else whole)
            for offset in generator.integers(2, len(damaged), number % 3):
                damaged[offset] = generator.integers(0, 256)
            file.write_bytes(damaged)
            try:
                decode(file)
                fault = ""
            except UnreadableError as error:
                fault = str(error)
            assert bool(fault_of(file)) == bool(fault), (progressive, number, fault)


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
    complaint = {"missing": "is missing", "empty": "is not an image", "text": "is not an image"}.get(how, "cannot be read")
    assert message.startswith(f"the image {metadata.image(5)} (line 6 of {metadata.file}) {complaint}")
    assert "prepare the dataset again" in message
    assert "Traceback" not in message


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp"])
def test_cut_off_images_of_every_format(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a.{suffix}"
    random_image(64, 64).save(file)
    fold = fold_of(tmp_path, file.name)
    assert fold[0][0].shape == (3, 64, 64)
    for share in (0.9, 0.5, 0.1):
        file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
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
