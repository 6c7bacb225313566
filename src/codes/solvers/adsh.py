"""ADSH: a network learns codes of sampled images, and the codes of the whole database are solved bit by bit."""

from __future__ import annotations

import torch
from torch import Tensor

from ...errors import UsageError
from ..pairs import similarity
from ..signs import signs

BLOCK = 4096  # database rows whose similarity is held at a time


def adsh_ratio(sampled: Tensor, labels: Tensor) -> float:
    r"""Return how many similar pairs there are for each dissimilar one, :math:`r`; 0 where all are similar.

    Args:
        sampled: labels of the sampled images, 0 or 1, (m, C).
        labels: of the database, (n, C).

    Example:
        >>> adsh_ratio(torch.eye(3)[:1], torch.eye(3))
        0.5
    """
    similar = sum(int(similarity(sampled, rows, torch.float32).sum(dtype=torch.float64)) for rows in labels.split(BLOCK))
    dissimilar = len(sampled) * len(labels) - similar
    return similar / dissimilar if dissimilar else 0.0


def adsh_similarity(sampled: Tensor, labels: Tensor, ratio: float | Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return +1 for a pair with a common class and -r for any other, (m, n); with the block's own ratio it sums to 0.

    Args:
        sampled: labels of sampled images, 0 or 1, (m, C); those of a batch with the ratio of all that were sampled with it.
        labels: of the database, (n, C).
        ratio: r, see :func:`adsh_ratio`.
        dtype: of the result.

    Example:
        >>> adsh_similarity(torch.eye(3)[:1], torch.eye(3), 0.5).tolist()
        [[1.0, -0.5, -0.5]]
    """
    return (1 + ratio) * similarity(sampled, labels, dtype) - ratio


def adsh_correlation(outputs: Tensor, sampled: Tensor, labels: Tensor, ratio: float) -> Tensor:
    r"""Return :math:`S^T U`, (n, K), without ever holding more than a block of S.

    Args:
        outputs: U of the sampled images, (m, K).
        sampled: their labels, (m, C).
        labels: of the database, (n, C).
        ratio: r, see :func:`adsh_ratio`.

    Example:
        >>> adsh_correlation(torch.tensor([[2.0]]), torch.eye(2)[:1], torch.eye(2), 1.0).tolist()
        [[2.0], [-2.0]]
    """
    return torch.cat([adsh_similarity(sampled, rows, ratio, outputs.dtype).T @ outputs for rows in labels.split(BLOCK)])


def adsh_loss(outputs: Tensor, codes: Tensor, similar: Tensor, own: Tensor, gamma: float = 200.0) -> Tensor:
    r"""Return what a batch of sampled images minimises; the gradient reaches its outputs only.

    .. math:: \frac{1}{nB} \left[ \|U V^T - K S\|^2 + \gamma \|V_{\text{own}} - U\|^2 \right]

    References:
        Asymmetric Deep Supervised Hashing (Jiang, Li; AAAI 2018).

    Args:
        outputs: U, the hyperbolic tangent of raw outputs, (B, K).
        codes: V, ±1, (n, K).
        similar: S, see :func:`adsh_similarity`, (B, n).
        own: the batch's own rows of V, (B, K).
        gamma: γ.

    Example:
        >>> code = torch.ones(1, 2)
        >>> adsh_loss(0.5 * code, code, torch.ones(1, 1), code).item()  # (1 - 2)² + 200 · 2 · 0.25
        101.0
    """
    codes, own = codes.detach().to(outputs.dtype), own.detach().to(outputs.dtype)
    pairs = (outputs @ codes.T - outputs.shape[1] * similar).square().sum()
    return (pairs + gamma * (own - outputs).square().sum()) / similar.numel()


def adsh_objective(codes: Tensor, outputs: Tensor, index: Tensor, similar: Tensor, gamma: float = 200.0) -> Tensor:
    r"""Return what :func:`adsh_update` lowers, :math:`\|U V^T - K S\|^2 + \gamma \|V_{\text{own}} - U\|^2`.

    Args:
        codes: V, ±1, (n, K).
        outputs: U of the sampled images, (m, K).
        index: their rows in the database, (m,).
        similar: S, (m, n).
        gamma: γ.

    Example:
        >>> adsh_objective(torch.ones(1, 2), torch.full((1, 2), 0.5), torch.tensor([0]), torch.ones(1, 1)).item()
        101.0
    """
    return adsh_loss(outputs, codes, similar, codes[index], gamma) * similar.numel()


@torch.no_grad()
def adsh_update(codes: Tensor, outputs: Tensor, index: Tensor, correlation: Tensor, gamma: float = 200.0) -> Tensor:
    r"""Return the database codes after one pass over the bits, each the exact minimum given the others.

    .. math:: V_k = b\bigl( K (S^T U)_k + \gamma \bar U_k - \sum_{o \ne k} V_o \langle U_o, U_k \rangle \bigr)

    :math:`\bar U` is U in the sampled rows, else 0. The step never raises :func:`adsh_objective`.

    Args:
        codes: V, ±1, (n, K); random the first time, since zeros give the network no gradient.
        outputs: U of the sampled images, (m, K).
        index: their rows in the database, all different, (m,).
        correlation: :math:`S^T U`, see :func:`adsh_correlation`, (n, K).
        gamma: γ.

    Raises:
        UsageError: for a row that was sampled twice.

    Example:
        >>> outputs, labels = torch.tensor([[0.9, -0.9]]), torch.eye(2)
        >>> correlation = adsh_correlation(outputs, labels[:1], labels, 1.0)
        >>> adsh_update(torch.ones(2, 2), outputs, torch.tensor([0]), correlation).tolist()
        [[1.0, -1.0], [-1.0, 1.0]]
    """
    if len(index.unique()) < len(index):
        raise UsageError(f"{len(index)} sampled rows are only {len(index.unique())} different ones: sample without replacement")
    wanted = codes.shape[1] * correlation
    wanted[index] += gamma * outputs
    codes = codes.to(outputs.dtype).clone()
    others = (outputs.T @ outputs).fill_diagonal_(0)
    for bit in range(codes.shape[1]):
        codes[:, bit] = signs(wanted[:, bit] - codes @ others[:, bit])
    return codes
