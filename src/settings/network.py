"""The settings of a method that looks at images through a network."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UsageError, unknown_name
from ..preprocessing import name_and_side
from ..registry import declared_on_disk, names_in_timm, names_on_disk
from .common import CommonSettings
from .setting import setting

SIDES = (16, 2048)  # of images that -trf weights-SIDE makes [pixels]


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
        "weights-SIDE and weights-aug-SIDE the same at another size (weights-96: 96 pixels); "
        "squash brings each side to 224 pixels, whatever the shape; none keeps its size, dataset too, with mean and deviation of the "
        "dataset's own train fold; of ready features dataset does so with each column, and none leaves them; left out: weights for "
        "timm:NAME and efficientnet_lite0 (but imagenet with -weights none), dataset for ready features, imagenet for every other backbone",
        choices=("weights", "weights-aug", "imagenet", "imagenet-aug", "squash", "cifar-aug", "none", "dataset"), named="always",
        before="seed", family=lambda value: name_and_side(value)[0],
    )  # fmt: skip
    architecture: str = setting(
        "alexnet", "arch", "backbone; for ready features linear or mlp:1024,512 (units of the hidden layers)", named="always", before="seed"
    )
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

    @property
    def takes_features(self) -> bool:
        """Whether the backbone takes ready features, rows of numbers, in place of images."""
        return self.backbone.partition(":")[0] in names_on_disk("backbones/texts", "TEXT_BACKBONES")

    @property
    def items(self) -> str:
        """What the network takes, in a word of the plural."""
        return "rows" if self.takes_features else "images"

    def complete(self) -> None:
        """Choose the transformations after the backbone and its weights."""
        super().complete()
        if self.transformations == "":
            own = self.backbone.startswith("timm:") or _declares_preprocessing(self.backbone)
            self.put("transformations", "weights" if own and self.weights != "none" else "dataset" if self.takes_features else "imagenet")

    def check(self) -> None:
        """Check the backbone."""
        super().check()
        self.check_backbone()
        side = name_and_side(self.transformations)[1]
        if side is not None and not SIDES[0] <= side <= SIDES[1]:
            raise UsageError(f"-trf {self.transformations} is not possible: the size must be from {SIDES[0]} to {SIDES[1]} pixels")

    def check_backbone(self) -> None:
        """Refuse a backbone that does not exist, and a transformation that is not for what it takes.

        Raises:
            UnknownNameError: naming the nearest one.
            UsageError: for a transformation, or weights, of images with a backbone of ready features.
        """
        arch, trf = f"{self.flag('architecture')} {self.architecture}", f"-trf {self.transformations}"
        if self.takes_features:
            if self.transformations not in ("dataset", "none"):
                raise UsageError(f"{trf} changes images, and {arch} takes ready features: -trf is dataset or none for them")
            if self.weights not in ("auto", "none"):
                raise UsageError(f"-weights {self.weights}: there are no weights for {arch}, which takes ready features: leave it out")
            return
        known = (*names_on_disk("backbones", "BACKBONES"), *names_on_disk("backbones/texts", "TEXT_BACKBONES"))
        if not self.backbone.startswith("timm:") and self.backbone not in known:
            prefix = self.architecture.removesuffix(self.backbone)
            names = [f"{prefix}{name}" for name in (*known, "timm:NAME")]
            raise unknown_name("backbone", self.architecture, names, (f"{prefix}timm:{name}" for name in names_in_timm()))


def _declares_preprocessing(backbone: str) -> bool:
    """Return whether the weights of a registered backbone come with a preprocessing of their own."""
    return declared_on_disk("backbones", "BACKBONES").get(backbone, {}).get("preprocessing") == "weights"
