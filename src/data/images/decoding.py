"""From an image file to pixels, or to the reason why there are none."""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from PIL import Image, ImageFile, UnidentifiedImageError

from ...errors import UsageError

PIXELS_VARIABLE = "BIODEEPHASHING_MAX_PIXELS"
_PIXELS = 2**28  # 16,384 × 16,384: 2 GiB of memory; three times what Pillow allows without a warning
# Pillow's decoders raise any of these for a damaged file.
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)
_DEEP = ("I", "F")  # modes of more than 8 bits a channel begin with these
_BITS_PER_SAMPLE = 258  # the tag of a TIFF
_SIXTEEN = re.compile(r";16[BLN]|SGI16")  # "BGR;16" has 5 or 6 bits a channel
_ORIENTATION = 0x0112  # the EXIF tag; what brings an image with each of its values upright:
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class UnreadableError(Exception):
    """An image file that cannot be decoded; the text completes a sentence that begins with its name."""


def decode(file: Path | IO[bytes], most: int | None = None) -> tuple[Image.Image, str]:
    """Read an image to its last byte; of several frames or pages, the first.

    Args:
        file: the image file, or a stream of its bytes.
        most: pixels it may have; None for :func:`most_pixels`.

    Returns:
        It in RGB, upright as its EXIF block says, and the mode it is stored in.

    Raises:
        UnreadableError: if it is missing, damaged or no image, has more than 8 bits a channel, or more pixels than are decoded.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "cat.png"
        >>> Image.new("L", (40, 30), 255).save(file)
        >>> image, mode = decode(file)
        >>> image.mode, image.size, mode
        ('RGB', (40, 30), 'L')
    """
    with _opened(file, most) as image:
        return upright(image), image.mode


def upright(image: Image.Image) -> Image.Image:
    """Return an opened image in RGB, upright as its EXIF block says; grey, palette, alpha and CMYK images are converted by Pillow.

    Raises:
        UnreadableError: if it has more than 8 bits a channel.
    """
    _check_depth(image)
    image.load()  # before its orientation is read, because that of a TIFF is applied here
    turn = _UPRIGHT.get(_orientation(image))
    colours = image.convert("RGB")
    return colours if turn is None else colours.transpose(turn)


def fault_of(file: Path) -> str:
    """Return why :func:`decode` would fail, empty if it would not, in less time: a JPEG is read to its end, but computed at an eighth.

    Args:
        file: the image file.
    """
    try:
        with _opened(file) as image:
            _check_depth(image)
            image.draft(None, (1, 1))
            image.crop((0, 0, 1, 1)).convert("RGB")  # decodes the whole image
    except UnreadableError as error:
        return str(error)
    return ""


def most_pixels() -> int:
    """Return how many pixels an image may have: 268,435,456, or what ``BIODEEPHASHING_MAX_PIXELS`` says.

    Raises:
        UsageError: if that is not a whole number of at least 1.
    """
    text = os.environ.get(PIXELS_VARIABLE, str(_PIXELS))
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"{PIXELS_VARIABLE}={text!r} is not a number of pixels: it must be a whole number of at least 1")
    return int(text)


@contextmanager
def _opened(file: Path | IO[bytes], wanted: int | None = None) -> Iterator[Image.Image]:
    """Open an image that can be decoded as far as its header tells, and turn what Pillow raises meanwhile into one error."""
    Image.MAX_IMAGE_PIXELS = most_pixels()
    most = min(wanted or most_pixels(), most_pixels())  # Pillow itself refuses twice as many, also inside a file, before it allocates them
    try:
        with Image.open(file) as image:
            _check_size(image, most)
            yield image
    except FileNotFoundError as error:
        raise UnreadableError("is missing") from error
    except Image.DecompressionBombError as error:
        raise UnreadableError(_too_large(f"more than {2 * most_pixels():,} pixels", most)) from error
    except UnidentifiedImageError as error:
        raise UnreadableError("is not an image that can be read") from error
    except _DAMAGED as error:
        raise UnreadableError(f"cannot be read ({error})") from error


def _check_size(image: Image.Image, most: int) -> None:
    if image.width * image.height > most:
        raise UnreadableError(_too_large(f"{image.width:,} × {image.height:,} = {image.width * image.height:,} pixels", most))


def _too_large(size: str, most: int) -> str:
    remedy = f", or set {PIXELS_VARIABLE} to more (each takes 8 bytes of memory)" if most == most_pixels() else ""
    return f"has {size}, and at most {most:,} are decoded: make it smaller{remedy}"


def _check_depth(image: Image.Image) -> None:
    if image.mode.startswith(_DEEP) or _is_cut(image):
        raise UnreadableError(
            f"has more than 8 bits a channel ({image.format}, mode {image.mode}), which would be cut off: convert it to 8 bits, "
            "choosing which values become 0 and 255"
        )


def _is_cut(image: Any) -> bool:
    """Tell whether a file has more than 8 bits a channel though its mode has not: of colours, Pillow drops the lower bits silently."""
    if image.format == "TIFF":
        return max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,))) > 8
    if not isinstance(image, ImageFile.ImageFile) or not image.tile:  # one that was made in memory, or is decoded already
        return False
    codec, _, _, layout = image.tile[0]  # the layout of the file's channels is "RGB;16B" in a PNG, ("RGB", 65535) in a PPM
    if image.format == "PPM":
        return isinstance(layout, tuple) and layout[-1] > 255
    return _SIXTEEN.search(f"{codec} {layout}") is not None


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of a loaded image, 1 for none; a damaged EXIF block does not make the image unusable."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except (*_DAMAGED, TypeError):
        return 1
