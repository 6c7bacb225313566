"""Codes of two views in closed form: canonical correlation, and ridge regression to codes of classes; no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge

from ..errors import UsageError

Reals = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Linear:
    r"""Maps items to features whose signs are their codes.

    .. math:: F = (X - 1 \mu^T)\, W + 1 c^T

    Args:
        mean: μ, (d,).
        weight: W, (d, bits).
        offset: c, (bits,).

    Example:
        >>> Linear(np.ones(2), np.eye(2), np.zeros(2))(np.array([[3.0, 0.0]])).tolist()
        [[2.0, -1.0]]
    """

    mean: Reals
    weight: Reals
    offset: Reals

    def __call__(self, items: Reals) -> Reals:
        """Return the features (n, bits) of items (n, d)."""
        features: Reals = (items - self.mean) @ self.weight + self.offset
        return features

    def part(self, bits: slice) -> Linear:
        """Return the map to some of the bits."""
        return Linear(self.mean, self.weight[:, bits], self.offset[bits])


def canonical_correlation(
    images: Reals, texts: Reals, bits: int, *, components: int = 200, ridge: float = 0.1
) -> tuple[Linear, Linear]:  # fmt: skip
    r"""Return maps of two views whose features correlate most, taken from the leading principal components of each view.

    .. math:: \tilde\Sigma_{xx}^{-1/2}\, \Sigma_{xy}\, \tilde\Sigma_{yy}^{-1/2} = U S V^T, \quad
        W_x = P_x \tilde\Sigma_{xx}^{-1/2} U, \quad W_y = P_y \tilde\Sigma_{yy}^{-1/2} V, \quad
        \tilde\Sigma = \Sigma + r \frac{\operatorname{tr} \Sigma}{d} I

    Here P are the principal components and Σ the covariances of what they give, d of each view; the first ``bits`` columns of U and V
    count.

    Reference: "Relations between two sets of variates", H. Hotelling, 1936.

    Args:
        images: one view of n items, (n, d_x).
        texts: the other view of the same items, (n, d_y).
        bits: length of a code.
        components: most principal components of each view.
        ridge: r, share of the mean variance that is added to each variance.

    Raises:
        UsageError: if the views have fewer directions than the code has bits.

    Example:
        >>> items = np.random.default_rng(0).normal(size=(50, 3))
        >>> image_map, text_map = canonical_correlation(items, items @ np.diag([1.0, 2.0, 3.0]), bits=2)
        >>> image_map.weight.shape, text_map.weight.shape
        ((3, 2), (3, 2))
    """
    most = min(components, len(images) - 1, images.shape[1], texts.shape[1])
    if bits > most:
        raise UsageError(f"canonical correlation of these views gives at most {most} bits, not {bits}: ask for fewer")
    reduced = [PCA(min(components, len(view) - 1, view.shape[1]), random_state=0).fit(view) for view in (images, texts)]
    scores = [np.asarray(one.transform(view), np.float64) for one, view in zip(reduced, (images, texts), strict=True)]
    whitened = [_inverse_root(one, ridge) for one in scores]
    left, _, right = np.linalg.svd(whitened[0] @ (scores[0].T @ scores[1] / len(images)) @ whitened[1], full_matrices=False)
    weights = (whitened[0] @ left[:, :bits], whitened[1] @ right[:bits].T)
    one, other = (Linear(model.mean_, model.components_.T @ weight, np.zeros(bits)) for model, weight in zip(reduced, weights, strict=True))
    return one, other


def class_targets(labels: NDArray[np.uint8], bits: int, seed: int) -> Reals:
    r"""Return the code that each item should have: by bits the majority of random codes ±1 of its classes, 0 where there is none.

    .. math:: T = \operatorname{sgn}(Y C), \quad C \in \{-1, 1\}^{\text{classes} \times \text{bits}}

    Args:
        labels: Y, 0/1 (n, classes).
        bits: length of a code.
        seed: of the draw of C.

    Example:
        >>> one_hot, both = class_targets(np.array([[1, 0], [0, 1]]), 64, 0), class_targets(np.array([[1, 1]]), 64, 0)
        >>> bool((both == np.sign(one_hot.sum(axis=0))).all())
        True
    """
    codes = np.random.default_rng(seed).choice([-1.0, 1.0], size=(labels.shape[1], bits))
    targets: Reals = np.sign(labels @ codes)
    return targets


def ridge_regression(items: Reals, targets: Reals, *, ridge: float = 1.0) -> Linear:
    r"""Return the map of least squares from items to targets.

    .. math:: \min_{W, c} \lVert (X - 1 \mu^T) W + 1 c^T - T \rVert_F^2 + r \lVert W \rVert_F^2

    Reference: "Ridge regression: biased estimation for nonorthogonal problems", A. E. Hoerl, R. W. Kennard, 1970.

    Args:
        items: X, (n, d), with the mean μ.
        targets: T, (n, bits).
        ridge: r.

    Example:
        >>> ridge_regression(np.array([[0.0], [2.0]]), np.array([[0.0], [4.0]]), ridge=2.0)(np.array([[2.0]])).tolist()  # 2 + 1 · W, W = 1
        [[3.0]]
    """
    model = Ridge(alpha=ridge).fit(items, targets)
    mean = items.mean(axis=0)
    weight = model.coef_.reshape(targets.shape[1], -1).T
    return Linear(mean, weight, model.intercept_ + mean @ weight)


def _inverse_root(scores: Reals, ridge: float) -> Reals:
    """Return the inverse square root of the covariance of centred scores (n, d), with a share of the mean variance added."""
    covariance = scores.T @ scores / len(scores)
    values, vectors = np.linalg.eigh(covariance + ridge * np.trace(covariance) / len(covariance) * np.eye(len(covariance)))
    root: Reals = (vectors / np.sqrt(values)) @ vectors.T
    return root
