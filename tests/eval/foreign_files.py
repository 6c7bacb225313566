"""Codes and labels as other code bases leave them: the same arrays in every form of file and every way of writing a code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ranking_oracle import Sample
from scipy.io import savemat

from biodeephashing.codes import pack

BITS = 12
NAMES = ("queries", "database", "query_labels", "database_labels")


def write(folder: Path, ending: str, name: str, values: np.ndarray) -> str:
    """Write an array as others do, and return what the command line calls it."""
    file = folder / f"{name}{ending}"
    if ending == ".npy":
        np.save(file, values)
    elif ending == ".npz":
        np.savez(file, other=np.zeros((4, 4)), **{name: values})
    elif ending == ".mat":
        savemat(file, {name: values, "about": "text", "parts": np.array([{}, {}], dtype=object), "other": np.zeros((4, 4))})
    else:
        np.savetxt(file, values, fmt="%.17g", delimiter={".tsv": "\t", ".csv": ",", ".txt": " "}[ending])
    return f"{file}:{name}" if ending in (".npz", ".mat") else str(file)


def contents(kind: str, features: np.ndarray) -> np.ndarray:
    """The same codes, written in one of the ways in use."""
    ones = features >= 0
    return {
        "signs": np.where(ones, 1, -1).astype(np.int8),
        "signs with zeros": np.sign(features),
        "zero_one": ones.astype(np.float64),
        "bytes": ones.astype(np.uint8),
        "bool": ones,
        "features": features / 2,  # not all whole, as features are
        "packed": pack(features),
    }[kind]


def files_of(folder: Path, sample: Sample, ending: str = ".npy", kind: str = "features") -> list[str]:
    arrays = contents(kind, sample.query_features), contents(kind, sample.database_features), sample.query_labels, sample.database_labels
    return [write(folder, ending, name, values) for name, values in zip(NAMES, arrays, strict=True)]
