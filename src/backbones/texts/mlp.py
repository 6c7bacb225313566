"""A perceptron for bags of words and for ready features: hidden layers with rectifiers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from ...errors import UsageError
from .._stages import Staged
from ._base import TEXT_BACKBONES

HIDDEN = (1024,)


class MLP(Staged):
    r"""Hidden layers with rectifiers over a row of numbers.

    .. math:: h_0 = x, \qquad h_l = \max(0, W_l h_{l-1} + b_l)

    Reference:
        Deep cross-modal hashing (Jiang, Li; CVPR 2017), there with one hidden layer of 8,192 units and first weights
        from N(0, 0.01²). On datasets of some thousand items 1,024 units lose nothing, and in a dozen epochs such small weights
        learn less by DCMH.

    Args:
        width: d, of a row.
        hidden: units of each hidden layer.

    Example:
        >>> import torch
        >>> MLP(5, [8, 6])(torch.zeros(2, 5)).shape
        torch.Size([2, 6])
    """

    def __init__(self, width: int, hidden: Sequence[int] = HIDDEN) -> None:
        super().__init__()
        self.num_features = hidden[-1]
        self.stage_features = tuple(hidden)
        widths = [width, *hidden]
        layers = [(nn.Linear(before, after), nn.ReLU(inplace=True)) for before, after in pairwise(widths)]
        self.hidden = nn.Sequential(*(part for layer in layers for part in layer))

    def forward(self, rows: Tensor) -> Tensor:
        """Map rows (B, d) to features (B, D)."""
        features: Tensor = self.hidden(rows)
        return features

    def stages(self, rows: Tensor) -> list[Tensor]:
        """Map rows (B, d) to the outputs of each hidden layer."""
        features = []
        for first in range(0, len(self.hidden), 2):
            rows = self.hidden[first : first + 2](rows)
            features.append(rows)
        return features

    def head(self, width: int, bits: int) -> nn.Sequential:
        """Return a linear map."""
        return nn.Sequential(nn.Linear(width, bits))


@TEXT_BACKBONES.register("mlp")
def mlp(width: int, options: str) -> MLP:
    """Build the perceptron for ``mlp``, ``mlp:1024`` or ``mlp:2048,512``: the units of each hidden layer."""
    sizes = options.split(",") if options else [str(units) for units in HIDDEN]
    if not all(size.strip().isdecimal() and int(size) > 0 for size in sizes):
        raise UsageError(f"mlp:{options} is no perceptron: write the units of each hidden layer, as mlp:1024 or mlp:2048,512")
    return MLP(width, [int(size) for size in sizes])
