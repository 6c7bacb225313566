"""Codes of several stages of a backbone, and their fusion into one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import UsageError


class Staged(nn.Module):
    """A backbone that also gives the features of its stages, the last of which it gives alone.

    Subclasses carry ``stage_features``, the width of each stage.
    """

    stage_features: tuple[int, ...]

    @abstractmethod
    def stages(self, inputs: Tensor) -> list[Tensor]:
        """Return the features of each stage, (B, D_k), the first stage first."""

    def head(self, width: int, bits: int) -> nn.Sequential:
        """Return new layers that make raw codes (B, bits) of the features (B, width) of one stage: batch norm and a linear map."""
        return nn.Sequential(nn.BatchNorm1d(width), nn.Linear(width, bits))


class FusedHashLayer(nn.Module):
    r"""Makes raw codes of the features of several stages, and fuses them bit by bit.

    .. math:: z^k = \operatorname{head}_k(v^k), \qquad z = \sum_k w^k \circ \tanh z^k, \qquad
        w^k_b \sim N\bigl(\tfrac1m, \tfrac1{K^2}\bigr)

    m is the number of stages, v their features, and w, :attr:`attention`, is learned.

    Reference:
        Self-constraining and attention-based hashing network for bit-scalable cross-modal retrieval (Wang, Zou, Bakker, Wu;
        Neurocomputing 2020).

    Args:
        heads: one a stage, from its features to raw codes (B, bits).
        bits: K, length of a code.

    Example:
        >>> layer = FusedHashLayer([nn.Linear(3, 8), nn.Linear(5, 8)], bits=8)
        >>> layer([torch.zeros(2, 3), torch.zeros(2, 5)]).shape
        torch.Size([2, 3, 8])
    """

    def __init__(self, heads: Sequence[nn.Module], bits: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)
        self.attention = nn.Parameter(torch.empty(len(heads), bits).normal_(1 / len(heads), 1 / bits))

    def forward(self, stages: Sequence[Tensor]) -> Tensor:
        """Map the features of the stages, (B, D_k) each, to raw codes (B, m + 1, bits): of each stage, then fused."""
        codes = torch.stack([head(features) for head, features in zip(self.heads, stages, strict=True)], dim=1)
        return torch.cat([codes, (self.attention * codes.tanh()).sum(dim=1, keepdim=True)], dim=1)


def fused_hash_layer(backbone: nn.Module, name: str, *, bits: int, fusion: int) -> tuple[Staged, FusedHashLayer]:
    """Return a backbone that gives its stages, and a new hash layer over the last of them.

    Args:
        backbone: the backbone.
        name: what it is called.
        bits: length of a code.
        fusion: number of stages, counted from the last; 0 takes all.

    Raises:
        UsageError: if the backbone does not give as many.
    """
    if not isinstance(backbone, Staged):
        raise UsageError(f"{name} gives no features of its stages to fuse: choose another backbone, as resnet18, lenet or mlp:1024,512")
    count = len(backbone.stage_features)
    if fusion > count:
        raise UsageError(f"{name} has {count} stage{'s' if count > 1 else ''} and not {fusion} to fuse: give -fusion at most {count}")
    widths = backbone.stage_features[-fusion:]
    return backbone, FusedHashLayer([backbone.head(width, bits) for width in widths], bits)
