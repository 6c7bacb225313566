"""Statistics of the bits of codes: how often each is +1, and how strongly any two are correlated."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from ...errors import BioDeepHashingError
from ..ranking.histograms import Counts, Reals


@dataclass(frozen=True)
class BitCounts:
    """How often each bit of a set of codes is +1, and any two of them are: whole numbers, which add up over parts of the set.

    Args:
        items: codes, n.
        ones: codes whose bit k is +1, n_k, (bits,).
        both: codes whose bits k and l are, n_kl, (bits, bits).

    Example:
        >>> parts = [count_bits(np.array([[code]], dtype=np.uint8), 3) for code in (0b00100000, 0b11100000)]
        >>> (parts[0] + parts[1]).ones.tolist()
        [1, 1, 2]
    """

    items: int
    ones: Counts
    both: Counts

    def __add__(self, other: BitCounts) -> BitCounts:
        """Return the counts of both sets of codes together."""
        return BitCounts(self.items + other.items, self.ones + other.ones, self.both + other.both)

    def statistics(self) -> BitStatistics:
        """Return what :func:`bit_statistics` does of the codes.

        Raises:
            BioDeepHashingError: for so many codes that products of counts do not fit into 64 bits.
        """
        items, ones, bits = self.items, self.ones, len(self.ones)
        if items**2 >= 2**63:
            raise BioDeepHashingError(f"correlations of bits are computed of less than {isqrt(2**63) + 1:,} codes, not of {items:,}")
        variances = (ones * (items - ones)).astype(np.float64)  # times items²
        correlations = np.full((bits, bits), np.nan)
        for k in np.flatnonzero(variances):
            scales = np.sqrt(variances[k] * variances[k:])  # of equal variances exactly that variance: equal bits have exactly 1
            covariances = items * self.both[k, k:] - ones[k] * ones[k:]
            row = np.divide(covariances, scales, out=np.full(bits - k, np.nan), where=scales > 0)
            correlations[k, k:] = correlations[k:, k] = row
        return BitStatistics(ones / items, correlations)


@dataclass(frozen=True)
class BitStatistics:
    """Balance and correlation of the bits of a set of codes.

    Args:
        shares: share of the items in which a bit is +1, (bits,).
        correlations: correlation of every two bits over the items, (bits, bits), NaN where one of them is dead.
    """

    shares: Reals
    correlations: Reals

    @property
    def live(self) -> NDArray[np.bool_]:
        """Whether a bit has both values, (bits,); one that has not is dead."""
        return (self.shares > 0) & (self.shares < 1)


def bit_statistics(codes: NDArray[np.uint8], bits: int) -> BitStatistics:
    r"""Return balance and correlation of bits, computed from counts, without an array of items × bits.

    .. math::
        p_k = \frac{n_k}n, \qquad \rho_{kl} = \frac{n\,n_{kl} - n_k n_l}{\sqrt{n_k (n - n_k)\, n_l (n - n_l)}}

    with :math:`n_k` the items whose bit k is +1, :math:`n_{kl}` those where the bits k and l are.

    Args:
        codes: packed codes, uint8 (n, ceil(bits / 8)), one at least.
        bits: length of a code.

    Example:
        >>> statistics = bit_statistics(np.array([[0b00100000], [0b11100000]], dtype=np.uint8), 3)
        >>> statistics.shares.tolist(), statistics.correlations[0].tolist()
        ([0.5, 0.5, 1.0], [1.0, 1.0, nan])
    """
    return count_bits(codes, bits).statistics()


def count_bits(codes: NDArray[np.uint8], bits: int) -> BitCounts:
    """Count how often bits are +1, without an array of items × bits of more than a byte for eight.

    Args:
        codes: packed codes, uint8 (n, ceil(bits / 8)).
        bits: length of a code.
    """
    columns, both = _columns(codes, bits), np.zeros((bits, bits), dtype=np.int64)
    for k in range(bits):
        both[k, k:] = both[k:, k] = np.bitwise_count(columns[k] & columns[k:]).sum(axis=1, dtype=np.int64)
    return BitCounts(len(codes), both.diagonal().copy(), both)


def _columns(codes: NDArray[np.uint8], bits: int) -> NDArray[np.uint64]:
    """Return each bit of all codes as a row of words, (bits, ceil(n / 64)), zero-padded."""
    rows = [np.packbits(np.unpackbits(codes[:, [byte]], axis=1), axis=0).T for byte in range(codes.shape[1])]
    columns = np.concatenate(rows)[:bits]
    return np.ascontiguousarray(np.pad(columns, ((0, 0), (0, -columns.shape[1] % 8)))).view(np.uint64)
