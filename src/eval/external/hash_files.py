"""The files of codes of images and texts that cross-modal code bases write, ``<bits>-hash.mat``: written, and read as four directions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from scipy.io import savemat

from ...codes import unpack
from ...errors import DataError, UsageError, nearest
from ...mat_files import variables_of
from ...runs import replacing
from ..ranking.pair_checks import Labels
from ..records.code_files import FoldCodes
from ..records.directions import directions_of
from .codes import ExternalCodes, Reading, read_external

VIEWS = {"image": "img", "text": "txt"}  # what the variables call them
SIDES = {"query": "q", "database": "r"}  # the database is what is retrieved
_LABELS = ("L", "l")  # of ours, and of the followers of DCMHT; torchcmh writes none


def write_hash_file(file: Path, sides: Mapping[str, Mapping[str, FoldCodes]], labels: Mapping[str, Labels]) -> None:
    """Write codes as ±1, int8 (n, bits), in ``q_img``, ``q_txt``, ``r_img`` and ``r_txt``, and labels as 0/1 in ``q_L`` and ``r_L``.

    An item that lacks a view has a row of 0 there.

    Args:
        file: the file to write or replace.
        sides: codes of query and database, by view.
        labels: labels of query and database, (n, classes).
    """
    variables = {f"{SIDES[fold]}_{_LABELS[0]}": values for fold, values in labels.items()}
    for fold, views in sides.items():
        for view, codes in views.items():
            signs = unpack(codes.codes, codes.bits)
            signs[list(codes.absent)] = 0
            variables[f"{SIDES[fold]}_{VIEWS[view]}"] = signs
    with replacing(file) as temporary, temporary.open("wb") as stream:
        savemat(stream, variables, do_compression=True)


def read_hash_file(file: Path, labels: tuple[str, str] | None, reading: Reading) -> dict[str, ExternalCodes]:
    """Read the codes of images and texts of a file, by direction.

    Args:
        file: a MATLAB file as :func:`write_hash_file` writes it, or torchcmh, which leaves out the labels, or the followers of DCMHT.
        labels: files, or variables of files, of the labels of queries and database; None for those in the file itself.
        reading: what is known of the file.

    Raises:
        UsageError: if labels are nowhere.
        DataError: for a file that cannot be used.
    """
    if not file.is_file():
        guess = nearest(file.name, [other.name for other in file.parent.glob("*.mat")]) if file.parent.is_dir() else None
        raise DataError(f"there is no file {file}{f'; the nearest is {guess!r}' if guess else ''}")
    present = variables_of(file)
    needed = [f"{side}_{view}" for side in SIDES.values() for view in VIEWS.values()]
    if missing := [name for name in needed if name not in present]:
        raise DataError(f"{file} has no {', '.join(missing)}; it holds {', '.join(present) or 'nothing'}")
    if labels is None:
        ending = next((ending for ending in _LABELS if all(f"{side}_{ending}" in present for side in SIDES.values())), None)
        if ending is None:
            raise UsageError(f"{file} holds no labels, q_L and r_L: name theirs, -query_labels FILE -database_labels FILE")
        labels = f"{file}:q_{ending}", f"{file}:r_{ending}"
    return {
        name: read_external(f"{file}:q_{VIEWS[query]}", f"{file}:r_{VIEWS[item]}", *labels, reading)
        for name, (query, item) in directions_of(VIEWS).items()
    }
