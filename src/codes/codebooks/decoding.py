"""Classes read from codes: by the nearest class code, or only where a code is exactly that of its class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError, unknown_name
from ..packing import binarise, hamming, pack

Features = NDArray[np.floating]  # outputs of the hash layer, or codes of ±1, (n, K)
TIES = ("expected", "index")


def nearest_class(features: Features, codebook: NDArray[Any]) -> NDArray[np.intp]:
    """Return the class whose code differs in the fewest bits; of several, the one with the smallest number.

    Args:
        features: outputs of the hash layer or codes, (n, K).
        codebook: real or ±1, (C, K).

    Raises:
        BioDeepHashingError: for NaN, or another number of bits.

    Example:
        >>> nearest_class(np.array([[0.2, -3.0, 0.1]]), np.array([[1, 1, 1], [1, -1, -1], [-1, -1, -1]])).tolist()
        [0]
    """
    return _distances(features, codebook).argmin(axis=1)


def nearest_distance(features: Features, codebook: NDArray[Any]) -> NDArray[np.int16]:
    """Return the number of bits in which each code differs from the nearest class code: a score of being of an unknown class.

    Example:
        >>> nearest_distance(np.array([[1.0, -1.0]]), np.array([[1, 1], [-1, 1]])).tolist()
        [1]
    """
    return _distances(features, codebook).min(axis=1)


def outside(features: Features, codebook: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which codes are no class's code.

    Example:
        >>> outside(np.array([[1.0, -1.0], [2.0, 0.0]]), np.array([[1, 1], [-1, 1]])).tolist()
        [True, False]
    """
    return nearest_distance(features, codebook) > 0


def class_code_predictions(features: Features, codebook: NDArray[Any]) -> NDArray[np.intp]:
    r"""Return the class of the largest logit, :math:`\arg\max_c \langle z, b(W_c) \rangle`, on outputs that are not binarised.

    Of several, it is the one with the smallest number.

    Example:
        >>> class_code_predictions(np.array([[0.2, -3.0]]), np.array([[1, 1], [-1, -1]])).tolist()
        [1]
    """
    return (features.astype(np.float64) @ binarise(codebook).T.astype(np.float64)).argmax(axis=1)


def softmax_score(features: Features, codebook: NDArray[Any]) -> NDArray[np.float64]:
    r"""Return how little images look like any class while they are not binarised: minus the largest probability of a softmax.

    .. math:: -\max_c \operatorname{softmax}_c \langle z, b(W_c) \rangle

    Args:
        features: z, outputs of the hash layer, (n, K).
        codebook: W, real or ±1, (C, K).

    Example:
        >>> softmax_score(np.zeros((1, 3)), np.ones((4, 3))).tolist()
        [-0.25]
    """
    logits = features.astype(np.float64) @ binarise(codebook).T.astype(np.float64)
    return np.asarray(-1 / np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1))


def top_k_accuracy(
    features: Features, codebook: NDArray[Any], classes: NDArray[np.integer], *, k: int = 1, ties: str = "expected"
) -> float:  # fmt: skip
    r"""Return the share of images whose class is among the k whose codes are nearest (MHD, minimal Hamming distance).

    .. math:: \operatorname{mean}_i \min\left(\max\left(\frac{k - \#\{c : d_{ic} < d_{iy}\}}{\#\{c : d_{ic} = d_{iy}\}}, 0\right), 1\right)

    That is the expectation over all orders of classes at equal distance; ``ties="index"`` takes the smaller class number first.

    Args:
        features: outputs of the hash layer or codes, (n, K).
        codebook: real or ±1, (C, K).
        classes: y, class numbers (n,).
        k: how many classes.
        ties: an entry of ``TIES``.

    Raises:
        UsageError: for an impossible k, a class number without a code, or no image.
        UnknownNameError: for an unknown tie rule.

    Example:
        >>> codebook = np.array([[1, 1], [1, 1], [-1, -1]])
        >>> top_k_accuracy(np.array([[0.5, 0.5]]), codebook, np.array([1]))
        0.5
        >>> top_k_accuracy(np.array([[0.5, 0.5]]), codebook, np.array([1]), ties="index")
        0.0
    """
    if ties not in TIES:
        raise unknown_name("tie rule", ties, TIES)
    if k < 1:
        raise UsageError(f"the {k} nearest codes are not possible: there must be at least 1")
    _check_classes(features, codebook, classes)
    distances = _distances(features, codebook)
    own = np.take_along_axis(distances, classes[:, None], axis=1)
    closer, tied = (distances < own).sum(axis=1), distances == own
    if ties == "expected":
        return float(np.clip((k - closer) / tied.sum(axis=1), 0, 1).mean())
    before = (tied & (np.arange(len(codebook)) < classes[:, None])).sum(axis=1)
    return float((closer + before < k).mean())


