"""CMHH: similarities across modalities as a steep function of the Hamming distance, hard pairs first."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...codes.pairs import similarity
from ...codes.signs import signs
from ...errors import UsageError
from ...modalities import Modality, other_modality
from .._keywords import number
from ._base import CROSSMODAL_LOSSES, AlternatingLoss

LEAST = 1e-5  # added below each logarithm, as published


@CROSSMODAL_LOSSES.register("CMHH")
class CMHH(AlternatingLoss):
    r"""Similar items should lie within a small Hamming ball across modalities, and bad pairs count most.

    .. math:: L = \frac{1}{Mn} \sum_{ij} \bigl[ -s_{ij}\, \alpha\, (1 - p_{ij})^\gamma \log(p_{ij} + \varepsilon)
        - (1 - s_{ij}) (1 - \alpha)\, p_{ij}^\gamma \log(1 - p_{ij} + \varepsilon) \bigr]
        + \lambda\, \frac{1}{M} \sum_i \| \operatorname{sgn} h_i - h_i \|

    .. math:: p_{ij} = e^{-\beta d_{ij}}, \quad d_{ij} = \max\bigl(0, \tfrac12 (K - \langle h_i, m_j \rangle)\bigr), \quad
        \varepsilon = 10^{-5}

    Here h are the tanh of the outputs of the tower that learns for a batch of M items, and m the n latest codes of the other one.
    The codes m begin as draws from N(0, 1), under tanh: the outputs of untrained towers are nearly equal, and stay so.
    A focus of γ = 2 takes the push from dissimilar pairs until they are nearly equal, and is prone to give all items one code.

    References:
        Cross-Modal Hamming Hashing (Cao, Liu, Long, Wang; ECCV 2018).

    Args:
        alpha: α, weight of similar pairs; 1 - α is that of the others.
        focus: γ, 0 or at least 1; published: 2.
        beta: β, how fast the likelihood falls with the distance; None takes 8/K.
        quantisation: λ, weight of the distance of the codes to their signs.
        **shared: see :class:`CrossModalLoss`. Published with it are SGD of momentum 0.9 at 0.02 for images and 0.2 for texts, halved
            every 15 epochs.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = CMHH(bits=2, classes=2, train_size=2, similar_probability=0.5)
        >>> loss.on_fit_start(torch.eye(2))
        >>> loss.start(100 * torch.ones(2, 2), torch.tensor([[100.0, 100], [100, -100]]))
        >>> value = loss(torch.tensor([[100.0, 100.0]]), torch.eye(2)[:1], torch.tensor([0]), "image")
        >>> round(value.item(), 4)  # at distance 0 of a similar item; at 1 of another: -log(1 - exp(-4)) / 2; the mean of both
        0.0046
    """

    graded = True
    starts_from_towers = False

    def __init__(
        self, *, alpha: float = 0.5, focus: float = 0.0, beta: float | None = None, quantisation: float = 0.0, **shared: Any
    ) -> None:
        super().__init__(**shared)
        self.alpha = number("alpha", alpha, least=0.0, most=1.0)
        self.focus = number("focus", focus, least=0.0)
        if 0 < self.focus < 1:
            raise UsageError(f"focus={focus!r} is not possible: it must be 0 or at least 1, else equal codes have no gradient")
        self.beta = 8 / self.bits if beta is None else number("beta", beta, above=0.0)
        self.quantisation = number("quantisation", quantisation, least=0.0)

    def phase(self, codes: Tensor, labels: Tensor, index: Tensor, modality: Modality) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,) of a modality."""
        remembered, others = self.remembered(other_modality(modality), codes.dtype)
        similar = self.similar(labels, others, codes.dtype)
        distances = ((self.bits - codes @ remembered.T) / 2).clamp_min(0)
        near = (-self.beta * distances).exp()
        if self.similar is similarity:  # of the two terms one is 0
            weights = (1 - self.alpha) + (2 * self.alpha - 1) * similar
            pairs = weights * self._surprise((1 - similar) + (2 * similar - 1) * near)
        else:
            pairs = self.alpha * similar * self._surprise(near) + (1 - self.alpha) * (1 - similar) * self._surprise(1 - near)
        terms = {"nll": pairs.sum() / max(1, pairs.numel())}
        if self.quantisation > 0:
            terms["quantisation"] = self.quantisation * torch.linalg.vector_norm(signs(codes) - codes, dim=1).mean()
        return self.total(**terms)

    def _surprise(self, likelihood: Tensor) -> Tensor:
        """Return what pairs (B, n) cost by the likelihood of what they are, before they are weighed."""
        surprise = -(likelihood + LEAST).log()
        return surprise * (1 - likelihood).pow(self.focus) if self.focus > 0 else surprise

    def collapse_cure(self) -> str:
        """Return the advice that counters the focus, where there is one."""
        return "take -constants focus=0" if self.focus > 0 else super().collapse_cure()
