"""DCMH: the likelihood of similarities across modalities, against the latest codes of all training items."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...modalities import Modality, other_modality
from .._keywords import number
from ._base import CROSSMODAL_LOSSES, AlternatingLoss
from ._likelihood import pair_likelihood

ADAPTIVE, WITH_MOMENTUM = ("adam", "rmsprop"), ("sgd", "nesterov")


@CROSSMODAL_LOSSES.register("DCMH")
class DCMH(AlternatingLoss):
    r"""The code of an item should predict, by its inner products with the codes of the other modality, which items share a class with it.

    .. math:: L = \frac{1}{Mn} \Bigl[ \sum_{ij} \bigl( \log(1 + e^{\theta_{ij}}) - s_{ij} \theta_{ij} \bigr)
        + \gamma \sum_i \|b_i - h_i\|^2 + \eta\, \bigl\| \sum_i h_i + \sum_{j \notin I} o_j \bigr\|^2 \Bigr], \quad
        \theta_{ij} = \tfrac12 \langle h_i, m_j \rangle

    Here h are the outputs of the tower that learns for a batch I of M items, as they are; o are the latest outputs of all items by the
    same tower, m the n latest by the other one, and :math:`b = \operatorname{sgn}(f + g)`, renewed each epoch. The balance, weighed by
    η, drives every bit to be 1 for half of the items.

    References:
        Deep Cross-Modal Hashing (Jiang, Li; CVPR 2017).

    Args:
        gamma: γ, weight of the quantisation; published: 1.
        eta: η, weight of the balance; published: 1, by gradient descent without momentum. With momentum or an adaptive optimizer the
            balance answers to sums that are out of date: the outputs diverge, or a tower gives all items one code.
        **shared: see :class:`CrossModalLoss`.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = DCMH(bits=2, classes=2, train_size=2, similar_probability=0.5)
        >>> loss.on_fit_start(torch.eye(2))
        >>> loss.start(torch.tensor([[1.0, 1], [-1, -1]]), torch.tensor([[1.0, 1], [-1, -1]]))
        >>> value = loss(torch.tensor([[1.0, 1.0]]), torch.eye(2)[:1], torch.tensor([0]), "image")
        >>> round(value.item(), 4)  # both similarities predicted by an inner product of 2: log(1 + exp(-1))
        0.3133
    """

    graded = True

    def __init__(self, *, gamma: float = 1.0, eta: float = 0.0, **shared: Any) -> None:
        super().__init__(**shared)
        self.gamma = number("gamma", gamma, least=0.0)
        self.eta = number("eta", eta, least=0.0)

    def relax(self, outputs: Tensor) -> Tensor:
        """Return the outputs as they are."""
        return outputs

    def phase(self, codes: Tensor, labels: Tensor, index: Tensor, modality: Modality) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,) of a modality."""
        remembered, others = self.remembered(other_modality(modality), codes.dtype)
        pairs = len(codes) * max(1, len(remembered))
        likelihood = pair_likelihood(codes, remembered, labels, others, self.similar)
        terms = {"nll": likelihood / pairs, "quantisation": self.gamma * (self.target[index] - codes).square().sum() / pairs}
        if self.eta > 0:
            terms["balance"] = self.eta * (codes.sum(0) + self.rest(index, modality, codes.dtype)).square().sum() / pairs
        return self.total(**terms)

    def warnings_for(self, optimizer: str) -> list[str]:
        """Return a warning of the balance where the optimizer answers to it too late."""
        return balance_warnings(self.eta, optimizer)


def balance_warnings(eta: float, optimizer: str) -> list[str]:
    """Return what to say of a balance of weight eta under an optimizer, in sentences.

    Example:
        >>> balance_warnings(0.0, "adam"), len(balance_warnings(1.0, "adam"))
        ([], 1)
    """
    if eta > 0 and optimizer in ADAPTIVE:
        return [f"eta={eta:g} under {optimizer}, which is adaptive: a tower is prone to give all items one code; eta=0 is safe"]
    if eta > 0 and optimizer in WITH_MOMENTUM:
        return [f"eta={eta:g} under {optimizer}, which has momentum: the outputs are prone to diverge; eta=0 is safe"]
    return []
