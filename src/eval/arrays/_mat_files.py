"""Variables of MATLAB files up to version 7, and the fields of their structs."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat, whosmat
from scipy.io.matlab import MatReadError
from scipy.sparse import issparse

from ...errors import DataError

_NO_NUMBERS = ("cell", "struct", "object", "char", "opaque", "function")  # kinds of MATLAB's variables
Shapes = dict[str, tuple[int, ...]]
_T = TypeVar("_T")


def look_into_mat(file: Path) -> tuple[Shapes, Shapes]:
    """Return the shapes of all variables, fields of structs as ``STRUCT.FIELD``, and of those that hold numbers.

    Raises:
        DataError: for a file that is damaged, no MATLAB file, or of version 7.3.
    """

    def look() -> tuple[Shapes, Shapes]:
        contents = whosmat(file, appendmat=False)
        shapes = {name: tuple(shape) for name, shape, kind in contents if kind != "struct"}
        numbers = {name: shapes[name] for name, _, kind in contents if kind not in _NO_NUMBERS}
        structs = [name for name, _, kind in contents if kind == "struct"]
        loaded = loadmat(file, variable_names=structs, appendmat=False) if structs else {}
        fields = {path: values for name in structs for path, values in _fields(name, loaded[name])}
        shapes |= {path: values.shape for path, values in fields.items()}
        numbers |= {path: values.shape for path, values in fields.items() if values.dtype.kind in "biufc"}
        return shapes, numbers

    return _guarded(file, look)


def load_mat(file: Path, variable: str) -> NDArray[Any]:
    """Return a variable, or a field of a struct; a cell array of texts as texts.

    Args:
        file: the file.
        variable: a name that :func:`look_into_mat` returned.

    Raises:
        DataError: as :func:`look_into_mat` does.
    """

    def load() -> NDArray[Any]:
        name = variable.partition(".")[0]
        return _plain(dict(_fields(name, loadmat(file, variable_names=[name], appendmat=False)[name]))[variable])

    return _guarded(file, load)


def _fields(path: str, values: Any) -> Iterator[tuple[str, Any]]:
    """Yield the arrays of a struct with their paths; a variable that is no struct, or an array of structs, is one itself."""
    names = getattr(values.dtype, "names", None)
    if names is None or values.size != 1:
        yield path, values
        return
    for name in names:
        yield from _fields(f"{path}.{name}", values.item()[names.index(name)])


def _plain(values: Any) -> NDArray[Any]:
    if issparse(values):
        return np.asarray(values.toarray())
    if values.dtype == object and all(isinstance(cell, np.ndarray) and cell.dtype.kind == "U" and cell.size == 1 for cell in values.flat):
        return np.array([cell.item() for cell in values.flat], dtype=np.str_).reshape(values.shape)
    return np.asarray(values)


def _guarded(file: Path, read: Callable[[], _T]) -> _T:
    """Call a function that reads a file, with errors for people."""
    try:
        return read()
    except NotImplementedError as error:
        raise DataError(
            f"{file} is a MATLAB file of version 7.3 (HDF5), which is not read: save it again with save(..., '-v7'), or as .npz"
        ) from error
    except (MatReadError, ValueError, TypeError, LookupError, OSError, zlib.error) as error:
        raise DataError(f"{file} is truncated or not a MATLAB file: {error}") from error
