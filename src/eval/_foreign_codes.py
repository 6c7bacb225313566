"""Codes and labels of other code bases, read with every check that prevents a wrong result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from ..checksums import digest
from ..codes import pack
from ..errors import DataError
from ._array_files import Stored, read_array
from ._code_files import FoldCodes
from ._pairs import Labels

SIGNS, ZERO_ONE, FEATURES, PACKED = "±1", "0/1", "signs of real-valued features", "packed bits"
CLASS_NUMBERS, CLASS_COLUMNS = "class numbers", "0/1, a column per class"
ROLES = ("queries", "database", "query_labels", "database_labels")


@dataclass(frozen=True)
class Foreign:
    """All that an evaluation needs, as found in files.

    Args:
        codes: codes of the queries and of the database.
        labels: the classes of both, 0/1 (items, classes).
        inputs: for queries, database and the labels of both: file, variable, what it holds, what it was taken for, whether it was
            transposed, and its checksum.
    """

    codes: tuple[FoldCodes, FoldCodes]
    labels: tuple[Labels, Labels]
    inputs: dict[str, dict[str, Any]]


def read_foreign(
    queries: str, database: str, query_labels: str, database_labels: str, *, bits: int | None = None, transpose: bool = False
) -> Foreign:
    """Read codes and labels of queries and database.

    Args:
        queries: a file or a variable of one, see :func:`._array_files.read_array`: ±1, 0/1, truth values or real-valued features, (queries,
            bits), or packed uint8, (queries, bytes). A 0 among ±1 or features counts as +1.
        database: the same of the database.
        query_labels: 0/1, (queries, classes), or a class number for each query.
        database_labels: the same of the database.
        bits: length of a code; needed where codes are packed.
        transpose: whether codes have a column per item. Without it tables are turned where only one way fits.

    Raises:
        DataError: for a file, variable or array that cannot be used, or arrays that do not fit together.
    """
    stored = [_checked(read_array(text), (2,)) for text in (queries, database)]
    stored += [_checked(read_array(text, columns=True), (1, 2)) for text in (query_labels, database_labels)]
    codes, labels = stored[:2], _as_vectors(stored[2:], stored[:2])
    if bits is None:
        _refuse_bytes(codes)
    turned = _orientation(codes, labels, bits, transpose)
    codes, labels = ([_turn(one) for one in side] if turn else side for side, turn in zip((codes, labels), turned, strict=True))
    kinds = [_kind_of_codes(side, bits) for side in codes]
    _check_conventions(codes, kinds)
    checksums = {one.file: digest(one.file) for one in stored}
    ranked = all(kind == FEATURES for kind in kinds)
    first, second = (_codes(side, kind, bits, ranked, checksums[side.file]) for side, kind in zip(codes, kinds, strict=True))
    numbers = labels[0].values.ndim == 1
    classes = CLASS_NUMBERS if numbers else CLASS_COLUMNS
    facts = zip(ROLES, stored, [*kinds, classes, classes], (turned[0], turned[0], turned[1], turned[1]), strict=True)
    inputs = {role: _facts(one, kind, turn) | {"sha256": checksums[one.file]} for role, one, kind, turn in facts}
    return Foreign((first, second), _one_hot(labels) if numbers else _zero_one(labels), inputs)


def _facts(stored: Stored, kind: str, turned: bool) -> dict[str, Any]:
    return {"file": str(stored.file), "variable": stored.variable, "holds": stored.kind, "as": kind, "transposed": turned}


def _checked(stored: Stored, dimensions: tuple[int, ...]) -> Stored:
    """Return an array of finite numbers with a fitting number of dimensions."""
    values = stored.values
    if values.dtype.kind not in "biuf":
        raise DataError(f"{stored} does not hold real numbers")
    if values.size == 0:
        raise DataError(f"{stored} is empty")
    if values.ndim not in dimensions:
        wanted = "a table with a row per item" + (" or one class number per item" if 1 in dimensions else "")
        raise DataError(f"{stored} has {values.ndim} dimension{'s' * (values.ndim != 1)}, but {wanted} is needed")
    if not np.isfinite(values).all():
        place = tuple(map(int, np.argwhere(~np.isfinite(values))[0]))
        raise DataError(f"{stored} holds {values[place]} at {place}, counted from 0: every entry must be a number")
    return stored


def _refuse_bytes(codes: Sequence[Stored]) -> None:
    """Refuse packed codes whose length was not given: the number of bytes does not tell it."""
    for side in codes:
        if side.values.dtype == np.uint8 and side.values.max() > 1:
            raise DataError(
                f"{side} holds values up to {side.values.max()}: if these are packed codes, eight bits a byte, say with -bits how many "
                "bits a code has, since the number of bytes does not tell"
            )


def _as_vectors(labels: Sequence[Stored], codes: Sequence[Stored]) -> list[Stored]:
    """Return class numbers as vectors, where both sides are a single column, or a row that is not that of a single item."""
    single = [
        side.values.ndim == 1 or side.values.shape[1] == 1 or (len(side.values) == 1 and len(items.values) > 1)
        for side, items in zip(labels, codes, strict=True)
    ]
    if all(single):
        return [replace(side, values=side.values.reshape(-1)) for side in labels]
    for side in labels:
        if side.values.ndim == 1:
            raise DataError(f"{labels[0]} and {labels[1]}: one holds class numbers, the other a table: write both in the same way")
    return list(labels)


def _orientation(codes: Sequence[Stored], labels: Sequence[Stored], bits: int | None, transpose: bool) -> tuple[bool, bool]:
    """Return whether codes and labels must be transposed: neither if they fit as stored, else the only way that makes them fit.

    Raises:
        DataError: where no way fits, or more than one.
    """
    tables = labels[0].values.ndim == 2
    ways = list(product((True,) if transpose else (False, True), (False, True) if tables else (False,)))
    misfit = _misfit(codes, labels, bits, ways[0])
    if misfit is None:
        return ways[0]
    fitting = [way for way in ways[1:] if _misfit(codes, labels, bits, way) is None]
    if len(fitting) > 1:
        raise DataError(
            f"{misfit}; transposed in more than one way they would: give -transpose if codes have a column per item, "
            "or save the labels with a row per item"
        )
    if not fitting:
        raise DataError(misfit)
    return fitting[0]


def _misfit(codes: Sequence[Stored], labels: Sequence[Stored], bits: int | None, turned: tuple[bool, bool]) -> str | None:
    """Return why four arrays do not fit together, or None where they do."""
    (queries, items), (query_labels, item_labels) = (
        [_turn(one) if turn else one for one in side] for side, turn in zip((codes, labels), turned, strict=True)
    )
    lengths = [[len(side.values) for side in sides] for sides in ((queries, items), (query_labels, item_labels))]
    if lengths[0] != lengths[1]:
        swapped = ": the labels of queries and database are swapped" if lengths[0] == lengths[1][::-1] else ""
        at = 0 if lengths[0][0] != lengths[1][0] else 1
        return f"{codes[at]} and {labels[at]} do not belong together: {lengths[0][at]:,} codes, {lengths[1][at]:,} labels{swapped}"
    widths = [_width(side, bits) for side in (queries, items)]
    if widths[0] != widths[1]:
        return f"{codes[0]} and {codes[1]} cannot be compared: codes of {widths[0]} and of {widths[1]} bits"
    if query_labels.values.shape[1:] != item_labels.values.shape[1:]:
        return f"{labels[0]} and {labels[1]} cannot be compared: the number of classes differs"
    return None


def _turn(stored: Stored) -> Stored:
    return replace(stored, values=stored.values.T)


def _width(stored: Stored, bits: int | None) -> int:
    return bits if bits is not None and _is_packed(stored, bits) else stored.values.shape[1]


def _is_packed(stored: Stored, bits: int) -> bool:
    """Tell whether rows of bytes are codes of that many bits, rather than 0/1 in bytes."""
    values = stored.values
    return values.dtype == np.uint8 and values.shape[1] == (bits + 7) // 8 and (bits > 1 or int(values.max()) > 1)


def _kind_of_codes(stored: Stored, bits: int | None) -> str:
    """Return what the entries are."""
    values, width = stored.values, stored.values.shape[1]
    if bits is not None and _is_packed(stored, bits):
        if bits % 8 and (values[:, -1] & (0xFF >> bits % 8)).any():
            raise DataError(
                f"{stored} has ones beyond the {bits} bits of a code: the number is wrong, or the first bit is the lowest of a byte, "
                "not the highest (then save np.unpackbits(codes, axis=1, bitorder='little') instead)"
            )
        return PACKED
    if bits is not None and width != bits:
        raise DataError(f"{stored} holds no codes of {bits} bits: {bits} columns, or {(bits + 7) // 8} of packed uint8, would")
    if ((values == 0) | (values == 1)).all():
        return ZERO_ONE
    if ((values == 0) | (np.abs(values) == 1)).all():
        return SIGNS
    if values.min() >= 0:
        raise DataError(
            f"{stored} holds values from {values.min():g} to {values.max():g}: with none below 0 every bit would be +1. "
            "From features take off the threshold first (0.5 where they end in a sigmoid); packed codes must be uint8"
        )
    return FEATURES


def _check_conventions(codes: Sequence[Stored], kinds: Sequence[str]) -> None:
    """Refuse a 0 that would be -1 in one file and +1 in the other."""
    for zero_one, other in ((0, 1), (1, 0)):
        values = codes[zero_one].values
        if kinds[zero_one] == ZERO_ONE and kinds[other] in (SIGNS, FEATURES) and values.dtype != bool and (values == 0).any():
            raise DataError(f"{codes[zero_one]} holds 0/1, but {codes[other]} holds {kinds[other]}: write both in the same way")


def _codes(stored: Stored, kind: str, bits: int | None, ranked: bool, checksum: str) -> FoldCodes:
    """Return packed codes, and the features where the order of tied items can be taken from them."""
    values, signed = np.ascontiguousarray(stored.values), kind in (SIGNS, FEATURES)
    packed = values if kind == PACKED else pack(values) if signed else np.packbits(values != 0, axis=1)
    width = bits if kind == PACKED and bits is not None else values.shape[1]
    zeros = int(np.count_nonzero(values == 0)) if signed else 0
    return FoldCodes(packed, width, zeros, values if ranked else None, checksum, checksum if ranked else None)


def _one_hot(labels: Sequence[Stored]) -> tuple[Labels, Labels]:
    """Return class numbers as 0/1, with a column for each class of either side."""
    for side in labels:
        wrong = np.flatnonzero((side.values < 0) | (side.values != np.floor(side.values)))
        if len(wrong):
            value = side.values[wrong[0]]
            raise DataError(f"{side} holds {value:g} in row {wrong[0]}, counted from 0: class numbers are whole numbers of at least 0")
    classes = np.unique(np.concatenate([side.values for side in labels]))
    queries, items = (np.zeros((len(side.values), len(classes)), dtype=np.uint8) for side in labels)
    for side, indicators in zip(labels, (queries, items), strict=True):
        indicators[np.arange(len(indicators)), np.searchsorted(classes, side.values)] = 1
    return queries, items


def _zero_one(labels: Sequence[Stored]) -> tuple[Labels, Labels]:
    """Return 0/1 as bytes."""
    for side in labels:
        wrong = np.argwhere((side.values != 0) & (side.values != 1))
        if len(wrong):
            place = tuple(map(int, wrong[0]))
            raise DataError(
                f"{side} holds {side.values[place]:g} at {place}, counted from 0: labels are a table of 0 and 1 with a column per class, "
                "or one class number per item"
            )
    queries, items = (side.values.astype(np.uint8, order="C") for side in labels)
    return queries, items
