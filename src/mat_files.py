"""Variables of MATLAB files: up to version 7, and of version 7.3, which is HDF5."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat, whosmat
from scipy.io.matlab import MatReadError
from scipy.sparse import csc_matrix, issparse

from .errors import BioDeepHashingError, DataError

_NUMBERS = "biuf"  # kinds of types
_STRUCTURED = ("cell", "struct", "object", "char", "sparse", "opaque", "function", "unknown")  # what else scipy calls a variable


@dataclass(frozen=True)
class Variable:
    """A named array of a file, its axes in the order of MATLAB, or of NumPy where that wrote the file.

    Args:
        file: the file.
        name: its name there; a field of a struct is ``STRUCT.FIELD``.
        shape: its shape.
        kind: whether it holds numbers, strings, or neither.
        read: returns its numbers or strings, several of one cell separated by tabs.
        part: returns what one index of an axis holds, without the others; None where that is no quicker than to read it all.
    """

    file: Path
    name: str
    shape: tuple[int, ...]
    kind: Literal["numbers", "strings", "neither"]
    read: Callable[[], NDArray[Any]]
    part: Callable[[int, int], NDArray[Any]] | None = None

    @classmethod
    def of(cls, file: Path, name: str, values: NDArray[Any]) -> Variable:
        """Return an array as a variable."""
        kind: Any = "strings" if values.dtype.kind == "U" else "numbers" if values.dtype.kind in _NUMBERS else "neither"
        return cls(file, name, values.shape, kind, lambda: values)

    def __str__(self) -> str:
        """Return where it is, and its shape."""
        return f"{self.file}:{self.name} {self.shape}"

    def load(self) -> NDArray[Any]:
        """Return its numbers or strings.

        Raises:
            DataError: if it holds neither, or the file is damaged.
        """
        with _as_damage(self.file):
            values = self.read()
        if self.kind == "neither" or values.dtype.kind not in f"{_NUMBERS}U":
            raise DataError(f"{self} holds neither real numbers nor strings")
        return values

    def take(self, axis: int, index: int) -> NDArray[Any]:
        """Return what one index of an axis holds, without the others; raises as :meth:`load` does."""
        with _as_damage(self.file):
            return np.take(self.load(), index, axis=axis) if self.part is None else self.part(axis, index)


def variables_of(file: Path) -> dict[str, Variable]:
    """Return the variables of a MATLAB file by their names; objects are never built from what it says, and nothing in it is executed.

    Args:
        file: of any version up to 7.3, or an HDF5 file of arrays that Python wrote.

    Raises:
        DataError: naming the file, if it is damaged or of another kind.
        BioDeepHashingError: for version 7.3, if h5py is not there.
    """
    with _as_damage(file):
        found = _of_hdf5(file) if _is_hdf5(file) else _of_version_7(file)
        return {variable.name: variable for variable in found}


@contextmanager
def _as_damage(file: Path) -> Iterator[None]:
    """Turn what the readers raise into an error for people."""
    try:
        yield
    except (MatReadError, NotImplementedError, ValueError, TypeError, LookupError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file} is truncated or not a MATLAB file: {error}") from error


def _of_version_7(file: Path) -> Iterator[Variable]:
    for name, shape, kind in whosmat(file, appendmat=False):

        @cache
        def read(name: str = name) -> Any:
            return loadmat(file, variable_names=[name], appendmat=False)[name]

        if kind in _STRUCTURED:
            yield from _parts(file, name, read())
        else:
            yield Variable(file, name, tuple(shape), "numbers", read)


def _parts(file: Path, path: str, values: Any) -> Iterator[Variable]:
    """Yield the arrays of a struct; a variable that is no struct, or an array of structs, is one itself."""
    names = getattr(values.dtype, "names", None)
    if names is not None and values.size == 1:
        for name in names:
            yield from _parts(file, f"{path}.{name}", values.item()[names.index(name)])
    elif issparse(values):
        yield Variable.of(file, path, values.toarray())
    elif values.dtype == object and values.size and all(map(_is_text, values.flat)):
        yield Variable.of(file, path, np.array([_text_of(cell) for cell in values.flat], dtype=np.str_).reshape(values.shape))
    elif values.dtype.kind == "U":
        yield Variable.of(file, path, np.array([_text_of(text) for text in values.flat], dtype=np.str_).reshape(values.shape))
    else:
        yield Variable.of(file, path, values)


def _is_text(cell: Any) -> bool:
    """Return whether a cell holds strings alone."""
    if isinstance(cell, np.ndarray):
        return cell.dtype.kind == "U" or (cell.dtype == object and all(map(_is_text, cell.flat)))
    return isinstance(cell, str)


def _text_of(cell: Any) -> str:
    """Return the strings of a cell, with tabs between."""
    parts = [_text_of(part) for part in cell.flat] if isinstance(cell, np.ndarray) else [_plain(str(cell))]
    return "\t".join(part for part in parts if part)


def _plain(text: str) -> str:
    return " ".join(text.split())


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
        if not name.startswith("#"):
            yield from _parts_of_hdf5(file, name, data, content)


def _parts_of_hdf5(file: Path, path: str, data: Any, content: Any) -> Iterator[Variable]:
    """Yield the arrays of a group or a dataset of HDF5, where MATLAB's axes stand in reverse order."""
    kind = _class_of(data)
    if "MATLAB_sparse" in data.attrs:
        shape = (int(data.attrs["MATLAB_sparse"]), len(data["jc"]) - 1)
        columns = [data[name][()] if name in data else np.empty(0) for name in ("data", "ir")]
        yield Variable.of(file, path, csc_matrix((*columns, data["jc"][()]), shape=shape).toarray())
    elif hasattr(data, "items"):
        for name, field in data.items():
            yield from _parts_of_hdf5(file, f"{path}.{name}", field, content)
    elif data.dtype.kind in "OS" or kind == "char":
        texts = _texts_of_hdf5(content, data, kind)
        yield Variable.of(file, path, np.empty(data.shape[::-1], dtype=object) if texts is None else texts)
    elif data.dtype.kind in _NUMBERS:
        yield _of_dataset(file, path, data, backwards=bool(kind))


