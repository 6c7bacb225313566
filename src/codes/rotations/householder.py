"""H2Q: a product of Householder reflections, learnt by gradient descent on features that are finished."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import BioDeepHashingError, UsageError
from .objectives import OBJECTIVES, Objective
from .rotation import Rotation
from .sphere import learnable_rows, to_sphere


def householder(vectors: Tensor) -> Tensor:
    r"""Return the product of the reflections along the columns of a matrix, in closed form: one triangular solve.

    .. math:: Q = H_1 H_2 \cdots H_n = I - V \left( \tfrac12 I + \operatorname{striu}(V^T V) \right)^{-1} V^T, \quad
        H_i = I - 2 v_i v_i^T, \quad v_i = w_i / \|w_i\|

    striu is what lies strictly above the diagonal. The determinant is :math:`(-1)^n`. Only the directions of the columns matter, so
    a gradient stands upright on each column, and a step of descent never shortens one.

    References:
        Deep Hashing via Householder Quantization (Schwengber, Resende, Orenstein, Oliveira; arXiv 2023).

    Args:
        vectors: W, (K, n).

    Returns:
        Q, (K, K), orthogonal; differentiable.

    Raises:
        BioDeepHashingError: for a column without a direction; names it.

    Example:
        >>> householder(torch.tensor([[0.0], [5.0]])).tolist()
        [[1.0, 0.0], [0.0, -1.0]]
    """
    lengths = torch.linalg.vector_norm(vectors, dim=0)
    usable = (lengths > 0) & (lengths < math.inf)
    if not usable.all():
        column = int((~usable).nonzero()[0])
        raise BioDeepHashingError(f"column {column} of the reflections has the length {lengths[column].item():g}: it has no direction")
    units = vectors / lengths
    half = torch.eye(units.shape[1], dtype=units.dtype, device=units.device) / 2
    inner = half + torch.triu(units.T @ units, diagonal=1)
    identity = torch.eye(units.shape[0], dtype=units.dtype, device=units.device)
    return identity - units @ torch.linalg.solve_triangular(inner, units.T, upper=True)


def householder_step(vectors: Tensor, rows: Tensor, objective: Objective, learning_rate: float) -> Tensor:
    r"""Return the reflections after one step of gradient descent.

    .. math:: W \leftarrow W - \alpha \, \frac{\partial}{\partial W} \ell(X Q(W)^T)

    Args:
        vectors: W, (K, n).
        rows: X, (B, K).
        objective: ℓ, an entry of ``OBJECTIVES``.
        learning_rate: α.

    Example:
        >>> turned = householder_step(torch.eye(2), torch.tensor([[1.4, 0.2]]), OBJECTIVES["L2"], 0.1)
        >>> OBJECTIVES["L2"](torch.tensor([[1.4, 0.2]]) @ householder(turned).T).item() < 0.4
        True
    """
    leaf = vectors.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(objective(rows @ householder(leaf).T), leaf)
    return vectors - learning_rate * gradient


@dataclass(frozen=True)
class Descent:
    """How long, and in which steps, a rotation is learnt.

    Args:
        learning_rate: rate of plain gradient descent, without momentum or decay; 0.01 was published for ``bit_var``.
        epochs: passes over the features.
        batch_size: rows of a step.

    Raises:
        UsageError: for a value that is not possible.
    """

    learning_rate: float = 0.1
    epochs: int = 300
    batch_size: int = 128

    def __post_init__(self) -> None:
        """Check the values."""
        if not 0 < self.learning_rate < math.inf:
            raise UsageError(f"learning rate {self.learning_rate} of a rotation is not possible: it must be finite and above 0")
        if self.epochs < 1 or self.batch_size < 1:
            raise UsageError(
                f"a rotation cannot be learnt in {self.epochs} epochs of batches of {self.batch_size}: both must be at least 1"
            )


def learn_householder(train: Tensor, val: Tensor, objective: str, descent: Descent, generator: torch.Generator) -> Rotation:
    """Return the rotation of the epoch with the least objective on the validation features.

    All rows are brought to the sphere; zero rows are left out. The reflections start along the axes, where Q = -I.

    Args:
        train: features to learn from, (n, K).
        val: features to choose the epoch by, (m, K).
        objective: a name of ``OBJECTIVES``.
        descent: rate, epochs and batch size.
        generator: shuffles the rows of each epoch; on the CPU.

    Raises:
        BioDeepHashingError: for features that are not finite or all zero, codes of one bit, or an objective that overflows.
        UnknownNameError: for an unknown objective.

    Example:
        >>> rows = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
        >>> rotation = learn_householder(rows, rows, "L2", Descent(epochs=3), torch.Generator().manual_seed(0))
        >>> rotation.matrix.shape, len(rotation.objectives)
        (torch.Size([4, 4]), 3)
    """
    measure = OBJECTIVES[objective]
    train, val = _directions(train, "train"), _directions(val, "val")
    if train.shape[1] != val.shape[1]:
        raise BioDeepHashingError(f"the train features have {train.shape[1]} bits, the val features {val.shape[1]}")
    vectors = kept = torch.eye(train.shape[1], dtype=train.dtype, device=train.device)
    objectives: list[float] = []
    for epoch in range(descent.epochs):
        for rows in train[torch.randperm(len(train), generator=generator)].split(descent.batch_size):
            vectors = householder_step(vectors, rows, measure, descent.learning_rate)
        value = measure(val @ householder(vectors).T).item()
        if not math.isfinite(value):
            raise BioDeepHashingError(f"the rotation diverged in epoch {epoch + 1}: lower the learning rate {descent.learning_rate:g}")
        kept = vectors if value < min(objectives, default=math.inf) else kept
        objectives.append(value)
    return Rotation(householder(kept.double()).to(train.dtype), objectives=tuple(objectives))


def _directions(features: Tensor, fold: str) -> Tensor:
    features = learnable_rows(features)
    rows = features[features.bool().any(dim=1)]
    if not len(rows):
        raise BioDeepHashingError(f"all {len(features)} rows of the {fold} features are zero: there is no direction to learn from")
    return to_sphere(rows)
