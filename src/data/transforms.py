"""What happens to an image before the network: a registered change of its geometry, then the same normalisation for all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

from ..registry import Registry

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

TRANSFORMS: Registry[Callable[[Image.Image], Image.Image]] = Registry("transformation")


@TRANSFORMS.register("imagenet")
def resize_and_crop(image: Image.Image) -> Image.Image:
    """Scale the shorter side to 256 pixels (bilinear, antialiased) and keep the 224 × 224 in the middle.

    Args:
        image: an RGB image of any size.

    Example:
        >>> resize_and_crop(Image.new("RGB", (500, 375))).size
        (224, 224)
    """
    short, size = min(image.size), 256
    width, height = (size if side == short else int(size * side / short) for side in image.size)
    scaled = image if image.size == (width, height) else image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - 224) / 2), round((height - 224) / 2)
    return scaled.crop((left, top, left + 224, top + 224))


@TRANSFORMS.register("none")
def keep(image: Image.Image) -> Image.Image:
    """Keep the image's own size.

    Example:
        >>> keep(Image.new("RGB", (32, 32))).size
        (32, 32)
    """
    return image


def pixels(image: Image.Image) -> torch.Tensor:
    """Return an RGB image as uint8 (3, H, W).

    Example:
        >>> pixels(Image.new("RGB", (2, 1), (1, 2, 3))).tolist()
        [[[1, 1]], [[2, 2]], [[3, 3]]]
    """
    return torch.from_numpy(np.array(image, dtype=np.uint8)).permute(2, 0, 1).contiguous()


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
    mean = torch.tensor(MEAN, device=images.device).view(3, 1, 1)
    std = torch.tensor(STD, device=images.device).view(3, 1, 1)
    return images.to(torch.float32).div_(255).sub_(mean).div_(std)
