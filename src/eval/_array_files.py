"""Arrays of numbers in the files that other code bases write: NumPy, text, MATLAB."""

from __future__ import annotations

import re
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, nearest, unknown_name

_DELIMITERS = {".tsv": "\t", ".csv": ",", ".txt": None}
_ENDINGS = (".npy", ".npz", ".mat", *_DELIMITERS)
_CONTAINERS = (".npz", ".mat")
_NO_NUMBERS = ("cell", "struct", "object", "char", "opaque", "function")  # kinds of MATLAB's variables
_NAMED = re.compile(r"(.*\.\w+):([^:/\\]+)")
_Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Stored:
    """An array, and where it was found.

    Args:
        file: the file.
        variable: its name in the file; empty where a file holds one array only.
        values: the array.
    """

    file: Path
    variable: str
    values: NDArray[Any]

    @property
    def kind(self) -> str:
        """Type and shape, as in "float32 (1000, 64)"."""
        return f"{self.values.dtype} {self.values.shape}"

    def __str__(self) -> str:
        """Return file, variable, type and shape, as messages state them."""
        return f"{self.file}{':' if self.variable else ''}{self.variable} {self.kind}"


def read_array(text: str, *, columns: bool = False) -> Stored:
    """Read an array from a file, or a variable of a file.

    Args:
        text: ``FILE.npy``, ``FILE.tsv`` (tabs), ``FILE.csv`` (commas), ``FILE.txt`` (blanks), ``FILE.npz:NAME`` or ``FILE.mat:NAME``; the
            name may be left out where just one array fits.
        columns: whether a variable of a single column, beside a table, may be meant where the name is left out.

    Raises:
        DataError: for a file that is missing, damaged or of another kind, and for a variable that is missing or must be named.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "codes.csv"
        >>> _ = file.write_text("1,-1\\n-1,-1\\n")
        >>> read_array(str(file)).values.tolist()
        [[1.0, -1.0], [-1.0, -1.0]]
    """
    named = _NAMED.fullmatch(text)
    file, variable = (Path(named[1]), named[2]) if named else (Path(text), "")
    ending = file.suffix.lower()
    if ending not in _ENDINGS:
        raise DataError(f"{file}: {unknown_name('ending', ending, _ENDINGS)}")
    if file.is_dir():
        raise DataError(f"{file} is a folder, not a file")
    if not file.is_file():
        guess = nearest(file.name, [other.name for other in file.parent.glob("*")]) if file.parent.is_dir() else None
        raise DataError(f"there is no file {file}{f'; the nearest is {guess!r}' if guess else ''}")
    if variable and ending not in _CONTAINERS:
        raise DataError(f"{file} holds one array without a name: leave out :{variable}")
    if ending == ".npz":
        return _read_npz(file, variable, columns)
    if ending == ".mat":
        return _read_mat(file, variable, columns)
    return Stored(file, "", read_npy(file) if ending == ".npy" else _read_text(file, _DELIMITERS[ending]))


def read_npy(file: Path) -> NDArray[Any]:
    """Read the array of an ``.npy`` file.

    Raises:
        DataError: for a file that is truncated, holds something else, or is too large.
    """
    with file.open("rb") as stream:
        return _read_plain(stream, str(file))


def _read_plain(stream: IO[bytes], name: str) -> NDArray[Any]:
    """Read one array in NumPy's format; pickled objects, which could run code, are refused."""
    try:
        return np.lib.format.read_array(stream, allow_pickle=False)
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{name} is truncated or not a plain array of NumPy: {error}") from error
    except MemoryError as error:  # also where a damaged heading states a length that is none
        raise DataError(f"{name} does not fit into memory: {error}") from error


def _read_text(file: Path, delimiter: str | None) -> NDArray[np.float64]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "input contained no data": an empty array says so itself
            return np.loadtxt(file, delimiter=delimiter, ndmin=2, comments=None)
    except ValueError as error:
        between = {"\t": "tabs", ",": "commas"}.get(delimiter or "", "blanks")
        raise DataError(f"{file} is not a table of numbers with {between} between them: {in_short(error)}") from error


def in_short(error: Exception) -> str:
    """Return the message of an error of NumPy's, without its advice to programmers and with all rows counted from 1.

    Example:
        >>> in_short(ValueError("could not convert string 'a' to float64 at row 0, column 2."))
        "could not convert string 'a' to float64 at row 1, column 2"
        >>> in_short(ValueError("the number of columns changed from 2 to 1 at row 2; use `usecols` to select a subset"))
        'the number of columns changed from 2 to 1 at row 2'
    """
    words = str(error).partition("; use ")[0].removesuffix(".")
    return re.sub(r"at row (\d+), column", lambda found: f"at row {int(found[1]) + 1}, column", words)  # other messages count from 1


def _read_npz(file: Path, variable: str, columns: bool) -> Stored:
    try:
        with zipfile.ZipFile(file) as archive:
            members = [name for name in archive.namelist() if name.endswith(".npy")]
            shapes = {}
            for member in members:
                with archive.open(member) as stream:
                    shapes[member.removesuffix(".npy")] = _shape_of(stream)
            variable = _choose(file, shapes, shapes, variable, columns)
            with archive.open(f"{variable}.npy") as stream:
                return Stored(file, variable, _read_plain(stream, f"{file}:{variable}"))
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{file} is truncated or not an archive of NumPy: {error}") from error


def _shape_of(stream: IO[bytes]) -> tuple[int, ...]:
    """Return the shape that the header of an array states."""
    major, _ = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    return tuple(read(stream)[0])


def _read_mat(file: Path, variable: str, columns: bool) -> Stored:
    from scipy.io import loadmat, whosmat
    from scipy.io.matlab import MatReadError
    from scipy.sparse import issparse

    try:
        contents = whosmat(file, appendmat=False)
        shapes = {name: tuple(shape) for name, shape, _ in contents}
        numbers = {name: shapes[name] for name, _, kind in contents if kind not in _NO_NUMBERS}
        variable = _choose(file, shapes, numbers, variable, columns)
        values = loadmat(file, variable_names=[variable], appendmat=False)[variable]
    except NotImplementedError as error:
        raise DataError(
            f"{file} is a MATLAB file of version 7.3 (HDF5), which is not read: save it again with save(..., '-v7'), or as .npz"
        ) from error
    except (MatReadError, ValueError, TypeError, LookupError, OSError, zlib.error) as error:
        raise DataError(f"{file} is truncated or not a MATLAB file: {error}") from error
    return Stored(file, variable, values.toarray() if issparse(values) else values)


def _choose(file: Path, shapes: _Shapes, numbers: _Shapes, variable: str, columns: bool) -> str:
    """Return the variable asked for or, where none is, the only one that fits."""
    listing = ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "nothing"
    if variable:
        if variable not in shapes:
            guess = nearest(variable, shapes)
            raise DataError(f"{file} has no variable {variable!r}{f' (did you mean {guess!r}?)' if guess else ''}; it holds {listing}")
        return variable
    tables = [name for name, shape in numbers.items() if len(shape) == 2 and min(shape) > 1]
    longer = [name for name, shape in numbers.items() if len(shape) <= 2 and max(shape, default=0) > 1]
    fitting = (longer if columns else tables) or list(numbers)
    if not fitting:
        raise DataError(f"{file} has no variable with numbers; it holds {listing}")
    if len(fitting) > 1:
        raise DataError(f"{file} holds {listing}: name one of them, as in {file}:NAME")
    return fitting[0]
