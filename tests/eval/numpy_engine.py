"""The evaluation in NumPy, one query after the other and with a real sort: an oracle for sizes at which double loops take too long."""

from __future__ import annotations

import numpy as np

from biodeephashing.codes import hamming
from biodeephashing.eval import Measure
from biodeephashing.eval._rankings import GRID, unit_rows


def order_by_index(distances: np.ndarray) -> np.ndarray:
    return np.argsort(distances, kind="stable")


def order_by_feature(distances: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    order = np.argsort(gaps, kind="stable")
    return order[np.argsort(distances[order], kind="stable")]


def separations(queries: np.ndarray, database: np.ndarray) -> np.ndarray:
    queries, database = unit_rows(queries).astype(np.int64), unit_rows(database).astype(np.int64)
    return np.where(database.any(axis=1), GRID * GRID / 2, 0.0) - queries @ database.T


def histograms(query_codes, database_codes, query_labels, database_labels) -> np.ndarray:
    keys = 2 * hamming(query_codes, database_codes) + ((query_labels.astype(int) @ database_labels.T.astype(int)) > 0)
    bins = 8 * query_codes.shape[1] + 1
    return np.stack([np.bincount(row, minlength=2 * bins).reshape(bins, 2) for row in keys])


def values(arrays, measure: Measure, features=None) -> np.ndarray:
    """AP of every query under the tie rules index and feature."""
    query_codes, database_codes, query_labels, database_labels = arrays
    distances = hamming(query_codes, database_codes)
    relevance = (query_labels.astype(int) @ database_labels.T.astype(int)) > 0
    gaps = separations(features["query_features"], features["database_features"]) if features else None
    found = []
    for query in range(len(distances)):
        near = distances[query]
        order = order_by_index(near) if measure.ties == "index" else order_by_feature(near, gaps[query])
        cut = (near <= measure.radius).sum() if measure.radius is not None else min(measure.k or len(near), len(near))
        ranks = np.flatnonzero(relevance[query][order]) + 1
        inside = int((ranks <= cut).sum())
        divisor = {"retrieved": inside, "min": min(len(ranks), cut), "all": len(ranks)}[measure.denominator]
        found.append((np.arange(1, inside + 1) / ranks[:inside]).sum() / divisor if divisor else 0.0)
    return np.array(found)
