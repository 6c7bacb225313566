"""Class numbers as labels: one whole number for each image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..metadata import parse_label_names
from .splits import one_hot

_DIGITS = 9  # of a class number, at most


def parse_numbers(texts: Sequence[bytes], bad_line: Callable[[int, str], DataError]) -> NDArray[np.int64]:
    """Turn texts into class numbers.

    Args:
        texts: n of them, stripped.
        bad_line: builds the error for a row and what is wrong with it.

    Returns:
        (n,), each at least 0.

    Raises:
        DataError: for a text that is no whole number of at least 0.
    """
    for row, text in enumerate(texts):
        count = len(text.split())
        if count > 1:
            raise bad_line(row, f"has {count} labels, but line 1 has 1")
        if not text.isdigit() or len(text) > _DIGITS:
            raise bad_line(row, f"has the label {text.decode(errors='replace')!r}, which is no class number")
    return np.array([int(text) for text in texts], dtype=np.int64)


def read_class_names(file: Path) -> list[str]:
    """Read class names, one in a line, or a table ``id,name``.

    Raises:
        DataError: naming the line, if it is no such file, or a name is empty or occurs twice.
    """
    try:
        names = [line.strip() for line in file.read_text("utf-8-sig").rstrip().splitlines()]
    except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError) as error:
        raise DataError(f"{file} is no text file of class names, one in a line") from error
    if names[:1] == ["id,name"]:
        return parse_label_names(file, "mend that line and run the command again")
    for row, name in enumerate(names):
        if not name or name in names[:row]:
            raise DataError(f"line {row + 1} of {file} is {name!r}: class names must not be empty or occur twice")
    return names


def vectors_of(
    numbers: NDArray[np.int64], names: Sequence[str] | None, where: Callable[[int], str]
) -> tuple[Sequence[str], NDArray[np.uint8]]:
    """Return the classes that class numbers mean, and the label vectors.

    Args:
        numbers: class number of each image, (n,).
        names: class names, which the numbers index, counted from 0; None for a class per number, in ascending order.
        where: says where a row is written.

    Returns:
        C class names, and (n, C), each row with a single 1.

    Raises:
        DataError: for a number without a name, and where every image has a number of its own.

    Example:
        >>> vectors_of(np.array([17, 3, 17]), None, str)[0], vectors_of(np.array([1, 0]), ["cat", "dog", "eel"], str)[1].tolist()
        (['3', '17'], [[0, 1, 0], [1, 0, 0]])
    """
    if names is None:
        distinct, columns = np.unique(numbers, return_inverse=True)
        if len(distinct) == len(numbers):
            raise DataError(
                f"every image has a class number of its own, {numbers[0]} the first ({where(0)}): "
                "no image would be right for any query, so these are no class numbers"
            )
        return [str(number) for number in distinct.tolist()], one_hot(columns, len(distinct))
    if len(beyond := np.flatnonzero(numbers >= len(names))):
        raise DataError(
            f"{where(int(beyond[0]))} has the class number {numbers[beyond[0]]}, but there are {len(names)} class names, "
            f"which are 0 to {len(names) - 1}"
        )
    return names, one_hot(numbers, len(names))
