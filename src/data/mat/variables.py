"""Variables of MATLAB files, of ``.npy`` files and of text files, all alike."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ... import mat_files
from ...errors import DataError
from ...mat_files import Variable


def variables_of(file: Path) -> Iterable[Variable]:
    """Return the variables of a file; pickled objects, which could run code, are never loaded.

    Args:
        file: a ``.mat`` file, an ``.npy`` file, whose variable is called as the file, or a ``.txt`` file, whose lines are strings.

    Raises:
        DataError: naming the file, if it is missing, damaged or of another kind.
        BioDeepHashingError: for version 7.3 of MATLAB, if h5py is not there.
    """
    if not file.is_file():
        raise DataError(f"there is no file {file}")
    if file.suffix.lower() not in (".txt", ".npy"):
        return mat_files.variables_of(file).values()
    try:
        if file.suffix.lower() == ".npy":
            values = np.load(file, mmap_mode="r", allow_pickle=False)
        else:
            values = np.array(file.read_text("utf-8").removesuffix("\n").split("\n"), dtype=np.str_)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{file} is damaged, or no {'array of NumPy' if file.suffix == '.npy' else 'text in UTF-8'}: {error}") from error
    return [Variable.of(file, file.stem, values)]
