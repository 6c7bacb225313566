"""MIRFLICKR-25000 (Huiskes, Lew, The MIR Flickr retrieval evaluation, MIR 2008): 25,000 images, 38 labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import DataError
from ...runs import raw_folder
from ..fetch.archives import Part
from ..fetch.published import Archive, Published
from ..prepare.content import DatasetContent, Texts
from ..prepare.label_table import LabelTable, lines_of
from ..prepare.splits import Protocol
from ..texts.words import with_frequent_word
from .dataset import Flags, PublicDataset

_RULE = "a shuffled list of 4,000 train, 1,000 query, 1,000 val and else database is assigned to the images"
PROTOCOLS = {
    "MIRFLICKR25K": Protocol("disjoint", _RULE),
    "mirflickr": Protocol(
        "mirflickr", f"{_RULE}; the database also holds the val images, but not the training images", shared=("val-database",)
    ),
    "mirflickr-tags": Protocol(
        "mirflickr-tags",
        "images with one of the 24 labels that are not _r1 and with a tag of at least 20 images; a shuffled list of 10,000 train, "
        "2,000 query, 1,000 val and else database is assigned to them; the database also holds the training and the val images",
        shared=("train-database", "val-database"),
    ),
}
DOWNLOAD_FLAGS: Flags = {
    "-from": {},
    "-url": {"help": "folder on a mirror that holds the archives under their published names"},
    "-connections": {"default": 2, "help": "archives to download at a time"},
}
PREPARE_FLAGS: Flags = {"-protocol": {}, "-allow_missing": {}, "-no_skip": {}, "-skip_unreadable": {}}
SIZES = {"train": 4_000, "query": 1_000, "val": 1_000}
TAGS_SIZES = {"train": 10_000, "query": 2_000, "val": 1_000}  # of mirflickr-tags
LEAST = 20  # images that a tag must have
COUNT = 25_000
ANNOTATIONS = "mirflickr25k_annotations_v080"
SOURCE = "https://press.liacs.nl/mirflickr/ (MIRFLICKR-25000, annotations v080)"
ADVICE = "run `python src/data/download/MIRFLICKR25K.py`"
_SERVER = "http://press.liacs.nl/mirflickr/mirflickr25k.v3b"
_RELEVANT = ["baby", "bird", "car", "clouds", "dog", "female", "flower", "male", "night", "people", "portrait", "river", "sea", "tree"]
_OTHERS = ["animals", "food", "indoor", "lake", "plant_life", "sky", "structures", "sunset", "transport", "water"]
CLASSES = sorted([*_RELEVANT, *_OTHERS, *(f"{name}_r1" for name in _RELEVANT)])  # _r1: the label is what the image is about
PUBLISHED = Published(
    "MIRFLICKR25K",
    "MIRFLICKR-25K",
    (
        Archive(
            f"{_SERVER}/{ANNOTATIONS}.zip",  # no checksum is published
            tuple(Part(f"{name}.txt", into=ANNOTATIONS) for name in CLASSES),
            size=1 << 24,
            unpacked=1 << 26,
        ),
        Archive(
            f"{_SERVER}/mirflickr25k.zip",
            (Part("mirflickr/im*.jpg", COUNT), Part("mirflickr/meta/tags/tags*.txt", COUNT)),
            size=1 << 32,
            unpacked=1 << 33,
            md5="a23d0a8564ee84cda5622a6c2f947785",
        ),
    ),
)


def read(folder: Path) -> LabelTable:
    """Read the labels of all images: one file per label, which lists the numbers of its images.

    Args:
        folder: ``mirflickr/im1.jpg`` ... and ``mirflickr25k_annotations_v080/<label>.txt``.

    Raises:
        DataError: naming file and line, if a file is missing or a line is not the number of an image or occurs twice.
    """
    labels = np.zeros((COUNT, len(CLASSES)), dtype=np.uint8)
    for column, name in enumerate(CLASSES):
        file = folder / ANNOTATIONS / f"{name}.txt"
        for line, text in enumerate(lines_of(file, ADVICE), start=1):
            if not text.strip():
                continue
            if not text.strip().isdecimal() or not 1 <= int(text) <= COUNT:
                raise DataError(f"line {line} of {file} is {text.strip()!r}, not the number of an image from 1 to {COUNT:,}")
            if labels[int(text) - 1, column]:
                raise DataError(f"line {line} of {file} names image {int(text)} a second time")
            labels[int(text) - 1, column] = 1
    paths = [f"mirflickr/im{number}.jpg" for number in range(1, COUNT + 1)]
    return LabelTable(folder, paths, labels, CLASSES, lambda row: f"image {row + 1} of {COUNT:,}", form="a file of image numbers per label")


def read_tags(folder: Path) -> list[str]:
    """Read the tags of all images, a file for each: in one line, separated by blanks.

    Args:
        folder: ``mirflickr/meta/tags/tags1.txt`` ...

    Raises:
        DataError: naming the file, if one is missing.
    """
    lines = []
    for number in range(1, COUNT + 1):
        file = folder / "mirflickr" / "meta" / "tags" / f"tags{number}.txt"
        try:
            tags = file.read_bytes().decode("utf-8", errors="replace")  # people wrote them, in any encoding
        except FileNotFoundError as error:
            raise DataError(f"{file} is missing: {ADVICE}") from error
        lines.append(" ".join(tags.split()))
    return lines


def _with_tags(table: LabelTable, lines: Sequence[str]) -> LabelTable:
    """Return the table of the images that have a label and a frequent tag, without the labels ``_r1``."""
    columns = [column for column, name in enumerate(table.classes) if not name.endswith("_r1")]
    rows = np.flatnonzero(with_frequent_word(lines, LEAST) & table.labels[:, columns].any(axis=1))
    return dataclasses.replace(table, texts=Texts(lines, LEAST)).rows(rows).columns(columns)


def _content(protocol: str, allow_missing: bool = False) -> DatasetContent:
    table, sizes = read(raw_folder("MIRFLICKR25K")), SIZES
    if protocol == "mirflickr-tags":
        table, sizes = _with_tags(table, read_tags(raw_folder("MIRFLICKR25K"))), TAGS_SIZES
    table, note, _ = table.with_present(ADVICE, allow_missing=allow_missing)
    return table.random_split(sizes, PROTOCOLS[protocol], source=SOURCE, note=note)


DATASET = PublicDataset("MIRFLICKR25K", _content, PUBLISHED.download)
