"""DSDH: codes that a linear classifier reads, solved bit by bit once an epoch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..signs import signs


class DSDHWeights(NamedTuple):
    """Weights of the classification (μ), of its ridge (ν) and of the distance to the network's codes (η), as published."""

    classification: float = 1.0
    ridge: float = 1.0
    quantisation: float = 55.0


PUBLISHED = DSDHWeights()


def dsdh_objective(
    codes: Tensor, classifier: Tensor, outputs: Tensor, labels: Tensor, weights: DSDHWeights = PUBLISHED
) -> Tensor:  # fmt: skip
    r"""Return what :func:`dsdh_update` lowers.

    .. math:: \mu \|Y - B W\|^2 + \nu \|W\|^2 + \eta \|B - U\|^2

    Args:
        codes: B, ±1, (N, K).
        classifier: W, (K, C).
        outputs: U, (N, K).
        labels: Y, 0 or 1, (N, C).
        weights: μ, ν and η.

    Example:
        >>> codes = torch.tensor([[1.0, -1.0]])
        >>> dsdh_objective(codes, torch.zeros(2, 1), 0.5 * codes, torch.ones(1, 1)).item()  # 1 + 0 + 55 · 2 · 0.25
        28.5
    """
    return (
        weights.classification * (labels.to(codes.dtype) - codes @ classifier).square().sum()
        + weights.ridge * classifier.square().sum()
        + weights.quantisation * (codes - outputs).square().sum()
    )


@torch.no_grad()
def dsdh_update(
    codes: Tensor, outputs: Tensor, labels: Tensor, weights: DSDHWeights = PUBLISHED, rounds: int = 10
) -> tuple[Tensor, Tensor]:  # fmt: skip
    r"""Return codes and classifier after rounds of exact steps: the classifier by ridge regression, then one bit after the other.

    .. math:: W = (B^T B + \tfrac{\nu}{\mu} I)^{-1} B^T Y, \qquad
        B_k = b\bigl( (Y W^T + \tfrac{\eta}{\mu} U)_k - \sum_{o \ne k} B_o \langle W_o, W_k \rangle \bigr)

    No step raises :func:`dsdh_objective`.

    References:
        Deep Supervised Discrete Hashing (Li, Sun, He, Tan; NIPS 2017).

    Args:
        codes: B to start from, ±1, (N, K); the signs of the outputs the first time.
        outputs: U of all training images, (N, K).
        labels: Y, 0 or 1, (N, C).
        weights: μ, ν and η.
        rounds: how often.

    Returns:
        B, (N, K), and W, (K, C).

    Example:
        >>> outputs = torch.tensor([[0.9, -0.8], [-0.7, 0.9]])
        >>> codes, classifier = dsdh_update(-outputs.sign(), outputs, torch.eye(2))
        >>> codes.tolist()
        [[1.0, -1.0], [-1.0, 1.0]]
    """
    labels = labels.to(outputs.dtype)
    codes = codes.to(outputs.dtype).clone()
    bits = codes.shape[1]
    ridge = weights.ridge / weights.classification * torch.eye(bits, dtype=codes.dtype, device=codes.device)
    classifier = torch.zeros(bits, labels.shape[1], dtype=codes.dtype, device=codes.device)
    for _ in range(rounds):
        classifier = torch.linalg.solve(codes.T @ codes + ridge, codes.T @ labels)
        wanted = labels @ classifier.T + weights.quantisation / weights.classification * outputs
        others = (classifier @ classifier.T).fill_diagonal_(0)
        for bit in range(bits):
            codes[:, bit] = signs(wanted[:, bit] - codes @ others[:, bit])
    return codes, classifier
