"""ImageNet (Russakovsky et al., ImageNet large scale visual recognition challenge, IJCV 2015): 100 classes, by lists of their images."""

from __future__ import annotations

import dataclasses
from collections.abc import Set
from pathlib import Path

from ...errors import DataError
from ...runs import only_process, raw_folder
from ...settings.strict_parser import command_line
from ..fetch import kaggle
from ..fetch.archives import Part, PathOf, path_among, unpack
from ..fetch.published import import_paths
from ..prepare import image_lists, splits
from ..prepare.content import DatasetContent
from ..prepare.label_table import LabelTable
from ..prepare.splits import Protocol
from ._hashnet import length_note, read_hashnet
from .dataset import Flags, PublicDataset

_LISTS = "the lists train.txt, test.txt and database.txt of the HashNet release"
PROTOCOLS = {
    "ImageNet_test": Protocol(
        "train in database",
        f"{_LISTS}; lines 1, 3, 5, ... of test.txt are queries, lines 2, 4, 6, ... val",
        shared=("train-database",),
    ),
    "imagenet100": Protocol(
        "imagenet100",
        f"{_LISTS}, test.txt being the queries; val: 25 images per class of the database that are not in train.txt, "
        "after one shuffle; they stay in the database",
        shared=("train-database", "val-database"),
    ),
}
DOWNLOAD_FLAGS: Flags = {
    "-from": {"help": "archive or folder ILSVRC that is already on disk"},
    "-lists": {"help": "HashNet lists: unpack only the images they name"},
}
PREPARE_FLAGS: Flags = {"-protocol": {}, "-lists": {"used_by": "all protocols"}, "-no_skip": {}, "-skip_unreadable": {}}
DOWNLOAD_NOTE = (
    "Kaggle wants to know who asks: make an account on kaggle.com, choose Settings, API, Create Legacy API Key, put the file "
    "kaggle.json that it hands out into ~/.kaggle/ (on Windows, %USERPROFILE%\\.kaggle\\), and let nobody else read it: "
    "chmod 600 ~/.kaggle/kaggle.json; then accept the rules of the competition, once, on "
    "https://www.kaggle.com/c/imagenet-object-localization-challenge/rules"
)
COMPETITION = "imagenet-object-localization-challenge"
SIZES = {"train": 13_000, "query": 5_000, "database": 128_503}
CLASSES = 100
VAL = 25  # images per class
IMAGES = "ILSVRC/Data/CLS-LOC"
ADVICE = "run `python src/data/download/ImageNet.py`"
_FROM_DISK = f"`python src/data/download/ImageNet.py -from PATH` takes {COMPETITION}.zip, or the unpacked directory ILSVRC, from disk"
_TRAIN, _VAL = 1_281_167, 50_000
_UNPACKED = 1 << 38  # bytes; the archive has 166 GB


def download(source: Path | None = None, lists: Path | None = None) -> tuple[str, bool]:
    """Bring ImageNet to ``data/raw/ImageNet/``; see :func:`fetch`.

    Returns:
        What there is to say about it, and whether it is complete.
    """
    missing = fetch(source, lists)
    if missing:
        return f"ImageNet is incomplete in data/raw/ImageNet/: {'; '.join(missing)}\n{_FROM_DISK}.", False
    text = f"ImageNet is complete in data/raw/ImageNet/ ({COMPETITION}.zip there may be deleted)"
    return f"{text}\nnext: {command_line('src/data/process/ImageNet.py')}", True


def fetch(source: Path | None = None, lists: Path | None = None) -> list[str]:
    """Bring ImageNet to ``data/raw/ImageNet/ILSVRC/Data/CLS-LOC/``, all of it or what lists name.

    Args:
        source: the archive, or a directory of unpacked files, on disk; None downloads.
        lists: a directory of HashNet lists; only the images named in its ``.txt`` files are unpacked.

    Returns:
        What is still missing, in words.

    Raises:
        DataError: if the files cannot be downloaded or are damaged, or the lists name no images.
    """
    if source is not None and (source / f"{COMPETITION}.zip").is_file():
        source = source / f"{COMPETITION}.zip"
    names = named_images(lists) if lists else None
    raw = raw_folder("ImageNet")
    raw.mkdir(parents=True, exist_ok=True)
    with only_process(raw.with_name(f".{raw.name}.lock")):
        if not _missing(raw, names):
            return []
        if source is not None and source.is_dir():
            if not import_paths(source, raw, _path_of_member(names)):
                raise DataError(f"{source} holds no images of ImageNet: the directory ILSVRC of the archive is expected in it")
            return _missing(raw, names)
        archive = source or raw / f"{COMPETITION}.zip"
        if source is not None and not archive.is_file():
            raise DataError(f"there is no file or directory {source}: -from takes {COMPETITION}.zip or the unpacked directory ILSVRC")
        if not archive.is_file():
            kaggle.download(COMPETITION, archive, access=DOWNLOAD_NOTE, advice=_FROM_DISK)
        unpack(archive, raw, _path_of_member(names), limit=_UNPACKED)
        return _missing(raw, names)


