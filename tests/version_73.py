"""Files of MATLAB's version 7.3, as MATLAB writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")


def write_v73(file: Path, variables: dict[str, Any]) -> None:
    """Write variables as MATLAB's version 7.3 has them: axes in reverse order, strings as numbers, cells as references."""
    with h5py.File(file, "w", userblock_size=512) as content:
        references = content.create_group("#refs#")
        for name, value in variables.items():
            if isinstance(value, list):
                made = np.empty((1, len(value)), dtype=h5py.ref_dtype)
                for row, text in enumerate(value):
                    letters = references.create_dataset(f"{name}{row}", data=np.array([[ord(letter)] for letter in text], dtype=np.uint16))
                    letters.attrs["MATLAB_class"] = np.bytes_("char")
                    made[0, row] = letters.ref
                data, kind = content.create_dataset(name, data=made, dtype=h5py.ref_dtype), "cell"
            elif value.dtype.kind == "U":
                letters = np.array([[ord(letter) for letter in text.ljust(40)] for text in value], dtype=np.uint16)
                data, kind = content.create_dataset(name, data=letters.T), "char"
            else:
                data, kind = content.create_dataset(name, data=value.transpose()), value.dtype.name.replace("float64", "double")
            data.attrs["MATLAB_class"] = np.bytes_(kind)
