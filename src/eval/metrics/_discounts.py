"""Sums of 1 / log2(1 + place): the discounts of nDCG between two places of a ranking."""

from __future__ import annotations

import numpy as np

from ..ranking.histograms import Counts, Reals
from ..ranking.threads import in_threads

TOGETHER = 4096  # sums that a thread takes at a time


def discount_sum(before: Counts, places: Counts) -> Reals:
    r"""Return the sum of 1 / log2(1 + place) over so many places after the first ones, exact to a few units in the last digit.

    The first 128 places are added one by one. Of the others, with :math:`f(z) = \ln 2 / \ln z`, :math:`A = a + 3/2`,
    :math:`B = b + 3/2`,

    .. math::
        \sum_{i=a+1}^{b} \frac{1}{\log_2 (1+i)} = \int_A^B f(z)\,dz - \frac{f'(B) - f'(A)}{24} + \frac{7}{5760} (f'''(B) - f'''(A)) - \dots

    The integral is summed at 12 points of each piece (Gauss-Legendre), whose ends differ by a factor of 2 at most. The difference of
    two sums that begin at the first place would lose digits, and a table of all of them takes 8 bytes for every item of the database.

    Reference: NIST Digital Library of Mathematical Functions, F. W. J. Olver et al. (editors), sections 2.10(i) and 3.5(v).

    Args:
        before: places before those that are summed, a, any shape.
        places: how many are summed, b - a, the same shape.

    Example:
        >>> discount_sum(np.array([0, 2]), np.array([1, 1])).tolist()  # 1 / log2(2), 1 / log2(4)
        [1.0, 0.5]
    """
    from ._group_kernels import sum_discounts

    before, places = (np.ascontiguousarray(counts, dtype=np.int64) for counts in (before, places))
    sums = np.empty(before.shape)
    flat = before.reshape(-1), places.reshape(-1), sums.reshape(-1)
    in_threads(lambda part: sum_discounts(*(each[part] for each in flat)), sums.size, TOGETHER)
    return sums
