"""BiHalf: every bit is +1 for one half of the batch and -1 for the other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ._base import LOSSES
from ._keywords import number
from ._unsupervised import Unsupervised


@LOSSES.register("BiHalf")
class BiHalf(Unsupervised):
    r"""Without labels: codes of balanced bits whose cosines are those of features that do not learn.

    .. math:: L = \frac{1}{h} \sum_{i \le h} \left[ \cos(b_i, b_{i+h}) - \cos(x_i, x_{i+h}) \right]^2
        + \frac{\gamma}{2BK} \sum_{ik} (f_{ik} - b_{ik})^2, \quad h = \lfloor B/2 \rfloor, \quad \frac{\partial b}{\partial f} := 1

    where :math:`b_{ik}` is +1 for the h largest outputs of bit k and -1 for the others, and x are the reference features.
    The first sum sees b as if it were f; the second takes b as constant, so that its gradient :math:`\gamma (f - b)/(BK)`
    is what the paper adds on the way back. Equal outputs at the border are told apart by their order in the batch; an odd
    batch has one -1 more, and its last image no partner. There is no penalty of its own: ``penalty`` is without effect.
    Additive penalties see the signs: L2 and balanced_HSWD say nothing there.

    References:
        Deep Unsupervised Image Hashing by Maximizing Bit Entropy (Li, van Gemert; AAAI 2021).

    Args:
        gamma: γ, pull of the outputs towards their halves.
        **shared: see :class:`HashingLoss`; ``cube=False`` is refused.

    Raises:
        UsageError: if a value is unknown or impossible, and for a batch before :meth:`set_reference`.

    Example:
        >>> import torch
        >>> loss = BiHalf(bits=1, classes=1, train_size=4, similar_probability=1.0, penalty=0.0)
        >>> loss.relax(torch.tensor([[5.0], [2.0], [3.0], [4.0]])).T.tolist()
        [[1.0, -1.0, -1.0, 1.0]]
    """

    own_relaxation = "halving each bit"
    has_penalty = False
    fixed_axes = "it halves each bit"

    def __init__(self, *, gamma: float = 6.0, **shared: Any) -> None:
        super().__init__(**shared)
        self.gamma = number("gamma", gamma, least=0.0)

    def relax(self, outputs: Tensor) -> Tensor:
        """Return the halves of raw outputs (B, K); the gradient passes as if they were the outputs."""
        return halves(outputs) + (outputs - outputs.detach())  # in this order the value is exact: what is added is 0

    def output_term(self, outputs: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the pull of raw outputs (B, K) towards their halves."""
        return self.gamma / 2 * (outputs - halves(outputs)).square().mean()


def halves(outputs: Tensor) -> Tensor:
    """Return +1 for the larger half of each column of outputs (B, K) and -1 for the others, as constants.

    Example:
        >>> halves(torch.tensor([[1.0, 8.0], [3.0, 7.0], [2.0, 9.0]])).tolist()
        [[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]]
    """
    upper = outputs.detach().argsort(dim=0, descending=True, stable=True)[: len(outputs) // 2]
    return torch.full_like(outputs, -1).scatter(0, upper, 1)
