"""Shorter codes out of longer ones: which bits are worth keeping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .packing import pack, unpack


def ranked_bits(weights: Sequence[NDArray[Any]], end: str = "largest") -> NDArray[np.int64]:
    r"""Return the bits in the order in which they are kept, by what the fusions of all towers give them.

    .. math:: r_b = \sum_t \sum_k w^k_{t, b}

    Reference:
        Self-constraining and attention-based hashing network for bit-scalable cross-modal retrieval (Wang, Zou, Bakker, Wu;
        Neurocomputing 2020).

    Args:
        weights: w of each tower, (levels, bits).
        end: whether the "largest" sums come first, or the "smallest"; bits of equal sums in their own order.

    Example:
        >>> ranked_bits([np.array([[0.1, 0.5, 0.2], [0.1, 0.1, 0.2]]), np.array([[0.0, 0.1, 0.5]])]).tolist()
        [2, 1, 0]
    """
    sums = np.concatenate([np.asarray(one, np.float64) for one in weights]).sum(axis=0)
    return np.argsort(-sums if end == "largest" else sums, kind="stable")


def keep_bits(packed: NDArray[np.uint8], bits: int, columns: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return packed codes of some of the bits of packed codes.

    Args:
        packed: codes, (n, ceil(bits / 8)).
        bits: their length.
        columns: the bits to keep, in their new order.

    Example:
        >>> keep_bits(np.array([[0b10100000]], np.uint8), 3, np.array([2, 1])).tolist()  # 1 0
        [[128]]
    """
    return pack(unpack(packed, bits)[:, columns])
