"""Kolen and Pollack's learned feedback."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ._rule import RULES, Rule


@RULES.register("kp")
@dataclass(frozen=True)
class KolenPollack(Rule):
    r"""Send the error down through a matrix that takes the same steps as W.

    .. math:: B_0 = M, \qquad \Delta B = \Delta W \text{ but for the decay}: \quad W - B \to 0

    The optimizer's step for W, from the same gradient, is done for B too, with state of its own (momentum, second moments) and the
    same weight decay. What W and B were drawn with is forgotten at the rate of the decay, and the steps they share remain: without
    weight decay B keeps its distance. No weight is ever copied. Use it to see feedback find the weights by itself. B does not know
    W, so a pruned weight still sends B down.

    :func:`track_optimizer` does the steps; B belongs to the state dict.

    Reference:
        *Backpropagation without weight transport*, J. F. Kolen, J. B. Pollack, ICNN 1994; *Deep learning without weight transport*,
        M. Akrout, C. Wilson, P. C. Humphreys, T. Lillicrap, D. Tweed, NeurIPS 2019, arXiv:1904.05391.

    Example:
        >>> import torch
        >>> from biodeephashing.bio import apply_rule, track_optimizer
        >>> layer = apply_rule(torch.nn.Linear(3, 2), "kp")
        >>> optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, weight_decay=0.5)
        >>> following = track_optimizer(layer, optimizer)
        >>> before = (layer.weight - layer.weight_feedback).norm()
        >>> layer(torch.randn(5, 3, requires_grad=True)).sum().backward()
        >>> optimizer.step()
        >>> round(((layer.weight - layer.weight_feedback).norm() / before).item(), 4)  # 1 - 0.1 · 0.5
        0.95
    """

    name = "kp"
    draws_matrix = True
    ready_made = True
    copies_updates = True

    def feedback(self, weight: Tensor, matrix: Tensor | None, scale: float) -> Tensor:
        """Return the matrix as it has become."""
        assert matrix is not None
        return matrix
