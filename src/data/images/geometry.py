"""Bringing an image to the size that a network wants: scaled, then the middle cut out or a border put around it; without PyTorch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PIL import Image

from ...preprocessing import Preprocessing


@dataclass(frozen=True)
class Geometry:
    """Scales an image and keeps its middle: the pixels of torchvision's ``Resize`` and ``CenterCrop``, and of timm's evaluation.

    Args:
        size: height and width afterwards [pixels].
        scaled: height and width that the image is scaled to or around before its middle is cut out [pixels].
        interpolation: Pillow's name of the filter.
        mode: "center" scales the shorter side to ``scaled``, "border" the longer one, "squash" each side on its own.
        fill: colour of what is put around an image that is smaller than ``size`` then.

    Example:
        >>> Geometry.of(Preprocessing((288, 288), "bicubic", crop=0.9))(Image.new("RGB", (500, 375))).size
        (288, 288)
    """

    size: tuple[int, int]
    scaled: tuple[int, int]
    interpolation: str
    mode: str
    fill: tuple[int, ...]

    @classmethod
    def of(cls, preprocessing: Preprocessing) -> Geometry:
        """Return the geometry of a preprocessing that has a size."""
        assert preprocessing.size is not None
        height, width = preprocessing.size
        scaled = math.floor(height / preprocessing.crop), math.floor(width / preprocessing.crop)
        fill = tuple(round(255 * value) for value in preprocessing.mean) if preprocessing.crop_mode == "border" else (0, 0, 0)
        return cls(preprocessing.size, scaled, preprocessing.interpolation, preprocessing.crop_mode, fill)

    @property
    def name(self) -> str:
        """Name that no other geometry has; without a hyphen, because it is a part of the name of a file."""
        if self == _USUAL:
            return "resize_and_crop"
        fill = "_".join(["", *map(str, self.fill)]) if any(self.fill) else ""
        (height, width), (high, wide) = self.size, self.scaled
        return f"{self.mode}_{self.interpolation}_{height}x{width}_of_{high}x{wide}{fill}"

    @property
    def is_plain(self) -> bool:
        """Whether it is a bilinear filter and a square in the middle of the image, which the kernels of this package know."""
        square = self.size[0] == self.size[1] <= self.scaled[0] == self.scaled[1]
        return square and (self.interpolation, self.mode) == ("bilinear", "center")

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return an RGB image at this size."""
        width, height = self._scaled(image.width, image.height)
        scaled = image if image.size == (width, height) else image.resize((width, height), Image.Resampling[self.interpolation.upper()])
        left, top = _start(width, self.size[1]), _start(height, self.size[0])
        finished = Image.new("RGB", self.size[::-1], self.fill)
        finished.paste(scaled, (-left, -top))
        return finished

    def _scaled(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and height that an image is scaled to."""
        high, wide = self.scaled
        if self.mode == "squash":
            return wide, high
        if self.mode == "center" and high == wide:
            short = min(width, height)
            return length_of(width, short, high), length_of(height, short, high)
        ratios = height / high, width / wide
        ratio = max(ratios) if self.mode == "border" else min(ratios)
        return round(width / ratio), round(height / ratio)


def length_of(side: int, short: int, scaled: int) -> int:
    """Return how long a side becomes when the shorter one becomes ``scaled`` [pixels].

    Example:
        >>> length_of(500, 375, 256), length_of(375, 375, 256)
        (341, 256)
    """
    return scaled if side == short else int(scaled * side / short)


def _start(length: int, cropped: int) -> int:
    """Return where the middle of a line begins; before its start where the line is shorter."""
    return round((length - cropped) / 2) if length >= cropped else -((cropped - length) // 2)


_USUAL = Geometry((224, 224), (256, 256), "bilinear", "center", (0, 0, 0))
