"""CHN: a margin between the cosines of similar and of dissimilar items across modalities."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...codes.pairs import similarity
from ...modalities import Modality, other_modality
from .._keywords import number
from .._pairs import unit_rows
from ._base import CROSSMODAL_LOSSES, AlternatingLoss


@CROSSMODAL_LOSSES.register("CHN")
class CHN(AlternatingLoss):
    r"""The cosine of an item with each item of the other modality should exceed a margin where they share a class, and its negative else.

    .. math:: L = \frac{1}{Mn} \sum_{ij} \max\bigl(0, \delta - (2 s_{ij} - 1) \cos(h_i, m_j)\bigr)
        + \lambda\, \frac{1}{M} \sum_i \max\bigl(0, \delta - \cos(|h_i|, \mathbf 1)\bigr)

    Here h are the tanh of the outputs of the tower that learns for a batch of M items, and m the n latest codes of the other one.
    Where few pairs are similar, the modalities are prone to take opposite codes, which most pairs ask for; a lower margin counters it.

    References:
        Correlation Hashing Network for Efficient Cross-Modal Retrieval (Cao, Long, Wang, Yu; BMVC 2017).

    Args:
        margin: δ, a cosine.
        quantisation: λ, weight of the distance of the codes to the corners of the cube.
        **shared: see :class:`CrossModalLoss`. Published with it are SGD of momentum 0.9 at 0.01 for images and 1.0 for texts, halved
            every 10 epochs.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = CHN(bits=2, classes=2, train_size=2, similar_probability=0.5)
        >>> loss.on_fit_start(torch.eye(2))
        >>> loss.start(torch.tensor([[1.0, 1], [-1, -1]]), torch.tensor([[1.0, 1], [1, 1]]))
        >>> value = loss(torch.tensor([[1.0, 1.0]]), torch.eye(2)[:1], torch.tensor([0]), "image")
        >>> round(value.item(), 4)  # cosine 1 with a similar item: nothing; with a dissimilar one: 0.8 + 1; the mean of both
        0.9
    """

    def __init__(self, *, margin: float = 0.8, quantisation: float = 0.01, **shared: Any) -> None:
        super().__init__(**shared)
        self.margin = number("margin", margin, least=0.0, most=1.0)
        self.quantisation = number("quantisation", quantisation, least=0.0)

    def phase(self, codes: Tensor, labels: Tensor, index: Tensor, modality: Modality) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,) of a modality."""
        remembered, others = self.remembered(other_modality(modality), codes.dtype)
        units = unit_rows(codes)[0]
        cosines = units @ unit_rows(remembered)[0].T
        hinges = (self.margin + (1 - 2 * similarity(labels, others, codes.dtype)) * cosines).clamp_min(0)
        corners = (self.margin - units.abs().sum(1) / self.bits**0.5).clamp_min(0)
        return self.total(cosine=hinges.sum() / max(1, hinges.numel()), quantisation=self.quantisation * corners.mean())
