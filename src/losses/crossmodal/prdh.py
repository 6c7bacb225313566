"""PRDH: likelihoods of similarities across and within modalities, and bits that do not repeat each other."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...modalities import Modality, other_modality
from .._keywords import number
from ._base import CROSSMODAL_LOSSES, AlternatingLoss
from ._likelihood import pair_likelihood
from .dcmh import balance_warnings


@CROSSMODAL_LOSSES.register("PRDH")
class PRDH(AlternatingLoss):
    r"""The code of an item should predict its similarities across and within modalities, by bits that are not correlated.

    .. math:: L = \ell(h, m) + \ell(h, o) + \frac{\lambda}{2} \bigl( \|\Sigma\|_F^2 - \|\operatorname{diag} \Sigma\|^2 \bigr)
        + \frac{1}{Mn} \Bigl[ \gamma \sum_i \|b_i - h_i\|^2 + \eta\, \bigl\| \sum_i h_i + \sum_{j \notin I} o_j \bigr\|^2 \Bigr]

    .. math:: \ell(h, m) = \operatorname{mean}_{ij} \bigl[ \log(1 + e^{\theta_{ij}}) - s_{ij} \theta_{ij} \bigr], \quad
        \theta_{ij} = \tfrac12 \langle h_i, m_j \rangle

    Here h are the outputs of the tower that learns for a batch I of M items, as they are, and Σ is their covariance; o are the n latest
    outputs of all items by the same tower, m those by the other one, and :math:`b = \operatorname{sgn}(f + g)`, renewed each epoch.

    References:
        Pairwise Relationship Guided Deep Hashing for Cross-Modal Retrieval (Yang, Deng, Liu, Liu, Tao, Gao; AAAI 2017).

    Args:
        decorrelation: λ, weight of the covariances of different bits.
        gamma: γ, weight of the quantisation.
        eta: η, weight of the balance; published: γ, by gradient descent without momentum. With momentum or an adaptive optimizer it is
            as unsafe as that of DCMH.
        **shared: see :class:`CrossModalLoss`.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = PRDH(bits=2, classes=2, train_size=2, similar_probability=0.5, gamma=0)
        >>> loss.on_fit_start(torch.eye(2))
        >>> loss.start(torch.tensor([[1.0, 1], [-1, -1]]), torch.tensor([[1.0, 1], [-1, -1]]))
        >>> value = loss(torch.tensor([[1.0, 1.0]]), torch.eye(2)[:1], torch.tensor([0]), "image")
        >>> round(value.item(), 4)  # twice log(1 + exp(-1))
        0.6265
    """

    graded = True

    def __init__(self, *, decorrelation: float = 1.0, gamma: float = 1.0, eta: float = 0.0, **shared: Any) -> None:
        super().__init__(**shared)
        self.decorrelation = number("decorrelation", decorrelation, least=0.0)
        self.gamma = number("gamma", gamma, least=0.0)
        self.eta = number("eta", eta, least=0.0)

    def relax(self, outputs: Tensor) -> Tensor:
        """Return the outputs as they are."""
        return outputs

    def phase(self, codes: Tensor, labels: Tensor, index: Tensor, modality: Modality) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,) of a modality."""

        def likelihood(compared: Modality) -> Tensor:
            remembered, others = self.remembered(compared, codes.dtype)
            pairs = len(codes) * max(1, len(remembered))
            return pair_likelihood(codes, remembered, labels, others, self.similar) / pairs

        centred = codes - codes.mean(0)
        covariance = centred.T @ centred / len(codes)
        different = covariance.square().sum() - covariance.diagonal().square().sum()
        pairs = len(codes) * int(self._present(modality).sum())
        terms = {
            "inter_nll": likelihood(other_modality(modality)),
            "intra_nll": likelihood(modality),
            "decorrelation": self.decorrelation / 2 * different,
            "quantisation": self.gamma * (self.target[index] - codes).square().sum() / pairs,
        }
        if self.eta > 0:
            terms["balance"] = self.eta * (codes.sum(0) + self.rest(index, modality, codes.dtype)).square().sum() / pairs
        return self.total(**terms)

    def warnings_for(self, optimizer: str) -> list[str]:
        """Return a warning of the balance where the optimizer answers to it too late."""
        return balance_warnings(self.eta, optimizer)
