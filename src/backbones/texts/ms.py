"""MS text: a perceptron over a bag of words at six scales."""

from __future__ import annotations

from torch import Tensor, nn

from ._base import TEXT_BACKBONES, check_no_options
from ._multi_scale import CHANNELS, MultiScale, RowNorm


class MSText(nn.Module):
    r"""Two hidden layers over a row and its means at five scales; each is rectified and normalised.

    .. math:: x \to 6 \times d \to 4096 \to 512

    Reference:
        Self-supervised adversarial hashing networks for cross-modal retrieval (Li, Deng, Li, Liu, Gao, Tao; CVPR 2018).

    Args:
        width: d, of a row.

    Example:
        >>> import torch
        >>> MSText(60)(torch.zeros(2, 60)).shape
        torch.Size([2, 512])
    """

    num_features = 512

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scales = MultiScale()
        self.hidden = nn.Sequential(
            nn.Conv1d(CHANNELS, 4096, width),
            nn.Flatten(),
            nn.ReLU(inplace=True),
            RowNorm(2),
            nn.Linear(4096, self.num_features),
            nn.ReLU(inplace=True),
            RowNorm(2),
        )

    def forward(self, rows: Tensor) -> Tensor:
        """Map rows (B, d) to features (B, 512)."""
        features: Tensor = self.hidden(self.scales(rows))
        return features


@TEXT_BACKBONES.register("ms")
def ms(width: int, options: str) -> MSText:
    """Build it for ``ms``, which takes nothing behind a colon."""
    check_no_options("ms", options)
    return MSText(width)
