"""PASCAL VOC 2012 (Everingham et al., The PASCAL visual object classes challenge, IJCV 2010): which classes an image shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import DataError
from ..prepare.content import is_safe
from ..prepare.label_table import LabelTable

FOLDER = "VOCdevkit/VOC2012"
SOURCE = "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/ (trainval, main task)"
ADVICE = "run `python src/data/download/VOC2012.py`"
CLASSES = [
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog", "horse", "motorbike",
    "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
]  # fmt: skip
_VALUES = ("-1", "0", "1")  # not there, only such as are hard to see, there


def read(folder: Path) -> LabelTable:
    """Read the labels of the images of the classification task, in the order of ``trainval.txt``.

    An image has a label if it shows an object of that class, also where all of them are marked as difficult.

    Args:
        folder: ``VOCdevkit/VOC2012/{JPEGImages,ImageSets/Main}/``.

    Raises:
        DataError: naming file and line, when a file is missing, a line is not as it should be, or a file lists other images.
    """
    main = folder / FOLDER / "ImageSets" / "Main"
    names = [line.strip() for line in _lines(main / "trainval.txt")]
    for row, name in enumerate(names):
        if not is_safe(name) or " " in name:
            raise DataError(f"line {row + 1} of {main / 'trainval.txt'} is {name!r}, which is no name of an image")
    labels = np.zeros((len(names), len(CLASSES)), dtype=np.uint8)
    for column, kind in enumerate(CLASSES):
        file = main / f"{kind}_trainval.txt"
        lines = _lines(file)
        if len(lines) != len(names):
            raise DataError(f"{file} has {len(lines):,} lines, but trainval.txt beside it {len(names):,}")
        for row, line in enumerate(lines):
            name, _, value = line.strip().partition(" ")
            if name != names[row] or value.strip() not in _VALUES:
                raise DataError(f"line {row + 1} of {file} is {line.strip()!r}, not `{names[row]}` and one of {', '.join(_VALUES)}")
            labels[row, column] = value.strip() != "-1"
    paths = [f"{FOLDER}/JPEGImages/{name}.jpg" for name in names]
    form = "a file of 1, 0 (difficult, counted) and -1 per class"
    return LabelTable(folder, paths, labels, CLASSES, lambda row: f"line {row + 1} of {main / 'trainval.txt'}", form=form)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("ascii").rstrip().splitlines()
    except FileNotFoundError as error:
        raise DataError(f"{file} is missing: {ADVICE}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is damaged ({error}): delete it and {ADVICE}") from error
