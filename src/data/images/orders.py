"""The order of the items of an epoch, as a pure function of seed and epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Order = NDArray[np.int64]
_BATCHES, _OTHERS = 0, 1  # of the streams of an epoch


def permutation(length: int, seed: int, epoch: int) -> Order:
    """Return all items in a random order.

    Args:
        length: number of items.
        seed: of the order.
        epoch: number of the epoch, from 0.

    Example:
        >>> sorted(permutation(4, seed=0, epoch=1).tolist())
        [0, 1, 2, 3]
    """
    return np.argsort(_draws(length, seed, epoch), kind="stable")


def independent_batches(length: int, batch_size: int, seed: int, epoch: int) -> Order:
    """Return batches one after the other, each the beginning of a permutation of its own: an epoch misses some items and repeats others.

    There are as many batches, of the same sizes, as in a permutation. DCMH was published so.

    Args:
        length: number of items.
        batch_size: items of a batch.
        seed: of the order.
        epoch: number of the epoch, from 0.

    Example:
        >>> order = independent_batches(5, batch_size=3, seed=0, epoch=0)
        >>> len(order), len(set(order[:3].tolist())), len(set(order[3:].tolist()))
        (5, 3, 2)
    """
    batches = []
    for number, start in enumerate(range(0, length, batch_size)):
        draws = _draws(length, seed, epoch, spawn_key=(_BATCHES, number))
        size = min(batch_size, length - start)
        chosen = np.argpartition(draws, size - 1)[:size]
        batches.append(chosen[np.argsort(draws[chosen], kind="stable")])
    return np.concatenate(batches)


def with_others(order: Order, length: int, seed: int, epoch: int) -> Order:
    """Return each item of an order followed by another one, drawn anew from all others.

    Args:
        order: items, (n,).
        length: number of items there are, at least 2.
        seed: of the order.
        epoch: number of the epoch, from 0.

    Returns:
        Items, (2n,): at even places those of the order.

    Example:
        >>> with_others(np.array([1, 0, 1]), 2, seed=0, epoch=0).tolist()
        [1, 0, 0, 1, 1, 0]
    """
    draws = _draws(len(order), seed, epoch, spawn_key=(_OTHERS,))
    steps = 1 + (draws % np.uint64(length - 1)).astype(np.int64)
    return np.stack([order, (order + steps) % length], axis=1).ravel()


def _draws(count: int, seed: int, epoch: int, **stream: Any) -> NDArray[np.uint64]:
    """Return raw 64-bit draws: NumPy promises their stream for good, which it does not for that of its ``permutation()``."""
    draws: NDArray[np.uint64] = np.random.PCG64(np.random.SeedSequence((seed, epoch), **stream)).random_raw(count)
    return draws
