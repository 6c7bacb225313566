"""LCDSH: pairwise labels, and pairs that stay as alike as they are when the codes become signs."""

from __future__ import annotations

from torch import Tensor

from ..codes.pairs import logistic_loss
from ._base import LOSSES, HashingLoss
from ._pairs import similarity

LARGEST = 50.0  # beyond, a pair is as certain as it can count


@LOSSES.register("LCDSH")
class LCDSH(HashingLoss):
    r"""The penalty compares pairs, not codes: the probability of being similar should be the same before and after the sign.

    .. math:: L = \frac{1}{B^2} \sum_{ij} \log(1 + e^{(1 - 2 s_{ij})\, t_{ij}})
        + \frac{\lambda}{B^2} \sum_{ij} \left[ \sigma(t_{ij}) - \sigma(\tfrac12 \langle b_i, b_j \rangle) \right]^2

    .. math:: t_{ij} = \operatorname{clamp}(\tfrac12 \langle z_i, z_j \rangle, -50, 50), \quad b_i = \operatorname{sgn} z_i

    The signs are taken as constants: they pass no gradient.

    References:
        Locality-Constrained Deep Supervised Hashing for Image Retrieval (Zhu, Gao; IJCAI 2017).

    Args:
        **shared: see :class:`HashingLoss`; ``penalty`` is 3 in published code.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = LCDSH(bits=2, classes=1, train_size=1, similar_probability=1.0, penalty=3.0, cube=False)
        >>> round(loss(torch.ones(1, 2), torch.ones(1, 1), torch.arange(1)).item(), 4)  # log(1 + exp(-1)); t is that of the signs
        0.3133
    """

    fixed_axes = "it compares pairs of codes with those of their signs"

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,)."""
        similar = similarity(labels, codes.dtype)
        logits = (codes @ codes.T / 2).clamp(-LARGEST, LARGEST)
        signs = codes.detach().sign()
        shift = logits.sigmoid() - (signs @ signs.T / 2).sigmoid()
        return logistic_loss(logits, similar).mean() + self.penalty * shift.square().mean()
