"""Whether two runs differ on the same queries by more than chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...errors import BioDeepHashingError
from ..ranking.histograms import Reals

DRAWS = 100_000
EXACT = 20  # where at most this many queries differ, all 2^20 assignments of signs are tried
SEED = 0
_BLOCK = 2**22  # signs held at once
_EQUAL = 1e-12  # relative to the sum of all magnitudes: sums that are closer differ by rounding only


@dataclass(frozen=True)
class SignFlipTest:
    """The outcome of a sign-flip permutation test.

    Args:
        p: probability of a mean at least as far from 0 if each difference were as likely to be positive as negative; never 0.
        draws: how many assignments of signs were tried.
        exact: whether these were all possible ones.
    """

    p: float
    draws: int
    exact: bool


def sign_flip_test(differences: Reals, *, draws: int = DRAWS, seed: int = SEED) -> SignFlipTest:
    r"""Test whether paired differences are symmetric around 0, two-sided.

    .. math:: p = \frac{1 + \#\{s : |\sum_i s_i d_i| \ge |\sum_i d_i|\}}{1 + \text{draws}}, \qquad s_i = \pm 1

    for random signs; where few queries differ, all signs are tried and p is the share that is at least as far from 0. If the two runs
    were interchangeable, a coin could decide the sign of each query's difference.

    Reference: The Design of Experiments, R. A. Fisher, 1935; Permutation P-values Should Never Be Zero, B. Phipson and
    G. K. Smyth, Statistical Applications in Genetics and Molecular Biology, 2010.

    Args:
        differences: one per query, (queries,).
        draws: number of random assignments of signs, where not all are tried.
        seed: seed of the draws.

    Raises:
        BioDeepHashingError: for no differences, or some that are not finite.

    Example:
        Of the 8 assignments of signs, +++ and --- are as far from 0 as what was seen:

        >>> sign_flip_test(np.array([0.1, 0.3, 0.2]))
        SignFlipTest(p=0.25, draws=8, exact=True)
    """
    if differences.ndim != 1 or len(differences) == 0 or not np.isfinite(differences).all():
        raise BioDeepHashingError(
            f"differences {differences.shape} cannot be tested: a finite number per query is needed, and at least one"
        )
    apart = differences[differences != 0]  # the sign of a 0 changes nothing
    least = abs(float(apart.sum())) - _EQUAL * float(np.abs(apart).sum())
    if len(apart) <= EXACT:
        sums = _all_sums(apart)
        return SignFlipTest(float(np.mean(np.abs(sums) >= least)), len(sums), True)
    hits = sum(int(np.count_nonzero(np.abs(sums) >= least)) for sums in _random_sums(apart, draws, seed))
    return SignFlipTest((1 + hits) / (1 + draws), draws, False)


def _all_sums(values: Reals) -> Reals:
    """Return the sum of the values under every assignment of signs, (2^values,)."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate((sums + value, sums - value))
    return sums


def _random_sums(values: Reals, draws: int, seed: int) -> Iterator[Reals]:
    """Yield sums of the values under random signs, some at a time, as many as there are draws."""
    rng = np.random.default_rng(seed)
    step = max(1, _BLOCK // len(values))
    total = values.sum()
    for start in range(0, draws, step):
        rows = min(step, draws - start)
        bits = np.unpackbits(rng.integers(256, size=(rows, -(-len(values) // 8)), dtype=np.uint8), axis=1, count=len(values))
        yield total - 2 * (bits @ values)
