"""The network for ready features: it standardises each column, then a backbone that takes rows of numbers follows."""

from __future__ import annotations

from torch import Tensor, nn

from ._network import HashNetwork, hash_network
from ._stages import Staged
from .texts import TEXT_BACKBONES


class Standardised(nn.Module):
    r"""Standardises each column of its input by fixed statistics, which its state dict holds.

    .. math:: h(x) = f\left(\frac{x - \mu}{\sigma}\right)

    Args:
        layers: maps rows (B, D) to features and carries their number as ``num_features``.
        mean: of each column, (D,).
        deviation: of each column, (D,), none of them 0.

    Example:
        >>> import torch
        >>> from .texts.linear import Linear
        >>> Standardised(Linear(2), torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))(torch.tensor([[3.0, 4.0]])).tolist()
        [[2.0, 0.5]]
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, layers: nn.Module, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.num_features = layers.num_features
        self.layers = layers
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)

    def forward(self, rows: Tensor) -> Tensor:
        """Map rows (B, D) to features (B, D')."""
        features: Tensor = self.layers((rows - self.mean) / self.deviation)
        return features


class StandardisedStages(Standardised, Staged):
    """The same before layers that give the features of their stages.

    Args:
        layers: gives them.
        mean: of each column, (D,).
        deviation: of each column, (D,), none of them 0.
    """

    layers: Staged

    def __init__(self, layers: Staged, mean: Tensor, deviation: Tensor) -> None:
        super().__init__(layers, mean, deviation)
        self.stage_features = layers.stage_features

    def stages(self, rows: Tensor) -> list[Tensor]:
        """Map rows (B, D) to the features of each stage."""
        return self.layers.stages((rows - self.mean) / self.deviation)

    def head(self, width: int, bits: int) -> nn.Sequential:
        """Return a head as the layers have them."""
        return self.layers.head(width, bits)


def build_feature_network(name: str, *, mean: Tensor, deviation: Tensor, bits: int, fusion: int | None = None) -> HashNetwork:
    """Build a network for ready features, with a new hash layer on top.

    Args:
        name: a name in :data:`TEXT_BACKBONES`, which take rows of numbers, with what it takes behind a colon ("mlp:512").
        mean: what is subtracted from each column of the features, (D,).
        deviation: what it is divided by then, (D,).
        bits: length of a code.
        fusion: number of stages whose codes are fused, counted from the last, 0 for all; None for none.

    Raises:
        UnknownNameError: for a name that is not known.
        UsageError: for something behind the colon that the backbone does not take, or stages that it does not give.

    Example:
        >>> import torch
        >>> build_feature_network("mlp:8", mean=torch.zeros(5), deviation=torch.ones(5), bits=4)(torch.zeros(2, 5)).shape
        torch.Size([2, 4])
    """
    kind, _, options = name.partition(":")
    layers = TEXT_BACKBONES[kind](len(mean), options)
    backbone = StandardisedStages(layers, mean, deviation) if isinstance(layers, Staged) else Standardised(layers, mean, deviation)
    return hash_network(backbone, name, bits=bits, fusion=fusion)
