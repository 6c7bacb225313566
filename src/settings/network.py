"""The settings of a method that looks at images through a network."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import unknown_name
from ..registry import names_in_timm, names_on_disk
from .common import CommonSettings
from .setting import setting


@dataclass(frozen=True)
class NetworkSettings(CommonSettings):
    """Which network takes the images, with which weights, and what happens to an image before it.

    Example:
        >>> NetworkSettings(architecture="timm:resnet18").transformations
        'weights'
    """

    transformations: str = setting(
        "", "trf",
        "what happens to an image before the network; in training alone, -aug is random; weights: what the pretrained weights want; "
        "left out: weights for timm:NAME (but imagenet with -weights none), imagenet for every other backbone",
        choices=("weights", "weights-aug", "imagenet", "imagenet-aug", "cifar-aug", "none"), named="always", before="seed",
    )  # fmt: skip
    architecture: str = setting("alexnet", "arch", "backbone", named="always", before="seed")
    weights: str = setting(
        "auto", "weights", "none, imagenet or a FILE; auto: imagenet for every backbone that has such weights", before="device"
    )
    precision: str = setting(
        "32", "precision", "arithmetic of the network", choices=("32", "bf16-mixed", "16-mixed", "64"), before="device"
    )

    @property
    def backbone(self) -> str:
        """Name of the backbone."""
        return self.architecture

    def complete(self) -> None:
        """Choose the transformations after the backbone and its weights."""
        super().complete()
        if self.transformations == "":
            pretrained = self.backbone.startswith("timm:") and self.weights != "none"
            self.put("transformations", "weights" if pretrained else "imagenet")

    def check(self) -> None:
        """Check the backbone."""
        super().check()
        self.check_backbone()

    def check_backbone(self) -> None:
        """Refuse a backbone that does not exist.

        Raises:
            UnknownNameError: naming the nearest one.
        """
        known = names_on_disk("backbones", "BACKBONES")
        if not self.backbone.startswith("timm:") and self.backbone not in known:
            prefix = self.architecture.removesuffix(self.backbone)
            names = [f"{prefix}{name}" for name in (*known, "timm:NAME")]
            raise unknown_name("backbone", self.architecture, names, (f"{prefix}timm:{name}" for name in names_in_timm()))
