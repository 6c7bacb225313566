"""Hamming distance and relevance of one query against a whole database, from words of packed bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BioDeepHashingError

Codes = NDArray[np.uint8]
Labels = NDArray[np.generic]


class Pairs:
    r"""Every query against every database item; nothing of size queries × database is ever held.

    .. math::
        d(q, x) = \operatorname{popcount}(q \oplus x), \qquad
        \mathrm{rel}(q, x) = 1 \text{ iff } q \text{ and } x \text{ share at least one class}

    Args:
        query_codes: packed codes, uint8 (queries, bytes).
        database_codes: packed codes, uint8 (database, bytes).
        query_labels: 0/1, (queries, classes).
        database_labels: 0/1, (database, classes).

    Raises:
        BioDeepHashingError: when shapes, types or values do not fit together.

    Example:
        >>> codes = np.array([[0b1100], [0b1000]], dtype=np.uint8)
        >>> labels = np.eye(2, dtype=np.uint8)
        >>> pairs = Pairs(codes, codes, labels, labels)
        >>> pairs.distances(0).tolist(), pairs.relevance(0).tolist()
        ([0, 1], [True, False])
    """

    def __init__(self, query_codes: Codes, database_codes: Codes, query_labels: Labels, database_labels: Labels) -> None:
        for side, codes, labels in (("query", query_codes, query_labels), ("database", database_codes, database_labels)):
            _check_side(side, codes, labels)
        if query_codes.shape[1] != database_codes.shape[1]:
            raise BioDeepHashingError(
                f"codes of different width cannot be compared: queries {query_codes.shape}, database {database_codes.shape} (bytes)"
            )
        if query_labels.shape[1] != database_labels.shape[1]:
            raise BioDeepHashingError(
                f"labels of different length cannot be compared: queries {query_labels.shape}, database {database_labels.shape}"
            )
        self.queries, self.database = len(query_codes), len(database_codes)
        self.bins = 8 * query_codes.shape[1] + 1
        self._count_type = np.uint8 if self.bins <= 256 else np.uint16
        self._query_codes, self._database_codes = as_words(query_codes), as_words(database_codes)
        self._query_labels = as_words(np.packbits(query_labels.astype(bool), axis=1))
        self._database_labels = as_words(np.packbits(database_labels.astype(bool), axis=1))

    def distances(self, query: int) -> NDArray[np.unsignedinteger[Any]]:
        """Return the Hamming distance of a query to every database item, (database,)."""
        columns = zip(self._database_codes, self._query_codes[:, query], strict=True)
        total = np.bitwise_count(np.bitwise_xor(*next(columns))).astype(self._count_type, copy=False)
        for items, own in columns:
            total += np.bitwise_count(items ^ own)
        return total

    def relevance(self, query: int) -> NDArray[np.bool_]:
        """Return which database items share a class with a query, (database,)."""
        columns = zip(self._database_labels, self._query_labels[:, query], strict=True)
        found: NDArray[np.bool_] = np.bitwise_and(*next(columns)) != 0
        for items, own in columns:
            found |= (items & own) != 0
        return found

    def histograms(self, distances: NDArray[np.unsignedinteger[Any]], relevance: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Count the items at every distance, (bins, 2): column 0 the irrelevant, column 1 the relevant ones."""
        keys = np.left_shift(distances, 1, dtype=np.uint16)
        keys |= relevance
        return np.bincount(keys, minlength=2 * self.bins).reshape(self.bins, 2)


def as_words(packed: NDArray[np.uint8]) -> NDArray[np.unsignedinteger[Any]]:
    """View rows of bytes as the fewest machine words, one row of words per column of the result.

    Args:
        packed: uint8 (n, bytes); padded with zero bytes where no word has that width.

    Returns:
        (words, n) uint8, uint16, uint32 or uint64.

    Example:
        >>> as_words(np.array([[1, 0, 0], [2, 0, 0]], dtype=np.uint8)).shape
        (1, 2)
    """
    width = next((size for size in (1, 2, 4, 8) if packed.shape[1] <= size), 8)
    padding = -packed.shape[1] % width
    padded = np.pad(packed, ((0, 0), (0, padding))) if padding else np.ascontiguousarray(packed)
    return np.ascontiguousarray(padded.view(np.dtype(f"u{width}")).T)


def _check_side(side: str, codes: Codes, labels: Labels) -> None:
    if codes.ndim != 2 or codes.dtype != np.uint8 or codes.shape[1] == 0:
        raise BioDeepHashingError(f"the {side} codes must be packed uint8 (items, bytes), not {codes.dtype} {codes.shape}")
    if labels.ndim != 2 or labels.shape[1] == 0:
        raise BioDeepHashingError(f"the {side} labels must be 0/1 (items, classes), not {labels.shape}")
    if len(codes) != len(labels):
        raise BioDeepHashingError(f"the {side} has {len(codes)} codes but {len(labels)} rows of labels")
    if len(codes) == 0:
        raise BioDeepHashingError(f"the {side} is empty: nothing can be ranked")
    if not np.isin(labels, (0, 1)).all():
        raise BioDeepHashingError(f"the {side} labels {labels.shape} hold values other than 0 and 1")
