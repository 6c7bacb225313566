"""Health of codes: bits that never change, bits that are correlated, and codes that several classes share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import BioDeepHashingError
from .bits import BitStatistics, bit_statistics
from .bundles import Bundles, EqualCodes


@dataclass(frozen=True)
class BitHealth:
    """How well a set of codes uses its bits.

    Args:
        entropy_mean: mean entropy of a bit over the items [bit], 1 where +1 and -1 are equally frequent.
        entropy_least: least entropy of a bit [bit].
        dead_bits: the bits that have the same value in every item, the first bit being 0.
        correlation_mean: mean absolute correlation of two different bits that are not dead; None where there are no two.
    """

    entropy_mean: float
    entropy_least: float
    dead_bits: list[int]
    correlation_mean: float | None

    @classmethod
    def of(cls, statistics: BitStatistics) -> BitHealth:
        """Return what statistics of bits tell, see :func:`code_health`."""
        entropies, live = _entropies(statistics.shares), statistics.live
        return cls(
            entropy_mean=float(entropies.mean()),
            entropy_least=float(entropies.min()),
            dead_bits=np.flatnonzero(~live).tolist(),
            correlation_mean=_mean_correlation(statistics.correlations[np.ix_(live, live)]),
        )


@dataclass(frozen=True)
class CodeHealth:
    """How well a set of codes uses its bits and keeps classes apart.

    Args:
        unique_codes: distinct codes.
        entropy_mean, entropy_least, dead_bits, correlation_mean: see :class:`BitHealth`.
        equal_pairs: pairs of items with equal codes.
        collisions: share of those pairs that have no class in common; None where there is no such pair.
    """

    unique_codes: int
    entropy_mean: float
    entropy_least: float
    dead_bits: list[int]
    correlation_mean: float | None
    equal_pairs: int
    collisions: float | None

    @classmethod
    def of(cls, statistics: BitStatistics, equal: EqualCodes) -> CodeHealth:
        """Return what statistics of bits and numbers of equal codes tell, see :func:`code_health`."""
        collisions = equal.apart / equal.equal_pairs if equal.equal_pairs else None
        return cls(equal.unique_codes, **vars(BitHealth.of(statistics)), equal_pairs=equal.equal_pairs, collisions=collisions)


def code_health(codes: NDArray[np.uint8], bits: int, labels: NDArray[np.generic]) -> CodeHealth:
    r"""Return how well codes use their bits and keep classes apart, exactly, without an array of items × items.

    .. math::
        H_k = -p_k \log_2 p_k - (1 - p_k) \log_2 (1 - p_k)

    with :math:`p_k` the share of the items whose bit k is +1; the correlations are those of :func:`bit_statistics`.

    Reference: Iterative Quantization: A Procrustean Approach to Learning Binary Codes, Y. Gong and S. Lazebnik, CVPR 2011
    (codes should be balanced and uncorrelated).

    Args:
        codes: packed codes, uint8 (n, ceil(bits / 8)).
        bits: length of a code.
        labels: 0/1, (n, classes); items without any class share none with anybody.

    Raises:
        BioDeepHashingError: for no codes, or codes, bits and labels that do not fit together.

    Example:
        >>> codes = np.array([[0b00000000], [0b00000000], [0b11000000]], dtype=np.uint8)
        >>> health = code_health(codes, 3, np.array([[1, 0], [0, 1], [0, 1]]))
        >>> health.unique_codes, health.dead_bits, round(health.correlation_mean, 9), health.collisions
        (2, [2], 1.0, 1.0)
    """
    if bits < 1 or len(codes) == 0 or codes.shape[1:] != ((bits + 7) // 8,) or len(labels) != len(codes):
        raise BioDeepHashingError(f"codes {codes.shape} (items, bytes), {bits} bits and labels {labels.shape} do not belong together")
    equal = Bundles.of(codes, np.packbits(labels.astype(bool), axis=1)).count()
    return CodeHealth.of(bit_statistics(codes, bits), equal)


def _entropies(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the entropy of bits that are +1 with these shares [bit]."""
    terms = [share * np.log2(share, out=np.zeros_like(share), where=share > 0) for share in (shares, 1 - shares)]
    return np.abs(terms[0] + terms[1])  # the sum is never above 0


def _mean_correlation(correlations: NDArray[np.float64]) -> float | None:
    """Return the mean absolute correlation of all pairs of different bits, none of them dead."""
    pairs = np.abs(correlations[np.triu_indices(len(correlations), 1)])
    return float(pairs.mean()) if len(pairs) else None
