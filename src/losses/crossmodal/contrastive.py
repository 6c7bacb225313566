"""Contrastive: an image and its text should find each other in the batch; no labels."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from .._keywords import number
from .._pairs import unit_rows
from ._base import CROSSMODAL_LOSSES, JointLoss


@CROSSMODAL_LOSSES.register("Contrastive")
class Contrastive(JointLoss):
    r"""Each image should be nearer to its own text than to the other texts of the batch, and each text likewise.

    .. math:: L = -\frac{1}{2M} \sum_i \Bigl[ \log \frac{e^{\cos(x_i, y_i) / \tau}}{\sum_j e^{\cos(x_i, y_j) / \tau}}
        + \log \frac{e^{\cos(x_i, y_i) / \tau}}{\sum_j e^{\cos(x_j, y_i) / \tau}} \Bigr]
        + \lambda \Bigl( \operatorname{mean} \bigl|\, |x| - 1 \bigr| + \operatorname{mean} \bigl|\, |y| - 1 \bigr| \Bigr)

    Here x and y are the tanh of the outputs of the image and the text tower for M items. Labels are not used.

    References:
        Representation Learning with Contrastive Predictive Coding (van den Oord, Li, Vinyals; arXiv 2018), for the first term.
        Unsupervised Contrastive Cross-Modal Hashing (Hu, Zhu, Lin, Peng, Zhao, Peng; IEEE Transactions on Pattern Analysis and Machine
        Intelligence 2023), for hashing by it.

    Args:
        temperature: τ.
        quantisation: λ, weight of the distance of the codes to the corners of the cube.
        **shared: see :class:`CrossModalLoss`.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = Contrastive(bits=2, classes=1, train_size=2, similar_probability=0.5, temperature=1, quantisation=0)
        >>> outputs = torch.tensor([[1.0, 1.0], [1.0, -1.0]])
        >>> round(loss(outputs, outputs, torch.zeros(2, 1), torch.arange(2)).item(), 4)  # log(1 + exp(-1))
        0.3133
    """

    needs_labels: ClassVar[bool] = False

    def __init__(self, *, temperature: float = 0.2, quantisation: float = 0.1, **shared: Any) -> None:
        super().__init__(**shared)
        self.temperature = number("temperature", temperature, above=0.0)
        self.quantisation = number("quantisation", quantisation, least=0.0)

    def objective(self, image_codes: Tensor, text_codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K) of both modalities; labels and indices are not used."""
        logits = unit_rows(image_codes)[0] @ unit_rows(text_codes)[0].T / self.temperature
        partner = torch.arange(len(logits), device=logits.device)
        nll = (cross_entropy(logits, partner) + cross_entropy(logits.T, partner)) / 2
        corners = (image_codes.abs() - 1).abs().mean() + (text_codes.abs() - 1).abs().mean()
        return self.total(nll=nll, quantisation=self.quantisation * corners)
