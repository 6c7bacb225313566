"""Ready features in the layouts in which they are published: two views and labels, with a train and a test part."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...mat_files import variables_of
from ..features.rows import as_values
from ..prepare.content import Features, numbered_names
from ..prepare.label_table import lines_of
from ..prepare.splits import one_hot
from .feature_table import FeatureTable, check_file, check_rows, labels_of_array

Arrays = Mapping[str, NDArray[Any]]
_RAW, _CATEGORIES = "raw_features.mat", "categories.list"
_LISTS = {"tr": "trainset_txt_img_cat.list", "te": "testset_txt_img_cat.list"}
_FOLDS = {"tr": "train", "te": "query"}
_GENERIC = ("query", "train", "retrieval")
_FIX = "complete the download"


def read_layout(source: Path) -> FeatureTable:
    """Read features of a layout that is recognised by its names.

    - a directory with ``raw_features.mat``, ``trainset_txt_img_cat.list``, ``testset_txt_img_cat.list`` and ``categories.list``:
      the Wikipedia articles of "A new approach to cross-modal multimedia retrieval" (N. Rasiwasia et al., 2010);
    - a ``.mat`` file with ``I_tr``, ``T_tr``, ``L_tr``, ``I_te``, ``T_te``, ``L_te``: ``wikiData.mat``, ``uci_all.mat``;
    - an ``.npz`` file with ``image``, ``label``, maybe ``text``, and maybe rows ``query``, ``train`` and ``retrieval``.

    Args:
        source: the directory or the file.

    Raises:
        DataError: naming the file, if it is missing or damaged, or of no such layout.
    """
    if source.is_dir():
        if not (source / _RAW).is_file():
            raise DataError(f"{source} is no directory of features: it has no {_RAW}")
        return _of_wikipedia(source)
    check_file(source)
    if source.suffix.lower() == ".npz":
        return _of_npz(source)
    if source.suffix.lower() != ".mat":
        raise DataError(f"{source} is of no layout that is known: those are a directory with {_RAW}, a .mat or an .npz file")
    arrays = _arrays_of_mat(source)
    _check_keys(source, arrays, [f"{kind}_{part}" for kind in "ITL" for part in _FOLDS])
    columns = {part: _as_column(arrays[f"L_{part}"]) for part in _FOLDS}
    check_width(columns, f"{source}: labels")
    classes, vectors, form = labels_of_array(np.concatenate(list(columns.values())), f"{source}:L_tr, L_te", None)
    return _of_parts(source, {**arrays, **{f"L_{part}": column for part, column in columns.items()}}, vectors, classes, form)


def check_width(arrays: Arrays, what: str) -> None:
    """Refuse parts of different width.

    Raises:
        DataError: naming the shapes of all.
    """
    if len({array.shape[1:] for array in arrays.values()}) > 1:
        raise DataError(f"{what} of train and test have different widths: {', '.join(str(array.shape) for array in arrays.values())}")


def _of_wikipedia(folder: Path) -> FeatureTable:
    """Read the Wikipedia articles: labels and names stand in lists beside the features."""
    classes = [name.strip() for name in lines_of(folder / _CATEGORIES, _FIX) if name.strip()]
    arrays = _arrays_of_mat(folder / _RAW)
    _check_keys(folder / _RAW, arrays, [f"{kind}_{part}" for kind in "IT" for part in _FOLDS])
    names, numbers = list[str](), list[int]()
    for part, file in _LISTS.items():
        lines = lines_of(folder / file, _FIX)
        check_rows({f"{_RAW}:I_{part}": len(arrays[f"I_{part}"]), file: len(lines)})
        for number, line in enumerate(lines, start=1):
            cells = line.split("\t")
            if len(cells) != 3 or not cells[2].strip().isdecimal() or not 1 <= int(cells[2]) <= len(classes):
                where = f"line {number} of {folder / file}"
                raise DataError(f"{where} is not text, image and class, 1 to {len(classes)}, with tabs between: {line!r}")
            names.append(cells[1].strip())
            numbers.append(int(cells[2]) - 1)
    vectors = one_hot(np.array(numbers), len(classes))
    return _of_parts(folder / _RAW, arrays, vectors, classes, "class numbers from 1", names)


def _of_parts(
    file: Path, arrays: Arrays, vectors: NDArray[np.uint8], classes: Any, form: str, names: list[str] | None = None
) -> FeatureTable:  # fmt: skip
    """Return the table of arrays of a train and a test part: ``I_tr``, ``T_tr``, ``I_te``, ``T_te``."""
    views = []
    for kind in "IT":
        parts = {part: as_values(arrays[f"{kind}_{part}"], f"{file}:{kind}_{part}") for part in _FOLDS}
        check_width(parts, f"{file}: {kind}")
        views.append(np.concatenate(list(parts.values())))
    for part in _FOLDS:
        labelled = {f"{file}:L_{part}": len(arrays[f"L_{part}"])} if f"L_{part}" in arrays else {}
        check_rows({f"{file}:{kind}_{part}": len(arrays[f"{kind}_{part}"]) for kind in "IT"} | labelled)
    train = len(arrays["I_tr"])
    rows = {"train": np.arange(train), "query": np.arange(train, len(views[0]))}
    return FeatureTable(Features(*views), vectors, classes, names or numbered_names(len(vectors)), str(file), form, rows)


def _of_npz(file: Path) -> FeatureTable:
    arrays = _arrays_of_npz(file)
    _check_keys(file, arrays, ["image", "label"])
    views = {name: as_values(arrays[name], f"{file}:{name}") for name in ("image", "text") if name in arrays}
    labels = _as_column(arrays["label"])
    check_rows({f"{file}:{name}": len(values) for name, values in {**views, "label": labels}.items()})
    classes, vectors, form = labels_of_array(labels, f"{file}:label", None)
    parts = _parts_of(file, arrays, len(labels))
    return FeatureTable(Features(*views.values()), vectors, classes, numbered_names(len(labels)), str(file), form, parts)


def _parts_of(file: Path, arrays: Arrays, count: int) -> dict[str, NDArray[np.int64]]:
    """Return the folds that rows ``query``, ``train`` and ``retrieval`` mean; nothing where there are none."""
    named = [name for name in _GENERIC if name in arrays]
    if not named:
        return {}
    _check_keys(file, arrays, ["query", "train"])
    parts = {}
    for name in named:
        rows = np.ravel(arrays[name])
        if rows.dtype.kind not in "iu" or not len(rows) or rows.min() < 0 or rows.max() >= count:
            raise DataError(f"{file}:{name} is {arrays[name].dtype} {arrays[name].shape}, not rows of {count:,} items counted from 0")
        parts["database" if name == "retrieval" else name] = rows.astype(np.int64)
    return parts


def _arrays_of_mat(file: Path) -> Arrays:
    """Return the numbers of a MATLAB file."""
    check_file(file)
    return {name: variable.load() for name, variable in variables_of(file).items() if variable.kind == "numbers"}


def _arrays_of_npz(file: Path) -> Arrays:
    """Return the arrays of an ``.npz`` file; pickled objects, which could run code, are refused."""
    try:
        with np.load(file, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{file} is damaged, or no plain arrays of NumPy: {error}") from error


def _check_keys(file: Path, arrays: Arrays, needed: list[str]) -> None:
    if missing := [name for name in needed if name not in arrays]:
        raise DataError(f"{file} has no {', '.join(missing)}, only {', '.join(arrays) or 'nothing'}")


def _as_column(labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels with a row for each item: a MATLAB vector may lie on its side."""
    if labels.ndim == 2 and labels.shape[0] == 1 and labels.shape[1] > 1:
        return labels.T
    return labels
