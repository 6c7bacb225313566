"""Looking at every image of a prepared dataset: what can be read, what it is, and which images are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from .decoding import UnreadableError, decode
from .threads import in_threads

_SIDE = 8  # rows of a look, and differences in each
_FLAT = 8  # grey levels: below this span a look is noise


@dataclass(frozen=True)
class Examined:
    """What one image file holds.

    Args:
        fault: why it cannot be used; empty when it can.
        missing: whether it is not there.
        mode: its mode, as Pillow names it.
        pixels: checksum of its size and RGB values; empty when it cannot be used.
        look: 64 bits that hardly change when an image is scaled or stored anew; None when it is too flat, or cannot be used.
    """

    fault: str = ""
    missing: bool = False
    mode: str = ""
    pixels: str = ""
    look: int | None = None


def examine(files: Sequence[Path], label: str) -> list[Examined]:
    """Look at files, several at once, with a progress bar.

    Args:
        files: image files.
        label: what the bar is called.
    """
    return in_threads(examine_file, files, label)


def examine_file(file: Path) -> Examined:
    """Look at one file."""
    try:
        image, mode = decode(file)
    except UnreadableError as error:
        return Examined(str(error), missing=isinstance(error.__cause__, FileNotFoundError))
    state = hashlib.blake2b(f"{image.size}".encode(), digest_size=16)
    state.update(image.tobytes())
    return Examined(mode=mode, pixels=state.hexdigest(), look=look(image))


def look(image: Image.Image) -> int | None:
    """Return whether brightness rises from each point of a coarse grid to its right neighbour, as 64 bits; None for a flat image.

    Reference: Kind of Like That, N. Krawetz, hackerfactor.com, 2013 ("difference hash").

    Example:
        >>> look(Image.linear_gradient("L").rotate(90)) == 2**64 - 1, look(Image.new("RGB", (9, 9)))
        (True, None)
    """
    grey = np.asarray(image.convert("L").resize((_SIDE + 1, _SIDE), Image.Resampling.BOX), dtype=np.int16)
    if grey.max() - grey.min() < _FLAT:
        return None
    return int.from_bytes(np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes(), "big")
