"""The figures of a run, for which the images of its folds are needed."""

from __future__ import annotations

from pathlib import Path

from ..data import ImageFold
from ..eval import Curves
from ..eval.figures.query_examples import Gallery
from ..eval.figures.run_figures import draw_run
from ..eval.records.run_codes import RunCodes


def draw_figures(codes: RunCodes, fold: str, direction: str, curves: Curves, folder: Path) -> list[str]:
    """Draw the figures of a direction of a fold into a folder, and return their names and those of their values.

    Where items have several views, or ready features, there is no sheet of nearest images: not all items are images.
    """

    def gallery(side: str) -> Gallery:
        metadata = codes.prepared.fold(side)
        return Gallery(metadata.paths, ImageFold(metadata, "none").image)

    split, name = codes.prepared.split, f"{fold}-{direction}" if direction else fold
    galleries = None if direction or split.has_features() else (gallery(fold), gallery("database"))
    words = {"classes": split.classes, "split": split.caption, "folder": folder}
    return [file.name for file in draw_run(codes.run, name, curves, *codes.pair(fold, direction), galleries, **words)]
