"""What the multi-scale networks for bags of words begin with: the words themselves, and their means at five scales."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, interpolate

WINDOWS = (5, 10, 15, 30, 50)
CHANNELS = 1 + len(WINDOWS)


class MultiScale(nn.Module):
    r"""Stacks a row with its means over windows of neighbouring columns, each scaled, rectified and spread over its window again.

    .. math:: x \mapsto \bigl(x,\; \operatorname{up}(\max(0, a_s \operatorname{mean}_s(x) + b_s))\bigr)_{s = 5, 10, 15, 30, 50}

    A window that is longer than the row is as long as the row. Each a begins at 1, so that no scale is silent.

    Example:
        >>> MultiScale()(torch.zeros(2, 60)).shape
        torch.Size([2, 6, 60])
    """

    def __init__(self) -> None:
        super().__init__()
        self.scales = nn.ModuleList(nn.Conv1d(1, 1, 1) for _ in WINDOWS)
        for scale in self.scales:
            nn.init.ones_(scale.weight)  # type: ignore[arg-type]
            nn.init.zeros_(scale.bias)  # type: ignore[arg-type]

    def forward(self, rows: Tensor) -> Tensor:
        """Map rows (B, d) to (B, 6, d)."""
        row = rows.unsqueeze(1)
        width = rows.shape[1]
        channels = [row]
        for window, scale in zip(WINDOWS, self.scales, strict=True):
            means = avg_pool1d(row, min(window, width))
            channels.append(interpolate(scale(means).relu(), size=width))
        return torch.cat(channels, dim=1)


class RowNorm(nn.Module):
    """Divides each number of a row by a power of the mean square of itself and its neighbour, as channels of images are normalised.

    Args:
        k: what is added to that mean.
    """

    def __init__(self, k: float) -> None:
        super().__init__()
        self.norm = nn.LocalResponseNorm(2, k=k)

    def forward(self, rows: Tensor) -> Tensor:
        """Map rows (B, D) to (B, D)."""
        normalised: Tensor = self.norm(rows.unsqueeze(2)).flatten(1)
        return normalised
