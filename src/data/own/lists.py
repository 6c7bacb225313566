"""Preparing a dataset from lists of images: what ``process/lists.py`` does."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, UsageError, unknown_name
from ...settings import FOLDS
from ..catalogue import LIST_SOURCES, check_own_name
from ..prepare import image_lists, splits
from ..prepare.class_numbers import read_class_names
from ..prepare.content import DatasetContent
from ..prepare.labels import without_images
from ..prepare.write import prepare
from ..split import Split

SEED = 0


def process(
    name: str,
    lists: Mapping[str, Path],
    images: Path,
    *,
    val_from: str | None = None,
    val_size: int = 0,
    classes: Path | None = None,
    allow: Collection[str] = (),
    allow_empty: bool = False,
    no_skip: bool = False,
    skip_unreadable: Fraction = Fraction(),
) -> tuple[Split, bool]:
    """Write the images of some lists to ``data/processed/<name>/``, unless they are there already; linked, not copied, where possible.

    The paths of a list may be those of another machine: an image is identified by its base name below ``images``, and where
    several carry it, by the directories above it.

    Args:
        name: what to call the dataset.
        lists: the list of "train", "query" and "database", and of "val" where there is one.
        images: the directory the images lie below.
        val_from: without a list of it, the fold that val is drawn from: "train", "query" or "database".
        val_size: how many images of that fold become val; they leave every other fold.
        classes: a file of class names, one in a line, or a table ``id,name``; class numbers index it, from 0; None numbers the classes.
        allow: pairs of folds that may share images, as "query-database"; "train-database" always may.
        allow_empty: say nothing of classes that no image has.
        no_skip: write them again even if they are there.
        skip_unreadable: the largest share of the images that may be left out because they cannot be decoded; the others keep their folds.

    Returns:
        The facts about the split, and whether it was written now.

    Raises:
        UsageError: for arguments that cannot be used.
        DataError: naming file and line, if a list or an image is missing or cannot be used.
    """
    check_own_name(name)
    _check_folds(lists, val_from, val_size, allow)
    return prepare(
        name,
        lambda: _content(lists, images, val_from, val_size, classes, allow, allow_empty),
        no_skip=no_skip,
        skip_unreadable=skip_unreadable,
    )


def _check_folds(lists: Mapping[str, Path], val_from: str | None, val_size: int, allow: Collection[str]) -> None:
    missing = [fold for fold in LIST_SOURCES if fold not in lists]
    if missing:
        raise UsageError(f"a list is needed for {', '.join(LIST_SOURCES)}: give -{' and -'.join(missing)}")
    if ("val" in lists) == (val_from is not None):
        raise UsageError("give either -val FILE, or -val_from FOLD with -val_size N, for the images that choose the best epoch")
    if val_from is not None and val_from not in LIST_SOURCES:
        raise unknown_name("fold to draw val from", val_from, LIST_SOURCES)
    if val_from is not None and val_size < 1:
        raise UsageError(f"-val_size {val_size} cannot be: with -val_from, it is how many images to draw, at least 1")
    pairs = [f"{one}-{other}" for row, one in enumerate(FOLDS) for other in FOLDS[row + 1 :]]
    unknown = [pair for pair in allow if pair not in pairs]
    if unknown:
        raise UsageError(f"-allow {unknown[0]} is no pair of folds: those are {', '.join(pairs)}")


def _content(
    files: Mapping[str, Path],
    images: Path,
    val_from: str | None,
    val_size: int,
    classes: Path | None,
    allow: Collection[str],
    allow_empty: bool,
) -> DatasetContent:
    if not images.is_dir():
        raise DataError(f"there is no folder {images}: -images FOLDER says where the images lie")
    lists = image_lists.read_lists(files)
    table, folds = image_lists.join(lists, images, image_lists.by_name(images), None if classes is None else read_class_names(classes))
    table.check_present("-images FOLDER says where the images lie")
    rule = f"as the lists say: {', '.join(f'{fold} {listed.file.name}' for fold, listed in lists.items())}"
    if val_from is not None:
        folds = _with_val(folds, val_from, val_size)
        rule += f"; val: {val_size:,} images of {val_from}, drawn after one shuffle; they leave every other fold"
    empty = [name for name, count in zip(table.classes, table.labels.sum(axis=0), strict=True) if count == 0]
    table = dataclasses.replace(table, unused=empty)
    protocol = splits.Protocol("lists", rule, SEED, ("train-database", *allow))
    content = table.content(folds, protocol, source=image_lists.source_of(lists))
    return content if allow_empty else dataclasses.replace(content, remarks=without_images(empty))


def _with_val(folds: Mapping[str, NDArray[np.int64]], source: str, size: int) -> dict[str, NDArray[np.int64]]:
    """Move images of a fold to val; where the training set lies inside the database, those of train leave both."""
    free = np.unique(folds["train"]) if source == "train" else image_lists.rows_only_in(folds, source)
    if size >= len(free):
        raise UsageError(f"-val_size {size} is too many: {source} has {len(free):,} images that could be drawn, and at least 1 must stay")
    drawn = free[splits.random_split(len(free), {"val": size}, seed=SEED)["val"]]
    return {fold: rows[~np.isin(rows, drawn)] for fold, rows in folds.items()} | {"val": drawn}
