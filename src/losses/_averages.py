"""A weighted mean that a batch without weight does not break."""

from __future__ import annotations

import torch
from torch import Tensor


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    r"""Return the mean of values by weight, and 0 with a gradient of zeros where there is no weight.

    .. math:: \frac{\sum_{ij} v_{ij} x_{ij}}{\sum_{ij} v_{ij}}

    Nothing is selected, so that no shape depends on values: a mean over some pairs is a mean with weights 0 and 1.

    Args:
        values: x, finite, of any shape, even without elements.
        weights: v, at least 0, of the same shape.

    Returns:
        A scalar.

    Example:
        >>> values = torch.tensor([1.0, 2.0, 6.0])
        >>> weighted_mean(values, torch.tensor([1.0, 0.0, 1.0])).item(), weighted_mean(values, torch.zeros(3)).item()
        (3.5, 0.0)
    """
    return (values * weights).sum() / weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)
