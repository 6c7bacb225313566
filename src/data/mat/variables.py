"""Variables of MATLAB files, up to version 7 and of version 7.3 (HDF5), of ``.npy`` files and of text files, all alike."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.io.matlab import MatReadError
from scipy.sparse import issparse

from ...errors import BioDeepHashingError, DataError

_NUMBERS = "biuf"
_TEXT_CLASSES = ("char", "cell")


@dataclass(frozen=True)
class Variable:
    """A variable of a file, its axes in the order of MATLAB, or of NumPy where that wrote the file.

    Args:
        file: the file.
        name: its name there.
        shape: its shape.
        texts: its strings, several of one cell separated by tabs; None for numbers.
        load: returns its numbers.
        take: returns what one index of an axis holds, without the others; the axis and the index are its arguments.
    """

    file: Path
    name: str
    shape: tuple[int, ...]
    texts: NDArray[np.str_] | None
    load: Callable[[], NDArray[Any]]
    take: Callable[[int, int], NDArray[Any]]

    def __str__(self) -> str:
        """Return where it is, and its shape."""
        return f"{self.file}:{self.name} {self.shape}"


def variables_of(file: Path) -> Iterator[Variable]:
    """Yield the variables of a file that hold numbers or strings; pickled objects, which could run code, are never loaded.

    Args:
        file: a ``.mat`` file, an ``.npy`` file, whose variable is called as the file, or a ``.txt`` file, whose lines are strings.

    Raises:
        DataError: naming the file, if it is missing, damaged or of another kind.
        BioDeepHashingError: for version 7.3, if h5py is not there.
    """
    if not file.is_file():
        raise DataError(f"there is no file {file}")
    try:
        if file.suffix.lower() == ".txt":
            yield _of_texts(file, file.stem, np.array(file.read_text("utf-8").removesuffix("\n").split("\n"), dtype=np.str_))
        elif file.suffix.lower() == ".npy":
            yield _of_array(file, file.stem, np.load(file, mmap_mode="r", allow_pickle=False))
        else:
            yield from _of_hdf5(file) if _is_hdf5(file) else _of_mat(file)
    except (MatReadError, ValueError, TypeError, LookupError, OSError, EOFError, NotImplementedError, zlib.error) as error:
        raise DataError(f"{file} is damaged, or no file of MATLAB, NumPy or text in UTF-8: {error}") from error


def _of_mat(file: Path) -> Iterator[Variable]:
    for name, values in loadmat(file, appendmat=False).items():
        if name.startswith("__") or not (issparse(values) or isinstance(values, np.ndarray)):
            continue
        array = values.toarray() if issparse(values) else values
        if array.dtype.kind == "U" or (array.dtype == object and array.size and all(map(_is_text, array.flat))):
            yield _of_texts(file, name, np.array([_text_of(cell) for cell in array.flat], dtype=np.str_).reshape(array.shape))
        elif array.dtype.kind in _NUMBERS:
            yield _of_array(file, name, array)


def _is_text(cell: Any) -> bool:
    """Return whether a cell holds strings alone."""
    if isinstance(cell, np.ndarray):
        return cell.dtype.kind == "U" or (cell.dtype == object and all(map(_is_text, cell.flat)))
    return isinstance(cell, str)


def _text_of(cell: Any) -> str:
    """Return the strings of a cell, with tabs between."""
    parts = [_text_of(part) for part in cell.flat] if isinstance(cell, np.ndarray) else [" ".join(str(cell).split())]
    return "\t".join(part for part in parts if part)


def _of_texts(file: Path, name: str, texts: NDArray[np.str_]) -> Variable:
    def refuse(*_: int) -> NDArray[Any]:
        raise DataError(f"{file}:{name} holds strings, not numbers")

    return Variable(file, name, texts.shape, texts, refuse, refuse)


def _of_array(file: Path, name: str, array: NDArray[Any]) -> Variable:
    return Variable(file, name, array.shape, None, lambda: array, lambda axis, index: np.take(array, index, axis=axis))


def _is_hdf5(file: Path) -> bool:
    """Return whether a file is of HDF5, whose signature stands at 0, 512, 1024, 2048 and so on; MATLAB puts it at 512."""
    with file.open("rb") as stream:
        head = stream.read(1024)
    return any(head[start : start + 8] == b"\x89HDF\r\n\x1a\n" for start in (0, 512))


def _of_hdf5(file: Path) -> Iterator[Variable]:
    try:
        h5py = import_module("h5py")
    except ImportError as error:
        raise BioDeepHashingError(
            f"{file} is of MATLAB's version 7.3, which needs h5py ({error}): `pip install 'biodeephashing[crossmodal]'`, in a checkout "
            f"`pip install -e '.[crossmodal]'`"
        ) from error
    content = h5py.File(file, "r")  # stays open: images are read one by one
    for name, data in content.items():
        if not isinstance(data, h5py.Dataset):
            continue
        kind = data.attrs.get("MATLAB_class", b"").decode()
        if kind in _TEXT_CLASSES or h5py.check_string_dtype(data.dtype):
            texts = _texts_of_hdf5(content, data, kind)
            if texts is not None:
                yield _of_texts(file, name, texts)
        elif data.dtype.kind in _NUMBERS:
            yield _of_dataset(file, name, data, backwards=bool(kind))


def _of_dataset(file: Path, name: str, data: Any, *, backwards: bool) -> Variable:
    """Return numbers of HDF5, where MATLAB's axes stand in reverse order."""

    def take(axis: int, index: int) -> NDArray[Any]:
        stored = data.ndim - 1 - axis if backwards else axis
        part: NDArray[Any] = data[(*(slice(None),) * stored, index)]
        return part.T if backwards else part

    shape = data.shape[::-1] if backwards else data.shape
    return Variable(file, name, tuple(shape), None, lambda: data[()].T if backwards else data[()], take)


def _texts_of_hdf5(content: Any, data: Any, kind: str) -> NDArray[np.str_] | None:
    """Return the strings of a variable; None for a cell array of something else."""
    if kind == "":
        return np.array([" ".join(text.split()) for text in data.asstr()[()].flat], dtype=np.str_).reshape(data.shape)
    if kind == "char":
        letters = data[()].T  # (n, longest), a row each
        return np.array([" ".join("".join(map(chr, row)).rstrip("\0").split()) for row in letters], dtype=np.str_)
    cells = data[()].T
    texts = [_cell_of_hdf5(content, reference) for reference in cells.flat]
    return None if None in texts else np.array(texts, dtype=np.str_).reshape(cells.shape)


def _cell_of_hdf5(content: Any, reference: Any) -> str | None:
    """Return the strings of a cell with tabs between; None where it holds something else."""
    cell = content[reference]
    kind = cell.attrs.get("MATLAB_class", b"").decode()
    if cell.attrs.get("MATLAB_empty", 0):
        return ""
    if kind == "cell":
        parts = [_cell_of_hdf5(content, inner) for inner in cell[()].T.flat]
        return None if None in parts else "\t".join(part for part in parts if part)
    return " ".join("".join(map(chr, cell[()].T.flat)).split()) if kind == "char" else None
