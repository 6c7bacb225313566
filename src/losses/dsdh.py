"""DSDH: the likelihood of pairwise labels, and codes that a linear classifier reads, solved once an epoch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..codes.signs import signs
from ..codes.solvers import DSDHWeights, dsdh_update
from ._bank import BalancedLoss
from ._base import LOSSES
from ._keywords import count, number


@LOSSES.register("DSDH", bank="always")
class DSDH(BalancedLoss):
    r"""Inner products with all training images are the logits of being similar, and codes are drawn to those that a classifier reads best.

    .. math:: L = \frac{1}{BM} \sum_{ij} w_{ij} \left[ \log(1 + e^{t_{ij}}) - s_{ij} t_{ij} \right]
        + \frac{\lambda}{B} \sum_i \|z_i - b_i\|^2, \quad t_{ij} = \tfrac12 \langle z_i, m_j \rangle

    The memory bank m holds the latest code of each training image; j runs over those that it has, M in all. From the end of the first
    epoch in which all N are there, the end of each epoch lowers, by rounds of exact steps for the classifier W and for one bit after
    the other,

    .. math:: \mu \sum_i \|y_i - W^T b_i\|^2 + \nu \|W\|^2 + \lambda N \sum_i \|b_i - m_i\|^2

    The first such time they begin with the signs of m, 0 as +1; until then there is no :math:`b_i` and λ has no effect. The paper
    weighs the last term by η = 55, beside a sum over all pairs: next to their mean that is λ = η/N, 0.011 for 5,000 images. Bank, codes
    and classifier are part of the state.

    References:
        Deep Supervised Discrete Hashing (Li, Sun, He, Tan; NIPS 2017).

    Args:
        classification: μ, weight of the classification.
        ridge: ν, weight of the size of its classifier.
        rounds: rounds of exact steps at the end of an epoch.
        balance: weigh pairs by :math:`w_{ij}`, instead of 1; from random weights all images are prone to have one code without it.
        **shared: see :class:`HashingLoss`; the paper's ``penalty`` is 55/N.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = DSDH(bits=2, classes=1, train_size=1, similar_probability=1.0, penalty=0.0, cube=False)
        >>> loss.on_fit_start(torch.ones(1, 1))
        >>> round(loss(torch.ones(1, 2), torch.ones(1, 1), torch.arange(1)).item(), 4)  # log(1 + exp(-1))
        0.3133
        >>> loss.on_epoch_end()
        >>> loss.solved_codes.tolist()
        [[1.0, 1.0]]
    """

    memory_bank = "always"
    needs_all_codes = True
    solved: Tensor
    solved_codes: Tensor
    classifier: Tensor

    def __init__(self, *, classification: float = 1.0, ridge: float = 1.0, rounds: int = 10, **shared: Any) -> None:
        super().__init__(**shared)
        self.classification = number("classification", classification, above=0.0)
        self.ridge = number("ridge", ridge, above=0.0)
        self.rounds = count("rounds", rounds)

    def on_fit_start(self, labels: Tensor) -> None:
        """Begin the memory bank, and codes and classifier that are solved for, for a train fold with labels (N, C)."""
        super().on_fit_start(labels)
        self.register_buffer("solved", torch.zeros((), dtype=torch.bool))
        self.register_buffer("solved_codes", torch.zeros(len(labels), self.bits))
        self.register_buffer("classifier", torch.zeros(self.bits, self.classes))

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,)."""
        pairs = self.likelihood(codes, labels, index, 0.5)
        distances = (codes - self.solved_codes[index].to(codes.dtype)).square().sum(1)
        return pairs + self.penalty * self.solved.to(codes.dtype) * distances.mean()

    def on_epoch_end(self) -> None:
        """Solve for codes and classifier, once every training image has a code."""
        if not self.memory.written.all():
            return
        outputs = self.memory.codes
        start = torch.where(self.solved, self.solved_codes, signs(outputs))
        weights = DSDHWeights(self.classification, self.ridge, self.penalty * len(outputs))
        self.solved_codes, self.classifier = dsdh_update(start, outputs, self.memory.labels, weights, self.rounds)
        self.solved.fill_(True)
