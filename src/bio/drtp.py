"""Direct random target projection."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ._rule import RULES, BroadcastRule


@RULES.register("drtp")
@dataclass(frozen=True)
class DirectRandomTargetProjection(BroadcastRule):
    r"""Send the target, not an error, straight to the input of every layer.

    .. math:: \delta_{x_\ell} = \frac{1}{N}\, t B_\ell, \qquad B_{\ell,ij} \sim \mathcal{U}(-\sqrt{3}\, s, \sqrt{3}\, s) \text{ once}

    with the one-hot or multi-hot targets :math:`t` (batch N, classes) and :math:`B_\ell` (classes, features), the features of a
    convolution being its channels. 1/N is the share of a loss that is averaged over the batch. ``scale="init"`` is Xavier's for the
    shape of :math:`B_\ell`. Hidden layers can learn before the output is known: neither an error nor a second pass is needed for
    them; the last layer learns from its exact error. Use it as the far end of what a network can do without. :math:`B_\ell` does not
    follow W, so a pruned weight makes no difference to it.

    Call :func:`give_target` before every forward pass. A loss that is scaled for half precision does not scale the target.

    Reference:
        *Learning without feedback: fixed random learning signals allow for feedforward training of deep neural networks*, C. Frenkel,
        M. Lefebvre, D. Bol, Frontiers in Neuroscience 15, 2021, arXiv:1909.01311.

    Example:
        >>> import torch
        >>> DirectRandomTargetProjection().signal(torch.zeros(2, 5), torch.eye(2))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.5000]])
    """

    name = "drtp"
    needs_target = True

    def signal(self, error: Tensor, target: Tensor | None) -> Tensor:
        """Return the targets, shared out over the batch."""
        assert target is not None
        return target / max(len(target), 1)
