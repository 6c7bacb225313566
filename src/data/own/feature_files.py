"""Ready features from files of their own: an array of all items, or one of each fold, and labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, UsageError
from ...settings import FOLDS
from ..features.rows import as_values
from ..prepare.class_numbers import read_class_names
from ..prepare.content import Features, numbered_names
from ..prepare.labels import few
from .feature_table import FeatureTable, check_file, check_rows, labels_of_array
from .table import labels_of, read_cells

Files = Mapping[str, Path]  # by fold; "" for a file of all items


@dataclass(frozen=True)
class _Labels:
    """The labels of all items: C classes, vectors (n, C), how they are written, names of the items, and how many each fold has."""

    classes: Sequence[str]
    vectors: NDArray[np.uint8]
    form: str
    names: Sequence[str]
    counts: Mapping[str, int]


def read_feature_files(
    features: Sequence[str], texts: Sequence[str], labels: Sequence[str], classes: Path | None
) -> FeatureTable:  # fmt: skip
    """Read features of all items, or of each fold, and their labels.

    Args:
        features: ``FILE.npy`` of all items, or ``FOLD=FILE.npy`` of each fold, (n, D) each.
        texts: the same of a second view; empty for none.
        labels: the same, ``.npy``, (n,) class numbers or (n, C) of 0 and 1; ``.txt``, the labels of an item in each line; or ``.csv`` with
            the columns ``file,labels``, where ``file`` names the item.
        classes: class names, one in a line, which class numbers index from 0; None for those of the labels.

    Raises:
        UsageError: for flags that do not go together.
        DataError: naming the file, for one that is missing or cannot be used.
    """
    if not labels:
        raise UsageError("-labels FILE is needed: .npy, .txt or .csv, with a row for each row of -features")
    files = {"features": _files("features", features), "labels": _files("labels", labels)}
    if texts:
        files["texts"] = _files("texts", texts)
    for flag, by_fold in files.items():
        if set(by_fold) != set(files["features"]):
            raise UsageError(f"-{flag} and -features must name the same folds: {_words(by_fold)}, and {_words(files['features'])}")
    arrays = {flag: {fold: _load(file) for fold, file in files[flag].items()} for flag in files if flag != "labels"}
    table = _labels(files["labels"], None if classes is None else read_class_names(classes))
    parts, start = {}, 0
    for fold, count in table.counts.items():
        check_rows({str(files[flag][fold]): count if flag == "labels" else len(arrays[flag][fold]) for flag in files})
        parts[fold], start = np.arange(start, start + count), start + count
    views = [_joined(arrays[flag], files[flag]) for flag in ("features", "texts") if flag in files]
    source = "ready features: " + ", ".join(str(file) for by_fold in files.values() for file in by_fold.values())
    return FeatureTable(Features(*views), table.vectors, table.classes, table.names, source, table.form, {} if "" in parts else parts)


def read_array(file: Path) -> NDArray[Any]:
    """Return the array of an ``.npy`` file, mapped into memory; pickled objects, which could run code, are refused.

    Raises:
        DataError: naming the file, if it is missing, damaged or holds objects.
    """
    check_file(file)
    try:
        array: NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{file} is damaged, or no plain array of NumPy: {error}") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{file} holds several arrays: -from {file} reads them by their names")
    return array


def _files(flag: str, texts: Sequence[str]) -> Files:
    """Return the files that a flag names, by fold."""
    pairs = [text.partition("=") for text in texts]
    folds = {fold: Path(file) for fold, sign, file in pairs if sign and fold in FOLDS}
    if not folds and len(texts) == 1:
        return {"": Path(texts[0])}
    if len(folds) != len(texts) or not {"train", "query"} <= set(folds):
        raise UsageError(
            f"-{flag} {' '.join(texts)}: give one FILE of all items, or FOLD=FILE of each fold; train and query are needed, "
            f"val and database may be left out"
        )
    return {fold: folds[fold] for fold in FOLDS if fold in folds}


def _load(file: Path) -> NDArray[Any]:
    return as_values(read_array(file), str(file))


def _joined(arrays: Mapping[str, NDArray[Any]], files: Files) -> NDArray[Any]:
    """Return the arrays of the folds as one; that of all items stays mapped."""
    widths = {str(files[fold]): values.shape[1] for fold, values in arrays.items()}
    if len(set(widths.values())) > 1:
        raise DataError(f"features of one kind have one width, but {', '.join(f'{file} has {width:,}' for file, width in widths.items())}")
    values = list(arrays.values())
    return values[0] if len(values) == 1 else np.concatenate(values)


def _labels(files: Files, names: Sequence[str] | None) -> _Labels:
    endings, shown = {file.suffix.lower() for file in files.values()}, ", ".join(map(str, files.values()))
    if len(endings) > 1 or not endings <= {".npy", ".txt", ".csv"}:
        raise UsageError(f"-labels {shown}: labels are files of one kind, .npy, .txt or .csv")
    if endings != {".npy"}:
        if names is not None:
            raise UsageError("-classes names the class numbers of .npy files, and these labels have names: leave it out")
        return _written(files, csv=endings == {".csv"})
    arrays = {fold: read_array(file) for fold, file in files.items()}
    if len({array.shape[1:] for array in arrays.values()}) > 1:
        raise DataError(f"labels of one kind have one width: {', '.join(f'{files[fold]} is {a.shape}' for fold, a in arrays.items())}")
    classes, vectors, form = labels_of_array(np.concatenate(list(arrays.values())), shown, names)
    return _Labels(classes, vectors, form, numbered_names(len(vectors)), {fold: len(array) for fold, array in arrays.items()})


def _written(files: Files, *, csv: bool) -> _Labels:
    """Return the labels of text files."""
    cells, lines, names, counts = list[str](), list[str](), list[str](), dict[str, int]()
    for fold, file in files.items():
        check_file(file)
        if csv:
            where, items, rows = read_cells(file)
            names += items
        else:
            rows = _lines(file)
            where = [f"line {number + 1} of {file}" for number in range(len(rows))]
        counts[fold] = len(rows)
        cells, lines = cells + rows, lines + where
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"items are named twice in {', '.join(map(str, files.values()))}: {few(twice)}")
    classes, vectors, form = labels_of(next(iter(files.values())), cells, lines)
    return _Labels(classes, vectors, form, names or numbered_names(len(cells)), counts)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8-sig").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is no text in UTF-8") from error


def _words(files: Files) -> str:
    return ", ".join(files) if "" not in files else "all items"
