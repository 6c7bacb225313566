"""What codes and labels must be before they are compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import BioDeepHashingError

Codes = NDArray[np.uint8]
Labels = NDArray[np.generic]

WIDEST = 4095  # bytes of a code: twice a distance and one bit are held in 16 bits


def check_same(columns: tuple[NDArray[np.unsignedinteger], ...], *, other_view: bool = False) -> None:
    """Refuse to leave each query out of a database that does not hold it in the same row.

    Args:
        columns: codes of queries and database, then their labels.
        other_view: whether the codes may differ.
    """
    sides = (("codes", columns[0], columns[1]), ("labels", columns[2], columns[3]))
    for what, queries, items in sides[other_view:]:
        if not np.array_equal(queries, items[:, : queries.shape[1]]):
            raise BioDeepHashingError(
                f"leave_one_out needs the first items of the database as queries, row by row, but their {what} differ"
            )
    if columns[1].shape[1] < 2:
        raise BioDeepHashingError("one item alone cannot be ranked against others")


def check_codes_and_labels(codes: tuple[Codes, Codes], labels: tuple[Labels, Labels], bits: int | None, classes: int | None = None) -> None:
    """Refuse packed codes and labels that do not belong together.

    Args:
        codes: of queries and database, uint8 (n, bytes).
        labels: of queries and database, (n, classes), or packed.
        bits: length of a code; None for all bits of the bytes.
        classes: number of classes where labels are packed.
    """
    for side, own, theirs in zip(("query", "database"), codes, labels, strict=True):
        _check_side(side, own, theirs)
    for what, (one, other) in (("codes of different width", codes), ("labels of different length", labels)):
        if one.shape[1] != other.shape[1]:
            unit = " (bytes)" if what.startswith("codes") else ""
            raise BioDeepHashingError(f"{what} cannot be compared: queries {one.shape}, database {other.shape}{unit}")
    for side, own, theirs in zip(("query", "database"), codes, labels, strict=True):
        if bits is not None:
            _check_width(side, "codes", own, bits, "bits")
        if classes is not None:
            _check_width(side, "labels", theirs, classes, "classes")


def _check_side(side: str, codes: Codes, labels: Labels) -> None:
    """Refuse codes and labels of one side that do not belong together."""
    if codes.shape[1] > WIDEST:
        raise BioDeepHashingError(f"the {side} codes {codes.shape} (items, bytes) are too long: {WIDEST:,} bytes are the most")
    if labels.ndim != 2 or labels.shape[1] == 0:
        raise BioDeepHashingError(f"the {side} labels must be 0/1 (items, classes), not {labels.shape}")
    if len(codes) != len(labels):
        raise BioDeepHashingError(f"the {side} has {len(codes)} codes but {len(labels)} rows of labels")


def _check_width(side: str, what: str, rows: NDArray[np.generic], size: int, unit: str) -> None:
    """Refuse packed rows that are not of that many bits or classes."""
    width = rows.shape[1]
    if rows.dtype != np.uint8:
        raise BioDeepHashingError(f"packed {what} are bytes (uint8), not {rows.dtype} as the {side} {what} {rows.shape} are")
    if not 8 * (width - 1) < size <= 8 * width:
        raise BioDeepHashingError(f"{what} of {size} {unit} are not {width} bytes wide, as the {side} {what} {rows.shape} are")
    if (rows[:, -1] & (0xFF >> (size - 8 * (width - 1)))).any():
        raise BioDeepHashingError(
            f"the {side} {what} {rows.shape} have ones beyond {size} {unit}: packing fills the last byte up with zeros"
        )
