"""DFH: the likelihood of pairwise labels with a margin, and codes that centres of the classes quantise."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..codes.solvers import check_dfh_centres, dfh_descent, dfh_loss, dfh_targets
from ._bank import BalancedLoss
from ._base import LOSSES
from ._keywords import count, number


@LOSSES.register("DFH", bank="always")
class DFH(BalancedLoss):
    r"""Inner products with all training images must exceed a margin, and codes are drawn to signs that the centres of their classes shift.

    .. math:: L = \frac{1}{BM} \sum_{ij} w_{ij} \left[ s_{ij} \log(1 + e^{m - t_{ij}}) + (1 - s_{ij}) \log(1 + e^{m + t_{ij}}) \right]
        + \frac{\lambda}{BK} \sum_{ik} (b_{ik} - z_{ik})^2, \quad t_{ij} = \tfrac12 \langle z_i, m_j \rangle

    .. math:: b_i = \operatorname{sgn}(\mu \operatorname{sgn}(V) y_i + z_i)

    The memory bank :math:`m_j` holds the latest code of each training image; j runs over those that it has, M in all. In b, 0 counts as
    +1. The centres V (K, C) start at 0 and move after each step of the optimizer by T steps of gradient descent, at a rate that
    falls to a tenth before steps 149 and 179, on

    .. math:: \operatorname{mean} (V y_i - b_i)^2 + \operatorname{mean} \bigl(V^T V - K (2 I - 1 1^T)\bigr)^2
        + \operatorname{mean} (V - \operatorname{sgn} V)^2

    They decide only bits with :math:`|z| < \mu`. The T small steps are part of the cost of a step. Bank and centres are part of the state.

    References:
        Push for Quantization: Deep Fisher Hashing (Li, Pei, Zhang, van Gemert; BMVC 2019).

    Args:
        margin: m, by which logits must be right.
        pull: μ, how far the centres shift what the signs are taken of.
        rate: length of the centres' steps; the error of centres that diverge asks for a smaller one.
        steps: T, how many the centres make.
        balance: weigh pairs by :math:`w_{ij}`, instead of 1; from random weights all images are prone to have one code without it.
        **shared: see :class:`HashingLoss`; the paper's ``penalty`` is 0.5.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = DFH(bits=2, classes=1, train_size=1, similar_probability=1.0, penalty=0.5, cube=False)
        >>> loss.on_fit_start(torch.ones(1, 1))
        >>> round(loss(torch.ones(1, 2), torch.ones(1, 1), torch.arange(1)).item(), 4)  # t = 1: log(1 + exp(2))
        2.1269
        >>> loss.advance()
        >>> loss.centres.sign().tolist()
        [[1.0], [1.0]]
    """

    memory_bank = "always"
    centres: Tensor

    def __init__(self, *, margin: float = 3.0, pull: float = 0.1, rate: float = 0.03, steps: int = 200, **shared: Any) -> None:
        super().__init__(**shared)
        self.margin = number("margin", margin, least=0.0)
        self.pull = number("pull", pull, least=0.0)
        self.rate = number("rate", rate, above=0.0)
        self.steps = count("steps", steps)
        self.register_buffer("centres", torch.zeros(self.bits, self.classes))
        self._latest: tuple[Tensor, Tensor] | None = None  # labels and targets of the batch that the centres have not seen yet

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,)."""
        rows = self.compared(codes, labels, index)
        targets = dfh_targets(codes.detach(), labels, self.centres, self.pull)
        self._latest = labels, targets
        return dfh_loss(codes, labels, rows, targets, margin=self.margin, penalty=self.penalty, weights=self.pair_weights)

    def advance(self) -> None:
        """Move the centres towards the targets of the batch."""
        if self._latest is not None:
            self.centres, self._latest = dfh_descent(self.centres, *self._latest, rate=self.rate, steps=self.steps), None

    def on_epoch_end(self) -> None:
        """Check the centres.

        Raises:
            BioDeepHashingError: if they diverged.
        """
        check_dfh_centres(self.centres)
