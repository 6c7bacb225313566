"""Wrong labels on purpose, to measure how well a loss bears them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

_STREAM = 1  # of the seed's random numbers, which nothing else draws from


def with_label_noise(labels: Tensor, share: float, seed: int) -> Tensor:
    """Return labels where some items have one of their own exchanged for one that they have not, each of these at random.

    Args:
        labels: 0 or 1, (n, C).
        share: of all items; those that have no label, or all of them, are never drawn.
        seed: of the draw.

    Example:
        >>> with_label_noise(torch.eye(2).repeat(2, 1), 0.5, seed=0).sum(dim=1).tolist()  # each still has one
        [1.0, 1.0, 1.0, 1.0]
    """
    own = labels.numpy() > 0
    generator = np.random.default_rng([seed, _STREAM])
    possible = np.flatnonzero(own.any(axis=1) & ~own.all(axis=1))
    rows = generator.permutation(possible)[: round(share * len(own))]
    scores = generator.random((len(rows), own.shape[1])) + 1  # above 0, so that the largest is among those that count
    removed, added = (scores * own[rows]).argmax(axis=1), (scores * ~own[rows]).argmax(axis=1)
    noisy = labels.clone()
    noisy[torch.from_numpy(rows), torch.from_numpy(removed)] = 0
    noisy[torch.from_numpy(rows), torch.from_numpy(added)] = 1
    return noisy
