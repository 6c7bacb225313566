"""What happens to an image between its file and the network: geometry where it is decoded, the rest on the network's device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ..registry import Registry
from ._augment import Pictures, Pixels, crop_and_flip, shift_and_flip
from ._enlarge import enlarge, length_of
from ._processor import enlarge_and_normalise_here, normalise_here
from ._reduce import reduce_and_crop

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
SCALED, CROPPED = 256, 224  # pixels: the shorter side, and the square that is cut out of the middle


def resize_and_crop(image: Image.Image) -> Image.Image:
    """Scale the shorter side to 256 pixels (bilinear, antialiased) and keep the 224 × 224 in the middle.

    Args:
        image: an RGB image of any size.

    Example:
        >>> resize_and_crop(Image.new("RGB", (500, 375))).size
        (224, 224)
    """
    short = min(image.size)
    width, height = (length_of(side, short, SCALED) for side in image.size)
    if short > SCALED and image.height <= 2 * image.width:  # from Pillow 13 on a higher one is gone over downwards first
        return reduce_and_crop(image, (width, height), CROPPED)
    scaled = image if short == SCALED else image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - CROPPED) / 2), round((height - CROPPED) / 2)
    return scaled.crop((left, top, left + CROPPED, top + CROPPED))


def keep(image: Image.Image) -> Image.Image:
    """Keep the image's own size.

    Example:
        >>> keep(Image.new("RGB", (32, 32))).size
        (32, 32)
    """
    return image


@dataclass(frozen=True)
class Transformation:
    """What happens to the images of a run.

    Args:
        geometry: what is done to a decoded RGB image; without chance, so that its result can be kept.
        side: side of the square that ``geometry`` gives [pixels]; None where images keep their own size.
        augment: what is done to the decoded images of a training batch in place of ``geometry``: uint8 (3, H, W) each, with 64 random
            bits for each, to uint8 (B, 3, H', W'); None where training sees what evaluation sees.
    """

    geometry: Callable[[Image.Image], Image.Image]
    side: int | None = None
    augment: Callable[[Pictures, NDArray[np.uint64]], Pixels] | None = None

    def can_wait(self, height: int, width: int) -> bool:
        """Tell whether an image is so small that :meth:`finish` may do its geometry."""
        return self.side is None or max(height, width) < self.side

    def finish(self, images: torch.Tensor) -> torch.Tensor:
        """Return images as the network takes them: brought to size, if they were too small to do that earlier, and normalised.

        Args:
            images: uint8 (B, 3, H, W), on any device.

        Returns:
            float32 (B, 3, H', W') on that device.

        Example:
            >>> TRANSFORMS["imagenet"].finish(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).shape
            torch.Size([2, 3, 224, 224])
        """
        side, on_processor = self.side, images.device.type == "cpu"
        if side is None or images.shape[-2:] == (side, side):
            return normalise_here(images, *_colours(images.device)) if on_processor else normalise(images)
        if on_processor:
            return enlarge_and_normalise_here(images, SCALED, side, *_colours(images.device))
        return normalise(enlarge(images, SCALED, side))


TRANSFORMS: Registry[Transformation] = Registry("transformation")
TRANSFORMS.register("imagenet")(Transformation(resize_and_crop, CROPPED))
TRANSFORMS.register("imagenet-aug")(Transformation(resize_and_crop, CROPPED, crop_and_flip))
TRANSFORMS.register("cifar-aug")(Transformation(keep, augment=shift_and_flip))
TRANSFORMS.register("none")(Transformation(keep))


def pixels(image: Image.Image) -> Pixels:
    """Return an RGB image as uint8 (3, H, W).

    Example:
        >>> pixels(Image.new("RGB", (2, 1), (1, 2, 3))).tolist()
        [[[1, 1]], [[2, 2]], [[3, 3]]]
    """
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8).transpose(2, 0, 1))


def normalise(images: torch.Tensor) -> torch.Tensor:
    r"""Scale bytes to [0, 1] and normalise each channel with the mean and deviation of ImageNet.

    .. math:: z_c = \frac{x_c / 255 - \mu_c}{\sigma_c}, \quad \mu = (0.485, 0.456, 0.406),\ \sigma = (0.229, 0.224, 0.225)

    Args:
        images: uint8 (..., 3, H, W), on any device.

    Returns:
        float32 of the same shape.

    Example:
        >>> [round(value, 3) for value in normalise(torch.full((3, 1, 1), 255, dtype=torch.uint8)).flatten().tolist()]
        [2.249, 2.429, 2.64]
    """
    mean, std = (colour.view(3, 1, 1) for colour in _colours(images.device))
    return images.to(torch.float32).div_(255).sub_(mean).div_(std)


@lru_cache
@torch.inference_mode(False)  # kept beyond the mode in which they are first asked for
def _colours(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and deviation of each channel; kept, because bringing them to a card has the processor wait for it."""
    return torch.tensor(MEAN, device=device), torch.tensor(STD, device=device)
