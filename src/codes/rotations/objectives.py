"""What a rotation minimises: how far the entries of rows are from ±1."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...registry import Registry

Objective = Callable[[Tensor], Tensor]

OBJECTIVES: Registry[Objective] = Registry("rotation objective")


@OBJECTIVES.register("L2")
def l2(rows: Tensor) -> Tensor:
    r"""Return the mean squared distance of entries to ±1; on the sphere it is :math:`2 - 2` times the mean of :math:`|x|`.

    .. math:: \frac{1}{nK} \sum_{ik} (|x_{ik}| - 1)^2

    Example:
        >>> l2(torch.tensor([[3.0, -1.0]])).item()
        2.0
    """
    return (rows.abs() - 1).square().mean()


@OBJECTIVES.register("L1")
def l1(rows: Tensor) -> Tensor:
    r"""Return the mean distance of entries to ±1.

    .. math:: \frac{1}{nK} \sum_{ik} \bigl| |x_{ik}| - 1 \bigr|

    Example:
        >>> l1(torch.tensor([[3.0, -1.0]])).item()
        1.0
    """
    return (rows.abs() - 1).abs().mean()


@OBJECTIVES.register("min_entry")
def min_entry(rows: Tensor) -> Tensor:
    r"""Return the mean smooth maximum of the negative squares: large where an entry of the row is near 0.

    .. math:: \frac1n \sum_i \log \sum_k e^{-x_{ik}^2}

    Example:
        >>> round(min_entry(torch.tensor([[0.0, 0.0]])).item(), 4)  # log 2
        0.6931
    """
    return torch.logsumexp(-rows.square(), dim=1).mean()


@OBJECTIVES.register("bit_var")
def bit_var(rows: Tensor) -> Tensor:
    r"""Return the mean variance of bits that are drawn with the probability :math:`\sigma(x)`.

    .. math:: \frac{1}{nK} \sum_{ik} \sigma(x_{ik})\, (1 - \sigma(x_{ik}))

    Example:
        >>> bit_var(torch.tensor([[0.0, 0.0]])).item()
        0.25
    """
    return (rows.sigmoid() * (-rows).sigmoid()).mean()
