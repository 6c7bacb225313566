"""Equal codes over the shards of a database: items are dealt anew by their codes, so that a part at a time fits into memory."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterable, Iterator
from functools import reduce
from io import BufferedRandom
from operator import add
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..metrics.bundles import Bundles, EqualCodes
from ..ranking.histograms import Counts
from .items import PackedItems

_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ divided by the golden ratio
_HALF = np.uint64(32)  # bits


def count_equal_codes(shards: Iterable[PackedItems], buckets: int, folder: Path | None = None) -> EqualCodes:
    """Count distinct codes, and pairs of items with equal ones, over shards: the numbers of all their items together.

    Items of equal code and equal classes are joined within a shard and dealt into buckets by a hash of their code. A temporary file
    without a name holds all buckets; the system removes it with the process that opened it, however that ends. Memory is that of the
    largest shard or bucket.

    Args:
        shards: the shards; only one is held at a time.
        buckets: how many buckets, one at least; the numbers do not depend on it.
        folder: where the temporary file is; None for the system's directory of such files.

    Raises:
        OSError: if there is no room for that file.

    Example:
        >>> codes, labels = np.array([[1], [1], [2]], dtype=np.uint8), np.array([[128], [64], [64]], dtype=np.uint8)
        >>> count_equal_codes([PackedItems(codes, labels, 8, 2), PackedItems(codes[:1], labels[:1], 8, 2)], buckets=2)
        EqualCodes(unique_codes=2, equal_pairs=3, apart=2)
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return reduce(add, (bucket.count() for bucket in _dealt(shards, buckets, file)), EqualCodes(0, 0, 0))
    except OSError as error:
        if error.errno == errno.ENOSPC and error.filename is None:  # errors of writing to an open file carry no name
            error.filename = str(folder or tempfile.gettempdir())
        raise


def _dealt(shards: Iterable[PackedItems], buckets: int, file: BufferedRandom) -> Iterator[Bundles]:
    """Write the bundles of each shard, those of a bucket together, and read one bucket of all shards after the other."""
    borders, bundles = [np.empty((0, buckets + 1), np.int64)], None
    for shard in shards:
        bundles = Bundles.of(shard.codes, shard.labels)
        bucket = _bucket_of(bundles.codes, buckets)
        sizes = np.bincount(bucket, minlength=buckets) * bundles.rows.shape[1]
        borders.append(file.tell() + np.cumsum([[0, *sizes]], axis=1))
        file.write(bundles.rows[np.argsort(bucket, kind="stable")].data)
    if bundles is not None:
        all_borders = np.concatenate(borders)
        for start, end in zip(all_borders.T[:-1], all_borders.T[1:], strict=True):
            yield Bundles.merged(_read(file, start, end).reshape(-1, bundles.rows.shape[1]), bundles.code_bytes)


def _read(file: BufferedRandom, starts: Counts, ends: Counts) -> NDArray[np.uint8]:
    """Read the bytes between some places of a file."""
    content = np.empty((ends - starts).sum(), np.uint8)
    filled = 0
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        file.seek(start)
        filled += file.readinto(content[filled : filled + end - start].data)
    return content


def _bucket_of(codes: NDArray[np.uint8], buckets: int) -> Counts:
    """Return the bucket of each code, from a hash of its bytes whose upper half depends on all of them."""
    words = np.pad(codes, ((0, 0), (0, -codes.shape[1] % 8))).view(np.uint64)
    mixed = np.zeros(len(codes), np.uint64)
    for word in words.T:
        mixed = ((mixed ^ (mixed >> _HALF)) ^ word) * _ODD
    return ((mixed >> _HALF) * np.uint64(buckets) >> _HALF).astype(np.int64)
