"""Nothing below the hash layer: linear codes, a baseline for texts and for ready features."""

from __future__ import annotations

from torch import Tensor, nn

from ._base import TEXT_BACKBONES, check_no_options


class Linear(nn.Module):
    """Gives rows as they are to the hash layer.

    Args:
        width: d, of a row.

    Example:
        >>> import torch
        >>> Linear(5)(torch.zeros(2, 5)).shape
        torch.Size([2, 5])
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.num_features = width

    def forward(self, rows: Tensor) -> Tensor:
        """Return rows (B, d)."""
        return rows


@TEXT_BACKBONES.register("linear")
def linear(width: int, options: str) -> Linear:
    """Build it for ``linear``, which takes nothing behind a colon."""
    check_no_options("linear", options)
    return Linear(width)
