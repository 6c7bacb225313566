"""Looking at every image of a prepared data set: what can be read, what it is, and which images are the same."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from ..surroundings import has_terminal
from ._decoding import DAMAGED, decode

NEAR = 3  # bits in which the looks of two images may differ
_SIDE = 8  # rows of a look, and differences in each
_FLAT = 8  # grey levels: below this span a look is noise


@dataclass(frozen=True)
class Examined:
    """What was found in one image file.

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
    with warnings.catch_warnings(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")  # Pillow's, of pictures that it can read all the same
        try:
            return list(tqdm(pool.map(examine_file, files), total=len(files), desc=label, unit="img", disable=not has_terminal()))
        except BaseException:  # Ctrl-C: do not look at the rest first
            pool.shutdown(cancel_futures=True)
            raise


def examine_file(file: Path) -> Examined:
    """Look at one file."""
    try:
        image, mode = decode(file)
    except FileNotFoundError:
        return Examined("is missing", missing=True)
    except DAMAGED as error:
        return Examined(f"cannot be read ({error})")
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


def near_pairs(looks: NDArray[np.uint64]) -> list[tuple[int, int]]:
    """Return the pairs of looks that differ in at most 3 bits, each pair once, the smaller row first.

    Looks are compared only where they agree on one of four bands of 16 bits: two that differ in 3 bits agree on at least one.

    Args:
        looks: (n,).

    Example:
        >>> near_pairs(np.array([0, 7, 2**40, 15], dtype=np.uint64))
        [(0, 1), (0, 2), (1, 3)]
    """
    found: set[tuple[int, int]] = set()
    for band in looks.view(np.uint16).reshape(len(looks), 4).T:
        order = np.argsort(band, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(band[order])) + 1):
            for place, row in enumerate(group[:-1].tolist()):
                others = group[place + 1 :]
                close = others[np.bitwise_count(looks[others] ^ looks[row]) <= NEAR]
                found.update((row, other) for other in close.tolist())  # the sort is stable: a group ascends
    return sorted(found)
