"""Queries that are items of the database, too."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError
from .fold_metrics import LabeledCodes


def same_items(queries: LabeledCodes, database: LabeledCodes) -> bool:
    """Return whether queries and database are equal, row by row: codes, labels, and features where both sides have them.

    Example:
        >>> from biodeephashing.eval.records import FoldCodes
        >>> codes = np.array([[1], [2]], dtype=np.uint8)
        >>> side = LabeledCodes(FoldCodes(codes, 8, 0, None, "", None), np.eye(2, dtype=np.uint8))
        >>> same_items(side, side)
        True
    """
    return all(np.array_equal(one, other) for one, other in zip(_parts(queries), _parts(database), strict=True))


def check_same(queries: LabeledCodes, database: LabeledCodes) -> None:
    """Refuse to leave queries out of a database where it is not certain which item each of them is.

    Raises:
        UsageError: unless both are equal, row by row.
    """
    if not same_items(queries, database):
        raise UsageError(
            f"-leave_one_out needs the same items as queries and as database, in the same order, but these {len(queries.labels):,} queries "
            f"and {len(database.labels):,} items differ: give the same files for both, or take the queries out of the database"
        )


def count_contained(queries: LabeledCodes, database: LabeledCodes) -> int:
    """Return how many queries have the code and the labels (and the features, where both sides have them) of a database item.

    Returns 0 where database items have those of each other as often: short or well trained codes are equal without being the same item.
    """
    rows, items = (_joined(side) for side in (queries, database))
    contained = int(np.isin(rows, items).sum())
    _, counts = np.unique(items, return_counts=True)
    expected = len(rows) * counts[counts > 1].sum() / len(items)
    return contained if contained > expected + 3 * np.sqrt(expected) else 0


def _parts(side: LabeledCodes) -> list[NDArray[np.generic]]:
    return [side.codes.codes, side.labels, *([] if side.codes.features is None else [side.codes.features])]


def _joined(side: LabeledCodes) -> NDArray[np.bytes_]:
    """Return all of an item as one string of bytes, (n,)."""
    codes, labels, *features = _parts(side)
    parts = [codes, np.packbits(labels.astype(bool), axis=1)]
    parts += [np.ascontiguousarray(part.astype(np.float64) + 0.0).view(np.uint8) for part in features]  # -0 becomes 0
    joined = np.ascontiguousarray(np.hstack(parts))
    return joined.view(f"S{joined.shape[1]}")[:, 0]
