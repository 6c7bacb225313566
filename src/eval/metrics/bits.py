"""Statistics of the bits of codes: how often each is +1, and how strongly any two are correlated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..ranking.histograms import Reals


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
    columns, items = _columns(codes, bits), len(codes)
    ones = np.bitwise_count(columns).sum(axis=1, dtype=np.int64)
    variances = (ones * (items - ones)).astype(np.float64)  # times items²
    correlations = np.full((bits, bits), np.nan)
    for k in np.flatnonzero(variances):
        both = np.bitwise_count(columns[k] & columns[k:]).sum(axis=1, dtype=np.int64)
        scales = np.sqrt(variances[k] * variances[k:])  # of equal variances exactly that variance: equal bits have exactly 1
        row = np.divide(items * both - ones[k] * ones[k:], scales, out=np.full(bits - k, np.nan), where=scales > 0)
        correlations[k, k:] = correlations[k:, k] = row
    return BitStatistics(ones / items, correlations)


def _columns(codes: NDArray[np.uint8], bits: int) -> NDArray[np.uint64]:
    """Return each bit of all codes as a row of words, (bits, ceil(n / 64)), zero-padded."""
    rows = [np.packbits(np.unpackbits(codes[:, [byte]], axis=1), axis=0).T for byte in range(codes.shape[1])]
    columns = np.concatenate(rows)[:bits]
    return np.ascontiguousarray(np.pad(columns, ((0, 0), (0, -columns.shape[1] % 8)))).view(np.uint64)
