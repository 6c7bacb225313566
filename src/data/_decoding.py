"""From an image file to pixels, or to the reason why there are none."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from PIL import Image

# Pillow's decoders raise any of these for a damaged file.
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error, Image.DecompressionBombError)
_DEEP = ("I", "F")  # modes of more than 8 bits a channel begin with these
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


def decode(file: Path) -> tuple[Image.Image, str]:
    """Read an image to its last byte.

    Args:
        file: the image file.

    Returns:
        It in RGB, upright as its EXIF block says, and the mode it is stored in.

    Raises:
        FileNotFoundError: when it is missing.
        ValueError: when it has more than 8 bits a channel.
        OSError, SyntaxError, EOFError, IndexError, struct.error, zlib.error, PIL.Image.DecompressionBombError: when it is
            damaged; :data:`DAMAGED` holds them all.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "cat.png"
        >>> Image.new("L", (40, 30), 255).save(file)
        >>> image, mode = decode(file)
        >>> image.mode, image.size, mode
        ('RGB', (40, 30), 'L')
    """
    with Image.open(file) as image:
        if image.mode.startswith(_DEEP):
            raise ValueError(f"it has more than 8 bits a channel (mode {image.mode}), which would be cut off: store it with 8")
        image.load()  # before its orientation is read, because that of a TIFF is applied here
        turn = _UPRIGHT.get(_orientation(image))
        colours = image.convert("RGB")
        return colours if turn is None else colours.transpose(turn), image.mode


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of a loaded image, 1 for none; a damaged EXIF block does not make the picture unusable."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except (*DAMAGED, TypeError):
        return 1
