"""Slow, obvious definitions of everything the evaluation engine computes, and the data it is tried on."""

from __future__ import annotations

import itertools
import math

import numpy as np

from biodeephashing.codes import pack
from biodeephashing.eval import RetrievalTask


def precision_at_hits(ranking: list[int], cut: int) -> list[float]:
    precisions, hits = [], 0
    for position, relevant in enumerate(ranking[:cut], start=1):
        if relevant:
            hits += 1
            precisions.append(hits / position)
    return precisions


def ap_of_ranking(ranking: list[int], cut: int, denominator: str) -> float:
    """AP of one ranking of zeros and ones."""
    precisions = precision_at_hits(ranking, cut)
    divisor = {"retrieved": len(precisions), "min": min(sum(ranking), cut), "all": sum(ranking)}[denominator]
    return sum(precisions) / divisor if divisor else 0.0


def distances_of(query: np.ndarray, database: np.ndarray) -> list[int]:
    return [sum(int(a) != int(b) for a, b in zip(query, item, strict=True)) for item in database]


def relevance_of(query: np.ndarray, database: np.ndarray) -> list[int]:
    return [int(any(a and b for a, b in zip(query, item, strict=True))) for item in database]


def cut_of(distances: list[int], k: int | None, radius: int | None) -> int:
    if radius is not None:
        return sum(d <= radius for d in distances)
    return len(distances) if k is None else min(k, len(distances))


def feature_gap(query: np.ndarray, item: np.ndarray) -> float:
    """Squared distance of unit vectors, as exact whole numbers: equal features must be exactly tied."""

    def unit(row: np.ndarray) -> list[int]:
        length = math.sqrt(sum(float(x) ** 2 for x in row))
        return [round(float(x) / length * 2**26) if length else 0 for x in row]

    u, v = unit(query), unit(item)
    length = 2**52 if any(v) else 0
    return length - 2 * sum(a * b for a, b in zip(u, v, strict=True))


def ranking_by(ties: str, distances: list[int], relevance: list[int], gaps: list[float]) -> list[int]:
    """Relevance of the items in the order of a tie rule that has one."""
    second = {"index": [0] * len(gaps), "feature": gaps, "best": [-r for r in relevance], "worst": relevance}[ties]
    order = sorted(range(len(distances)), key=lambda i: (distances[i], second[i], i))
    return [relevance[i] for i in order]


def all_rankings(distances: list[int], relevance: list[int]) -> list[list[int]]:
    """Every order of the relevance that sorts by distance."""
    groups = [[r for d, r in zip(distances, relevance, strict=True) if d == level] for level in sorted(set(distances))]
    return [list(itertools.chain(*orders)) for orders in itertools.product(*(itertools.permutations(g) for g in groups))]


class Sample:
    """A small random retrieval problem, in ±1 codes, packed codes, labels and features."""

    def __init__(self, seed: int, queries: int, database: int, bits: int, classes: int = 3, single: bool = False) -> None:
        rng = np.random.default_rng(seed)
        self.bits = bits
        self.query_features = rng.integers(-3, 4, (queries, bits)).astype(np.float32)
        self.database_features = rng.integers(-3, 4, (database, bits)).astype(np.float32)
        if single:
            self.query_labels = np.eye(classes, dtype=np.uint8)[rng.integers(0, classes, queries)]
            self.database_labels = np.eye(classes, dtype=np.uint8)[rng.integers(0, classes, database)]
        else:
            self.query_labels = (rng.random((queries, classes)) < 0.3).astype(np.uint8)
            self.database_labels = (rng.random((database, classes)) < 0.3).astype(np.uint8)

    @property
    def query_codes(self) -> np.ndarray:
        return pack(self.query_features)

    @property
    def database_codes(self) -> np.ndarray:
        return pack(self.database_features)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        return self.query_codes, self.database_codes, self.query_labels, self.database_labels

    @property
    def task(self) -> RetrievalTask:
        return RetrievalTask(*self.arrays, features=self.features)

    @property
    def features(self) -> tuple[np.ndarray, np.ndarray]:
        return self.query_features, self.database_features

    def per_query(self):  # distances, relevance and feature gaps of every query
        for features, labels in zip(self.query_features, self.query_labels, strict=True):
            distances = distances_of(features >= 0, self.database_features >= 0)
            gaps = [feature_gap(features, item) for item in self.database_features]
            yield distances, relevance_of(labels, self.database_labels), gaps

    def mean_ap(self, ties: str, k: int | None = None, radius: int | None = None, denominator: str = "retrieved", empty: str = "zero"):
        """Mean AP by the double loop; for "expected" the mean over every permutation of tied items."""
        total, counted = 0.0, 0.0
        for distances, relevance, gaps in self.per_query():
            cut = cut_of(distances, k, radius)
            rankings = all_rankings(distances, relevance) if ties == "expected" else [ranking_by(ties, distances, relevance, gaps)]
            total += sum(ap_of_ranking(r, cut, denominator) for r in rankings) / len(rankings)
            counted += 1 if empty == "zero" else sum(any(r[:cut]) for r in rankings) / len(rankings)
        return total / counted if counted else 0.0
