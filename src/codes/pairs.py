"""What losses of pairs are made of: similarity, weights, distances and terms that never overflow, of a batch with itself or others."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import softplus

STEEP = 50.0  # from here on log(1 + exp(t)) is t to the last bit


def similarity(labels: Tensor, others: Tensor, dtype: torch.dtype) -> Tensor:
    r"""Return which rows share a class with which others.

    .. math:: s_{ij} = 1 \text{ if } \langle y_i, y_j \rangle > 0 \text{ else } 0

    A row without any class is similar to nothing, itself included.

    Args:
        labels: classes of each row, 0 or 1 of any type, (B, C).
        others: those of the others, (N, C).
        dtype: type of the result; that of the codes, so that float64 stays float64.

    Returns:
        (B, N) of 0 and 1.

    Example:
        >>> similarity(torch.tensor([[1, 1]]), torch.tensor([[0, 1], [0, 0]]), torch.float32).tolist()
        [[1.0, 0.0]]
    """
    return (labels.to(dtype) @ others.to(dtype).T).clamp_(max=1)  # how many classes they share, as a whole number


def label_cosine(labels: Tensor, others: Tensor, dtype: torch.dtype) -> Tensor:
    r"""Return how far the classes of rows and others agree.

    .. math:: r_{ij} = \frac{\langle y_i, y_j \rangle}{\|y_i\| \|y_j\|}

    Exactly 1 for the same classes and exactly 0 without a common one; a row without any class has 0, with itself included.

    Args:
        labels: classes of each row, 0 or 1 of any type, (B, C).
        others: those of the others, (N, C).
        dtype: type of the result.

    Returns:
        (B, N) within [0, 1].

    Example:
        >>> label_cosine(torch.tensor([[1, 1, 1, 1]]), torch.tensor([[0, 1, 0, 0], [0, 0, 0, 0]]), torch.float32).tolist()
        [[0.5, 0.0]]
    """
    labels, others = labels.to(dtype), others.to(dtype)
    counts = labels.sum(1)[:, None] * others.sum(1)[None, :]  # whole numbers, so that the root of n·n is n to the last bit
    return (labels @ others.T).div_(counts.sqrt_().clamp_min_(1))


def label_overlap(labels: Tensor, others: Tensor, dtype: torch.dtype) -> Tensor:
    r"""Return which share of their classes rows and others have in common, as P. Jaccard measured it (The distribution of the flora, 1912).

    .. math:: s_{ij} = \frac{|y_i \cap y_j|}{|y_i \cup y_j|}

    Exactly 1 for the same classes and exactly 0 without a common one; a row without any class has 0, with itself included.

    Args:
        labels: classes of each row, 0 or 1 of any type, (B, C).
        others: those of the others, (N, C).
        dtype: type of the result.

    Returns:
        (B, N) within [0, 1].

    Example:
        >>> label_overlap(torch.tensor([[1, 1, 1, 0]]), torch.tensor([[0, 1, 0, 1], [0, 0, 0, 0]]), torch.float32).tolist()
        [[0.25, 0.0]]
    """
    labels, others = labels.to(dtype), others.to(dtype)
    common = labels @ others.T
    union = (labels.sum(1)[:, None] + others.sum(1)[None, :]).sub_(common)
    return common.div_(union.clamp_min_(1))


def side_weights(probability: float) -> tuple[float, float]:
    r"""Return the weights that let similar and dissimilar pairs count the same over the training set.

    .. math:: w_{ij} = \frac{s_{ij}}{p} + \frac{1 - s_{ij}}{1 - p}

    A side that the training set does not have gets weight 0, with a warning.

    Args:
        probability: share p of similar pairs among all ordered pairs of the training set.

    Returns:
        The weight of a similar and of a dissimilar pair.

    Example:
        >>> side_weights(0.25)
        (4.0, 1.3333333333333333)
    """
    if probability in (0.0, 1.0):
        side = "similar" if probability == 0.0 else "dissimilar"
        warnings.warn(
            f"the training set has no {side} pairs (similar-pair probability {probability:g}): they get weight 0 in the loss",
            stacklevel=3,
        )
    return (1.0 / probability if probability > 0.0 else 0.0), (1.0 / (1.0 - probability) if probability < 1.0 else 0.0)


def weigh(similar: Tensor, weights: tuple[float, float]) -> Tensor:
    """Return the weight of each pair (B, N) from the similarity (B, N) and the weights of the two sides."""
    return (similar * (weights[0] - weights[1])).add_(weights[1])


def squared_distances(codes: Tensor, others: Tensor | None = None) -> Tensor:
    r"""Return all squared distances by one matrix product.

    .. math:: d_{ij} = \|z_i\|^2 + \|m_j\|^2 - 2 \langle z_i, m_j \rangle

    Of a batch and itself, the squared lengths are read off the product's own diagonal, so a row is at distance 0 from itself exactly.

    Args:
        codes: (B, K).
        others: (N, K); None for the codes themselves.

    Returns:
        (B, N), or (B, B).

    Example:
        >>> codes = torch.tensor([[1.0, 1.0], [1.0, -1.0]])
        >>> squared_distances(codes).tolist(), squared_distances(codes, 3 * codes[:1]).tolist()
        ([[0.0, 4.0], [4.0, 0.0]], [[8.0], [20.0]])
    """
    if others is None:
        products = codes @ codes.T
        squares = products.diagonal()
        return squares[:, None] + squares[None, :] - 2 * products
    lengths = codes.square().sum(1)[:, None] + others.square().sum(1)[None, :]
    return torch.addmm(lengths, codes, others.T, alpha=-2)


def logistic_loss(logits: Tensor, similar: Tensor) -> Tensor:
    r"""Return the negative log-likelihood of each pair's similarity.

    .. math:: \log(1 + e^{t}) - s\,t = \log(1 + e^{(1 - 2s)\,t})

    The right-hand side neither overflows nor cancels, whatever the size of t.

    Args:
        logits: t, (B, N).
        similar: s, 0 or 1, (B, N).

    Returns:
        (B, N), at least 0.

    Example:
        >>> logistic_loss(torch.tensor([-1e4, 1e4]), torch.tensor([1.0, 0.0])).tolist()
        [10000.0, 10000.0]
    """
    return softplus((-2 * similar).add_(1) * logits, threshold=STEEP)


def contrastive_loss(distances: Tensor, similar: Tensor, margin: float) -> Tensor:
    r"""Return :math:`s d + (1 - s) \max(0, m - d)` for squared distances d (B, N), similarities s (B, N) and a margin m.

    What rounding leaves of a distance below 0 counts as 0.

    Example:
        >>> contrastive_loss(torch.tensor([1.0, 1.0, 9.0]), torch.tensor([1.0, 0.0, 0.0]), margin=4.0).tolist()
        [1.0, 3.0, 0.0]
    """
    offsets = (-margin * similar).add_(margin)
    return torch.addcmul(offsets, (2 * similar).sub_(1), distances).clamp_min(0)  # both sides as one hinge


def hard_pairs(cosine: Tensor) -> Tensor:
    """Return which pairs have all classes in common or none, up to 0.01, from the cosine of their labels (B, N).

    Example:
        >>> hard_pairs(torch.tensor([0.0, 0.5, 1.0])).tolist()
        [True, False, True]
    """
    return (cosine > 0.99) | (cosine < 0.01)


Soft: TypeAlias = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def squared_probability_error(logits: Tensor, cosine: Tensor) -> tuple[Tensor, Tensor]:
    r"""Return :math:`(r - \sigma(t))^2` and its derivative by t, for logits t and cosines r (B, N).

    Example:
        >>> squared_probability_error(torch.zeros(1), torch.ones(1))
        (tensor([0.2500]), tensor([-0.2500]))
    """
    probability = logits.sigmoid()
    error = probability - cosine
    return error.square(), (1 - probability).mul_(probability).mul_(error).mul_(2)


def squared_product_error(logits: Tensor, cosine: Tensor, bits: int, *, scale: float, weight: float) -> tuple[Tensor, Tensor]:
    r"""Return :math:`\gamma (a t + K - 2 K r)^2` and its derivative by t, for logits t and cosines r (B, N).

    Args:
        logits: t.
        cosine: r.
        bits: K.
        scale: a.
        weight: γ.

    Example:
        >>> squared_product_error(torch.ones(1), torch.ones(1), 2, scale=1.0, weight=0.5)  # (1 - 2)² / 2
        (tensor([0.5000]), tensor([-1.]))
    """
    error = (-2 * bits * cosine).add_(logits, alpha=scale).add_(bits)
    return error.square().mul_(weight), error.mul_(2 * weight * scale)


def graded_loss(logits: Tensor, cosine: Tensor, soft: Soft, hard_weight: float) -> Tensor:
    r"""Return :math:`h [\log(1 + e^t) - r t]` of hard pairs, and of the others what a function says.

    Both kinds are computed for each pair: their derivatives are written down, since to record them costs as much again.

    Args:
        logits: t, (B, N).
        cosine: r, of labels, (B, N).
        soft: returns the loss of pairs that are not hard and its derivative by t, for logits and cosines.
        hard_weight: h.

    Example:
        >>> graded_loss(torch.zeros(2), torch.tensor([0.0, 0.5]), squared_probability_error, hard_weight=2.0).tolist()  # 2 log 2
        [1.3862943649291992, 0.0]
    """
    with torch.no_grad():
        hard, (values, slopes) = hard_pairs(cosine), soft(logits, cosine)
        likelihood = softplus(-logits, threshold=STEEP).addcmul_(1 - cosine, logits).mul_(hard_weight)
        values = torch.where(hard, likelihood, values)
        slopes = torch.where(hard, logits.sigmoid().sub_(cosine).mul_(hard_weight), slopes)
    graded: Tensor = _WithSlopes.apply(logits, values, slopes)
    return graded


class _WithSlopes(torch.autograd.Function):
    """Values whose derivatives by an argument are known."""

    @staticmethod
    def forward(ctx: Any, argument: Tensor, values: Tensor, slopes: Tensor) -> Tensor:
        ctx.save_for_backward(slopes)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient * ctx.saved_tensors[0], None, None
