"""CIFAR-10 (Krizhevsky, Learning multiple layers of features from tiny images, 2009): 60,000 images of 32 × 32 pixels, 10 classes."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...checksums import digest
from ...errors import DataError
from ...runs import raw_folder
from ..fetch.archives import Part
from ..fetch.published import Archive, Published
from ..prepare import splits
from ..prepare.content import DatasetContent, distinct_names
from ..prepare.splits import Protocol
from .dataset import Flags, PublicDataset

_RULE = "per class, after one shuffle of all images: 500 train, 100 query, 100 val, the rest database"
PROTOCOLS = {
    "CIFAR_10": Protocol("disjoint", _RULE),
    "cifar10": Protocol(
        "cifar10", f"{_RULE}; the database also holds the val images, but not the training images", shared=("val-database",)
    ),
    "cifar10-1": Protocol(
        "cifar10-1",
        f"{_RULE}; the database also holds the training and the val images: all but the queries",
        shared=("train-database", "val-database"),
    ),
    "cifar10-2": Protocol(
        "cifar10-2",
        "queries: the official test batch; train and database: the official training batches; val: 100 images per class of these, after "
        "one shuffle, which are trained on as well, so val mAP is no measure of what was learned",
        shared=("train-val", "train-database", "val-database"),
    ),
    "cifar10-small": Protocol(
        "cifar10-small", "per class, after one shuffle of all images: 200 train, 50 query, 50 val, 250 database, the rest unused"
    ),
}
DOWNLOAD_FLAGS: Flags = {"-from": {}, "-url": {}}
PREPARE_FLAGS: Flags = {
    "-protocol": {},
    "-no_skip": {},
    "-allow_partial": {"action": "store_true", "help": "make do with an incomplete download"},
}
SIZES = {"train": 500, "query": 100, "val": 100}
SMALL = {"train": 200, "query": 50, "val": 50, "database": 250}
FOLDER = "cifar-10-batches-py"
META = "batches.meta"
TEST_BATCH = "test_batch"
SIDE = 32
CLASSES = 10
ADVICE = "`python src/data/download/CIFAR_10.py`"


@dataclass(frozen=True)
class Official:
    """What the publisher states about an archive.

    Args:
        url: its address.
        md5: checksum of the archive.
        batches: checksum of each batch file, in the order they are joined.
        meta: checksum of the file of class names.
        per_batch: images in a batch.
    """

    url: str = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    md5: str = "c58f30108f718f92721af3b95e74349a"
    batches: Mapping[str, str] = field(
        default_factory=lambda: {
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
            TEST_BATCH: "40351d587109b95175f43aff81a1287e",
        }
    )
    meta: str = "5ff9c542aee3614f3951f8cda6e48888"
    per_batch: int = 10_000

    @property
    def files(self) -> dict[str, str]:
        """Checksum of every file, class names first."""
        return {META: self.meta, **self.batches}

    @property
    def total(self) -> int:
        """Images in the full dataset."""
        return self.per_batch * len(self.batches)


@dataclass(frozen=True)
class Batches:
    """Images of one or several batches.

    Args:
        pixels: (n, 3072) uint8; red, green and blue planes of 32 × 32.
        classes: class of each image, (n,).
        files: file name of each image.
    """

    pixels: NDArray[np.uint8]
    classes: NDArray[np.int64]
    files: list[str]

    def image(self, row: int) -> NDArray[np.uint8]:
        """Return an image as (32, 32, 3)."""
        return self.pixels[row].reshape(3, SIDE, SIDE).transpose(1, 2, 0)


def published(official: Official) -> Published:
    """Return the archive, and the checksum of each file of it."""
    parts = tuple(Part(name, into=FOLDER, md5=md5) for name, md5 in official.files.items())
    return Published("CIFAR_10", "CIFAR-10", (Archive(official.url, parts, size=1 << 28, unpacked=1 << 28, md5=official.md5),))


def verified(folder: Path, official: Official) -> list[str]:
    """Return the official files that lie in a directory, after checking each one's checksum.

    Raises:
        DataError: if one of them is damaged.
    """
    present = [name for name in official.files if (folder / name).is_file()]
    for name in present:
        if digest(folder / name, "md5") != official.files[name]:
            raise DataError(f"{folder / name} is damaged (its MD5 is not {official.files[name]}): delete it and run {ADVICE}")
    return present


def read_batches(folder: Path, names: Sequence[str], official: Official) -> Batches:
    """Read and join batches whose checksums :func:`verified` has checked.

    Raises:
        DataError: if a batch does not hold what a batch holds.
    """
    parts = [_read_batch(folder / name, official.per_batch) for name in names]
    return Batches(
        np.concatenate([part.pixels for part in parts]),
        np.concatenate([part.classes for part in parts]),
        distinct_names([name for part in parts for name in part.files]),
    )


def read_class_names(folder: Path) -> list[str]:
    """Read the class names.

    Raises:
        DataError: if the file does not hold them.
    """
    content = load(folder / META)
    names = content.get(b"label_names") if isinstance(content, dict) else None
    if not isinstance(names, list) or len(names) != CLASSES or not all(isinstance(name, bytes) for name in names):
        raise DataError(f"{folder / META} does not hold {CLASSES} class names")
    return [name.decode("ascii") for name in names]


def load(file: Path) -> Any:
    """Unpickle a file that may hold containers, numbers, bytes and arrays, and nothing that could run.

    Raises:
        DataError: if it holds anything else or is no pickle.
    """
    try:
        with file.open("rb") as stream:
            return _Unpickler(stream, encoding="bytes").load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, IndexError, KeyError, AttributeError) as error:
        raise DataError(f"{file} is no batch of images: {error}") from error


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in (("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")):
            return np.empty(0).__reduce__()[0]  # the same function, wherever this version of NumPy has it
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which images do not need")


def _read_batch(file: Path, per_batch: int) -> Batches:
    content = load(file)
    if not isinstance(content, dict):
        raise DataError(f"{file} is no batch of images: it does not hold a mapping")
    pixels, classes, files = (content.get(key) for key in (b"data", b"labels", b"filenames"))
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape != (per_batch, 3 * SIDE * SIDE):
        raise DataError(f"{file} is no batch of images: it does not hold {per_batch:,} images of 3 × {SIDE} × {SIDE} bytes")
    if not isinstance(classes, list) or len(classes) != per_batch or not all(type(c) is int and 0 <= c < CLASSES for c in classes):
        raise DataError(f"{file} is no batch of images: it does not hold {per_batch:,} classes from 0 to {CLASSES - 1}")
    if not isinstance(files, list) or len(files) != per_batch or not all(_is_file_name(name) for name in files):
        raise DataError(f"{file} is no batch of images: it does not hold {per_batch:,} names of PNG files")
    return Batches(pixels, np.array(classes, dtype=np.int64), [name.decode("ascii") for name in files])


def _is_file_name(name: object) -> bool:
    legal = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.+'()"
    return isinstance(name, bytes) and name.endswith(b".png") and not name.startswith(b".") and not name.strip(legal)


def _content(protocol: str, allow_partial: bool = False, official: Official | None = None) -> DatasetContent:
    folder, official = raw_folder("CIFAR_10") / FOLDER, official or Official()
    present = verified(folder, official)
    names = [file for file in official.batches if file in present]
    _check_complete(folder, [file for file in official.files if file not in present], names, allow_partial)
    batches = read_batches(folder, names, official)
    classes = read_class_names(folder)
    if protocol == "cifar10-2":
        folds = _official_folds(folder, names, batches.classes, classes, official)
    elif protocol == "cifar10-small":
        folds = splits.per_class(batches.classes, SMALL, names=classes)
    else:
        folds = splits.merge_folds(splits.per_class(batches.classes, SIZES, names=classes), PROTOCOLS[protocol].shared)
    total = len(batches.files)
    return DatasetContent(
        files=batches.files,
        labels=splits.one_hot(batches.classes, len(classes)),
        classes=classes,
        folds=folds,
        write_image=lambda row, path: Image.fromarray(batches.image(row)).save(path),
        protocol=PROTOCOLS[protocol],
        source=official.url,
        note="" if total == official.total else f"{total:,} of {official.total:,} images",
        reading={"labels": "one class number per image"},
    )


def _official_folds(
    folder: Path, batches: list[str], numbers: NDArray[np.int64], classes: list[str], official: Official
) -> dict[str, NDArray[np.int64]]:
    if batches[-1] != TEST_BATCH or len(batches) == 1:
        raise DataError(f"cifar10-2 needs {TEST_BATCH} and a training batch in {folder}: run {ADVICE}")
    train, query = np.split(np.arange(len(numbers)), [len(numbers) - official.per_batch])
    val = splits.per_class(numbers[train], {"val": SIZES["val"]}, names=classes)["val"]
    return {"train": train, "val": val, "query": query, "database": train}


def _check_complete(folder: Path, missing: list[str], batches: list[str], allow_partial: bool) -> None:
    if not batches or missing[:1] == [META]:
        raise DataError(f"{folder} holds no CIFAR-10 batches with their class names ({', '.join(missing)} missing): run {ADVICE} first")
    if missing and not allow_partial:
        raise DataError(
            f"CIFAR-10 is incomplete: {', '.join(missing)} missing in {folder}. Run {ADVICE}, "
            f"or give -allow_partial to prepare what is there (every number made from it will say so)"
        )


DATASET = PublicDataset("CIFAR_10", _content, published(Official()).download)
