"""Residual networks for images of 32×32 pixels."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import pad

from ._base import Backbone
from ._stages import Staged


class BasicBlock(nn.Module):
    r"""Two 3×3 convolutions beside a shortcut without parameters.

    .. math:: y = \max(0, F(x) + P(x))

    :math:`P` is the identity; where the block halves the image it keeps every second pixel of every second row and adds channels of zeros
    on both sides (option A of the reference), so that nothing but the two convolutions of :math:`F` has feedback.

    Args:
        channels: channels that come in.
        width: channels that come out; twice as many halve the image.

    Example:
        >>> import torch
        >>> BasicBlock(16, 32)(torch.zeros(2, 16, 9, 9)).shape
        torch.Size([2, 32, 5, 5])
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.stride = width // channels
        self.added = (width - channels) // 2
        self.conv1 = nn.Conv2d(channels, width, 3, stride=self.stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to (B, width, H', W')."""
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + self._shortcut(x))

    def _shortcut(self, x: Tensor) -> Tensor:
        if not self.added:
            return x
        return pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.added, self.added))


class CifarResNet(Staged):
    r"""A residual network of 6n + 2 layers for small images, the last layer (the classifier) left out.

    .. math:: \text{image} \to 16@3\times3 \to n \times 16 \to n \times 32 \to n \times 64 \to \text{mean over all pixels}

    Convolutions start from :math:`W \sim N(0, 2 / \text{fan}_\text{in})`. Images of any size from 8×8 on can be taken.

    Reference:
        K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", 2016, section 4.2.

    Args:
        blocks: n, the blocks of two convolutions in each of the three stages.

    Example:
        >>> import torch
        >>> network = CifarResNet(blocks=3)
        >>> network(torch.zeros(2, 3, 32, 32)).shape, sum(weight.numel() for weight in network.parameters())
        (torch.Size([2, 64]), 269072)
    """

    num_features = 64
    stage_features = (16, 32, num_features)

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(16, 16, blocks)
        self.layer2 = _stage(16, 32, blocks)
        self.layer3 = _stage(32, self.num_features, blocks)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, 3, H, W) to features (B, 64)."""
        x = self.relu(self.bn1(self.conv1(images)))
        return self.layer3(self.layer2(self.layer1(x))).mean(dim=(2, 3))

    def stages(self, images: Tensor) -> list[Tensor]:
        """Map images (B, 3, H, W) to the mean of each stage over all pixels, (B, 16), (B, 32) and (B, 64)."""
        first = self.layer1(self.relu(self.bn1(self.conv1(images))))
        second = self.layer2(first)
        return [stage.mean(dim=(2, 3)) for stage in (first, second, self.layer3(second))]


def cifar_resnet(blocks: int) -> Backbone:
    """Describe a residual network for small images as a backbone; there are no ImageNet weights for it.

    Args:
        blocks: blocks in each of the three stages.
    """
    return Backbone(lambda: CifarResNet(blocks))


def _stage(channels: int, width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(BasicBlock(channels, width), *(BasicBlock(width, width) for _ in range(blocks - 1)))
