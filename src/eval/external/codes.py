"""Codes and labels of other code bases, read with every check that prevents a wrong result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from ...checksums import digest
from ...errors import DataError
from ..arrays.array_files import LoadedArray, read_array
from ..arrays.text_files import UNKNOWN, Margins
from ..ranking.pair_checks import Labels
from ..records.code_files import FoldCodes
from ..records.fold_metrics import LabeledCodes
from ._code_kinds import check_certain, kind_of, read_codes, width_of
from ._labels import as_vectors, read_labels
from ._margins import settle_headings

ROLES = ("queries", "database", "query_labels", "database_labels")


@dataclass(frozen=True)
class Reading:
    """What is known of the files before they are read; None and False to infer it.

    Args:
        bits: length of a code; needed where codes are packed, unless ``kind`` says so and they fill all bits.
        kind: what codes are: "bits" (-1 or 0, and 1), "packed" or "features".
        transpose: whether codes have a column per item. Without it tables are turned where only one way fits.
        margins: whether tables in text files have a heading and an index column.
        gaps: whether, among ±1, a row of 0 alone is an item that has no such code.
    """

    bits: int | None = None
    kind: str | None = None
    transpose: bool = False
    margins: Margins = UNKNOWN
    gaps: bool = False


NOTHING_KNOWN = Reading()


@dataclass(frozen=True)
class ExternalCodes:
    """All that an evaluation needs, as found in files.

    Args:
        codes: codes of the queries and of the database.
        labels: the classes of both, 0/1 (items, classes).
        inputs: for queries, database and the labels of both: file, variable, what it holds, how it was interpreted, whether it was
            transposed, and its checksum.
        understood: the same in words, a line per file and further remarks.
    """

    codes: tuple[FoldCodes, FoldCodes]
    labels: tuple[Labels, Labels]
    inputs: dict[str, dict[str, Any]]
    understood: tuple[str, ...]

    @cached_property
    def sides(self) -> tuple[LabeledCodes, LabeledCodes]:
        """Queries and database, without the items that have no code."""
        query, items = (LabeledCodes.present(*one) for one in zip(self.codes, self.labels, strict=True))
        return query, items


def read_external(queries: str, database: str, query_labels: str, database_labels: str, reading: Reading = NOTHING_KNOWN) -> ExternalCodes:
    """Read codes and labels of queries and database.

    Args:
        queries: a file or a variable of one, see :func:`._array_files.read_array`: ±1, 0/1, truth values or real-valued features, (queries,
            bits), or packed whole numbers, (queries, numbers). A 0 among ±1 or features counts as +1.
        database: the same of the database.
        query_labels: 0/1, (queries, classes), or a class number or name for each query.
        database_labels: the same of the database.
        reading: what is known of the files.

    Raises:
        DataError: for a file, variable or array that cannot be used, or arrays that do not fit together.
    """
    codes, labels = settle_headings(
        _read((queries, database), reading, labels=False), _read((query_labels, database_labels), reading, labels=True)
    )
    if reading.bits is None and reading.kind is None:
        for side in codes:
            check_certain(side)
    stored = [*codes, *labels]
    labels = as_vectors(labels, codes)
    turned = _orientation(codes, labels, reading)
    codes, labels = ([_turn(one) for one in side] if turn else side for side, turn in zip((codes, labels), turned, strict=True))
    kinds = [kind_of(side, reading.bits, reading.kind) for side in codes]
    checksums = {one.file: digest(one.file) for one in stored}
    (first, second), words = read_codes(codes, kinds, reading.bits, [checksums[side.file] for side in codes], reading.gaps)
    classes, taken, said = read_labels(labels)
    facts = zip(ROLES, stored, [*kinds, taken, taken], (turned[0], turned[0], turned[1], turned[1]), strict=True)
    inputs = {role: _facts(one, kind, turn) | {"sha256": checksums[one.file]} for role, one, kind, turn in facts}
    details = zip(inputs.items(), stored, [_length(first, words), _length(second, words), "", ""], strict=True)
    return ExternalCodes((first, second), classes, inputs, (*(_understood(*item, one, more) for item, one, more in details), *said))


def _read(texts: Sequence[str], reading: Reading, *, labels: bool) -> list[LoadedArray]:
    read = [read_array(text, labels=labels, margins=reading.margins) for text in texts]
    return [_checked(one, (1, 2), "biufU") if labels else _checked(one, (2,), "biuf") for one in read]


def _length(codes: FoldCodes, words: str) -> str:
    count = len(codes.codes) - len(codes.absent)
    gaps = f"; {len(codes.absent):,} rows of 0 are items without, left out" if codes.absent else ""
    return f": {count:,} code{'s' * (count != 1)} of {codes.bits} bits{f' in {words}' if words else ''}{gaps}"


def _facts(stored: LoadedArray, kind: str, turned: bool) -> dict[str, Any]:
    return {"file": str(stored.file), "variable": stored.variable, "holds": stored.kind, "as": kind, "transposed": turned}


def _understood(role: str, facts: dict[str, Any], stored: LoadedArray, more: str) -> str:
    """Return how a file was interpreted, in words."""
    taken = f"read as {facts['as']}" + " with a column per item" * facts["transposed"] + more
    name = f"{facts['file']}{':' if facts['variable'] else ''}{facts['variable']}"
    return "; ".join((f"{role}: {name}, {facts['holds']}, {taken}", *stored.notes))


def _checked(stored: LoadedArray, dimensions: tuple[int, ...], kinds: str) -> LoadedArray:
    """Return an array of finite numbers, or of names where they may be, with a fitting number of dimensions."""
    values = stored.values
    if values.dtype.kind not in kinds:
        raise DataError(f"{stored} does not hold real numbers{' or class names' if 'U' in kinds else ''}")
    if values.size == 0:
        raise DataError(f"{stored} is empty")
    if values.ndim not in dimensions:
        expected = "a table with a row per item" + (" or one class number or name per item" if 1 in dimensions else "")
        raise DataError(f"{stored} has {values.ndim} dimension{'s' * (values.ndim != 1)}, but {expected} is needed")
    if values.dtype.kind != "U" and not np.isfinite(values).all():
        position = tuple(map(int, np.argwhere(~np.isfinite(values))[0]))
        raise DataError(f"{stored} holds {values[position]} at {position}, counted from 0: every entry must be a number")
    return stored


def _orientation(codes: Sequence[LoadedArray], labels: Sequence[LoadedArray], reading: Reading) -> tuple[bool, bool]:
    """Return whether codes and labels must be transposed: neither if they fit as stored, else the only way that makes them fit.

    Raises:
        DataError: where no way fits, or more than one.
    """
    tables = labels[0].values.ndim == 2
    ways = list(product((True,) if reading.transpose else (False, True), (False, True) if tables else (False,)))
    misfit = _misfit(codes, labels, reading, ways[0])
    if misfit is None:
        return ways[0]
    fitting = [way for way in ways[1:] if _misfit(codes, labels, reading, way) is None]
    if len(fitting) > 1:
        raise DataError(
            f"{misfit}; transposed in more than one way they would: give -transpose if codes have a column per item, "
            "or save the labels with a row per item"
        )
    if not fitting:
        raise DataError(misfit)
    return fitting[0]


def _misfit(codes: Sequence[LoadedArray], labels: Sequence[LoadedArray], reading: Reading, turned: tuple[bool, bool]) -> str | None:
    """Return why four arrays do not fit together, or None where they do."""
    (queries, items), (query_labels, item_labels) = (
        [_turn(one) if turn else one for one in side] for side, turn in zip((codes, labels), turned, strict=True)
    )
    lengths = [[len(side.values) for side in sides] for sides in ((queries, items), (query_labels, item_labels))]
    if lengths[0] != lengths[1]:
        swapped = ": the labels of queries and database are swapped" if lengths[0] == lengths[1][::-1] else ""
        at = 0 if lengths[0][0] != lengths[1][0] else 1
        return f"{codes[at]} and {labels[at]} do not belong together: {lengths[0][at]:,} codes, {lengths[1][at]:,} labels{swapped}"
    widths = [width_of(side, reading.bits, reading.kind) for side in (queries, items)]
    if widths[0] != widths[1]:
        return f"{codes[0]} and {codes[1]} cannot be compared: codes of {widths[0]} and of {widths[1]} bits"
    if query_labels.values.shape[1:] != item_labels.values.shape[1:]:
        return f"{labels[0]} and {labels[1]} cannot be compared: the number of classes differs"
    return None


def _turn(stored: LoadedArray) -> LoadedArray:
    return replace(stored, values=stored.values.T)
