"""Batchwise random-magnitude sign-concordant feedback."""

from __future__ import annotations

from dataclasses import dataclass

from ._rule import RULES
from .frsf import FixedRandomSignFeedback


@RULES.register("brsf")
@dataclass(frozen=True)
class BatchwiseRandomSignFeedback(FixedRandomSignFeedback):
    r"""Send the error down through the signs of the weights with other random magnitudes in every step.

    .. math:: B_t = |M_t| \circ \sigma(W), \qquad M_{t,ij} \sim \mathcal{U}(-\sqrt{3}\, s, \sqrt{3}\, s) \text{ in each step } t

    with the elementwise sign :math:`\sigma`, :math:`\sigma(0) = 0`: a pruned weight sends nothing down. Use it to ask whether the
    network needs magnitudes that stay the same, which ``frsf`` gives it. The magnitudes of a step follow from the seed, the layer's
    name and the number of the step: :func:`track_optimizer` counts. They are read from a table of random numbers, each block of a
    million from an offset drawn anew for that block and step, because drawing them all would take longer than the step.

    Reference:
        *How important is weight symmetry in backpropagation?*, Q. Liao, J. Z. Leibo, T. Poggio, AAAI 2016, arXiv:1510.05067.

    Example:
        >>> import torch
        >>> from biodeephashing.bio import apply_rule, track_optimizer
        >>> layer = apply_rule(torch.nn.Linear(3, 2), "brsf")
        >>> optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
        >>> following = track_optimizer(layer, optimizer)
        >>> layer(torch.randn(5, 3, requires_grad=True)).sum().backward()
        >>> optimizer.step()
        >>> following.step
        1
    """

    name = "brsf"
    fresh = True
