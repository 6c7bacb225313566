"""DPN: every output is pushed beyond ±1, on the side that its class was dealt."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ._base import LOSSES, HashingLoss
from ._centres import Targets, random_codes
from ._keywords import number


@LOSSES.register("DPN")
class DPN(HashingLoss):
    r"""Each class is given a random code, and a hinge pushes each output away from zero to the side of the class's bit.

    .. math:: L = \frac{1}{BK} \sum_{ik} \max(0, 1 - f_{ik} t_{ik})

    The target t of an image is the code of its class, or what most of its classes' codes have in that bit; a tie, and every bit
    of an image without a class, goes to a random vector drawn at the start. Codes and vector are part of the state. The outputs
    are not relaxed. There is no penalty of its own: ``penalty`` is without effect.

    References:
        Deep Polarized Network for Supervised Learning of Accurate Binary Hashing Codes (Fan, Ng, Ju, Zhang, Chan; IJCAI 2020).

    Args:
        probability: of +1 in each bit of a class's code; 0.5 makes the bits balanced.
        **shared: see :class:`HashingLoss`; ``cube=False`` is refused.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = DPN(bits=2, classes=1, train_size=1, similar_probability=1.0, penalty=0.0, probability=1.0)
        >>> outputs = torch.tensor([[1.5, -0.5]])
        >>> loss(outputs, torch.tensor([[1]]), torch.arange(1)).item()  # target 1, 1: (0 + 1.5) / 2
        0.75
    """

    own_relaxation = "the identity"
    has_penalty = False
    fixed_axes = "the codes of its classes are corners of the cube"

    def __init__(self, *, probability: float = 0.5, **shared: Any) -> None:
        super().__init__(**shared)
        self.probability = number("probability", probability, least=0.0, most=1.0)
        self.targets = Targets(random_codes(self.classes, self.bits, self.probability))

    def relax(self, outputs: Tensor) -> Tensor:
        """Return raw outputs (B, K) as they are."""
        return outputs

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,)."""
        return (1 - codes * self.targets(labels, codes.dtype)).clamp_min(0).mean()
