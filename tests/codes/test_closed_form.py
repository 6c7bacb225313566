"""Closed forms of codes of two views against scikit-learn, and against sums written out."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cross_decomposition import CCA

from biodeephashing.codes.closed_form import canonical_correlation, class_targets, ridge_regression
from biodeephashing.errors import UsageError


@pytest.fixture
def views() -> tuple[np.ndarray, np.ndarray]:
    """Two views of 80 items, 5 and 4 columns, that share two directions."""
    generator = np.random.default_rng(0)
    shared = generator.normal(size=(80, 2))
    images = shared @ generator.normal(size=(2, 5)) + generator.normal(size=(80, 5)) + 3
    return images, shared @ generator.normal(size=(2, 4)) + 0.5 * generator.normal(size=(80, 4)) - 1


def test_canonical_correlation_is_that_of_scikit_learn(views):
    maps = canonical_correlation(*views, bits=3, ridge=0)
    scores = [one(view) for one, view in zip(maps, views, strict=True)]
    theirs = CCA(3, scale=False, max_iter=5000, tol=1e-12).fit(*views).transform(*views)
    for ours, other in zip(scores, theirs, strict=True):
        agreement = np.corrcoef(ours.T, other.T)[:3, 3:]
        np.testing.assert_allclose(np.abs(agreement), np.eye(3), atol=1e-5)
    signs = np.sign([np.corrcoef(scores[0][:, bit], scores[1][:, bit])[0, 1] for bit in range(3)])
    assert signs.tolist() == [1, 1, 1]  # both views of an item get the same bits


def test_a_ridge_shrinks_by_a_share_of_the_mean_variance(views):
    images, texts = (view - view.mean(axis=0) for view in views)
    ridge, n = 0.3, len(images)
    covariances = [view.T @ view / n for view in (images, texts)]
    covariances = [one + ridge * np.trace(one) / len(one) * np.eye(len(one)) for one in covariances]
    cross = images.T @ texts / n
    # the same directions by the generalised eigenvalue problem
    values, vectors = np.linalg.eig(np.linalg.solve(covariances[0], cross @ np.linalg.solve(covariances[1], cross.T)))
    expected = images @ vectors[:, np.argsort(values.real)[::-1][:2]].real
    ours = canonical_correlation(*views, bits=2, ridge=ridge)[0](views[0])
    np.testing.assert_allclose(np.abs(np.corrcoef(ours.T, expected.T)[:2, 2:]).diagonal(), 1, atol=1e-9)


def test_more_bits_than_directions_are_refused(views):
    with pytest.raises(UsageError, match="at most 4 bits, not 5"):
        canonical_correlation(*views, bits=5)
    with pytest.raises(UsageError, match="at most 2 bits"):
        canonical_correlation(*views, bits=3, components=2)


def test_ridge_regression_by_the_normal_equations(views):
    items, targets, ridge = views[0], np.sign(views[1]), 2.5
    mean = items.mean(axis=0)
    gram, right = ridge * np.eye(5), np.zeros((5, 4))
    for item, target in zip(items, targets, strict=True):
        gram += np.outer(item - mean, item - mean)
        right += np.outer(item - mean, target - targets.mean(axis=0))
    expected = (items - mean) @ np.linalg.inv(gram) @ right + targets.mean(axis=0)
    model = ridge_regression(items, targets, ridge=ridge)
    np.testing.assert_allclose(model(items), expected, atol=1e-10)
    np.testing.assert_allclose(model.part(slice(1, 3))(items), expected[:, 1:3], atol=1e-10)


def test_the_code_of_an_item_is_the_majority_of_its_classes():
    labels = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]], dtype=np.uint8)
    targets = class_targets(labels, 200, seed=3)
    assert set(targets[:3].ravel()) == {-1, 1}
    for bit in range(200):
        one, two, three = targets[:3, bit]
        assert targets[3, bit] == (1 if (one, two, three).count(1) >= 2 else -1)
        assert targets[4, bit] == (one if one == two else 0)
        assert targets[5, bit] == 0
    assert not np.array_equal(targets, class_targets(labels, 200, seed=4))