def named_images(lists: Path) -> set[str]:
    """Return the file names that stand at the beginning of the lines of HashNet lists.

    Args:
        lists: a directory of ``.txt`` files.

    Raises:
        DataError: if they name no images.
    """
    files = sorted(lists.glob("*.txt")) if lists.is_dir() else []
    lines = [line for file in files for line in file.read_text("utf-8").splitlines() if line.strip()]
    names = {line.split()[0].rpartition("/")[2] for line in lines}
    names = {name for name in names if name.endswith(".JPEG")}
    if not names:
        raise DataError(f"{lists} holds no lists that name images of ImageNet: .txt files with lines like train/n01440764_10026.JPEG 1 0 …")
    return names


def path_of(path: str) -> str:
    """Return where an image of a list lies: ``val/<file>``, or ``train/<synset>/<file>`` with the synset its name begins with.

    Example:
        >>> path_of("/home/somebody/imagenet/image/n01440764_10026.JPEG")
        'train/n01440764/n01440764_10026.JPEG'
        >>> path_of("val_image/ILSVRC2012_val_00000293.JPEG")
        'val/ILSVRC2012_val_00000293.JPEG'
    """
    name = path.rpartition("/")[2]
    return f"val/{name}" if name.startswith("ILSVRC2012_val_") else f"train/{name.partition('_')[0]}/{name}"


def with_synsets(table: LabelTable) -> LabelTable:
    """Name the classes after the synsets of their training images.

    Args:
        table: images with one label each.

    Raises:
        DataError: naming file and line, if an image has not one label, a class has two synsets, or none.
    """
    names: dict[int, str] = {}
    for row, (path, vector) in enumerate(zip(table.paths, table.labels, strict=True)):
        if vector.sum() != 1:
            raise DataError(f"{path} has {vector.sum()} classes, but an image of ImageNet has one: {table.where(row)}")
        if path.startswith("train/"):
            synset = path.split("/")[1]
            known = names.setdefault(int(vector.argmax()), synset)
            if known != synset:
                raise DataError(f"{path} has the class of {known}, but is an image of {synset}: {table.where(row)}")
    missing = [column for column in range(len(table.classes)) if column not in names]
    if missing:
        raise DataError(f"the class {missing[0]} has no training images in the lists")
    return dataclasses.replace(table, classes=[names[column] for column in range(len(table.classes))])


def _content(protocol: str, lists: Path | None = None) -> DatasetContent:
    raw = raw_folder("ImageNet")
    listed = read_hashnet(lists or raw / "lists", CLASSES)
    joined, folds = image_lists.join(listed, raw / IMAGES, path_of)
    table = with_synsets(joined)
    table.check_present(ADVICE)
    if protocol == "ImageNet_test":
        test = folds["query"]
        folds |= {"query": test[::2], "val": test[1::2]}
    else:
        rest = image_lists.rows_only_in(folds, "database")
        drawn = splits.per_class(table.labels[rest].argmax(axis=1), {"val": VAL}, names=table.classes)
        folds["val"] = rest[drawn["val"]]
    note = length_note(listed, SIZES)
    return table.content(folds, PROTOCOLS[protocol], source=image_lists.source_of(listed), note=note)


def _path_of_member(names: Set[str] | None) -> PathOf:
    """Return the path of each image, or only of some names, and of the two files beside them."""
    image = path_among([Part(f"{IMAGES}/train/*/*.JPEG", _TRAIN), Part(f"{IMAGES}/val/*.JPEG", _VAL)])
    other = path_among([Part("LOC_synset_mapping.txt"), Part("LOC_val_solution.csv")])

    def path_of(member: str) -> str | None:
        path = image(member)
        if path is None:
            return other(member)
        return path if names is None or path.rpartition("/")[2] in names else None

    return path_of


def _missing(raw: Path, names: Set[str] | None) -> list[str]:
    images = raw / IMAGES
    if names is None:
        expected = _TRAIN + _VAL
        present = sum(1 for pattern in ("train/*/[!.]*.JPEG", "val/[!.]*.JPEG") for _ in images.glob(pattern))
    else:
        expected, present = len(names), sum((images / path_of(name)).is_file() for name in names)
    return [f"{present:,} of {expected:,} images"] if present < expected else []


DATASET = PublicDataset("ImageNet", _content, download)
