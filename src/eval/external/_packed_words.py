"""Codes that are packed into whole numbers of any type, as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..arrays.array_files import LoadedArray

_SIZES = (8, 16, 32, 64)  # bits that a whole number may hold of a code


@dataclass(frozen=True)
class Words:
    """How codes are packed.

    Args:
        size: bits of a code in one number: 8, 16, 32 or 64.
        columns: numbers per code.
        signed: whether some of them are below 0.
    """

    size: int
    columns: int
    signed: bool

    def __str__(self) -> str:
        """Return it in words, as in "8 signed bytes each"."""
        kind = "byte" if self.size == 8 else f"{self.size}-bit number"
        return f"{self.columns} {'signed ' * self.signed}{kind}{'s' * (self.columns != 1)} each"


def is_whole(values: NDArray[Any]) -> bool:
    """Return whether all entries are whole numbers, whatever their type."""
    return values.dtype.kind in "biu" or bool((values == np.floor(values)).all())


def words_of(sides: Sequence[NDArray[Any]], bits: int | None) -> Words | None:
    """Return how tables of whole numbers hold codes of that many bits, or of any number for None; None where they do not.

    A number has the size that its entries need, or else that of its type; a bit that no code uses does not change a distance.

    Args:
        sides: tables of codes that are read alike, each (n, columns).
        bits: length of a code.

    Example:
        >>> str(words_of([np.array([[-3, 100]], dtype=np.int8)], 16)), words_of([np.array([[0.5]])], 1)
        ('2 signed bytes each', None)
    """
    columns = sides[0].shape[1]
    if any(side.shape[1] != columns or side.dtype == bool or not is_whole(side) for side in sides):
        return None
    low, high = min(int(side.min()) for side in sides), max(int(side.max()) for side in sides)
    fitting = [size for size in _SIZES if low >= -(2 ** (size - 1)) and high < 2 ** (size - (low < 0))]
    stored = {8 * side.itemsize for side in sides if side.dtype.kind in "iu"}
    sizes = [size for size in fitting if size in {fitting[0], *stored} and (bits is None or columns == -(-bits // size))]
    return Words(sizes[0], columns, low < 0) if sizes else None


def read_packed(sides: Sequence[LoadedArray], words: Words, bits: int | None) -> list[NDArray[np.uint8]]:
    """Return packed codes as bytes, (n, ceil(bits / 8)).

    A Hamming distance does not depend on which bit is which, so that the order of bytes and an offset (of 128, say) change nothing as
    long as all sides are read alike. Of bits that no code has, those are left out that are the same in all codes.

    Args:
        sides: the codes to compare with each other.
        words: how they are packed.
        bits: length of a code; None for all bits of the words.

    Raises:
        DataError: for more changing bits than a code has, and for numbers that are not exact.
    """
    raw = [_bytes(side, words) for side in sides]
    total = words.size * words.columns
    length = total if bits is None else bits
    changing = np.bitwise_or.reduce([np.bitwise_or.reduce(part ^ raw[0][0], axis=0) for part in raw])
    varies = np.unpackbits(changing).astype(bool)
    if varies.sum() > length:
        raise DataError(
            f"{' and '.join(map(str, sides))}: {varies.sum()} of the {total} bits are not the same in all codes, so {length} bits "
            "(-bits) are too few"
        )
    if not varies[length:].any():
        return [_first_bits(part, length) for part in raw]
    columns = np.sort(np.concatenate((np.flatnonzero(varies), np.flatnonzero(~varies)))[:length])
    return [np.packbits(np.unpackbits(part, axis=1)[:, columns], axis=1) for part in raw]


def _bytes(side: LoadedArray, words: Words) -> NDArray[np.uint8]:
    """Return whole numbers as the bytes that hold them, negative ones in two's complement."""
    values = side.values
    if values.dtype.kind == "f":
        digits = np.finfo(values.dtype).nmant + 1
        if np.abs(values).max() >= 2**digits:
            raise DataError(f"{side} holds numbers beyond 2^{digits}, which {values.dtype} does not hold exactly: save them as integers")
        values = values.astype(np.int64)
    fixed = np.ascontiguousarray(values.astype(f"<u{words.size // 8}"))
    return fixed.view(np.uint8).reshape(len(values), -1)


def _first_bits(codes: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Return the first bits of each code, and zeros after them in the last byte."""
    first = codes[:, : -(-bits // 8)].copy()
    if bits % 8:
        first[:, -1] &= 0xFF00 >> bits % 8 & 0xFF
    return first
