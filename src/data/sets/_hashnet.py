"""The lists of the HashNet release (https://github.com/thuml/HashNet), which some protocols read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..prepare.image_lists import FILES, ImageList, read_lists, rows_only_in
from ..prepare.splits import random_split


def read_hashnet(folder: Path, columns: int) -> dict[str, ImageList]:
    """Read the three lists of the HashNet release (https://github.com/thuml/HashNet).

    Args:
        folder: ``train.txt``, ``test.txt`` (the queries) and ``database.txt``.
        columns: number of labels they should have.

    Raises:
        DataError: if one is missing, cannot be read or has another number of labels.
    """
    files = {fold: folder / FILES[fold] for fold in ("train", "query", "database")}
    missing = [file.name for file in files.values() if not file.is_file()]
    if missing:
        raise DataError(
            f"{folder} does not hold {', '.join(missing)}: this protocol reads the lists of the HashNet release "
            f"(https://github.com/thuml/HashNet); -lists FOLDER says where they are"
        )
    lists = read_lists(files)
    for listed in lists.values():
        if listed.labels.shape[1:] != (columns,):
            raise DataError(f"{listed.file} has {listed.form}, but this protocol has {columns}")
    return lists


def with_val(folds: Mapping[str, NDArray[np.int64]], size: int) -> dict[str, NDArray[np.int64]]:
    """Return folds with a val fold, drawn after one shuffle from the images that only the database holds; they stay in it."""
    rest = rows_only_in(folds, "database")
    return {**folds, "val": rest[random_split(len(rest), {"val": size})["val"]]}


def length_note(lists: Mapping[str, ImageList], sizes: Mapping[str, int]) -> str:
    """Return how lists differ in length from the published ones, as a note for ``split.json``; empty where they do not.

    Args:
        lists: the list of each fold.
        sizes: lines of the published lists, of those folds where they are known.
    """
    return ", ".join(
        f"{len(lists[fold]):,} of the {size:,} lines of {FILES[fold]}" for fold, size in sizes.items() if len(lists[fold]) != size
    )
