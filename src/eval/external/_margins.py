"""Headings that look like data, recognised by how many codes and labels there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from ...errors import DataError
from ..arrays.array_files import LoadedArray
from ..arrays.text_files import heading_note


def settle_headings(codes: Sequence[LoadedArray], labels: Sequence[LoadedArray]) -> tuple[list[LoadedArray], list[LoadedArray]]:
    """Return codes and labels without the first rows that must be headings, because only then there is one label per code.

    Args:
        codes: those of the queries and of the database.
        labels: the same.

    Raises:
        DataError: where the numbers fit with and without headings, and the first row of codes looks like one.
    """
    pairs = [_settle(*pair) for pair in zip(codes, labels, strict=True)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _settle(codes: LoadedArray, labels: LoadedArray) -> tuple[LoadedArray, LoadedArray]:
    ways = product(_readings(codes), _readings(labels))
    fitting = [(one, other) for one, other in ways if len(one.values) == len(other.values)]
    if len(fitting) > 1 and codes.values.shape[1] > 2:
        raise DataError(
            f"the first row of {codes} is {codes.perhaps_heading} and that of {labels} is {labels.perhaps_heading}: "
            "say -heading yes if these are headings, or -heading no if they are data"
        )
    return fitting[0] if fitting else (codes, labels)


def _readings(stored: LoadedArray) -> list[LoadedArray]:
    """Return a table as it is and, where its first row may be a heading, without it."""
    if not stored.perhaps_heading:
        return [stored]
    notes = (*stored.notes, heading_note(stored.perhaps_heading))
    return [stored, replace(stored, values=stored.values[1:], notes=notes, perhaps_heading="")]
