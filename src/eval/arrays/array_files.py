"""Arrays in the files that other code bases write: NumPy, text, MATLAB, PyTorch."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, nearest, unknown_name
from .text_files import ENDINGS, UNKNOWN, Margins, ending_of, read_text

_CONTAINERS = (".npz", ".mat", ".pt", ".pth")
_ENDINGS = (".npy", *_CONTAINERS, *ENDINGS, *(f"{ending}.gz" for ending in ENDINGS))
_NAMED = re.compile(r"(.*\.\w+):([^:/\\]+)")
_Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class LoadedArray:
    """An array, and where it was found.

    Args:
        file: the file.
        variable: its name in the file; empty where a file holds one array only.
        values: the array.
        notes: how it was read, where that does not go without saying.
        perhaps_heading: what the first row looks like, where it may be a heading as well as data; else empty.
    """

    file: Path
    variable: str
    values: NDArray[Any]
    notes: tuple[str, ...] = ()
    perhaps_heading: str = ""

    @property
    def kind(self) -> str:
        """Type and shape, as in "float32 (1000, 64)"."""
        return f"{self.values.dtype} {self.values.shape}"

    def __str__(self) -> str:
        """Return file, variable, type and shape, as messages state them, and how it was read."""
        notes = f" ({', '.join(self.notes)})" if self.notes else ""
        return f"{self.file}{':' if self.variable else ''}{self.variable} {self.kind}{notes}"


def read_array(text: str, *, labels: bool = False, margins: Margins = UNKNOWN) -> LoadedArray:
    """Read an array from a file, or a variable of a file.

    Args:
        text: ``FILE.npy``, ``FILE.tsv``, ``FILE.csv`` or ``FILE.txt`` (also ``.gz``), or a variable of a file: ``FILE.npz:NAME``,
            ``FILE.mat:NAME``, ``FILE.pt:NAME``, with dots between the names of nested ones; the name may be left out where just one
            array fits.
        labels: whether a column of names, or a variable of a single column beside a table, may be meant.
        margins: what is known of the heading and the index column of a text file.

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
    ending = ending_of(file)
    if ending not in (".npy", *_CONTAINERS, *ENDINGS):
        raise DataError(f"{file}: {unknown_name('ending', ending, _ENDINGS)}")
    if file.is_dir():
        raise DataError(f"{file} is a directory, not a file")
    if not file.is_file():
        guess = nearest(file.name, [other.name for other in file.parent.glob("*")]) if file.parent.is_dir() else None
        raise DataError(f"there is no file {file}{f'; the nearest is {guess!r}' if guess else ''}")
    if variable and ending not in _CONTAINERS:
        raise DataError(f"{file} holds one array without a name: leave out :{variable}")
    if ending in ENDINGS:
        table = read_text(file, margins, names=labels)
        return LoadedArray(file, "", table.values, table.notes, table.perhaps_heading)
    return LoadedArray(file, *_READERS[ending](file, variable, labels))


def read_npy(file: Path) -> NDArray[Any]:
    """Read the array of an ``.npy`` file.

    Raises:
        DataError: for a file that is truncated, holds something else, or is too large.
    """
    with file.open("rb") as stream:
        return _read_plain(stream, str(file))


def map_npy(file: Path) -> NDArray[Any]:
    """Map the array of an ``.npy`` file into memory, to read a few of its rows.

    Raises:
        DataError: for a file that is truncated, or holds something else.
    """
    try:
        mapped: NDArray[Any] = np.lib.format.open_memmap(file, mode="r")
    except (ValueError, EOFError) as error:
        raise DataError(f"{file} is truncated or not a plain array of NumPy: {error}") from error
    return mapped


def _read_plain(stream: IO[bytes], name: str) -> NDArray[Any]:
    """Read one array in NumPy's format; pickled objects, which could run code, are refused."""
    try:
        return np.lib.format.read_array(stream, allow_pickle=False)
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{name} is truncated or not a plain array of NumPy: {error}") from error
    except MemoryError as error:  # also where a damaged heading states a length that is none
        raise DataError(f"{name} does not fit into memory: {error}") from error


def _only(file: Path, variable: str, labels: bool) -> tuple[str, NDArray[Any]]:
    return variable, read_npy(file)


def _read_npz(file: Path, variable: str, labels: bool) -> tuple[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(file) as archive:
            members = [name for name in archive.namelist() if name.endswith(".npy")]
            shapes = {}
            for member in members:
                with archive.open(member) as stream:
                    shapes[member.removesuffix(".npy")] = _shape_of(stream)
            variable = _choose(file, shapes, shapes, variable, labels)
            with archive.open(f"{variable}.npy") as stream:
                return variable, _read_plain(stream, f"{file}:{variable}")
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{file} is truncated or not an archive of NumPy: {error}") from error


def _shape_of(stream: IO[bytes]) -> tuple[int, ...]:
    """Return the shape that the header of an array states."""
    major, _ = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    return tuple(read(stream)[0])


def _read_mat(file: Path, variable: str, labels: bool) -> tuple[str, NDArray[Any]]:
    from ...mat_files import variables_of  # SciPy, for those who have such files

    variables = variables_of(file)
    shapes = {name: one.shape for name, one in variables.items()}
    numbers = {name: one.shape for name, one in variables.items() if one.kind == "numbers"}
    variable = _choose(file, shapes, numbers, variable, labels)
    return variable, variables[variable].load()


def _read_torch(file: Path, variable: str, labels: bool) -> tuple[str, NDArray[Any]]:
    from ._torch_files import load_tensors

    tensors = load_tensors(file)
    if list(tensors) == [""]:
        if variable:
            raise DataError(f"{file} holds one tensor without a name: leave out :{variable}")
        return "", tensors[""]
    shapes = {name: values.shape for name, values in tensors.items()}
    variable = _choose(file, shapes, shapes, variable, labels)
    return variable, tensors[variable]


_READERS: Mapping[str, Callable[[Path, str, bool], tuple[str, NDArray[Any]]]] = {
    ".npy": _only,
    ".npz": _read_npz,
    ".mat": _read_mat,
    ".pt": _read_torch,
    ".pth": _read_torch,
}


def _choose(file: Path, shapes: _Shapes, numbers: _Shapes, variable: str, labels: bool) -> str:
    """Return the variable asked for or, where none is, the only one that fits."""
    listing = ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "nothing"
    if variable:
        if variable not in shapes:
            guess = nearest(variable, shapes)
            raise DataError(f"{file} has no variable {variable!r}{f' (did you mean {guess!r}?)' if guess else ''}; it holds {listing}")
        return variable
    tables = [name for name, shape in numbers.items() if len(shape) == 2 and min(shape) > 1]
    longer = [name for name, shape in numbers.items() if len(shape) <= 2 and max(shape, default=0) > 1]
    fitting = (longer if labels else tables) or list(numbers)
    if not fitting:
        raise DataError(f"{file} has no variable with numbers; it holds {listing}")
    if len(fitting) > 1:
        raise DataError(f"{file} holds {listing}: name one of them, as in {file}:NAME")
    return fitting[0]
