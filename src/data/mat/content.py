"""Preparing the MATLAB files of other cross-modal code bases as a dataset: what ``process/MAT.py`` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import DataError, UsageError
from ..catalogue import MAT_PROTOCOLS, check_own_name
from ..features.rows import as_values
from ..prepare.class_numbers import read_class_names
from ..prepare.content import DatasetContent, Features, Texts, numbered_names
from ..prepare.label_table import LabelTable
from ..prepare.labels import unused_classes, without_images
from ..prepare.splits import Protocol, parse_sizes
from ..prepare.write import prepare
from ..split import Split
from .layouts import Items, read_items

_LEAST = 20  # items that a word of captions must be in


def prepare_mat(
    name: str,
    files: Sequence[Path],
    *,
    images: Path | None = None,
    prefix: str = "",
    classes: Path | None = None,
    tags: Path | None = None,
    least: int | None = None,
    protocol: str = MAT_PROTOCOLS[0],
    sizes: str,
    seed: int,
    allow_missing: bool = False,
    no_skip: bool = False,
) -> tuple[Split, bool]:
    """Write images, texts and labels to ``data/processed/<name>/``, unless they are there already.

    Args:
        name: what to call the dataset.
        files: see :func:`~.layouts.read_items`.
        images: the directory that the paths of images are below.
        prefix: the part of these paths that this directory stands for; empty for none.
        classes: class names, one in a line; None numbers them.
        tags: names of tags, one in a line; None numbers them.
        least: items that a word must be in; None for 1 of tags, 20 of captions.
        protocol: how items are divided, "torchcmh" or "rows".
        sizes: ``train=10000,val=1000,query=2000``; the database is everything but the queries.
        seed: of the permutation.
        allow_missing: do without missing images: their texts stay, items without text are left out.
        no_skip: write it again even if it is there.

    Returns:
        The facts about the split, and whether it was written now.

    Raises:
        UsageError: for arguments that cannot be used.
        DataError: naming the file, if one cannot be used or an image is missing.
    """
    check_own_name(name)
    if protocol not in MAT_PROTOCOLS:
        raise UsageError(f"-protocol {protocol}: those are {', '.join(MAT_PROTOCOLS)}")
    counts = parse_sizes(sizes)

    def content() -> DatasetContent:
        items = read_items(files, None if tags is None else read_class_names(tags))
        names = _class_names(items, classes)
        folds = folds_of(len(items), counts, protocol, seed)
        words = ", ".join(f"{fold} {count:,}" for fold, count in counts.items())
        order = f"NumPy's RandomState({seed}).permutation" if protocol == MAT_PROTOCOLS[0] else "the order of the files"
        rule = f"{order}: first queries, then train, then val ({words}); the database is everything but the queries"
        texts = Texts(items.texts, least or (_LEAST if items.captions else 1))
        stated = Protocol(protocol, rule, seed, ("train-database", "val-database"))
        if not items.paths:
            if images is not None or prefix:
                raise UsageError(f"{items.source} hold no paths of images, but the images or features: leave out -images and -prefix")
            return _content(items, names, folds, stated, texts)
        if images is None:
            raise UsageError(f"{items.source} name image files, the first is {items.paths[0]}: -images FOLDER says where they lie")
        return _of_paths(items, names, folds, stated, texts, images, prefix, allow_missing=allow_missing)

    return prepare(name, content, no_skip=no_skip)


def folds_of(count: int, sizes: dict[str, int], protocol: str, seed: int) -> dict[str, NDArray[np.int64]]:
    """Divide items as torchcmh does, or in their own order: first the queries, then train, then val; the database is all but the queries.

    Args:
        count: number of items.
        sizes: of "query", "train" and "val".
        protocol: "torchcmh" for the permutation of NumPy's legacy generator, "rows" for the order of the files.
        seed: of the permutation.

    Raises:
        DataError: if there are too few items.

    Example:
        >>> folds = folds_of(6, {"query": 2, "train": 2, "val": 1}, "torchcmh", 6)
        >>> {fold: rows.tolist() for fold, rows in folds.items()}
        {'query': [4, 5], 'train': [0, 3], 'val': [1], 'database': [0, 3, 1, 2]}
    """
    if sum(sizes.values()) > count:
        needed = " + ".join(f"{size:,} {fold}" for fold, size in sizes.items())
        raise DataError(f"there are {count:,} items, too few for {needed}: choose smaller -sizes")
    order = np.random.RandomState(seed).permutation(count) if protocol == MAT_PROTOCOLS[0] else np.arange(count)
    query, train, val = np.cumsum([sizes["query"], sizes["train"], sizes["val"]])
    return {"query": order[:query], "train": order[query:train], "val": order[train:val], "database": order[query:]}


def _class_names(items: Items, file: Path | None) -> Sequence[str]:
    """Return the class names of a file, or numbers for None."""
    columns = items.labels.shape[1]
    names = [str(column) for column in range(columns)] if file is None else read_class_names(file)
    if len(names) != columns:
        raise DataError(f"{items.source} have {columns:,} labels, but {file} has {len(names):,} names")
    return names


def _content(
    items: Items, classes: Sequence[str], folds: dict[str, NDArray[np.int64]], protocol: Protocol, texts: Texts
) -> DatasetContent:  # fmt: skip
    """Return items whose images, or features, are in the files themselves."""
    empty, pixels = _unused(items, classes, folds), items.pixels
    ending = "" if pixels is None else ".png"

    def write_image(row: int, path: Path) -> None:
        assert pixels is not None
        Image.fromarray(pixels(row)).save(path)

    return DatasetContent(
        files=[f"{name}{ending}" for name in numbered_names(len(items))],
        labels=items.labels,
        classes=classes,
        folds=folds,
        write_image=None if pixels is None else write_image,
        protocol=protocol,
        source=items.source,
        unused=empty,
        where=lambda row: f"row {row + 1:,}",
        reading={"labels": "0/1 vectors"},
        remarks=without_images(empty, "image" if items.features is None else "item"),
        texts=texts,
        features=None if items.features is None else Features(as_values(items.features, f"{items.source}: features")),
    )


def _of_paths(
    items: Items, classes: Sequence[str], folds: dict[str, NDArray[np.int64]], protocol: Protocol, texts: Texts, images: Path, prefix: str,
    *, allow_missing: bool,
) -> DatasetContent:  # fmt: skip
    """Return items whose images are files."""
    paths, unused = [_below(path, prefix) for path in items.paths], _unused(items, classes, folds)
    table = LabelTable(images, paths, items.labels, classes, lambda row: f"row {row + 1:,}", unused, "0/1 vectors", texts)
    advice = f"-images FOLDER says where they lie, and -prefix PATH what of their paths it stands for ({items.paths[0]})"
    table, note, kept = table.with_present(advice, allow_missing=allow_missing)
    renumbered = {fold: np.searchsorted(kept, rows[np.isin(rows, kept)]) for fold, rows in folds.items()}
    return table.content(renumbered, protocol, source=items.source, note=note)


def _unused(items: Items, classes: Sequence[str], folds: dict[str, NDArray[np.int64]]) -> list[str]:
    return unused_classes(items.labels[np.concatenate([folds["query"], folds["database"]])], classes)


def _below(path: str, prefix: str) -> str:
    """Return a path as it is below the directory of the images.

    Raises:
        DataError: if it leads out of it.
    """
    plain, start = path.replace("\\", "/"), prefix.replace("\\", "/").rstrip("/")
    if start and (plain == start or plain.startswith(f"{start}/")):
        plain = plain[len(start) + 1 :]
    elif start:
        raise DataError(f"the image {path} does not begin with -prefix {prefix}")
    if PurePosixPath(plain).is_absolute() or ".." in PurePosixPath(plain).parts or ":" in plain:
        raise DataError(f"the image {path} is none below -images: -prefix PATH says what part of it that directory stands for")
    return plain
