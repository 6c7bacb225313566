"""A LeNet with rectifiers: two convolutions and one hidden layer, for small images; trains in seconds on a CPU."""

from __future__ import annotations

from torch import Tensor, nn

from ._base import BACKBONES, Backbone


class LeNet(nn.Module):
    r"""Two blocks of 5×5 convolution, rectifier and 2×2 maximum, then one hidden layer of 512 units.

    .. math:: \text{image} \to 32@5\times5 \to \max_2 \to 64@5\times5 \to \max_2 \to 512

    The second pooling always ends at 8×8, so that any image of at least 16×16 pixels can be taken; at the usual 32×32
    it is the plain 2×2 maximum.

    Reference:
        Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition", 1998.

    Example:
        >>> import torch
        >>> LeNet()(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 512])
    """

    num_features = 512

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 32, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.AdaptiveMaxPool2d(8),
        )
        self.classifier = nn.Sequential(nn.Linear(64 * 8 * 8, self.num_features), nn.ReLU(inplace=True))

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, 3, H, W) to features (B, 512)."""
        return self.classifier(self.features(images).flatten(1))


@BACKBONES.register("lenet")
def lenet() -> Backbone:
    """Describe LeNet as a backbone; nobody publishes ImageNet weights for it."""
    return Backbone(LeNet)
