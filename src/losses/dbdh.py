"""DBDH: the likelihood of pairwise labels for codes that are cut off at ±1, with as many +1 as -1 in each."""

from __future__ import annotations

from torch import Tensor

from ._bank import BalancedLoss
from ._base import LOSSES


@LOSSES.register("DBDH", bank="optional")
class DBDH(BalancedLoss):
    r"""Inner products of clamped codes are the logits of being similar, and every code should sum to zero.

    .. math:: L = \frac{1}{B^2} \sum_{ij} w_{ij} \left[ \log(1 + e^{t_{ij}}) - s_{ij} t_{ij} \right]
        + \frac{\lambda}{B} \sum_i \left( \frac{1}{K} \sum_k z_{ik} \right)^2, \quad t_{ij} = \tfrac12 \langle z_i, z_j \rangle

    .. math:: Z = \operatorname{clamp}(F, -1, 1)

    An output beyond ±1 passes no gradient, as where the sign is taken and its gradient passed straight through between -1 and 1.

    References:
        Deep Balanced Discrete Hashing for Image Retrieval (Zheng, Zhang, Lu; Neurocomputing 2020).

    Args:
        balance: weigh pairs by :math:`w_{ij}`, instead of 1, so that the few similar ones count as much as the others.
        **shared: see :class:`HashingLoss`; ``cube=False`` is refused, and ``penalty`` is 0.1 in published code.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = DBDH(bits=2, classes=1, train_size=1, similar_probability=1.0, penalty=0.1)
        >>> round(loss(torch.full((1, 2), 7.0), torch.ones(1, 1), torch.arange(1)).item(), 4)  # log(1 + exp(-1)) + 0.1
        0.4133
    """

    own_relaxation = "clamping to [-1, 1]"
    fixed_axes = "it clamps each entry to [-1, 1]"

    def relax(self, outputs: Tensor) -> Tensor:
        """Return the codes of raw outputs F (B, K), cut off at -1 and 1."""
        return outputs.clamp(-1, 1)

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,)."""
        return self.likelihood(codes, labels, index, 0.5) + self.penalty * codes.mean(1).square().mean()
