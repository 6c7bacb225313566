"""GreedyHash: signs in the forward pass, which the gradient passes unchanged."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..codes.signs import straight_through
from ._base import LOSSES, HashingLoss
from ._classification import Head, classification_loss, probabilities


@LOSSES.register("GreedyHash", classifies=True)
class GreedyHash(HashingLoss):
    r"""The codes are signs from the start, and a linear head has to tell the classes by them.

    .. math:: L = \operatorname{CE}(W b, y) + \frac{\lambda}{BK} \sum_{ik} \bigl|\, |f_{ik}| - 1 \bigr|^3, \quad
        b = \operatorname{sgn} f, \quad \frac{\partial b}{\partial f} := 1

    A zero has sign +1, as in the codes that are kept. CE is the cross-entropy of a softmax where images have one class, and the
    mean over the classes' binary cross-entropies where they may have several. The head W is trained with the network. Additive
    penalties see the signs: L2 is 0 there.

    References:
        Greedy Hash: Towards Fast Optimization for Accurate Hash Coding in CNN (Su, Zhang, Han, Tian; NeurIPS 2018).

    Args:
        **shared: see :class:`HashingLoss`; the paper's ``penalty`` is 0.1, and 1 for ImageNet; ``cube=False`` is refused.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = GreedyHash(bits=2, classes=2, train_size=1, similar_probability=1.0, penalty=0.3)
        >>> torch.nn.init.zeros_(loss.head.weight).sum().item()
        0.0
        >>> outputs = torch.tensor([[3.0, -1.0]])
        >>> round(loss(outputs, torch.tensor([[1, 0]]), torch.arange(1)).item(), 4)  # log 2 + 0.3 * (2^3 + 0) / 2
        1.8931
    """

    own_relaxation = "the sign"
    fixed_axes = "it learns by the signs themselves"

    def __init__(self, **shared: Any) -> None:
        super().__init__(**shared)
        self.head = Head(bits=self.bits, classes=self.classes)

    def relax(self, outputs: Tensor) -> Tensor:
        """Return the signs of raw outputs (B, K); the gradient passes as if they were the outputs."""
        return straight_through(outputs)

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the classification loss of codes (B, K), labels (B, C) and indices (B,)."""
        return classification_loss(self.head(codes), labels, multi_label=self.multi_label)

    def output_term(self, outputs: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the penalty, which keeps raw outputs (B, K) near ±1, where the sign is close to what the gradient takes it for."""
        return self.penalty * (outputs.abs() - 1).abs().pow(3).mean()

    def class_probabilities(self, features: Tensor) -> Tensor:
        """Return the probabilities (B, C) by the head for features (B, K)."""
        return probabilities(self.head(self.relax(features)), multi_label=self.multi_label)
