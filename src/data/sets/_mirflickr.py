"""MIRFLICKR-25000 (Huiskes, Lew, The MIR Flickr retrieval evaluation, MIR 2008): 25,000 images, 38 labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import DataError
from ..prepare.label_table import LabelTable

COUNT = 25_000
SOURCE = "https://press.liacs.nl/mirflickr/ (MIRFLICKR-25000, annotations v080)"
ADVICE = "run `python src/data/download/MIRFLICKR25K.py`"
ANNOTATIONS = "mirflickr25k_annotations_v080"
_POTENTIAL = [
    "animals", "baby", "bird", "car", "clouds", "dog", "female", "flower", "food", "indoor", "lake", "male", "night", "people",
    "plant_life", "portrait", "river", "sea", "sky", "structures", "sunset", "transport", "tree", "water",
]  # fmt: skip
_RELEVANT = ["baby", "bird", "car", "clouds", "dog", "female", "flower", "male", "night", "people", "portrait", "river", "sea", "tree"]
CLASSES = sorted([*_POTENTIAL, *(f"{name}_r1" for name in _RELEVANT)])  # _r1: the label is what the picture is about


def read(folder: Path) -> LabelTable:
    """Read the labels of all images: one file per label, which lists the numbers of its images.

    Args:
        folder: ``mirflickr/im1.jpg`` ... and ``mirflickr25k_annotations_v080/<label>.txt``.

    Raises:
        DataError: naming file and line, when a file is missing or a line is no number of an image or comes twice.
    """
    labels = np.zeros((COUNT, len(CLASSES)), dtype=np.uint8)
    for column, name in enumerate(CLASSES):
        file = folder / ANNOTATIONS / f"{name}.txt"
        try:
            lines = file.read_text("ascii").split("\n")
        except FileNotFoundError as error:
            raise DataError(f"{file} is missing: {ADVICE}") from error
        except UnicodeDecodeError as error:
            raise DataError(f"{file} is damaged ({error}): delete it and {ADVICE}") from error
        for line, text in enumerate(lines, start=1):
            if not text.strip():
                continue
            if not text.strip().isdecimal() or not 1 <= int(text) <= COUNT:
                raise DataError(f"line {line} of {file} is {text.strip()!r}, not the number of an image from 1 to {COUNT:,}")
            if labels[int(text) - 1, column]:
                raise DataError(f"line {line} of {file} names image {int(text)} a second time")
            labels[int(text) - 1, column] = 1
    paths = [f"mirflickr/im{number}.jpg" for number in range(1, COUNT + 1)]
    return LabelTable(folder, paths, labels, CLASSES, lambda row: f"image {row + 1} of {COUNT:,}", form="a file of image numbers per label")