def _of_dataset(file: Path, name: str, data: Any, *, backwards: bool) -> Variable:
    def part(axis: int, index: int) -> NDArray[Any]:
        stored = data.ndim - 1 - axis if backwards else axis
        values: NDArray[Any] = data[(*(slice(None),) * stored, index)]
        return values.T if backwards else values

    shape = data.shape[::-1] if backwards else data.shape
    return Variable(file, name, tuple(shape), "numbers", lambda: data[()].T if backwards else data[()], part)


def _texts_of_hdf5(content: Any, data: Any, kind: str) -> NDArray[np.str_] | None:
    """Return the strings of a dataset; None for cells of something else."""
    if kind == "char":
        letters = data[()].T  # (n, longest), a row each
        return np.array([_plain("".join(map(chr, row)).rstrip("\0")) for row in letters], dtype=np.str_)
    if kind == "cell":
        cells = data[()].T
        texts = [_cell_of_hdf5(content, reference) for reference in cells.flat]
        return None if None in texts else np.array(texts, dtype=np.str_).reshape(cells.shape)
    if data.dtype.kind == "S" or "vlen" in (data.dtype.metadata or {}):
        return np.array([_plain(text) for text in data.asstr()[()].flat], dtype=np.str_).reshape(data.shape)
    return None


def _cell_of_hdf5(content: Any, reference: Any) -> str | None:
    """Return the strings of a cell with tabs between; None where it holds something else."""
    cell = content[reference]
    kind = _class_of(cell)
    if cell.attrs.get("MATLAB_empty", 0):
        return ""
    if kind == "cell":
        parts = [_cell_of_hdf5(content, inner) for inner in cell[()].T.flat]
        return None if None in parts else "\t".join(part for part in parts if part)
    return _plain("".join(map(chr, cell[()].T.flat))) if kind == "char" else None


def _class_of(data: Any) -> str:
    """Return what MATLAB calls an object of HDF5; empty where another program wrote it."""
    name = data.attrs.get("MATLAB_class", b"")
    return name.decode() if isinstance(name, bytes) else str(name)
