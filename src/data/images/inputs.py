"""Images as a program has them (files, Pillow images, arrays, tensors), made alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ...errors import DataError, UsageError
from .decoding import UnreadableError, decode, upright

ImageInput: TypeAlias = str | Path | Image.Image | NDArray[np.uint8] | torch.Tensor | Iterable["ImageInput"]


def rgb_images(images: ImageInput) -> Iterator[Image.Image]:
    """Yield images one by one, upright and in RGB.

    Args:
        images: a path, a Pillow image, an array, uint8 (H, W, 3), (H, W, 1) or (H, W), a tensor, uint8 (3, H, W) or (1, H, W), a batch
            of these with one dimension more in front, or anything that yields such images or batches.

    Raises:
        DataError: naming the file, if one is missing or damaged.
        UsageError: for another type, shape or number of bits.

    Example:
        >>> black = np.zeros((4, 6, 3), np.uint8)
        >>> [image.size for image in rgb_images([black, torch.zeros(2, 3, 5, 7, dtype=torch.uint8)])]
        [(6, 4), (7, 5), (7, 5)]
    """
    if isinstance(images, (str, Path)):
        yield _of_file(Path(images))
    elif isinstance(images, Image.Image):
        yield _of_pillow(images)
    elif isinstance(images, torch.Tensor):
        for tensor in images if images.ndim == 4 else [images]:
            yield _of_array(_channels_last(tensor), f"a tensor {tuple(tensor.shape)} of {tensor.dtype}", "uint8 (3, H, W) or (1, H, W)")
    elif isinstance(images, np.ndarray):
        for array in images if images.ndim == 4 else [images]:
            yield _of_array(array, f"an array {array.shape} of {array.dtype}", "uint8 (H, W, 3), (H, W, 1) or (H, W)")
    elif isinstance(images, Iterable):
        for image in images:
            yield from rgb_images(image)
    else:
        raise UsageError(f"an image is a path, a Pillow image, an array or a tensor, not {type(images).__name__}")


def _of_file(file: Path) -> Image.Image:
    try:
        return decode(file)[0]
    except UnreadableError as error:
        raise DataError(f"the image {file} {error}") from error


def _of_pillow(image: Image.Image) -> Image.Image:
    try:
        return upright(image)
    except UnreadableError as error:
        raise UsageError(f"the Pillow image {error}") from error


def _channels_last(tensor: torch.Tensor) -> NDArray[Any]:
    return tensor.movedim(0, -1).numpy(force=True) if tensor.ndim == 3 else np.empty(0)


def _of_array(array: NDArray[Any], what: str, expected: str) -> Image.Image:
    plain = array[..., 0] if array.ndim == 3 and array.shape[-1] == 1 else array
    if plain.dtype != np.uint8 or plain.ndim not in (2, 3) or plain.shape[2:] not in ((), (3,)) or not plain.size:
        raise UsageError(f"{what} is no image: it must be {expected}, or a batch of these; values from 0 to 255, not yet normalised")
    return Image.fromarray(np.ascontiguousarray(plain)).convert("RGB")
