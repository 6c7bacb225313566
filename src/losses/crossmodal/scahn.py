"""SCAHN: likelihoods of similarities by the codes of several levels of a tower, and by their fusion."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...codes.pairs import logistic_loss, similarity
from ...modalities import Modality, other_modality
from .._keywords import number
from ._base import CROSSMODAL_LOSSES, AlternatingLoss
from ._likelihood import pair_likelihood


@CROSSMODAL_LOSSES.register("SCAHN")
class SCAHN(AlternatingLoss):
    r"""The codes of every level of a tower, and their fusion, should predict the similarities of an item across and within modalities.

    .. math:: L = \operatorname{mean}_l \bigl[ \ell(h^l, m) + \lambda\, \ell(h^l, o) + \gamma\, \ell(h^l_1, h^l_2) \bigr]
        + \frac{\beta}{K} \operatorname{mean}_i \|b_i - h_i\|^2

    .. math:: \ell(h, m) = \operatorname{mean}_{ij} \bigl[ \log(1 + e^{\theta_{ij}}) - s_{ij} \theta_{ij} \bigr], \quad
        \theta_{ij} = \frac1a \langle h_i, m_j \rangle

    Here :math:`h^l` are the tanh of the outputs of level l of the tower that learns, the last of which, h, is fused of the others;
    o are the n latest fused codes of all items by the same tower, m those by the other one, and
    :math:`b = \operatorname{sgn}(f + g)`, renewed each epoch. The items of a batch are :math:`h_1`, at even places, and for each of
    them one at random behind it, :math:`h_2`. Towers must give their levels: a fused hash layer over the stages of a backbone.

    References:
        Self-Constraining and Attention-Based Hashing Network for Bit-Scalable Cross-Modal Retrieval (Wang, Zou, Bakker, Wu;
        Neurocomputing 2020).

    Args:
        intra: λ, weight of the likelihood within the modality.
        pairs: γ, weight of that within the batch.
        quantisation: β, weight of the distance of the fused codes to the codes to aim at.
        scale: a, of the inner products; None takes K/32.
        **shared: see :class:`CrossModalLoss`. Published with it is gradient descent without momentum at 10^-1.1, in 500 epochs.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = SCAHN(bits=2, classes=2, train_size=2, similar_probability=0.5, scale=2.0, pairs=0.0)
        >>> loss.on_fit_start(torch.eye(2))
        >>> loss.start(torch.tensor([[9.0, 9], [-9, -9]]), torch.tensor([[9.0, 9], [-9, -9]]))
        >>> outputs = torch.full((1, 3, 2), 9.0)  # an item, two levels and their fusion
        >>> value = loss(outputs, torch.eye(2)[:1], torch.tensor([0]), "image")
        >>> round(value.item(), 4)  # all similarities predicted by an inner product of 2: twice log(1 + exp(-1))
        0.6265
    """

    levels = True
    pairwise = True

    def __init__(
        self, *, intra: float = 1.0, pairs: float = 0.01, quantisation: float = 2.0, scale: float | None = None, **shared: Any
    ) -> None:  # fmt: skip
        super().__init__(**shared)
        self.intra = number("intra", intra, least=0.0)
        self.pairs = number("pairs", pairs, least=0.0)
        self.quantisation = number("quantisation", quantisation, least=0.0)
        self.scale = self.bits / 32 if scale is None else number("scale", scale, above=0.0)

    def phase(self, codes: Tensor, labels: Tensor, index: Tensor, modality: Modality) -> Tensor:
        """Return the loss of codes (B, levels, K), labels (B, C) and indices (B,) of a modality."""
        by_level = codes.transpose(0, 1).contiguous()
        first, second = by_level[:, ::2], by_level[:, 1::2]

        def likelihood(compared: Modality) -> Tensor:
            remembered, others = self.remembered(compared, codes.dtype)
            pairs = codes.shape[:2].numel() * max(1, len(remembered))
            return pair_likelihood(by_level, 2 / self.scale * remembered, labels, others) / pairs

        within = logistic_loss(first @ second.mT / self.scale, similarity(labels[::2], labels[1::2], codes.dtype))
        return self.total(
            inter_nll=likelihood(other_modality(modality)),
            intra_nll=self.intra * likelihood(modality),
            pair_nll=self.pairs * within.sum() / max(1, within.numel()),
            quantisation=self.quantisation * (self.target[index] - self.fused(codes)).square().mean(),
        )