def exact_accuracy(
    features: Features, codebook: NDArray[Any], classes: NDArray[np.integer], *, ties: str = "own"
) -> float:  # fmt: skip
    """Return the share of images with exactly the code of their class (ED, exact decoding).

    Args:
        features: outputs of the hash layer or codes, (n, K).
        codebook: real or ±1, (C, K).
        classes: y, class numbers (n,).
        ties: "own" counts such an image as right, which is the published rule; "expected" divides it by the number of classes that
            own this code, without which duplicates could let it exceed the share by minimal distance.

    Raises:
        UsageError: for a class number without a code, or no image.
        UnknownNameError: for an unknown tie rule.

    Example:
        >>> codes, codebook = np.ones((1, 2)), np.ones((2, 2))
        >>> [exact_accuracy(codes, codebook, np.array([0]), ties=ties) for ties in ("own", "expected")]
        [1.0, 0.5]
    """
    if ties not in ("own", "expected"):
        raise unknown_name("tie rule", ties, ("own", "expected"))
    _check_classes(features, codebook, classes)
    equal = _distances(features, codebook) == 0
    right = equal[np.arange(len(classes)), classes]
    return float((right / np.maximum(equal.sum(axis=1), 1)).mean() if ties == "expected" else right.mean())


def area_under_roc(known: NDArray[Any], unknown: NDArray[Any]) -> float:
    r"""Return the chance that a score is larger for an unknown than for a known, equal scores counting half.

    .. math:: \Pr(s_u > s_k) + \tfrac12 \Pr(s_u = s_k)

    Args:
        known: scores of images of known classes, (n,).
        unknown: scores of images of classes never seen, (m,).

    Raises:
        UsageError: if either is empty or holds NaN.

    Example:
        >>> area_under_roc(np.array([0, 0, 1]), np.array([1, 2]))  # 5 of 6 pairs in order, one of them equal: 5½ / 6
        0.9166666666666666
    """
    if not (len(known) and len(unknown)) or np.isnan(known).any() or np.isnan(unknown).any():
        raise UsageError(f"scores of known ({len(known)}) and unknown ({len(unknown)}) images are both needed, without NaN")
    ordered = np.sort(known)
    below, upto = np.searchsorted(ordered, unknown, "left"), np.searchsorted(ordered, unknown, "right")
    return float((below + upto).sum() / (2 * len(known) * len(unknown)))


def _distances(features: Features, codebook: NDArray[Any]) -> NDArray[np.int16]:
    if features.shape[1] != codebook.shape[1]:
        raise UsageError(f"codes of {features.shape[1]} bits cannot be compared with a codebook of {codebook.shape[1]}")
    return hamming(pack(features), pack(codebook))


def _check_classes(features: Features, codebook: NDArray[Any], classes: NDArray[np.integer]) -> None:
    if classes.shape != (len(features),) or not len(classes):
        raise UsageError(f"{len(features)} codes need as many class numbers, and at least one, not {classes.shape}")
    if classes.min() < 0 or classes.max() >= len(codebook):
        raise UsageError(f"class numbers run from {classes.min()} to {classes.max()}, but the codebook has codes 0 to {len(codebook) - 1}")
