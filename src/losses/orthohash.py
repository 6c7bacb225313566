"""OrthoHash: one cosine, to the centre of the class, of outputs normalised over the data."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ._base import LOSSES, HashingLoss
from ._centres import class_centres
from ._classification import cross_entropy
from ._keywords import number
from ._pairs import unit_rows

MOMENTUM = 0.1  # share of the newest batch in the running statistics
EPSILON = 1e-5  # added to a variance, so that a bit that never changes can be divided by it


@LOSSES.register("OrthoHash")
class OrthoHash(HashingLoss):
    r"""The cosines of a code with the centres of all classes are logits of its class; normalised bits are balanced by themselves.

    .. math:: L = -\frac{1}{B} \sum_{ic} \frac{y_{ic}}{\sum_d y_{id}} \log \frac{e^{o_{ic}}}{\sum_d e^{o_{id}}}, \quad
        o_{ic} = \alpha \left[ \cos(z_i, h_c) - m\, y_{ic} \right], \quad
        z_{ik} = \frac{f_{ik} - \mu_k}{\sqrt{\sigma_k^2 + 10^{-5}}}

    An image of several classes belongs to each in equal shares. The centres h are those of :class:`CSQ`. Mean μ and variance σ²
    are the batch's while training, and running ones (also for a batch of one) otherwise; the run folds these into the hash layer,
    so that codes are signs of its outputs. Centres and running statistics are part of the state. There is no penalty of its own:
    ``penalty`` is without effect.

    References:
        One Loss for All: Deep Hashing with a Single Cosine Similarity based Learning Objective (Hoe, Ng, Zhang, Chan, Song, Xiang;
        NeurIPS 2021).

    Args:
        scale: α, factor of the cosines; 8 in the authors' release.
        margin: m, what a class's own cosine has to be larger by; 0.2 in the authors' release, 0.3 there for CIFAR-10.
        **shared: see :class:`HashingLoss`; ``cube=False`` is refused.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = OrthoHash(bits=2, classes=2, train_size=2, similar_probability=0.5, penalty=0.0, scale=1.0, margin=0.0)
        >>> outputs, labels = torch.tensor([[7.0, 3.0], [5.0, -3.0]]), torch.eye(2)
        >>> loss.relax(outputs).round(decimals=3).tolist()
        [[1.0, 1.0], [-1.0, -1.0]]
        >>> round(loss(outputs, labels, torch.arange(2)).item(), 3)  # cosines 1, 0 and -1, 0: (log(1 + 1/e) + log(1 + 1/e)) / 2
        0.313
    """

    own_relaxation = "a normalisation over the batch"
    has_penalty = False
    fixed_axes = "its centres are corners of the cube"
    centres: Tensor
    mean: Tensor
    variance: Tensor

    def __init__(self, *, scale: float = 8.0, margin: float = 0.2, **shared: Any) -> None:
        super().__init__(**shared)
        self.scale = number("scale", scale, above=0.0)
        self.margin = number("margin", margin, least=0.0)
        self.register_buffer("centres", class_centres(self.classes, self.bits))
        self.register_buffer("mean", torch.zeros(self.bits))
        self.register_buffer("variance", torch.ones(self.bits))

    def relax(self, outputs: Tensor) -> Tensor:
        """Return raw outputs (B, K) normalised bit by bit; while training, the running statistics follow the batch."""
        rows = len(outputs)
        if not self.training or rows == 1:
            scale, shift = (part.to(outputs.dtype) for part in self.affine())
            return outputs * scale + shift
        # Counted from the first row, equal values are exactly 0 and stay so: rounding never gets a direction.
        offsets = outputs - outputs[:1].detach()
        centred = offsets - offsets.mean(0)
        variance = centred.square().mean(0)
        self._follow(self.mean, outputs[0] - centred[0])
        self._follow(self.variance, variance * rows / (rows - 1))
        return centred * (variance + EPSILON).rsqrt()

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,)."""
        return cross_entropy(self.scale * (self._cosines(codes) - self.margin * labels.to(codes.dtype)), labels).mean()

    def class_probabilities(self, features: Tensor) -> Tensor:
        """Return the softmax (B, C) of the scaled cosines of features (B, K), normalised by the network already, with the centres."""
        return (self.scale * self._cosines(features)).softmax(1)

    def affine(self) -> tuple[Tensor, Tensor]:
        """Return scale and shift (K,) by the running statistics: codes are the signs of ``scale * F + shift``."""
        scale = (self.variance + EPSILON).rsqrt()
        return scale, -self.mean * scale

    def _cosines(self, codes: Tensor) -> Tensor:
        units, _ = unit_rows(codes)
        return units @ self.centres.to(codes.dtype).T / math.sqrt(self.bits)

    @staticmethod
    def _follow(running: Tensor, newest: Tensor) -> None:
        running.lerp_(newest.detach().to(running.dtype), MOMENTUM)
