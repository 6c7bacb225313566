"""CIFAR-10 (Krizhevsky, Learning multiple layers of features from tiny images, 2009): where it is published, and its splits."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...checksums import copy_and_digest, digest
from ...errors import DataError, UsageError
from ...runs import only_process, raw_folder, replacing
from ...settings.strict_parser import command_line
from .. import _archives, _cifar, _splits
from .._catalogue import check_protocol
from .._cifar import Official
from .._fetch import fetch
from .._prepare import prepare
from .._splits import Protocol
from ..content import Content
from ..split import Split

_ADVICE = (
    "On a machine without network, copy the archive (or the folder of its files) from elsewhere and run "
    "`python src/data/download/CIFAR_10.py -from PATH`; `-url URL` takes it from a mirror."
)
_UNPACKED = 1 << 28  # bytes; the archive holds 186 MB
SIZES = {"train": 500, "query": 100, "val": 100}
SEED = 0
_DRAWN = "per class, after one shuffle of all images: 500 train, 100 query, 100 val, the rest database"


def download(
    source: Path | None = None, url: str | None = None, *, official: Official | None = None, pause: float = 1.0, timeout: float = 30.0
) -> list[str]:
    """Bring the files of CIFAR-10 to ``data/raw/CIFAR_10/cifar-10-batches-py/``, each verified before it gets its name.

    Args:
        source: an archive or a folder that is already on disk; None downloads.
        url: where to download from; None is the publisher's address.
        official: addresses and checksums.
        pause: seconds before a second attempt.
        timeout: seconds to wait for the server.

    Returns:
        The files that are still missing; empty after a complete download.

    Raises:
        UsageError: when both a source and an address are given, or the address cannot be one.
        DataError: when the files cannot be had or are not the official ones.
    """
    if source and url:
        raise UsageError("-from takes what is on disk and -url what is on a server: give one of them")
    official = official or _cifar.Official()
    raw = raw_folder(_cifar.DATABASE)
    folder = raw / _cifar.FOLDER
    raw.mkdir(parents=True, exist_ok=True)
    with only_process(raw.with_name(f".{raw.name}.lock")):
        if len(_cifar.verified(folder, official)) == len(official.files):
            return []
        if source is None:
            source = raw / official.url.rpartition("/")[2]
            if not source.is_file():
                fetch(url or official.url, source, md5=official.md5, advice=_ADVICE, pause=pause, timeout=timeout)
            elif digest(source, "md5") != official.md5:
                raise DataError(f"{source} is damaged (its MD5 is not {official.md5}): delete it and run this command again")
        _take(source, folder, official)
        present = _cifar.verified(folder, official)
    return [name for name in official.files if name not in present]


def _take(source: Path, folder: Path, official: Official) -> None:
    """Copy what a folder or an archive holds of the official files and is not there yet."""
    if source.is_dir():
        inner = source / _cifar.FOLDER if (source / _cifar.FOLDER).is_dir() else source
        found = [name for name in official.files if (inner / name).is_file()]
        if not found:
            raise DataError(f"{source} holds none of the files of CIFAR-10 ({', '.join(official.files)})")
        for name in found:
            with (inner / name).open("rb") as file:
                _copy(file, str(inner / name), folder / name, official.files[name])
    elif source.is_file():
        for name, stream in _archives.members(source, _cifar.FOLDER, [*official.files, _cifar.README], limit=_UNPACKED):
            if name in official.files:
                _copy(stream, f"{name} in {source}", folder / name, official.files[name])
    else:
        raise DataError(f"there is no file or folder {source}: -from takes the archive of CIFAR-10 or the folder of its files")


def _copy(stream: IO[bytes], origin: str, target: Path, md5: str) -> None:
    if target.exists():  # raw data is never changed; it was verified before
        return
    with replacing(target) as temporary, temporary.open("wb") as copy:
        found = copy_and_digest(stream, copy, "md5")
        if found != md5:
            raise DataError(f"{origin} is not the official file (its MD5 is {found}, not {md5}): get it again; it was not taken over")


def obtain(source: Path | None = None, url: str | None = None) -> tuple[str, bool]:
    """Bring CIFAR-10 to ``data/raw/CIFAR_10/``.

    Args:
        source: an archive or a folder that is already on disk; None downloads.
        url: a mirror; None is the publisher's address.

    Returns:
        What there is to say about it, and whether it is complete.

    Raises:
        UsageError: for arguments that cannot be used.
        DataError: when the files cannot be had or are damaged.
    """
    missing = download(source, url)
    if not missing:
        return f"CIFAR-10 is complete in data/raw/CIFAR_10/\nnext: {command_line('src/data/process/CIFAR_10.py')}", True
    return (
        f"CIFAR-10 is incomplete: {', '.join(missing)} missing in data/raw/CIFAR_10/\n"
        f"next: {command_line('src/data/process/CIFAR_10.py')} -allow_partial   (or complete it first)"
    ), False


def process(
    protocol: str = "CIFAR_10", *, allow_partial: bool = False, no_skip: bool = False, official: Official | None = None
) -> tuple[Split, bool]:
    """Write CIFAR-10 to ``data/processed/<protocol>/``, unless it is there already.

    The five training batches and the test batch are joined, their indices shuffled once (seed 0), and each class is
    dealt out in that order: 500 images to train, 100 to query, 100 to val, the rest to the database. The protocols
    cifar10 and cifar10-1 have the same training, query and validation images; their databases also hold those of val,
    or of val and train. The protocol cifar10-2 takes the official test batch as queries, and the training batches as
    training set and database.

    Args:
        protocol: "CIFAR_10", "cifar10", "cifar10-1" or "cifar10-2".
        allow_partial: make do with an incomplete download; the split then says so beside every number.
        no_skip: write it again even if it is there.
        official: addresses and checksums.

    Returns:
        The facts about the split, and whether it was written now.

    Raises:
        UnknownNameError: for an unknown protocol.
        DataError: when the download is missing, incomplete or damaged, or what is prepared is partial and that was
            not allowed.
    """
    check_protocol("CIFAR_10", protocol)
    split, written = prepare(protocol, lambda: _content(protocol, allow_partial, official or _cifar.Official()), no_skip=no_skip)
    if split.partial and not allow_partial:
        raise DataError(
            f"{protocol} is prepared from {split.note}: complete the download (`python src/data/download/CIFAR_10.py`) and run this "
            f"command with -no_skip, or give -allow_partial to keep it"
        )
    return split, written


def _protocol(name: str) -> Protocol:
    if name == "CIFAR_10":
        return Protocol("disjoint", _DRAWN, SEED)
    if name == "cifar10":
        return Protocol(name, f"{_DRAWN}; the database also holds the val images, but not the training images", SEED, ("val-database",))
    if name == "cifar10-1":
        rule = f"{_DRAWN}; the database also holds the training and the val images: all but the queries"
        return Protocol(name, rule, SEED, ("train-database", "val-database"))
    rule = (
        "queries: the official test batch; train and database: the official training batches; val: 100 images per class of these, after "
        "one shuffle, which are trained on as well, so val mAP is no measure of what was learned"
    )
    return Protocol(name, rule, SEED, ("train-val", "train-database", "val-database"))


def _content(name: str, allow_partial: bool, official: Official) -> Content:
    folder = raw_folder(_cifar.DATABASE) / _cifar.FOLDER
    present = _cifar.verified(folder, official)
    names = [file for file in official.batches if file in present]
    _check_complete(folder, [file for file in official.files if file not in present], names, allow_partial)
    batches = _cifar.read_batches(folder, names, official)
    classes = _cifar.read_class_names(folder)
    protocol = _protocol(name)
    if name == "cifar10-2":
        folds = _official_folds(folder, names, batches.classes, classes, official)
    else:
        folds = _splits.share(_splits.per_class(batches.classes, SIZES, names=classes, seed=SEED), protocol.shared)
    total = len(batches.files)
    return Content(
        files=batches.files,
        labels=_splits.one_hot(batches.classes, len(classes)),
        classes=classes,
        folds=folds,
        write_image=lambda row, path: Image.fromarray(batches.image(row)).save(path),
        protocol=protocol.name,
        rule=protocol.rule,
        seed=SEED,
        source=official.url,
        note="" if total == official.total else f"{total:,} of {official.total:,} images",
        shared=protocol.shared,
        reading={"labels": "one class number per image"},
    )


def _official_folds(
    folder: Path, batches: list[str], numbers: NDArray[np.int64], classes: list[str], official: Official
) -> dict[str, NDArray[np.int64]]:
    if batches[-1] != _cifar.TEST_BATCH or len(batches) == 1:
        raise DataError(f"cifar10-2 needs {_cifar.TEST_BATCH} and a training batch in {folder}: run `python src/data/download/CIFAR_10.py`")
    train, query = np.split(np.arange(len(numbers)), [len(numbers) - official.per_batch])
    val = _splits.per_class(numbers[train], {"val": SIZES["val"]}, names=classes, seed=SEED)["val"]
    return {"train": train, "val": val, "query": query, "database": train}


def _check_complete(folder: Path, missing: list[str], batches: list[str], allow_partial: bool) -> None:
    command = "`python src/data/download/CIFAR_10.py`"
    if not batches or missing[:1] == ["batches.meta"]:
        raise DataError(f"{folder} holds no CIFAR-10 batches with their class names ({', '.join(missing)} missing): run {command} first")
    if missing and not allow_partial:
        raise DataError(
            f"CIFAR-10 is incomplete: {', '.join(missing)} missing in {folder}. Run {command}, "
            f"or give -allow_partial to prepare what is there (every number made from it will say so)"
        )
