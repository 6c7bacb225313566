"""The figures of one fold of a run, and their metrics as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...runs import Run
from ...runs.retrieval_csv import DEPTH, RADIUS
from ..metrics.bits import bit_statistics
from ..metrics.curves import Curves
from ..ranking.nearest import choose_queries, nearest_items
from ..ranking.task import RetrievalTask
from ..records.fold_metrics import LabeledCodes
from ..records.run_tables import write_bits, write_correlations, write_depths, write_nearest, write_radius
from ._bit_figure import draw_bits
from ._curve_figures import draw_distances, draw_precision_at, draw_precision_recall
from .query_examples import Gallery, draw_nearest

QUERIES, ITEMS = 8, 10  # of the contact sheet

_WITHOUT = "a query without any relevant item in the database counts as 0"


def draw_run(
    run: Run,
    fold: str,
    curves: Curves,
    queries: LabeledCodes,
    database: LabeledCodes,
    galleries: tuple[Gallery, Gallery] | None,
    *,
    classes: Sequence[str] = (),
    split: str,
    folder: Path,
) -> list[Path]:
    """Draw all figures of a fold of a run, and write the values of each beside it.

    Args:
        run: the run.
        fold: the fold whose items are the queries, with the direction behind it where items have several views (query-i2t).
        curves: its curves.
        queries: codes and labels of the fold.
        database: codes and labels of the database.
        galleries: the images of the fold and of the database; None draws no nearest images.
        classes: name of each column of the labels; none for their numbers.
        split: the split of the data, in words.
        folder: where to write.

    Returns:
        The files written.
    """
    files = _Files(run, fold, split, folder)
    _draw_curves(files, curves)
    _draw_bits(files, queries, database)
    if galleries:
        _draw_nearest(files, queries, database, galleries, classes)
    return files.made


def _draw_curves(files: _Files, curves: Curves) -> None:
    write_radius(files.table(RADIUS), curves)
    draw_precision_recall(
        files.figure("precision_recall"), curves, files.title("precision and recall by Hamming radius"),
        "A point per radius: precision and recall of the items within it, means over all queries; where nothing lies within the radius, "
        f"the query is empty and its precision counts as 0 (dotted: empty queries left out); {_WITHOUT}. Chance: the share of relevant "
        f"items among all. No tie rule is needed: a radius never divides tied items. {files.stated}",
    )  # fmt: skip
    draw_distances(
        files.figure("distances"), curves, files.title("distances within and between classes"),
        "All pairs of a query and a database item; the shares of each kind of pair add up to 1. Dashed: the median, the least distance "
        f"that half of the pairs do not exceed. {files.stated}",
    )  # fmt: skip
    write_depths(files.table(DEPTH), curves)
    draw_precision_at(
        files.figure("precision_at_n"), curves, files.title("precision of the first N items"),
        f"Relevant items among the first N, divided by N; mean over all queries; {_WITHOUT}. Chance: the share of relevant items among "
        f"all. Tied items: the mean over all their orders (tie rule expected). {files.stated}",
    )  # fmt: skip


def _draw_bits(files: _Files, queries: LabeledCodes, database: LabeledCodes) -> None:
    folds = {files.fold: queries, "database": database}
    bits = {name: bit_statistics(side.codes.codes, side.codes.bits) for name, side in folds.items()}
    write_bits(files.table("bits.csv"), bits)
    write_correlations(files.table("bit_correlation.csv"), bits)
    draw_bits(
        files.figure("bits"), bits, files.title("balance and correlation of the bits"),
        "Above: the share of the images in which a bit is +1 (an output of exactly 0 is +1); 0.5 is best; a bit that is the same in all "
        "of them is dead. Below: the absolute correlation of every two bits over the images, from 0 (best) to 1; grey: dead bits, which "
        f"have none. {files.stated}",
    )  # fmt: skip


def _draw_nearest(
    files: _Files, queries: LabeledCodes, database: LabeledCodes, galleries: tuple[Gallery, Gallery], classes: Sequence[str]
) -> None:
    task = RetrievalTask(queries.codes.codes, database.codes.codes, queries.labels, database.labels)
    shown = [nearest_items(task, query, ITEMS) for query in choose_queries(queries.labels, QUERIES)]
    write_nearest(files.table("nearest.csv"), shown, *(gallery.files for gallery in galleries))
    draw_nearest(
        files.figure("nearest"), shown, *galleries, [words_for(queries.labels[one.query], classes) for one in shown],
        files.title("queries and their nearest database images"),
        "Queries spread evenly over the fold and its classes. Numbers below the images: Hamming distance; tied items in row order of "
        "the database (tie rule index). Green: shares a class with the query; red: shares none; at the right: how many share one. "
        + files.stated,
    )  # fmt: skip


def words_for(labels: NDArray[np.generic], classes: Sequence[str]) -> str:
    """Return the classes of an image in words.

    Args:
        labels: 0/1, (classes,).
        classes: their names; none for their numbers.

    Example:
        >>> words_for(np.array([0, 1, 1]), ["cat", "dog", "car"]), words_for(np.array([0, 1]), []), words_for(np.array([0]), [])
        ('dog, car', 'class 1', 'no class')
    """
    found = np.flatnonzero(labels).tolist()
    return ", ".join(classes[column] if classes else f"class {column}" for column in found) or "no class"


class _Files:
    """Names the files of a fold, remembers them, and says what all of them state."""

    def __init__(self, run: Run, fold: str, split: str, folder: Path) -> None:
        self.run, self.name, self.folder = run, fold, folder
        self.fold, _, self.direction = fold.partition("-")
        self.stated = f"{split}. Run: {run.experiment} / {run.name}"
        self.made: list[Path] = []

    def title(self, words: str) -> str:
        return f"{self.run.database}, {self.fold} fold{', ' * bool(self.direction)}{self.direction}: {words}"

    def figure(self, what: str) -> Path:
        return self._file(f"{what}.png")

    def table(self, what: str) -> Path:
        return self._file(what)

    def _file(self, name: str) -> Path:
        self.made.append(self.folder / f"{self.name}-{name}")
        return self.made[-1]
