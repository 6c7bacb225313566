"""The values behind the figures of a run, as CSV at full precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path

import numpy as np

from ...runs import retrieval_csv, write_csv
from ..metrics.bits import BitStatistics
from ..metrics.curves import Curves
from ..ranking.nearest import Neighbours


def write_radius(file: Path, curves: Curves) -> None:
    """Write a line per Hamming radius: what lies within it, and how many pairs are at exactly that distance."""
    columns = (curves.items, curves.nonempty, curves.precision, curves.recall, curves.distances[:, 0], curves.distances[:, 1])
    retrieval_csv.write_radius(file, zip(range(len(curves.items)), *(column.tolist() for column in columns), strict=True))


def write_depths(file: Path, curves: Curves) -> None:
    """Write a line per ranking depth."""
    columns = (curves.depths, curves.precision_at, curves.recall_at)
    retrieval_csv.write_depth(file, zip(*(column.tolist() for column in columns), strict=True))


def write_bits(file: Path, sides: Mapping[str, BitStatistics]) -> None:
    """Write a line per bit: the share of the items of each fold in which it is +1."""
    shares = [side.shares.tolist() for side in sides.values()]
    write_csv(file, ["bit", *sides], zip(range(len(shares[0])), *shares, strict=True))


def write_correlations(file: Path, sides: Mapping[str, BitStatistics]) -> None:
    """Write a line per two different bits: their correlation in each fold, empty where one of them is dead."""
    first, second = np.triu_indices(len(next(iter(sides.values())).shares), 1)
    columns = [side.correlations[first, second].tolist() for side in sides.values()]
    cells = [[None if isnan(value) else value for value in values] for values in columns]
    write_csv(file, ["bit", "other_bit", *sides], zip(first.tolist(), second.tolist(), *cells, strict=True))


def write_nearest(file: Path, shown: Sequence[Neighbours], query_files: Sequence[str], database_files: Sequence[str]) -> None:
    """Write a line per query and rank."""
    header = ["query_row", "query_file", "rank", "database_row", "database_file", "distance", "relevant"]
    rows = (
        [one.query, query_files[one.query], rank, row, database_files[row], distance, int(relevant)]
        for one in shown
        for rank, (row, distance, relevant) in enumerate(
            zip(one.rows.tolist(), one.distances.tolist(), one.relevant.tolist(), strict=True), start=1
        )
    )
    write_csv(file, header, rows)
