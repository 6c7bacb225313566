"""Checks of a dataset before anything of it is written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...settings import FOLDS
from ..features.examination import not_finite
from ..metadata import NO_IMAGE
from .content import DatasetContent, is_safe
from .splits import overlaps


def check(content: DatasetContent) -> None:
    """Refuse a content that no run could use, or whose numbers would mean something else than people think.

    Raises:
        DataError: for a fold without images or with one twice, folds that share images though their protocol does not say
            so, a class without images, a single class, images that all have the same labels, a file name that cannot
            be written or occurs twice, texts that are not one line per image, and ready features that
            are not one row of finite numbers per item.
    """
    _check_folds(content)
    _check_overlaps(content)
    _check_classes(content)
    _check_names(content)
    _check_texts(content)
    _check_features(content)


def _check_features(content: DatasetContent) -> None:
    for modality, values in ({} if content.features is None else content.features.views()).items():
        if values.ndim != 2 or len(values) != len(content.files) or values.shape[1] == 0:
            items = f"{len(content.files):,} items"
            raise DataError(f"{modality} features are {values.dtype} {values.shape}, not a row of numbers for each of {items}")
        if len(rows := not_finite(values)):
            first = f"{len(rows):,} rows, the first is row {rows[0] + 1:,}"
            raise DataError(f"{modality} features hold numbers that are not finite: {first} ({content.source})")


def _check_folds(content: DatasetContent) -> None:
    for fold in FOLDS:
        rows = content.folds[fold]
        if len(rows) == 0:
            raise DataError(f"the fold {fold} has no {content.item}s, but every fold is needed")
        if len(np.unique(rows)) != len(rows):
            raise DataError(f"the fold {fold} holds an {content.item} twice")


def _check_overlaps(content: DatasetContent) -> None:
    for pair, count in overlaps(content.folds).items():
        if pair not in content.protocol.shared:
            one, _, other = pair.partition("-")
            allowed = ", ".join(content.protocol.shared) or "none"
            first = int(np.intersect1d(content.folds[one], content.folds[other])[0])
            where = f" ({content.where(first)})" if content.where else ""
            raise DataError(
                f"{_counted(count)} in both {one} and {other}, the first is {content.files[first]}{where}: the split "
                f"{content.protocol.name!r} does not say that this may be (pairs it allows: {allowed}). "
                f"Leave such images out of one of the two; lists can also be prepared as they are, "
                f"with `process/lists.py NAME ... -allow {pair}`"
            )


def _counted(count: int) -> str:
    return f"{count:,} images are" if count > 1 else "1 image is"


def _check_classes(content: DatasetContent) -> None:
    labels = content.labels[np.concatenate([content.folds[fold] for fold in FOLDS])]
    used = labels.any(axis=0)
    for name, present in zip(content.classes, used, strict=True):
        if not present and name not in content.unused:
            raise DataError(f"the class {name!r} has no images")
    if complaint := uniform(labels, content.classes):
        raise DataError(complaint)


def uniform(labels: NDArray[np.uint8], classes: Sequence[str]) -> str:
    """Return why labels tell no images apart; empty where they do.

    Args:
        labels: (n, C), each 0 or 1.
        classes: C class names.

    Example:
        >>> uniform(np.array([[1, 0], [0, 0]]), ["cat", "dog"])[:30]
        "there is only one class, 'cat'"
    """
    used = np.flatnonzero(labels.any(axis=0))
    if len(used) > 1 and (labels != labels[0]).any():
        return ""
    what = f"there is only one class, {classes[used[0]]!r}" if len(used) == 1 else "all images have the same labels"
    return f"{what}, so no result would mean anything: two classes are needed, give images of anything else a class of their own"


def _check_names(content: DatasetContent) -> None:
    seen: set[str] = set()
    if content.features is not None:
        _check_items(content.files)
        return
    for name in content.files:
        if name == NO_IMAGE:
            continue
        if not is_safe(name):
            raise DataError(f"the file name {name!r} is empty or hidden, or holds a comma, colon, slash, outer blank or control character")
        if name.lower() in seen:
            raise DataError(f"two images have the file name {name!r}, where upper and lower case may be the same")
        seen.add(name.lower())


def _check_items(names: Sequence[str]) -> None:
    """Check that items without files have names of their own, which can stand in a metadata line."""
    for name in names:
        if name != name.strip() or name in ("", NO_IMAGE) or not name.isprintable() or "," in name:
            raise DataError(f"the item name {name!r} is empty, or holds a comma, an outer blank or a control character")
    if len(set(names)) < len(names):
        raise DataError("two items have the same name")


def _check_texts(content: DatasetContent) -> None:
    """Check that there is a text, blank or not, for each image, and an image or a text for each item."""
    lines = [""] * len(content.files) if content.texts is None else content.texts.lines
    if len(lines) != len(content.files):
        raise DataError(f"there are {len(lines):,} texts for {len(content.files):,} images: each needs a line, blank if it has no text")
    for row, (name, text) in enumerate(zip(content.files, lines, strict=True)):
        where = f" ({content.where(row)})" if content.where else ""
        if "\n" in text:
            raise DataError(f"the text of {name}{where} holds a line break, but a text is one line: tabs separate captions")
        if name == NO_IMAGE and not text.strip():
            raise DataError(f"item {row + 1:,}{where} has neither an image nor a text")
    for fold in FOLDS:
        rows = content.folds[fold].tolist()
        if content.texts is not None and not any(lines[row].strip() for row in rows):
            raise DataError(f"the fold {fold} has no text, but where images have texts every fold needs some")
        if all(content.files[row] == NO_IMAGE for row in rows):
            raise DataError(f"the fold {fold} has no image, only texts")
