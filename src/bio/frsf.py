"""Fixed random-magnitude sign-concordant feedback."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ._rule import RULES, Rule


@RULES.register("frsf")
@dataclass(frozen=True)
class FixedRandomSignFeedback(Rule):
    r"""Send the error down through fixed random magnitudes that carry the signs of the weights.

    .. math:: B = |M| \circ \sigma(W), \qquad M_{ij} \sim \mathcal{U}(-\sqrt{3}\, s, \sqrt{3}\, s) \text{ once}

    with the elementwise sign :math:`\sigma`, :math:`\sigma(0) = 0`: a pruned weight sends nothing down. Use it, beside ``usf``, to
    ask whether the sizes of the feedback weights matter once their signs are right. Only :math:`|M|` is kept.

    Reference:
        *How important is weight symmetry in backpropagation?*, Q. Liao, J. Z. Leibo, T. Poggio, AAAI 2016, arXiv:1510.05067.

    Example:
        >>> import torch
        >>> rule = FixedRandomSignFeedback()
        >>> rule.feedback(torch.tensor([[2.0, -3.0, 0.0]]), rule.prepare(torch.tensor([[-0.1, 0.2, 0.3]])), 1.0)
        tensor([[ 0.1000, -0.2000,  0.0000]])
    """

    name = "frsf"
    draws_matrix = True

    def prepare(self, matrix: Tensor) -> Tensor:
        """Return the magnitudes of M."""
        return matrix.abs()

    def feedback(self, weight: Tensor, matrix: Tensor | None, scale: float) -> Tensor:
        """Return the magnitudes with the signs of W."""
        assert matrix is not None
        return weight.sign().mul_(matrix)  # in place: a second temporary of this size costs as much again

    def write(self, out: Tensor, weight: Tensor, matrix: Tensor | None, scale: float) -> float:
        """Write the magnitudes with the signs of W."""
        assert matrix is not None
        torch.sign(weight, out=out)
        out.mul_(matrix)
        return 1.0
