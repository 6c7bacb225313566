"""What can be told of a codebook alone: how far classes are apart, which bits are wasted, which classes belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist

from ...errors import BioDeepHashingError, UsageError
from ..packing import binarise


def check_codebook(codebook: NDArray[Any], classes: int, bits: int) -> None:
    """Check that an array can be the codebook of so many classes and bits.

    Args:
        codebook: real or ±1.
        classes: C.
        bits: K.

    Raises:
        BioDeepHashingError: for another shape, a value that is not finite (names its class), or one code for all classes.

    Example:
        >>> check_codebook(np.ones((2, 3)), 2, 4)
        Traceback (most recent call last):
            ...
        biodeephashing.errors.BioDeepHashingError: the codebook has the shape (2, 3); 2 classes of 4 bits need (2, 4)
    """
    if codebook.shape != (classes, bits):
        raise BioDeepHashingError(f"the codebook has the shape {codebook.shape}; {classes} classes of {bits} bits need ({classes}, {bits})")
    if not (np.issubdtype(codebook.dtype, np.number) and np.isrealobj(codebook)):
        raise BioDeepHashingError(f"the codebook holds {codebook.dtype}, not numbers")
    bad = np.flatnonzero(~np.isfinite(codebook).all(axis=1))
    if len(bad):
        raise BioDeepHashingError(f"the code of class {bad[0]} holds NaN or infinity")
    signs = binarise(codebook)
    if classes > 1 and (signs == signs[0]).all():
        raise BioDeepHashingError(f"all {classes} classes have one code: the codebook tells nothing apart; learn it again")


@dataclass(frozen=True)
class CodebookFacts:
    """How well a codebook tells classes apart.

    Args:
        distinct: number of different codes.
        duplicates: pairs of classes with the same code.
        least: smallest Hamming distance of two classes.
        mean: mean Hamming distance of two classes.
        constant_bits: bits that are equal in all classes: wasted.
        repeated_bits: pairs of bits that are equal, or opposite, in all classes: redundant.
        balance: share of classes with +1 in each bit.
    """

    distinct: int
    duplicates: int
    least: int
    mean: float
    constant_bits: int
    repeated_bits: int
    balance: tuple[float, ...]


def codebook_facts(codebook: NDArray[Any]) -> CodebookFacts:
    """Return what can be told of a codebook of at least two classes.

    Args:
        codebook: real or ±1, (C, K).

    Raises:
        UsageError: for fewer classes.
        BioDeepHashingError: for NaN.

    Example:
        >>> facts = codebook_facts(np.array([[1, 1, -1], [-1, 1, 1], [-1, 1, 1]]))
        >>> facts.distinct, facts.duplicates, facts.least, facts.constant_bits, facts.repeated_bits
        (2, 1, 0, 1, 1)
    """
    signs = _several_classes(codebook)
    classes = len(signs)
    distances = _pair_distances(signs)
    products = np.abs(signs.T @ signs)[np.triu_indices(signs.shape[1], k=1)]
    return CodebookFacts(
        distinct=len(np.unique(signs, axis=0)),
        duplicates=int((distances == 0).sum()),
        least=int(distances.min()),
        mean=float(distances.mean()),
        constant_bits=int((np.abs(signs.sum(axis=0)) == classes).sum()),
        repeated_bits=int((products == classes).sum()),
        balance=tuple((signs > 0).mean(axis=0).tolist()),
    )


def class_tree(codebook: NDArray[Any]) -> NDArray[np.float64]:
    """Return how classes join by the mean Hamming distance of their codes (average linkage).

    Args:
        codebook: real or ±1, (C, K), of at least two classes.

    Returns:
        A linkage matrix as SciPy defines it, (C - 1, 4): the two that join, their mean distance in bits, the classes joined.

    Raises:
        UsageError: for fewer classes.

    Example:
        >>> class_tree(np.array([[1, 1, 1], [-1, -1, -1], [1, 1, -1]])).tolist()
        [[0.0, 2.0, 1.0, 2.0], [1.0, 3.0, 2.5, 3.0]]
    """
    tree: NDArray[np.float64] = linkage(_pair_distances(_several_classes(codebook)), method="average")
    return tree


def bit_groups(codebook: NDArray[Any], names: Sequence[str]) -> list[tuple[list[str], list[str]]]:
    """Return for each bit the classes with +1 and those with -1: what the bit says of an image.

    Args:
        codebook: real or ±1, (C, K).
        names: of the classes, C.

    Raises:
        UsageError: for another number of names.

    Example:
        >>> bit_groups(np.array([[1, -1], [1, 1]]), ["cat", "dog"])
        [(['cat', 'dog'], []), (['dog'], ['cat'])]
    """
    if len(names) != len(codebook):
        raise UsageError(f"{len(codebook)} class codes need as many names, not {len(names)}")
    return [
        ([n for n, bit in zip(names, column, strict=True) if bit > 0], [n for n, bit in zip(names, column, strict=True) if bit < 0])
        for column in binarise(codebook).T
    ]


def _several_classes(codebook: NDArray[Any]) -> NDArray[np.int64]:
    if len(codebook) < 2:
        raise UsageError(f"a codebook of {len(codebook)} classes has no pairs to compare: there must be at least 2")
    return binarise(codebook).astype(np.int64)


def _pair_distances(signs: NDArray[np.int64]) -> NDArray[np.float64]:
    distances: NDArray[np.float64] = np.rint(pdist(signs, "hamming") * signs.shape[1])
    return distances
