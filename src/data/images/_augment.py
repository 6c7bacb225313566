"""Random changes of training images; what is drawn comes with them, so that it depends on nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Images = Sequence[Pixels] | Pixels  # (3, H, W) each, or stacked
_MARGIN = 4  # pixels


def draws(seed: int, epoch: int, length: int, stream: int = 1) -> NDArray[np.uint64]:
    """Return 64 random bits for each image of a fold: a pure function of seed, epoch and the number of the stream, at least 1.

    Example:
        >>> bool((draws(3, 0, 4) == draws(3, 0, 4)).all()), bool((draws(3, 0, 4) == draws(3, 1, 4)).any())
        (True, False)
    """
    sequence = np.random.SeedSequence((seed, epoch), spawn_key=(stream,))  # the order of the epoch has the one without a key
    return np.random.PCG64(sequence).random_raw(length)


def shift_and_flip(images: Images, bits: NDArray[np.uint64]) -> Pixels:
    """Put four black pixels around each image, cut its own size out at a random offset, and mirror one in two.

    For 32 × 32 pixels this is the usual augmentation of CIFAR: pad 4, RandomCrop(32), RandomHorizontalFlip.

    Args:
        images: uint8 (3, H, W) each, all of one size.
        bits: 64 random bits for each.

    Returns:
        uint8 (B, 3, H, W).

    Example:
        >>> image = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
        >>> shift_and_flip([image], np.array([4 + 9 * 3], np.uint64))[0, 0].tolist()  # 4 - 3 = 1 pixel to the right
        [[0, 0], [0, 2]]
    """
    stack = np.asarray(images)
    offsets = 2 * _MARGIN + 1
    padded = np.pad(stack, ((0, 0), (0, 0), (_MARGIN, _MARGIN), (_MARGIN, _MARGIN)))
    windows = sliding_window_view(padded, stack.shape[2:], axis=(2, 3))  # (B, 3, offsets, offsets, H, W)
    top, left, mirrored = (bits // divisor % modulus for divisor, modulus in ((1, offsets), (offsets, offsets), (offsets**2, 2)))
    cut = windows[np.arange(len(stack)), :, top.astype(np.intp), left.astype(np.intp)]
    return np.where(mirrored.astype(bool)[:, None, None, None], cut[..., ::-1], cut)


def crop_and_flip(
    images: Images, bits: NDArray[np.uint64], *, size: tuple[int, int] = (224, 224), interpolation: str = "bilinear"
) -> Pixels:
    """Cut a random part out of each image, scale it (antialiased), and mirror one in two.

    torchvision's ``RandomResizedCrop(size)`` and ``RandomHorizontalFlip()`` (``transforms.v2``) on Pillow's images.

    Args:
        images: uint8 (3, H, W) each, of any size.
        bits: 64 random bits for each.
        size: height and width afterwards [pixels].
        interpolation: Pillow's name of the filter.

    Returns:
        uint8 (B, 3, *size).

    Example:
        >>> crop_and_flip([np.zeros((3, 20, 30), np.uint8)], np.array([7], np.uint64)).shape
        (1, 3, 224, 224)
    """
    change = _crop_and_flip(size, interpolation)
    changed = np.empty((len(images), 3, *size), np.uint8)
    with torch.random.fork_rng(devices=[]):
        for image, seed, target in zip(images, bits, changed, strict=True):
            torch.default_generator.manual_seed(int(seed) >> 1)  # torch.manual_seed would reach the generators of GPUs too
            target[:] = np.asarray(change(Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))))).transpose(2, 0, 1)
    return changed


@lru_cache
def _crop_and_flip(size: tuple[int, int], interpolation: str) -> Any:
    from torchvision.transforms import v2

    filtered = v2.InterpolationMode(interpolation)
    return v2.Compose([v2.RandomResizedCrop(size, interpolation=filtered, antialias=True), v2.RandomHorizontalFlip()])
