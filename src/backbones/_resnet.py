"""Residual networks of torchvision, which also give the features of their stages."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from ._base import Backbone
from ._stages import Staged
from ._torchvision import published


class StagedResNet(ResNet, Staged):
    """A residual network without its classifier.

    Args:
        block: class of its blocks.
        layers: blocks of each of the four stages.

    Example:
        >>> import torch
        >>> [tuple(stage.shape) for stage in StagedResNet(BasicBlock, (2, 2, 2, 2)).stages(torch.zeros(2, 3, 64, 64))]
        [(2, 64), (2, 128), (2, 256), (2, 512)]
    """

    def __init__(self, block: type[BasicBlock | Bottleneck], layers: Sequence[int]) -> None:
        super().__init__(block, list(layers))
        self.stage_features = tuple(64 * 2**stage * block.expansion for stage in range(len(layers)))
        self.num_features = self.stage_features[-1]
        self.fc = nn.Identity()

    def stages(self, images: Tensor) -> list[Tensor]:
        """Map images (B, 3, H, W) to the mean of each stage over all pixels."""
        features, x = [], images
        for name, part in self.named_children():
            if name == "avgpool":
                break
            x = part(x)
            if name.startswith("layer"):
                features.append(x.mean(dim=(2, 3)))
        return features


def resnet_backbone(name: str, block: type[BasicBlock | Bottleneck], layers: Sequence[int]) -> Backbone:
    """Describe a residual network of torchvision as a backbone.

    Args:
        name: torchvision's name of the model.
        block: class of its blocks.
        layers: blocks of each of the four stages.
    """
    # the weights that published hashing results start from
    return Backbone(lambda: StagedResNet(block, layers), ("fc",), *published(name, "IMAGENET1K_V1"))
