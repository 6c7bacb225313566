"""Writing a processed dataset: whole or not at all, in parallel, by one process at a time."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np

from ...errors import DataError
from ...runs import only_process, processed_folder, recover, replacing_folder
from ...settings import FOLDS
from ..features.rows import write_features
from ..images.threads import in_threads
from ..metadata import LABEL_NAMES_FILE, NO_IMAGE, read_metadata, write_label_names, write_metadata
from ..split import VOCABULARY_FILE, Split, checksums, features_file, how_to_fix, metadata_file, read_split, texts_file, write_split
from ..texts.rows import write_texts
from ..texts.vocabulary import Vocabulary, write_vocabulary
from .checks import check, uniform
from .content import DatasetContent, Features, Texts
from .splits import overlaps
from .unreadable import check_left_out, without_unreadable, write_left_out

IMAGES = "images"


def prepare(
    database: str, build: Callable[[], DatasetContent], *, no_skip: bool = False, skip_unreadable: Fraction = Fraction()
) -> tuple[Split, bool]:
    """Write a dataset to ``data/processed/``, unless it is there already.

    Everything is written to a hidden sibling directory that is renamed at the end, so an interrupted preparation never
    looks finished, and a set that is replaced stays usable until the new one is whole.

    Args:
        database: name of the dataset.
        build: returns its content; called only when it is needed.
        no_skip: write it again even if it is there.
        skip_unreadable: the largest share of its images that may be left out because they cannot be decoded.

    Returns:
        The facts about the split, and whether it was written now.

    Raises:
        DataError: if the set is there but damaged or lacks more images, more images cannot be decoded, or its content cannot be
            split: a fold without images, folds that share images though they should not, a class without images, a file name that
            cannot be written.
    """
    folder = processed_folder(database)
    if folder.exists() and not no_skip and not os.access(folder.parent, os.W_OK):  # a read-only share needs no lock: nothing changes there
        return _checked(database, skip_unreadable), False
    lock = folder.with_name(f".{database}.lock")
    with only_process(lock):
        recover(folder)  # after a process that was killed
        _check_spelling(folder)
        if folder.exists() and not no_skip:
            return _checked(database, skip_unreadable), False
        try:
            content = build()
            check(content)
            content = without_unreadable(content, skip_unreadable, database)
            check(content)
            with replacing_folder(folder) as new:
                _write(database, content, new)
        finally:
            if not folder.exists():
                with suppress(OSError):  # a refused dataset leaves nothing behind; some systems do not remove an open file
                    lock.unlink()
        return read_split(database), True


def _checked(database: str, skip_unreadable: Fraction) -> Split:
    split = read_split(database)
    folder = processed_folder(database)
    if split.has_features():
        return split
    present = {entry.name for entry in os.scandir(folder / IMAGES)} if (folder / IMAGES).is_dir() else set()
    labels = []
    for fold in FOLDS:
        metadata = read_metadata(metadata_file(folder, fold))
        missing = [path for path in metadata.paths if path != NO_IMAGE and Path(path).name not in present]
        if missing:
            raise DataError(f"{len(missing):,} images of {database} are missing, the first is {missing[0]}: {how_to_fix(database)}")
        labels.append(metadata.labels)
    check_left_out(database, len(present), skip_unreadable)
    if complaint := uniform(np.concatenate(labels), split.classes):
        raise DataError(f"{database} is prepared already, but {complaint}; -no_skip prepares it again")
    return split


def _check_spelling(folder: Path) -> None:
    if folder.exists() and folder not in folder.parent.iterdir():
        raise DataError(
            f"{folder} is another dataset's folder, as this file system does not tell VOC2012 from voc2012: "
            f"move that one away, or set another BIODEEPHASHING_HOME"
        )


def _write(database: str, content: DatasetContent, folder: Path) -> None:
    if content.features is None:
        (folder / IMAGES).mkdir()
        _write_images(database, content, folder / IMAGES)
    for fold in FOLDS:
        rows = content.folds[fold]
        names = [content.files[row] for row in rows]
        bare = content.features is not None
        paths = [name if bare or name == NO_IMAGE else f"data/processed/{database}/{IMAGES}/{name}" for name in names]
        write_metadata(metadata_file(folder, fold), paths, content.labels[rows])
    if content.texts is not None:
        _write_texts(folder, content, content.texts)
    if content.features is not None:
        _write_features(folder, content, content.features)
    write_label_names(folder / LABEL_NAMES_FILE, content.classes)
    write_left_out(folder, content.left_out)
    facts = Split(
        database=database,
        protocol=content.protocol.name,
        rule=content.protocol.rule,
        seed=content.protocol.seed,
        sizes={fold: len(content.folds[fold]) for fold in FOLDS},
        classes=tuple(content.classes),
        source=content.source,
        partial=bool(content.note),
        note=content.note,
        sha256=checksums(folder),
        overlaps=overlaps(content.folds),
        understood=content.understood(),
        reading=content.reading,
    )
    write_split(folder, facts)


def _write_images(database: str, content: DatasetContent, folder: Path) -> None:
    rows, write_image = content.with_image().tolist(), content.write_image
    assert write_image is not None
    in_threads(lambda row: write_image(row, folder / content.files[row]), rows, database)


def _write_features(folder: Path, content: DatasetContent, features: Features) -> None:
    for fold in FOLDS:
        for modality, values in features.views().items():
            write_features(features_file(folder, fold, modality), values, content.folds[fold])


def _write_texts(folder: Path, content: DatasetContent, texts: Texts) -> None:
    for fold in FOLDS:
        write_texts(texts_file(folder, fold), [texts.lines[row] for row in content.folds[fold]])
    known = texts.rows(np.union1d(content.folds["database"], content.folds["train"]))
    items = None if known.items is None else known.items.tolist()
    write_vocabulary(folder / VOCABULARY_FILE, Vocabulary.built(known.lines, known.least, items))
