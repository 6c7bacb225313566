"""PASCAL VOC 2012 (Everingham et al., The PASCAL visual object classes challenge, IJCV 2010): 11,540 images, 20 labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import DataError
from ...runs import raw_folder
from ..fetch.archives import Part
from ..fetch.published import Archive, Published
from ..prepare.content import DatasetContent, is_safe
from ..prepare.label_table import LabelTable, lines_of
from ..prepare.splits import Protocol
from .dataset import Flags, PublicDataset

_RULE = "a shuffled list of 4,000 train, 1,000 query, 1,000 val and else database is assigned to the images"
PROTOCOLS = {
    "VOC2012": Protocol("disjoint", _RULE),
    "voc2012": Protocol(
        "voc2012", f"{_RULE}; the database also holds the val images, but not the training images", shared=("val-database",)
    ),
}
DOWNLOAD_FLAGS: Flags = {"-from": {}, "-url": {}}
PREPARE_FLAGS: Flags = {"-protocol": {}, "-no_skip": {}, "-skip_unreadable": {}}
SIZES = {"train": 4_000, "query": 1_000, "val": 1_000}
FOLDER = "VOCdevkit/VOC2012"
SOURCE = "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/ (trainval, main task)"
ADVICE = "run `python src/data/download/VOC2012.py`"
CLASSES = [
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog", "horse", "motorbike",
    "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
]  # fmt: skip
PUBLISHED = Published(
    "VOC2012",
    "PASCAL VOC 2012",
    (
        Archive(
            "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
            (
                Part(f"{FOLDER}/ImageSets/Main/*.txt", 63),
                Part(f"{FOLDER}/Annotations/*.xml", 17_125),
                Part(f"{FOLDER}/JPEGImages/*.jpg", 17_125),
            ),
            size=1 << 31,
            unpacked=1 << 32,
            md5="6cd6e144f989b92b3379bac3b3de84fd",
        ),
    ),
)
_VALUES = ("-1", "0", "1")  # absent, only objects that are hard to see, present


def read(folder: Path) -> LabelTable:
    """Read the labels of the images of the classification task, in the order of ``trainval.txt``.

    An image has a label if it shows an object of that class, also where all of them are marked as difficult.

    Args:
        folder: ``VOCdevkit/VOC2012/{JPEGImages,ImageSets/Main}/``.

    Raises:
        DataError: naming file and line, if a file is missing, a line is not as it should be, or a file lists other images.
    """
    main = folder / FOLDER / "ImageSets" / "Main"
    names = [line.strip() for line in lines_of(main / "trainval.txt", ADVICE)]
    for row, name in enumerate(names):
        if not is_safe(name) or " " in name:
            raise DataError(f"line {row + 1} of {main / 'trainval.txt'} is {name!r}, which is no name of an image")
    labels = np.zeros((len(names), len(CLASSES)), dtype=np.uint8)
    for column, kind in enumerate(CLASSES):
        file = main / f"{kind}_trainval.txt"
        lines = lines_of(file, ADVICE)
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


def _content(protocol: str) -> DatasetContent:
    table = read(raw_folder("VOC2012"))
    table.check_present(ADVICE)
    return table.random_split(SIZES, PROTOCOLS[protocol], source=SOURCE)


DATASET = PublicDataset("VOC2012", _content, PUBLISHED.download)
