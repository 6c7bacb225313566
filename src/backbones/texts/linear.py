"""Nothing below the hash layer: a linear text tower, as a baseline and for features that are ready."""

from __future__ import annotations

from torch import Tensor, nn

from ...errors import UsageError
from ._base import TEXT_BACKBONES


class Linear(nn.Module):
    """Gives texts as they are to the hash layer.

    Args:
        words: d_t, width of a text.

    Example:
        >>> import torch
        >>> Linear(5)(torch.zeros(2, 5)).shape
        torch.Size([2, 5])
    """

    def __init__(self, words: int) -> None:
        super().__init__()
        self.num_features = words

    def forward(self, texts: Tensor) -> Tensor:
        """Return texts (B, d_t)."""
        return texts


@TEXT_BACKBONES.register("linear")
def linear(words: int, options: str) -> Linear:
    """Build it for ``linear``, which takes nothing behind a colon."""
    if options:
        raise UsageError(f"linear:{options}: linear takes nothing behind a colon")
    return Linear(words)
