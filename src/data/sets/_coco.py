"""MS COCO 2014 (Lin et al., Microsoft COCO: Common objects in context, ECCV 2014): its instance annotations as labels of images."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ..prepare.content import is_safe
from ..prepare.label_table import LabelTable

PARTS = ("train2014", "val2014")
IDS = 90  # category ids run from 1 to 90, ten of them without a category
SOURCE = "https://cocodataset.org (2014 train and val images and instance annotations)"
ADVICE = "run `python src/data/download/MS_COCO.py`"


def read(folder: Path) -> LabelTable:
    """Read which categories the images of the training part and then the validation part show, in the order of their files.

    Args:
        folder: ``train2014/``, ``val2014/`` and ``annotations/instances_{train,val}2014.json``.

    Returns:
        The table with one column per category id from 1 to 90; images without any annotation have no labels.

    Raises:
        DataError: when a file is missing or does not hold what it should.
    """
    paths: list[str] = []
    origins: list[str] = []
    pairs: list[tuple[int, int]] = []
    classes = [f"unused {number}" for number in range(1, IDS + 1)]
    for part in PARTS:
        file = folder / "annotations" / f"instances_{part}.json"
        content = _load(file)
        try:
            for category in content["categories"]:
                classes[_column(category["id"])] = str(category["name"])
            rows: dict[int, int] = {}
            for number, image in enumerate(content["images"]):
                rows[image["id"]] = len(paths)
                paths.append(f"{part}/{_safe(image['file_name'])}")
                origins.append(f"image {number + 1} of {file}")
            pairs += [(rows[entry["image_id"]], _column(entry["category_id"])) for entry in content["annotations"]]
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{file} does not hold annotations of instances ({type(error).__name__}: {error}): {ADVICE}") from error
    labels = np.zeros((len(paths), IDS), dtype=np.uint8)
    if pairs:
        labels[tuple(np.array(pairs).T)] = 1
    unused = [name for name in classes if name.startswith("unused ")]
    return LabelTable(folder, paths, labels, classes, origins.__getitem__, unused, "category ids of annotations")


def only_used(table: LabelTable) -> LabelTable:
    """Leave out the ids without a category, and the images without any label."""
    columns = [column for column, name in enumerate(table.classes) if name not in table.unused]
    return dataclasses.replace(table.rows(np.flatnonzero(table.labels.any(axis=1))).columns(columns), unused=())


def place(path: str) -> str:
    """Return where an image of a list lies: below ``train2014/`` or ``val2014/``, whichever the list's path names.

    Example:
        >>> place("/home/somebody/data/coco/val2014/COCO_val2014_000000000042.jpg")
        'val2014/COCO_val2014_000000000042.jpg'
    """
    name = path.rpartition("/")[2]
    named = [part for part in PARTS if f"/{part}/" in f"/{path}" or f"_{part}_" in name]
    return f"{named[0]}/{name}" if named else name


def _load(file: Path) -> Any:
    try:
        with file.open(encoding="utf-8") as stream:
            return json.load(stream, object_hook=_slim)
    except FileNotFoundError as error:
        raise DataError(f"{file} is missing: {ADVICE}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{file} is damaged ({error}): delete it and {ADVICE}") from error


def _slim(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Forget the outlines while reading: they are nearly all of 450 MB."""
    return {key: entry[key] for key in ("image_id", "category_id")} if "segmentation" in entry else entry


def _column(number: int) -> int:
    if not 1 <= number <= IDS:
        raise ValueError(f"the category id {number} is not between 1 and {IDS}")
    return number - 1


def _safe(name: str) -> str:
    if not is_safe(name):
        raise ValueError(f"{name!r} is no file name")
    return name
