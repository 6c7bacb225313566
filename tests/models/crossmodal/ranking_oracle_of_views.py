"""The slow, literal mAP of one view against another, an item's own partner left out; ties expected."""

from __future__ import annotations

from itertools import permutations

import numpy as np


def leave_partner_out(queries: np.ndarray, items: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean over queries of the average precision, itself a mean over all orders of tied items."""
    return float(np.mean([_expected(queries[row], np.delete(items, row, axis=0), labels, row) for row in range(len(queries))]))


def _expected(query: np.ndarray, items: np.ndarray, labels: np.ndarray, row: int) -> float:
    distances = ((query != items).sum(axis=1)).tolist()
    relevant = (np.delete(labels, row, axis=0) @ labels[row] > 0).tolist()
    if not any(relevant):
        return 0.0
    groups = [[relevant[item] for item in range(len(items)) if distances[item] == distance] for distance in sorted(set(distances))]
    before, found, total = 0, 0, 0.0
    for group in groups:
        orders = list(permutations(group)) if len(group) <= 6 else None
        assert orders is not None
        total += np.mean([_precisions(order, before, found) for order in orders])
        before, found = before + len(group), found + sum(group)
    return total / sum(relevant)


def _precisions(order: tuple[bool, ...], before: int, found: int) -> float:
    hits, value = found, 0.0
    for place, is_relevant in enumerate(order, start=before + 1):
        if is_relevant:
            hits += 1
            value += hits / place
    return value
