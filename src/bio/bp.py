"""Backpropagation."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ._rule import RULES, Rule


@RULES.register("bp")
@dataclass(frozen=True)
class Backpropagation(Rule):
    r"""Send the error down through the forward weights themselves.

    .. math:: B = W

    The baseline of every comparison, at the cost of a plain network: its products are PyTorch's own. A pruned weight
    (:math:`W_{ij} = 0`) sends nothing down. There is nothing to scale.

    Reference:
        *Learning representations by back-propagating errors*, D. E. Rumelhart, G. E. Hinton, R. J. Williams,
        Nature 323, 1986.

    Example:
        >>> import torch
        >>> Backpropagation().feedback(torch.tensor([[2.0, -3.0]]), None, 1.0)
        tensor([[ 2., -3.]])
    """

    name = "bp"
    scaled = False
    ready_made = True
    exact = True

    def feedback(self, weight: Tensor, matrix: Tensor | None, scale: float) -> Tensor:
        """Return W."""
        return weight
