"""A LeNet with rectifiers: two convolutions and one hidden layer, for small images; trains in seconds on a CPU."""

from __future__ import annotations

from torch import Tensor, nn

from ._base import BACKBONES, Backbone
from ._stages import Staged


class LeNet(Staged):
    r"""LeNet-5's geometry with 20, 50 and 500 units and rectifiers: two blocks of convolution and maximum, one hidden layer.

    .. math:: \text{image} \to 20@5\times5 \to \max_2 \to 50@5\times5 \to \max_2 \to 500

    The second pooling always ends at 5×5, so that any image of at least 16×16 pixels can be taken; at the usual 32×32
    it is the plain 2×2 maximum.

    Reference:
        Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition", 1998.

    Example:
        >>> import torch
        >>> LeNet()(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 500])
    """

    num_features = 500
    stage_features = (20, 50, num_features)

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 20, 5),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(20, 50, 5),
            nn.ReLU(inplace=True),
            nn.AdaptiveMaxPool2d(5),
        )
        self.classifier = nn.Sequential(nn.Linear(50 * 5 * 5, self.num_features), nn.ReLU(inplace=True))

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, 3, H, W) to features (B, 500)."""
        return self.classifier(self.features(images).flatten(1))

    def stages(self, images: Tensor) -> list[Tensor]:
        """Map images (B, 3, H, W) to the means of both blocks over all pixels, (B, 20) and (B, 50), and the features (B, 500)."""
        first = self.features[:3](images)
        second = self.features[3:](first)
        return [first.mean(dim=(2, 3)), second.mean(dim=(2, 3)), self.classifier(second.flatten(1))]


@BACKBONES.register("lenet")
def lenet() -> Backbone:
    """Describe LeNet as a backbone; there are no ImageNet weights for it."""
    return Backbone(LeNet)
