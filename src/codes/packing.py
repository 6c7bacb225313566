"""Binary codes: sign, pack, unpack and Hamming distance, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BioDeepHashingError


def binarise(features: NDArray[np.floating]) -> NDArray[np.int8]:
    r"""Return the code of each row: the sign of every feature, zero counting as +1.

    .. math:: b_k = +1 \text{ if } f_k \ge 0 \text{ else } -1

    Args:
        features: raw outputs of the hash layer, (n, bits).

    Raises:
        BioDeepHashingError: if a feature is not a number.

    Example:
        >>> binarise(np.array([[0.3, -2.0, 0.0]])).tolist()
        [[1, -1, 1]]
    """
    if np.isnan(features).any():
        row = int(np.flatnonzero(np.isnan(features).any(axis=1))[0])
        raise BioDeepHashingError(f"row {row} of the features holds NaN: no code can be made of it")
    return np.where(features >= 0, np.int8(1), np.int8(-1))


def pack(codes: NDArray[Any]) -> NDArray[np.uint8]:
    """Pack ±1 codes (or features: zero counts as +1) into bytes, eight bits each, first bit highest, zero-padded.

    Args:
        codes: (n, bits), any number of bits.

    Returns:
        (n, ceil(bits / 8)) uint8.

    Raises:
        BioDeepHashingError: if a feature is not a number.

    Example:
        >>> pack(np.array([[1, -1, 1, 1, -1, -1, -1, -1, 1]])).tolist()
        [[176, 128]]
    """
    if np.issubdtype(codes.dtype, np.floating):
        codes = binarise(codes)
    return np.packbits(codes >= 0, axis=1)


def unpack(packed: NDArray[np.uint8], bits: int) -> NDArray[np.int8]:
    """Undo :func:`pack`.

    Args:
        packed: (n, ceil(bits / 8)) uint8.
        bits: length of a code.

    Raises:
        BioDeepHashingError: if the width does not belong to that number of bits.

    Example:
        >>> unpack(np.array([[176, 128]], dtype=np.uint8), 9).tolist()
        [[1, -1, 1, 1, -1, -1, -1, -1, 1]]
    """
    if packed.shape[1] != (bits + 7) // 8:
        raise BioDeepHashingError(f"codes of {bits} bits take {(bits + 7) // 8} bytes a row, not {packed.shape[1]}")
    return np.unpackbits(packed, axis=1, count=bits).astype(np.int8) * np.int8(2) - np.int8(1)


def hamming(queries: NDArray[np.uint8], database: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Return the number of differing bits of every query with every database code.

    Args:
        queries: packed codes (q, bytes).
        database: packed codes (n, bytes).

    Returns:
        (q, n) int16.

    Raises:
        BioDeepHashingError: if the codes are of different width.

    Example:
        >>> hamming(np.array([[0b1100]], dtype=np.uint8), np.array([[0b1010], [0b1100]], dtype=np.uint8)).tolist()
        [[2, 0]]
    """
    if queries.shape[1] != database.shape[1]:
        raise BioDeepHashingError(
            f"codes of different width cannot be compared: queries {queries.shape}, database {database.shape} (bytes)"
        )
    distance = np.zeros((len(queries), len(database)), dtype=np.int16)
    for column in range(queries.shape[1]):  # a column at a time: no (q, n, bytes) array is ever made
        distance += np.bitwise_count(queries[:, column, None] ^ database[None, :, column])
    return distance
