"""Feedback alignment."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ._rule import RULES, Rule


@RULES.register("fa")
@dataclass(frozen=True)
class FeedbackAlignment(Rule):
    r"""Send the error down through a fixed random matrix that knows nothing of the weights.

    .. math:: B = M, \qquad M_{ij} \sim \mathcal{U}(-\sqrt{3}\, s, \sqrt{3}\, s) \text{ once}

    The forward weights come to align with M while they learn. Use it as the most biological of the rules here, and the hardest:
    the deeper the network, the further it falls behind backpropagation. M does not follow W, so a pruned weight still sends M down.

    Reference:
        *Random synaptic feedback weights support error backpropagation for deep learning*, T. P. Lillicrap, D. Cownden,
        D. B. Tweed, C. J. Akerman, Nature Communications 7:13276, 2016.

    Example:
        >>> import torch
        >>> FeedbackAlignment().feedback(torch.tensor([[2.0, -3.0]]), torch.tensor([[0.1, 0.2]]), 1.0)
        tensor([[0.1000, 0.2000]])
    """

    name = "fa"
    draws_matrix = True
    ready_made = True

    def feedback(self, weight: Tensor, matrix: Tensor | None, scale: float) -> Tensor:
        """Return M."""
        assert matrix is not None
        return matrix
