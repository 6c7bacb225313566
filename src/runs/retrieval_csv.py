"""``<fold>-radius.csv`` and ``<fold>-depth.csv``: precision and recall of a run at every Hamming radius and ranking depth."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RunError
from ..settings.strict_parser import command_line
from .files import write_csv

Points = Sequence[tuple[int, float]]
RADIUS, DEPTH = "radius.csv", "depth.csv"  # behind "<fold>-"
_RADIUS_COLUMNS = ("radius", "items", "nonempty", "precision", "recall", "irrelevant_pairs", "relevant_pairs")
_DEPTH_COLUMNS = ("n", "precision", "recall")
_ROUNDING = 1e-9  # a mean over many queries may end a little above 1


@dataclass(frozen=True)
class RetrievalCurves:
    """Means over the queries of a fold.

    Args:
        precision: of the items within a Hamming radius, (radius, value).
        recall: of the same.
        precision_at: of the first n items, (n, value).
    """

    precision: Points
    recall: Points
    precision_at: Points


def write_radius(file: Path, rows: Iterable[Sequence[Any]]) -> None:
    """Write a row per Hamming radius.

    Args:
        file: the file to write.
        rows: radius, items within it, share of queries that have some, precision, recall, and pairs at exactly that distance.
    """
    write_csv(file, _RADIUS_COLUMNS, rows)


def write_depth(file: Path, rows: Iterable[Sequence[Any]]) -> None:
    """Write a row per ranking depth: depth, precision, recall."""
    write_csv(file, _DEPTH_COLUMNS, rows)


def read_retrieval(folder: Path, fold: str) -> RetrievalCurves | None:
    """Read ``<fold>-radius.csv`` and ``<fold>-depth.csv`` of a run.

    Args:
        folder: where the run's evaluation lies.
        fold: "query" or "val".

    Returns:
        What they say; None unless both exist.

    Raises:
        RunError: if one is damaged.

    Example:
        >>> read_retrieval(Path("nowhere"), "query")
    """
    by_radius, by_depth = folder / f"{fold}-{RADIUS}", folder / f"{fold}-{DEPTH}"
    if not (by_radius.exists() and by_depth.exists()):
        return None
    precision, recall = _read_points(by_radius, "radius", "precision", "recall")
    (precision_at,) = _read_points(by_depth, "n", "precision")
    return RetrievalCurves(precision, recall, precision_at)


def _read_points(file: Path, place: str, *names: str) -> list[Points]:
    """Return (place, value) of some columns of shares."""
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            rows = [(int(row[place]), [_share(row[name]) for name in names]) for row in csv.DictReader(stream)]
        if not rows:
            raise ValueError("no rows")
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise RunError(
            f"{file} is damaged ({error}): remove it, or make it again with {command_line('src/eval/eval_map.py')} -no_skip -make_plots"
        ) from error
    return [[(at, values[column]) for at, values in rows] for column in range(len(names))]


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1 + _ROUNDING:
        raise ValueError(f"{text} is no share")
    return value
