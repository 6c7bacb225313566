"""MS residual text: four residual blocks over a bag of words at six scales, the text tower of SCAHN."""

from __future__ import annotations

from torch import Tensor, nn

from .._stages import Staged
from ._base import TEXT_BACKBONES, check_no_options
from ._multi_scale import CHANNELS, MultiScale, RowNorm

HEAD = 256


class Block(nn.Module):
    r"""Two convolutions beside a third one, each with batch norm.

    .. math:: y = \max\bigl(0, C_2 \max(0, C_1 x) + C_3 x\bigr)

    :math:`C_1` looks at three neighbouring scales and keeps their number, :math:`C_2` and :math:`C_3` have the kernel of the block.

    Args:
        channels: channels that come in.
        width: channels that come out.
        kernel: columns and scales that the block spans.
    """

    def __init__(self, channels: int, width: int, kernel: tuple[int, int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, (1, 3), padding=(0, 1), bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = nn.Conv2d(channels, width, kernel, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to (B, width, H', W')."""
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out: Tensor = self.relu(y + self.bn3(self.shortcut(x)))
        return out


class MSResidualText(Staged):
    r"""Four residual blocks over a row and its means at five scales; the first spans all columns, the others neighbouring scales.

    .. math:: x \to 1 \times d \times 6 \to 64 \times 6 \to 128 \times 4 \to 256 \times 2 \to 512

    Reference:
        Self-constraining and attention-based hashing network for bit-scalable cross-modal retrieval (Wang, Zou, Bakker, Wu;
        Neurocomputing 2020).

    Args:
        width: d, of a row.

    Example:
        >>> import torch
        >>> [tuple(stage.shape) for stage in MSResidualText(60).stages(torch.zeros(2, 60))]
        [(2, 384), (2, 512), (2, 512), (2, 512)]
    """

    num_features = 512
    stage_features = (64 * CHANNELS, 128 * (CHANNELS - 2), 256 * (CHANNELS - 4), num_features)

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scales = MultiScale()
        self.blocks = nn.ModuleList(
            [Block(1, 64, (width, 1)), Block(64, 128, (1, 3)), Block(128, 256, (1, 3)), Block(256, self.num_features, (1, 2))]
        )

    def forward(self, rows: Tensor) -> Tensor:
        """Map rows (B, d) to features (B, 512)."""
        return self.stages(rows)[-1]

    def stages(self, rows: Tensor) -> list[Tensor]:
        """Map rows (B, d) to the outputs of each block, (B, 384), (B, 512), (B, 512) and (B, 512)."""
        x = self.scales(rows).transpose(1, 2).unsqueeze(1)
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x.flatten(1))
        return features

    def head(self, width: int, bits: int) -> nn.Sequential:
        """Return a hidden layer of 256 units, rectified and normalised, and a linear map."""
        return nn.Sequential(nn.Linear(width, HEAD), nn.ReLU(inplace=True), RowNorm(1), nn.Linear(HEAD, bits))


@TEXT_BACKBONES.register("ms_residual")
def ms_residual(width: int, options: str) -> MSResidualText:
    """Build it for ``ms_residual``, which takes nothing behind a colon."""
    check_no_options("ms_residual", options)
    return MSResidualText(width)
