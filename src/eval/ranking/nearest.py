"""The nearest database items of single queries, and which queries are worth showing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .histograms import Reals
from .pair_checks import Labels
from .task import RetrievalTask


@dataclass(frozen=True)
class Neighbours:
    """The nearest database items of a query, by Hamming distance and, where that is equal, by database row.

    Args:
        query: row of the query.
        rows: rows of the items, the nearest first, (items,).
        distances: their distances, (items,).
        relevant: whether each shares a class with the query, (items,).
    """

    query: int
    rows: NDArray[np.int64]
    distances: NDArray[np.int64]
    relevant: NDArray[np.bool_]


def nearest_items(task: RetrievalTask, query: int, count: int) -> Neighbours:
    """Return the nearest items of a query: the tie rule "index" item by item.

    Args:
        task: queries and database.
        query: row of the query.
        count: how many items; all of them where the database is smaller.

    Example:
        >>> codes, labels = np.array([[3], [0], [1], [0]], dtype=np.uint8), np.array([[1], [0], [1], [1]], dtype=np.uint8)
        >>> neighbours = nearest_items(RetrievalTask(codes[3:], codes, labels[3:], labels), 0, 3)
        >>> neighbours.rows.tolist(), neighbours.distances.tolist(), neighbours.relevant.tolist()
        ([1, 3, 2], [0, 0, 1], [False, True, True])
    """
    distances = task.distances(query)
    rows = first_rows(distances, count)
    return Neighbours(query, rows, distances[rows].astype(np.int64), task.relevance(query)[rows])


def first_rows(distances: NDArray[np.uint16], count: int, separations: Reals | None = None) -> NDArray[np.int64]:
    """Return the rows of the nearest items, by distance, separation and row; only the farthest distance among them is cut.

    Args:
        distances: of all items, (database,).
        count: how many rows; all of them where there are fewer.
        separations: what tied items are ordered by before their rows, (database,); None for nothing.

    Example:
        >>> first_rows(np.array([2, 1, 1, 0], dtype=np.uint16), 2).tolist()
        [3, 1]
    """
    if count < len(distances):
        within = np.cumsum(np.bincount(distances))
        farthest = int(np.searchsorted(within, count))
        rows = np.flatnonzero(distances <= farthest)
    else:
        rows = np.arange(len(distances))
    keys = (distances[rows],) if separations is None else (separations[rows], distances[rows])
    return rows[np.lexsort(keys)[:count]]


def choose_queries(labels: Labels, count: int) -> list[int]:
    """Return rows of some queries that are spread over the fold and over the classes, always the same ones.

    At evenly spaced places of the fold, the row is taken that is nearest to the place among those whose classes were shown least often.

    Args:
        labels: 0/1, (queries, classes).
        count: how many rows; all of them where the fold is smaller.

    Returns:
        The rows in rising order.

    Example:
        >>> choose_queries(np.eye(3, dtype=np.uint8)[[0, 0, 0, 1, 1, 2, 2, 2]], 3)
        [0, 3, 7]
    """
    classes = np.column_stack((labels != 0, ~labels.any(axis=1)))  # having none counts as a class
    shown, free = np.zeros(classes.shape[1]), np.ones(len(labels), dtype=bool)
    chosen = []
    for position in np.linspace(0, len(labels) - 1, min(count, len(labels))):
        times = np.where(classes, shown, 0).max(axis=1)
        rows = np.flatnonzero(free & (times == times[free].min()))
        row = int(rows[np.abs(rows - position).argmin()])
        chosen.append(row)
        free[row] = False
        shown += classes[row]
    return sorted(chosen)
