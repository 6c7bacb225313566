"""What happens to an image between its file and the network: geometry where it is decoded, the rest on the network's device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ...preprocessing import IMAGENET, OWN_SIZE, SQUASHED, Colour, Preprocessing, name_and_side
from ...registry import Registry
from ._augment import Images, Pixels, crop_and_flip, shift_and_flip
from ._enlarge import enlarge
from ._processor import enlarge_and_normalise_on_cpu, normalise_on_cpu
from .geometry import Geometry
from .turning import Turning


@dataclass(frozen=True)
class Transformation:
    """What happens to the images of a run.

    Args:
        preprocessing: size, interpolation, crop and statistics.
        augment: what is done to the decoded images of a training batch in place of the geometry: uint8 (3, H, W) each, with 64 random
            bits for each, to uint8 (B, 3, H', W'); None where training sees what evaluation sees.
        change: what is done to a training batch after that and after the geometry; None for nothing.
    """

    preprocessing: Preprocessing
    augment: Callable[[Images, NDArray[np.uint64]], Pixels] | None = None
    change: Turning | None = None

    @cached_property
    def geometry(self) -> Geometry | None:
        """What is done to a decoded RGB image, without chance, so that its result can be cached; None where images keep their own size."""
        return None if self.preprocessing.size is None else Geometry.of(self.preprocessing)

    def can_wait(self, height: int, width: int) -> bool:
        """Tell whether an image is so small that :meth:`to_network_input` may do its geometry."""
        geometry = self.geometry
        return geometry is None or (self.change is None and geometry.is_plain and max(height, width) < geometry.size[0])

    def bytes_of(self, images: Sequence[Image.Image]) -> list[Pixels]:
        """Return decoded RGB images as uint8 (3, H, W): brought to size, unless all are alike and :meth:`to_network_input` may do that.

        Args:
            images: upright, in RGB.

        Example:
            >>> [image.shape for image in TRANSFORMS["imagenet"].bytes_of([Image.new("RGB", (400, 300))])]
            [(3, 224, 224)]
        """
        geometry = self.geometry
        wait = geometry is None or (len({image.size for image in images}) == 1 and self.can_wait(*images[0].size[::-1]))
        return [pixels(image if wait or geometry is None else geometry(image)) for image in images]

    def to_network_input(self, images: torch.Tensor) -> torch.Tensor:
        """Return images as the network takes them: brought to size, if they were too small to do that earlier, and normalised.

        Args:
            images: uint8 (B, 3, H, W), on any device.

        Returns:
            float32 (B, 3, H', W') on that device.

        Example:
            >>> TRANSFORMS["imagenet"].to_network_input(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).shape
            torch.Size([2, 3, 224, 224])
        """
        geometry, preprocessing, on_cpu = self.geometry, self.preprocessing, images.device.type == "cpu"
        colours = preprocessing.mean, preprocessing.std
        if geometry is None or images.shape[-2:] == geometry.size:
            return normalise_on_cpu(images, *_colours(images.device, *colours)) if on_cpu else normalise(images, *colours)
        side, scaled = geometry.size[0], geometry.scaled[0]
        if on_cpu:
            return enlarge_and_normalise_on_cpu(images, scaled, side, *_colours(images.device, *colours))
        return normalise(enlarge(images, scaled, side), *colours)


TRANSFORMS: Registry[Transformation] = Registry("transformation")
TRANSFORMS.register("imagenet")(Transformation(IMAGENET))
TRANSFORMS.register("imagenet-aug")(Transformation(IMAGENET, crop_and_flip))
TRANSFORMS.register("squash")(Transformation(SQUASHED))
TRANSFORMS.register("cifar-aug")(Transformation(OWN_SIZE, shift_and_flip))
TRANSFORMS.register("none")(Transformation(OWN_SIZE))


def transformation(name: str, weights: Preprocessing) -> Transformation:
    """Return what a value of ``-trf`` means for a network.

    Args:
        name: "weights" or "weights-aug", both perhaps with a size ("weights-96"), or one of :data:`TRANSFORMS`, which mean the same for
            every network.
        weights: the preprocessing of the network's weights; it has a size.

    Raises:
        UnknownNameError: for another name.

    Example:
        >>> transformation("weights", IMAGENET) == TRANSFORMS["imagenet"] == transformation("imagenet", OWN_SIZE)
        True
    """
    name, side = name_and_side(name)
    if side is not None:
        weights = weights.at_size(side)
    if name == "weights":
        return Transformation(weights)
    if name == "weights-aug":
        return Transformation(weights, partial(crop_and_flip, size=Geometry.of(weights).size, interpolation=weights.interpolation))
    return TRANSFORMS[name]


def pixels(image: Image.Image) -> Pixels:
    """Return an RGB image as uint8 (3, H, W).

    Example:
        >>> pixels(Image.new("RGB", (2, 1), (1, 2, 3))).tolist()
        [[[1, 1]], [[2, 2]], [[3, 3]]]
    """
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8).transpose(2, 0, 1))


def normalise(images: torch.Tensor, mean: Colour = IMAGENET.mean, std: Colour = IMAGENET.std) -> torch.Tensor:
    r"""Scale bytes to [0, 1] and normalise each channel.

    .. math:: z_c = \frac{x_c / 255 - \mu_c}{\sigma_c}

    Args:
        images: uint8 (..., 3, H, W), on any device.
        mean: of each channel; that of ImageNet, (0.485, 0.456, 0.406), if left out.
        std: deviation of each channel; that of ImageNet, (0.229, 0.224, 0.225), if left out.

    Returns:
        float32 of the same shape.

    Example:
        >>> [round(value, 3) for value in normalise(torch.full((3, 1, 1), 255, dtype=torch.uint8)).flatten().tolist()]
        [2.249, 2.429, 2.64]
    """
    means, deviations = (colour.view(3, 1, 1) for colour in _colours(images.device, mean, std))
    return images.to(torch.float32).div_(255).sub_(means).div_(deviations)


@lru_cache
@torch.inference_mode(False)  # used beyond the mode in which they are first needed
def _colours(device: torch.device, mean: Colour, std: Colour) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and deviation of each channel; cached, because a transfer to a GPU makes the CPU wait."""
    return torch.tensor(mean, device=device), torch.tensor(std, device=device)
