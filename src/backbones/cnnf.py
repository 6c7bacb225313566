r"""CNN-F, the fast network that cross-modal hashing was published with, up to its second fully connected layer: 4096 features."""

from __future__ import annotations

from torch import Tensor, nn

from ._base import BACKBONES, Backbone


class CNNF(nn.Module):
    r"""Five convolutions and two fully connected layers, which are convolutions too, for images of 224×224 pixels.

    .. math:: \text{image} \to 64@11\times11/4 \to \max_{3/2} \to 256@5\times5 \to \max_{3/2} \to 3 \times (256@3\times3)
        \to \max_{3/2} \to 4096 \to 4096

    Each is followed by a rectifier, the first two also by a normalisation over two neighbouring channels.

    Reference:
        Return of the devil in the details: delving deep into convolutional nets (Chatfield, Simonyan, Vedaldi, Zisserman; BMVC 2014);
        with these sizes in Deep cross-modal hashing (Jiang, Li; CVPR 2017).

    Example:
        >>> import torch
        >>> CNNF()(torch.zeros(1, 3, 224, 224)).shape
        torch.Size([1, 4096])
    """

    num_features = 4096

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4),
            nn.ReLU(inplace=True),
            nn.LocalResponseNorm(2, k=2),
            nn.ZeroPad2d((0, 1, 0, 1)),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 256, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.LocalResponseNorm(2, k=2),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
        )
        self.classifier = nn.Sequential(
            nn.Conv2d(256, self.num_features, 6),
            nn.ReLU(inplace=True),
            nn.Conv2d(self.num_features, self.num_features, 1),
            nn.ReLU(inplace=True),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, 3, 224, 224) to features (B, 4096)."""
        features: Tensor = self.classifier(self.features(images)).flatten(1)
        return features


@BACKBONES.register("cnnf")
def cnnf() -> Backbone:
    """Describe CNN-F as a backbone; its published weights, imagenet-vgg-f.mat of MatConvNet, can be named as a file."""
    return Backbone(CNNF)
