"""Preprocessing that pretrained weights require: a description, which datasets apply and runs record."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

Colour = tuple[float, ...]


@dataclass(frozen=True)
class Preprocessing:
    r"""Size, interpolation, crop and statistics that weights were trained with.

    An image is scaled, the middle is cut out, and each channel is normalised:

    .. math:: z_c = \frac{x_c / 255 - \mu_c}{\sigma_c}

    Args:
        size: height and width that the network sees [pixels]; None keeps the image's own, regardless of the other geometry settings.
        interpolation: filter that scales, as Pillow calls it ("bilinear", "bicubic", ...).
        crop: share of the scaled image's side that is kept; above 1 the image gets a border.
        crop_mode: "center" scales the shorter side to ``size / crop``, "border" the longer one, "squash" each side on its own.
        mean: of each channel, of values in [0, 1].
        std: deviation of each channel.
        source: who says so, in words; two descriptions that differ in nothing else are equal.

    Example:
        >>> print(Preprocessing((224, 224), "bicubic", mean=(0.5, 0.5, 0.5), source="as timm describes mixer_s16_224"))
        224×224 pixels, bicubic, crop 0.875, mean 0.5 0.5 0.5, deviation 0.229 0.224 0.225, as timm describes mixer_s16_224
    """

    size: tuple[int, int] | None
    interpolation: str = "bilinear"
    crop: float = 0.875
    crop_mode: str = "center"
    mean: Colour = (0.485, 0.456, 0.406)
    std: Colour = (0.229, 0.224, 0.225)
    source: str = field(default="", compare=False)

    def __str__(self) -> str:
        parts = [_LABELS.get(key, "") + value for key, value in self._parts().items()]
        return ", ".join([*parts, self.source] if self.source else parts)

    def instead_of(self, other: Preprocessing) -> str:
        """Return in words what this description has in another way than another one; empty where they are equal.

        Example:
            >>> Preprocessing((240, 240), "bicubic").instead_of(IMAGENET)
            '240×240 pixels instead of 224×224 pixels, bicubic instead of bilinear'
        """
        own, others = self._parts(), other._parts()
        both = [key for key in own if key in others and own[key] != others[key]]
        return ", ".join(f"{_LABELS.get(key, '')}{own[key]} instead of {others[key]}" for key in both)

    def at_size(self, side: int) -> Preprocessing:
        """Return this preprocessing, which has a size, for images of another one: their shape, and the share that is cut out, stay.

        Args:
            side: the shorter of height and width that the network sees [pixels].

        Example:
            >>> Preprocessing((224, 224), "bicubic").at_size(96).instead_of(Preprocessing((224, 224), "bicubic"))
            '96×96 pixels instead of 224×224 pixels'
        """
        assert self.size is not None
        height, width = self.size
        short = min(height, width)
        source = f"{self.source}, but for the size" if self.source and side != short else self.source
        return replace(self, size=(round(height * side / short), round(width * side / short)), source=source)

    def record(self) -> dict[str, Any]:
        """Return what ``hparams.json`` holds of it.

        Example:
            >>> Preprocessing.of_record(IMAGENET.record()) == IMAGENET
            True
        """
        return asdict(self)

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Preprocessing:
        """Read what :meth:`record` made and JSON kept: lists become tuples again, and what this version does not know is left out."""
        known = {part.name for part in fields(cls)}
        values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in record.items() if key in known}
        return cls(**values)

    def _parts(self) -> dict[str, str]:
        """Return what there is to say, in words: of an image that keeps its own size no geometry."""
        colours = {"mean": _numbers(self.mean), "std": _numbers(self.std)}
        if self.size is None:
            return {"size": "the image's own size"} | colours
        mode = "" if self.crop_mode == "center" else f" ({self.crop_mode})"
        size = f"{self.size[0]}×{self.size[1]} pixels"
        return {"size": size, "interpolation": self.interpolation, "crop": f"{self.crop:g}{mode}"} | colours


_LABELS = {"crop": "crop ", "mean": "mean ", "std": "deviation "}
IMAGENET = Preprocessing((224, 224), source="as usual for ImageNet")
SQUASHED = Preprocessing((224, 224), crop=1.0, crop_mode="squash", source="as usual for ImageNet but for the shape")
OWN_SIZE = Preprocessing(None, source="as usual for ImageNet")


def name_and_side(transformations: str) -> tuple[str, int | None]:
    """Return a value of ``-trf`` without the size that it may end with, and this size [pixels]; None for none.

    Example:
        >>> name_and_side("weights-aug-96"), name_and_side("weights"), name_and_side("imagenet-96")
        (('weights-aug', 96), ('weights', None), ('imagenet-96', None))
    """
    found = re.fullmatch(r"(weights|weights-aug)-([1-9]\d*)", transformations, re.ASCII)
    return (found[1], int(found[2])) if found else (transformations, None)


def _numbers(values: Iterable[float]) -> str:
    return " ".join(f"{value:.4g}" for value in values)
