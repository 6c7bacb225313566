"""Direct feedback alignment."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ._rule import RULES, BroadcastRule


@RULES.register("dfa")
@dataclass(frozen=True)
class DirectFeedbackAlignment(BroadcastRule):
    r"""Send the error of the network's output straight to the input of every layer.

    .. math:: \delta_{x_\ell} = e B_\ell, \qquad e = \frac{\partial L}{\partial \text{output}}, \qquad
        B_{\ell,ij} \sim \mathcal{U}(-\sqrt{3}\, s, \sqrt{3}\, s) \text{ once}

    with :math:`B_\ell` (outputs, features), the features of a convolution being its channels: all positions of an image get the same.
    ``scale="init"`` is Xavier's for the shape of :math:`B_\ell`. No error passes through a layer, so no layer waits for the one
    above, and the backward pass is shorter than backpropagation's. Use it for networks of fully connected layers; convolutions learn
    little this way. :math:`B_\ell` does not follow W, so a pruned weight makes no difference to it.

    The network's output must be one tensor (batch, outputs). Call the network that the rule was applied to, not its parts.

    Reference:
        *Direct feedback alignment provides learning in deep neural networks*, A. Nøkland, NeurIPS 2016, arXiv:1609.01596.

    Example:
        >>> import torch
        >>> DirectFeedbackAlignment().signal(torch.tensor([[1.0, -2.0]]), None)
        tensor([[ 1., -2.]])
    """

    name = "dfa"

    def signal(self, error: Tensor, target: Tensor | None) -> Tensor:
        """Return the error of the output."""
        return error
