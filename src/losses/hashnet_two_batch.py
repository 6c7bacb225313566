"""HashNetTwoBatch: HashNet over the pairs between two batches, in the form of the authors' release."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..codes.pairs import logistic_loss
from ._averages import weighted_mean
from ._base import LOSSES
from ._continuation import Continuation
from ._keywords import number
from ._pairs import similarity


@LOSSES.register("HashNetTwoBatch")
class HashNetTwoBatch(Continuation):
    r"""Images of one half of the batch are paired with those of the other, and similar pairs count by a constant.

    .. math:: L = \frac{1}{\sum_{ij} v_{ij}} \sum_{i \le h < j} v_{ij} \left[ \log(1 + e^{\alpha \langle z_i, z_j \rangle})
        - s_{ij}\, \alpha \langle z_i, z_j \rangle \right], \quad v_{ij} = c\, s_{ij} + 1 - s_{ij}, \quad h = \lfloor B / 2 \rfloor

    .. math:: Z = \tanh(\beta_t F), \quad \beta_t = \sqrt{1 + \lfloor t / T \rfloor}

    The halves of a shuffled batch are two batches drawn independently: 72 images stand for the release's 36 and 36. A batch
    of one has no pair and loss 0. The step t of the optimizer is part of the state. There is no penalty of its own:
    ``penalty`` is without effect.

    References:
        HashNet: Deep Learning to Hash by Continuation (Cao, Long, Wang, Yu; ICCV 2017), and the authors' release.

    Args:
        class_num: c, weight of a similar pair; 1 weighs all pairs alike.
        period: T, optimizer steps between two sharpenings.
        alpha: α, factor of the inner products; by default 10/K.
        **shared: see :class:`HashingLoss`; ``cube=False`` is refused.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = HashNetTwoBatch(bits=2, classes=2, train_size=8, similar_probability=0.5, penalty=0.0)
        >>> outputs = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> round(loss(outputs, torch.eye(2), torch.arange(2)).item(), 4)  # one pair, at right angles: log 2
        0.6931
    """

    def __init__(self, *, class_num: float = 1.0, **shared: Any) -> None:
        super().__init__(**shared)
        self.class_num = number("class_num", class_num, above=0.0)

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,)."""
        half = len(codes) // 2
        similar = similarity(labels, codes.dtype)[:half, half:]
        pairs = logistic_loss(self.alpha * (codes[:half] @ codes[half:].T), similar)
        return weighted_mean(pairs, self.class_num * similar + (1 - similar))
