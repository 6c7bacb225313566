"""CSQ: every image is drawn to the centre of its class."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from ._base import LOSSES, HashingLoss
from ._centres import Targets, class_centres


@LOSSES.register("CSQ")
class CSQ(HashingLoss):
    r"""Each class has a fixed centre in Hamming space, far from the others, and bit by bit the codes learn to be there.

    .. math:: L = -\frac{1}{BK} \sum_{ik} \left[ \tfrac{1 + t_{ik}}{2} \log \tfrac{1 + \tanh f_{ik}}{2}
        + \tfrac{1 - t_{ik}}{2} \log \tfrac{1 - \tanh f_{ik}}{2} \right] + \frac{\lambda}{BK} \sum_{ik} (|z_{ik}| - 1)^2

    The centres are rows of a Hadamard matrix and of its negative where K is a power of two and C at most 2K. Otherwise they are
    sampled with as many -1 as +1 (or one more of either, where K is odd) until any two differ in more than K/4 bits and in K/2
    on average; a warning tells where that is not reached. The target t of an image is the centre of its class, or what most of
    its classes' centres have in that bit; a tie, and every bit of an image without a class, goes to a random vector drawn at the
    start. Centres and vector are part of the state. Without the cube, the penalty takes the raw outputs as codes; the first term
    stays as it is.

    References:
        Central Similarity Quantization for Efficient Image and Video Retrieval (Yuan, Wang, Zhang, Tay, Jie, Liu, Feng; CVPR 2020).

    Args:
        **shared: see :class:`HashingLoss`; the paper's ``penalty`` is 0.0001.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = CSQ(bits=2, classes=2, train_size=1, similar_probability=1.0, penalty=0.0)
        >>> outputs = torch.tensor([[1.0, 1.0]])
        >>> round(loss(outputs, torch.tensor([[0, 1]]), torch.arange(1)).item(), 4)  # target 1, -1: (log(1 + e^-2) + log(1 + e^2)) / 2
        1.1269
    """

    fixed_axes = "its centres are corners of the cube"

    def __init__(self, **shared: Any) -> None:
        super().__init__(**shared)
        self.targets = Targets(class_centres(self.classes, self.bits))

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the penalty of codes (B, K), labels (B, C) and indices (B,)."""
        return self.penalty * (codes.abs() - 1).square().mean()

    def output_term(self, outputs: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the cross-entropy of raw outputs (B, K) with the targets of labels (B, C)."""
        probabilities = (1 + self.targets(labels, outputs.dtype)) / 2
        return binary_cross_entropy_with_logits(2 * outputs, probabilities)  # (1 + tanh f) / 2 is the sigmoid of 2f
