"""Writing a processed data set: whole or not at all, in parallel, by one process at a time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from tqdm import tqdm

from ..errors import DataError
from ..hparams import FOLDS
from ..runs import processed_folder
from ..surroundings import has_terminal
from ._checks import check
from ._splits import overlaps
from .metadata import LABEL_NAMES_FILE, read_metadata, write_label_names, write_metadata
from .split import Split, checksums, metadata_file, read_split, remedy, write_split

IMAGES = "images"
_CHUNK = 256  # images a thread writes between two looks at Ctrl-C


@dataclass(frozen=True)
class Content:
    """A data set as a processor hands it over.

    Args:
        files: file name of each image, n of them.
        labels: (n, C) uint8, each 0 or 1.
        classes: C class names.
        folds: indices of the images of each fold, in the order of the metadata file.
        write_image: writes the image of an index to a path; called from several threads.
        protocol: name of the split.
        rule: the split in words.
        seed: seed of its shuffle.
        source: where the images come from.
        note: how many images are there when some are missing ("20,000 of 60,000 images"), else empty.
        shared: pairs of folds that share images on purpose, "train-database" for a training set inside the database.
        unused: classes that no image has, by design.
        where: says where an image is listed ("line 3 of .../train.txt"); None where images are not listed.
    """

    files: Sequence[str]
    labels: NDArray[np.uint8]
    classes: Sequence[str]
    folds: Mapping[str, NDArray[np.int64]]
    write_image: Callable[[int, Path], None]
    protocol: str
    rule: str
    seed: int
    source: str
    note: str = ""
    shared: Collection[str] = ()
    unused: Collection[str] = ()
    where: Callable[[int], str] | None = None


def prepare(database: str, build: Callable[[], Content], *, no_skip: bool = False) -> tuple[Split, bool]:
    """Write a data set to ``data/processed/``, unless it is there already.

    Everything is written to a hidden sibling folder that is renamed at the end, so an interrupted preparation never
    looks finished, and a set that is replaced stays usable until the new one is whole.

    Args:
        database: name of the data set.
        build: returns its content; called only when it is needed.
        no_skip: write it again even if it is there.

    Returns:
        The facts about the split, and whether it was written now.

    Raises:
        DataError: when the set is there but damaged, or its content cannot be split: a fold without images, folds that
            share images though they should not, a class without images, a file name that cannot be written.
    """
    folder = processed_folder(database)
    new, old = (folder.with_name(f".{database}.{state}") for state in ("new", "old"))
    if folder.exists() and not no_skip and not os.access(folder.parent, os.W_OK):  # a read-only share needs no lock: nothing changes there
        return _checked(database), False
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{database}.lock")):
        _tidy(folder, new, old)  # after a process that was killed
        _check_spelling(folder)
        if folder.exists() and not no_skip:
            return _checked(database), False
        try:
            content = build()
            check(content)
            _write(database, content, new)
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
        finally:
            _tidy(folder, new, old)
        return read_split(database), True


def _tidy(folder: Path, new: Path, old: Path) -> None:
    """Bring the old set back if nothing took its place, and remove what is left over."""
    if old.exists() and not folder.exists():
        old.rename(folder)
    for path in (new, old):
        if path.is_symlink():
            path.unlink()  # what a link leads to was never ours
        elif path.exists():
            shutil.rmtree(path)


def _checked(database: str) -> Split:
    split = read_split(database)
    folder = processed_folder(database)
    present = {entry.name for entry in os.scandir(folder / IMAGES)} if (folder / IMAGES).is_dir() else set()
    for fold in FOLDS:
        missing = [path for path in read_metadata(metadata_file(folder, fold)).paths if Path(path).name not in present]
        if missing:
            raise DataError(f"{len(missing):,} images of {database} are missing, the first is {missing[0]}: {remedy(database)}")
    return split


def _check_spelling(folder: Path) -> None:
    if folder.exists() and folder not in folder.parent.iterdir():
        raise DataError(
            f"{folder} is another data set's folder, as this file system does not tell VOC2012 from voc2012: "
            f"move that one away, or set another BIODEEPHASHING_HOME"
        )


def _write(database: str, content: Content, folder: Path) -> None:
    (folder / IMAGES).mkdir(parents=True)
    _write_images(database, content, folder / IMAGES)
    for fold in FOLDS:
        rows = content.folds[fold]
        paths = [f"data/processed/{database}/{IMAGES}/{content.files[row]}" for row in rows]
        write_metadata(metadata_file(folder, fold), paths, content.labels[rows])
    write_label_names(folder / LABEL_NAMES_FILE, content.classes)
    facts = Split(
        database=database,
        protocol=content.protocol,
        rule=content.rule,
        seed=content.seed,
        sizes={fold: len(content.folds[fold]) for fold in FOLDS},
        classes=tuple(content.classes),
        source=content.source,
        partial=bool(content.note),
        note=content.note,
        sha256=checksums(folder),
        overlaps=overlaps(content.folds),
    )
    write_split(folder, facts)


def _write_images(database: str, content: Content, folder: Path) -> None:
    rows = np.unique(np.concatenate([content.folds[fold] for fold in FOLDS])).tolist()

    def write(chunk: list[int]) -> int:
        for row in chunk:
            content.write_image(row, folder / content.files[row])
        return len(chunk)

    with (
        ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
        tqdm(total=len(rows), desc=database, unit="img", disable=not has_terminal()) as bar,
    ):
        waiting = [pool.submit(write, rows[start : start + _CHUNK]) for start in range(0, len(rows), _CHUNK)]
        try:
            for done in as_completed(waiting):
                bar.update(done.result())
        except BaseException:  # a full disk or Ctrl-C: do not write the rest first
            pool.shutdown(cancel_futures=True)
            raise
