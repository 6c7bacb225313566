"""Uniform sign-concordant feedback."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ._rule import RULES, Rule


@RULES.register("usf")
@dataclass(frozen=True)
class UniformSignFeedback(Rule):
    r"""Send the error down through the signs of the weights, all of one size.

    .. math:: B = s\, \sigma(W)

    with the elementwise sign :math:`\sigma`, :math:`\sigma(0) = 0`: a pruned weight sends nothing down. Use it where feedback may
    know whether a synapse excites or inhibits, but not how strongly; it needs no memory beyond W and stays close to
    backpropagation in deep networks.

    Reference:
        *How important is weight symmetry in backpropagation?*, Q. Liao, J. Z. Leibo, T. Poggio, AAAI 2016, arXiv:1510.05067.

    Example:
        >>> import torch
        >>> UniformSignFeedback().feedback(torch.tensor([[2.0, -3.0, 0.0]]), None, 0.5)
        tensor([[ 0.5000, -0.5000,  0.0000]])
    """

    name = "usf"

    def feedback(self, weight: Tensor, matrix: Tensor | None, scale: float) -> Tensor:
        """Return the sign of W times the scale."""
        return weight.sign().mul_(scale)  # in place: a second temporary of this size costs as much again

    def write(self, out: Tensor, weight: Tensor, matrix: Tensor | None, scale: float) -> float:
        """Write the sign of W, to be taken times the scale."""
        torch.sign(weight, out=out)
        return scale
