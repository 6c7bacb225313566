"""ImageNet (Russakovsky et al., ImageNet large scale visual recognition challenge, IJCV 2015), by way of lists of its images."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from ...errors import DataError
from ..prepare.label_table import LabelTable

FOLDER = "ILSVRC/Data/CLS-LOC"
ADVICE = "run `python src/data/download/ImageNet.py`"


def place(path: str) -> str:
    """Return where an image of a list lies: ``val/<file>``, or ``train/<synset>/<file>`` with the synset its name begins with.

    Example:
        >>> place("/home/somebody/imagenet/image/n01440764_10026.JPEG")
        'train/n01440764/n01440764_10026.JPEG'
        >>> place("val_image/ILSVRC2012_val_00000293.JPEG")
        'val/ILSVRC2012_val_00000293.JPEG'
    """
    name = path.rpartition("/")[2]
    return f"val/{name}" if name.startswith("ILSVRC2012_val_") else f"train/{synset(name)}/{name}"


def synset(name: str) -> str:
    """Return the synset a training image belongs to: its name up to the first underscore."""
    return name.partition("_")[0]


def with_synsets(table: LabelTable) -> LabelTable:
    """Name the classes after the synsets of their training images.

    Args:
        table: images with one label each.

    Raises:
        DataError: naming file and line, when an image has not one label, a class has two synsets, or none.
    """
    names: dict[int, str] = {}
    for row, (path, vector) in enumerate(zip(table.paths, table.labels, strict=True)):
        if vector.sum() != 1:
            raise DataError(f"{path} has {vector.sum()} classes, but an image of ImageNet has one: {table.where(row)}")
        if path.startswith("train/"):
            found = path.split("/")[1]
            known = names.setdefault(int(vector.argmax()), found)
            if known != found:
                raise DataError(f"{path} has the class of {known}, but is an image of {found}: {table.where(row)}")
    missing = [column for column in range(len(table.classes)) if column not in names]
    if missing:
        raise DataError(f"the class {missing[0]} has no training images in the lists")
    return dataclasses.replace(table, classes=[names[column] for column in range(len(table.classes))])


def images_folder(raw: Path) -> Path:
    """Return the folder that holds ``train/`` and ``val/``."""
    return raw / FOLDER
