"""Looking into prepared sets, and the literal rule by which images are dealt to folds."""

from __future__ import annotations

import random
from pathlib import Path

from biodeephashing.data import load_fold
from biodeephashing.settings import FOLDS


def names(database: str, fold: str) -> list[str]:
    return [Path(path).name for path in load_fold(database, fold).paths]


def dealt(count: int, sizes: dict[str, int]) -> dict[str, list[int]]:
    """The literal rule of the shuffled list of fold names."""
    folds = [fold for fold, size in sizes.items() for _ in range(size)]
    folds += ["database"] * (count - len(folds))
    random.Random(0).shuffle(folds)
    return {fold: [row for row in range(count) if folds[row] == fold] for fold in FOLDS}
