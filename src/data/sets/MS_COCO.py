"""MS COCO 2014 (Lin et al., Microsoft COCO: Common objects in context, ECCV 2014): its instance annotations as labels of images."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ...runs import raw_folder
from ..fetch.archives import Part
from ..fetch.published import Archive, Published
from ..prepare import image_lists
from ..prepare.content import DatasetContent, Texts, is_safe
from ..prepare.label_table import LabelTable, read_text
from ..prepare.splits import Protocol
from ._hashnet import length_note, read_hashnet, with_val
from .dataset import Flags, PublicDataset

_RULE = "a shuffled list of 10,000 train, 5,000 query, 5,000 val and else database is assigned to the images"
PROTOCOLS = {
    "MS_COCO": Protocol("disjoint", f"{_RULE}, those without a label included"),
    "coco": Protocol(
        "coco",
        f"{_RULE} with a label; the database also holds the training and the val images: all but the queries",
        shared=("train-database", "val-database"),
    ),
    "coco-captions": Protocol(
        "coco-captions",
        f"{_RULE} with a label, five captions each; the database also holds the training and the val images: all but the queries",
        shared=("train-database", "val-database"),
    ),
    "coco-hashnet": Protocol(
        "coco-hashnet",
        "the lists train.txt, test.txt (queries) and database.txt of the HashNet release, whose Caffe database contains the queries; "
        "val: 5,000 images of the database that are in no other list, drawn after one shuffle; they stay in the database",
        shared=("train-database", "val-database", "query-database"),
    ),
}
DOWNLOAD_FLAGS: Flags = {
    "-from": {},
    "-url": {"help": "folder on a mirror that holds the archives under their published names"},
    "-connections": {"default": 3, "help": "archives to download at a time"},
}
PREPARE_FLAGS: Flags = {
    "-protocol": {},
    "-lists": {"used_by": "coco-hashnet"},
    "-allow_missing": {},
    "-no_skip": {},
    "-skip_unreadable": {},
}
SIZES = {"train": 10_000, "query": 5_000, "val": 5_000}
LEAST = 100  # images whose captions a word must be in
CATEGORIES = 80
PARTS = ("train2014", "val2014")
IDS = 90  # category ids run from 1 to 90, ten of them without a category
SOURCE = "https://cocodataset.org (2014 train and val images and instance annotations)"
ADVICE = "run `python src/data/download/MS_COCO.py`"
_SERVER = "http://images.cocodataset.org"
# The publisher states no checksums: that of the annotations is the tag under which its server keeps the file; those of the images are
# the ones that every project which records any records alike.
PUBLISHED = Published(
    "MS_COCO",
    "MS COCO 2014",
    (
        Archive(
            f"{_SERVER}/annotations/annotations_trainval2014.zip",
            tuple(Part(f"annotations/{kind}_{part}.json") for kind in ("instances", "captions") for part in PARTS),
            size=1 << 29,
            unpacked=1 << 31,
            md5="0a379cfc70b0e71301e0f377548639bd",
        ),
        Archive(
            f"{_SERVER}/zips/val2014.zip",
            (Part("val2014/*.jpg", 40_504),),
            size=1 << 33,
            unpacked=1 << 33,
            md5="a3d79f5ed8d289b7a7554ce06a5782b3",
        ),
        Archive(
            f"{_SERVER}/zips/train2014.zip",
            (Part("train2014/*.jpg", 82_783),),
            size=1 << 34,
            unpacked=1 << 34,
            md5="0da8c0bd3d6becc4dcb32757491aca88",
        ),
    ),
)


def read(folder: Path) -> LabelTable:
    """Read which categories the images of the training part and then the validation part show, in the order of their files.

    Args:
        folder: ``train2014/``, ``val2014/`` and ``annotations/instances_{train,val}2014.json``.

    Returns:
        The table with one column per category id from 1 to 90; images without any annotation have no labels.

    Raises:
        DataError: if a file is missing or does not hold what it should.
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


def read_captions(folder: Path) -> dict[str, str]:
    """Read the captions of each image, in the order of their ids, separated by tabs; by its path.

    Args:
        folder: ``annotations/captions_{train,val}2014.json``.

    Raises:
        DataError: if a file is missing or does not hold what it should.
    """
    captions: dict[str, list[str]] = {}
    for part in PARTS:
        file = folder / "annotations" / f"captions_{part}.json"
        content = _load(file)
        try:
            paths = {image["id"]: f"{part}/{_safe(image['file_name'])}" for image in content["images"]}
            for entry in sorted(content["annotations"], key=lambda entry: entry["id"]):
                captions.setdefault(paths[entry["image_id"]], []).append(" ".join(entry["caption"].split()))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"{file} does not hold captions ({type(error).__name__}: {error}): {ADVICE}") from error
    return {path: "\t".join(lines) for path, lines in captions.items()}


def path_of(path: str) -> str:
    """Return where an image of a list lies: below ``train2014/`` or ``val2014/``, whichever the list's path names.

    Example:
        >>> path_of("/home/somebody/data/coco/val2014/COCO_val2014_000000000042.jpg")
        'val2014/COCO_val2014_000000000042.jpg'
    """
    name = path.rpartition("/")[2]
    named = [part for part in PARTS if f"/{part}/" in f"/{path}" or f"_{part}_" in name]
    return f"{named[0]}/{name}" if named else name


def _content(protocol: str, lists: Path | None = None, allow_missing: bool = False) -> DatasetContent:
    raw = raw_folder("MS_COCO")
    if protocol == "coco-hashnet":
        listed = read_hashnet(lists or raw / "lists", CATEGORIES)
        table, folds = image_lists.join(listed, raw, path_of)
        table.check_present(ADVICE)
        folds = with_val(folds, SIZES["val"])
        note = length_note(listed, {fold: SIZES[fold] for fold in ("train", "query")})
        return table.content(folds, PROTOCOLS[protocol], source=image_lists.source_of(listed), note=note)
    table = read(raw) if protocol == "MS_COCO" else _only_used(read(raw))
    if protocol == "coco-captions":
        captions = read_captions(raw)
        table = dataclasses.replace(table, texts=Texts([captions.get(path, "") for path in table.paths], LEAST))
    table, note, _ = table.with_present(ADVICE, allow_missing=allow_missing)
    return table.random_split(SIZES, PROTOCOLS[protocol], source=SOURCE, note=note)


def _only_used(table: LabelTable) -> LabelTable:
    """Leave out the ids without a category, and the images without any label."""
    columns = [column for column, name in enumerate(table.classes) if name not in table.unused]
    return dataclasses.replace(table.rows(np.flatnonzero(table.labels.any(axis=1))).columns(columns), unused=())


def _load(file: Path) -> Any:
    try:
        return json.loads(read_text(file, ADVICE), object_hook=_slim)
    except json.JSONDecodeError as error:
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


DATASET = PublicDataset("MS_COCO", _content, PUBLISHED.download)
