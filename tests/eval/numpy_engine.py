"""The evaluation in NumPy, one query after the other and with a real sort: an oracle for sizes at which double loops take too long."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from biodeephashing.codes import hamming
from biodeephashing.eval import APSpec
from biodeephashing.eval.ranking.feature_distances import GRID, unit_rows


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


def values(arrays, measures: Sequence[APSpec], features=None) -> dict[APSpec, np.ndarray]:
    """AP of every query under the tie rules index and feature; each query is sorted once for each of the two."""
    query_codes, database_codes, query_labels, database_labels = arrays
    distances = hamming(query_codes, database_codes)
    relevance = (query_labels.astype(int) @ database_labels.T.astype(int)) > 0
    gaps = separations(*features) if features else None
    found = {measure: [] for measure in measures}
    for query, near in enumerate(distances):
        ranks = {}
        for ties in {measure.ties for measure in measures}:
            order = order_by_index(near) if ties == "index" else order_by_feature(near, gaps[query])
            ranks[ties] = np.flatnonzero(relevance[query][order]) + 1
        for measure in measures:
            found[measure].append(value(near, ranks[measure.ties], measure))
    return {measure: np.array(of_queries) for measure, of_queries in found.items()}


def value(distances: np.ndarray, ranks: np.ndarray, measure: APSpec) -> float:
    """AP of one query, given the ranks of its relevant items."""
    cut = (distances <= measure.radius).sum() if measure.radius is not None else min(measure.k or len(distances), len(distances))
    inside = int((ranks <= cut).sum())
    denominator = {"retrieved": inside, "min": min(len(ranks), cut), "all": len(ranks)}[measure.denominator]
    return (np.arange(1, inside + 1) / ranks[:inside]).sum() / denominator if denominator else 0.0
