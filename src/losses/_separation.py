"""How far apart the words of a good linear code are, and the cosine that dissimilar codes may therefore have."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError

MOST_BITS, MOST_DIMENSIONS = 256, 10

#: Best known d(K, k) by K, for k = 1, 2, ..., 8.
BEST_KNOWN = {
    8: (8, 5, 4, 4, 2, 2, 2, 1),
    12: (12, 8, 6, 6, 4, 4, 4, 3),
    16: (16, 10, 8, 8, 8, 6, 6, 5),
    24: (24, 16, 13, 12, 12, 10, 10, 8),
    32: (32, 21, 18, 16, 16, 16, 14, 13),
    48: (48, 32, 27, 24, 24, 24, 22, 22),
    64: (64, 42, 36, 33, 32, 32, 32, 29),
    128: (128, 85, 72, 68, 64, 64, 64, 64),
}

#: Codes that a random search found, by k: polynomial and starts of :func:`orbit_code`.
ORBIT_CODES: dict[int, tuple[tuple[int, str], ...]] = {
    6: ((0x41, "1 b 1f 17 d 7 15"),),
    7: (
        (0x81, "1 7 d 15 37 1f b 13 1b 2f"),
        (0x81, "d 13 5 1f 2f 1"),
        (0x9B, "5 5 1 3 d"),
        (0xD1, "1 5 7 1f b 19"),
        (0xFF, "5 1 19 2b 9 d 7 33"),
        (0xFF, "b 19 3 9 33"),
        (0xFF, "19 2b 25 17 13 15 1 7 d b 55"),
    ),
    8: (
        (0x101, "d 19 5 b 2b 3b 7f 1d 15 7"),
        (0x101, "d 2f 37 3f 7f 6f 1f 5b 5f 57 3b 27 55"),
        (0x101, "13 3d b 6f 3f 35 1 d 7 15 1d 5f 19 11"),
        (0x101, "15 1d 1f d 3 55"),
        (0x101, "25 1 3d 2b 7f 3b 7 1b d 55"),
        (0x101, "2b 7 3d b 15 2d 7f 19 25 d 9 5 f 27 2f 3b 3f 25 1d 1f ff"),
        (0x101, "2d 19 3d b 5f 3f 37 1 15 3 77"),
        (0x101, "57 7 b 37 19 1 2f 25 1f 7f d 3b 15 13 5b 3d 3"),
        (0x101, "57 5f 7 1f 5b 13 19 25 3 1 15 b 37 2f 9 d 7f 3d 3b 33"),
        (0x101, "7f 1f 37 d 5f 6f 5b 57 3f 2f 3b 11"),
        (0x101, "7f 6f 35 7 37 1f d 55"),
        (0x139, "21 17 1 5"),
        (0x155, "d 13 b 1d 19 1 17 47 39 27 63"),
        (0x155, "37 5 47 2d 33 9 1b 3 1 39 23 1f"),
        (0x16F, "25 1b"),
        (0x19F, "3"),
        (0x1C7, "43 1 2f f 33 b 17 21 2b 5 1f 3 19 11 d 13 7"),
        (0x1FF, "2b 17 35 3 27 15 1d 11 5 25 b 7 4b 23 19 37 49"),
    ),
    9: (
        (0x201, "3 17 27 33 19 37 13 ab 7f 39 b7 b 5d"),
        (0x201, "3 bf 1 6d 39 2b"),
        (0x201, "33 1 29 3d b bf 75 5f 6f 1ff"),
        (0x201, "6f 1d ef 5b 7d f 39 4b 35 3f 37 67 4d 1b 57 13 6b df 33 d 19 4f 3b 49"),
        (0x201, "7f 1d 27 3d ef 37 6d 3 5d 13 3b 57 19 15 23 29 7 6b db"),
        (0x201, "bb 37 1f 55 3d 35 7f 2d 2b"),
        (0x209, "1f 1 3 31 2f 33 b 15 75"),
        (0x249, "21 7 1f 17 b"),
        (0x27B, "31 29 75 7 19 11 6f 3"),
        (0x2CD, "7 37 49 1f 25 43 19 b 67 23 1 6b 13 45 8f 15 1bb"),
        (0x32D, "5 31"),
        (0x333, "37 45 4b 77 87 27 3b 3d b 3 69 13 7 4f 1d bd"),
        (0x333, "5b 1 f 17 6b"),
        (0x339, "29 43 25 d 23 37 51 1b f 13 19"),
        (0x34B, "1f 45 b 37 4d 57 9f 2f 1 7 23 13 25 139"),
        (0x34B, "2f 4d"),
        (0x357, "2b 1 11 43"),
        (0x3FF, "13 ab 6d 65 2d 27 49 b3 31 47 1 1d a5"),
    ),
    10: (
        (0x401, "ad 4d 57 53 65 75 ab f5 97 27 73 21"),
        (0x4C3, "6f 1b 77 11 b"),
        (0x4D5, "37 2d 3 5b cb 53 25 1f"),
        (0x4FD, "1 a3"),
        (0x555, "3 17 2f d9 3f"),
        (0x555, "23 2b 45 bd"),
        (0x555, "47 9d 123 9b 1d 11b 6f 91 bd"),
        (0x555, "133 cf b 127 23 b7 39 cb 69 29 2d bd"),
        (0x559, "33 1 85 1f 2f"),
        (0x575, "11 2d b 67 4f 6f 17 7f"),
        (0x669, "31 1b 1 95"),
        (0x765, "11 5b 21 23 69 13 57 8b 1b 49 117"),
        (0x765, "19 61 103 15 43 6d 7f 17 81 1d 21 b9 8d 117"),
        (0x765, "a7 47 1d 4b 13 117"),
        (0x7CF, "b 1 5f"),
        (0x7FF, "f 49 47 153 d7 73 d3 d"),
        (0x7FF, "2b 7"),
        (0x7FF, "a5 1f 51 8d 67 11 3 53 d5 cb b"),
    ),
}


def separation(bits: int, classes: int) -> float:
    r"""Return the cosine that the codes of different classes may have: that of the nearest words of a good code for all classes.

    .. math:: \sigma = 1 - \frac{2\, d(K, k)}{K}, \quad k = \max(1, \lceil \log_2 C \rceil)

    Args:
        bits: K, length of a code.
        classes: C, number of classes.

    Returns:
        At least -1 and below 1.

    Raises:
        UsageError: where no code gives every class a word of its own, and beyond 256 bits or 1024 classes.

    Example:
        >>> separation(16, 100), separation(64, 100)
        (0.25, 0.0)
    """
    dimensions = max(1, (classes - 1).bit_length())
    if bits > MOST_BITS or dimensions > MOST_DIMENSIONS:
        raise UsageError(
            f"the separation of codes is known for up to {MOST_BITS} bits and {2**MOST_DIMENSIONS} classes, "
            f"not for {bits} bits and {classes} classes"
        )
    if dimensions > bits:
        raise UsageError(f"{classes} classes do not fit into {bits} bits: a word of its own for each takes at least {dimensions} bits")
    return 1 - 2 * code_distance(bits, dimensions) / bits


def code_distance(bits: int, dimensions: int) -> int:
    """Return d(K, k): the largest minimum distance of a binary linear code of K bits and 2^k words that is known here.

    For K = 8, 12, 16, 24, 32, 48, 64, 128 and k up to 8 it is the best known distance, from :data:`BEST_KNOWN`; for k up to 4
    it is the best possible, which the Griesmer bound tells. All other values are those of codes that can be constructed, and may
    be a little below the best known: simplex codes without subspaces (Solomon and Stiffler), the :data:`ORBIT_CODES`, whose
    distance is counted over all words, and what follows from these and the table by leaving out bits or words, by a
    parity bit, by writing codes side by side, and by the (u, u + v) construction.

    References:
        Bounds on the minimum distance of linear codes (Grassl; codetables.de), for the table.
        Algebraically Punctured Cyclic Codes (Solomon, Stiffler; Information and Control 1965).
        A Bound for Error-Correcting Codes (Griesmer; IBM Journal of Research and Development 1960).

    Args:
        bits: K, up to 256.
        dimensions: k, from 1 to 10 and at most K.

    Example:
        >>> code_distance(16, 7), code_distance(7, 3)  # of the table; the words of 7 bits that form a Fano plane
        (6, 4)
    """
    return int(_distances()[dimensions, bits])


def griesmer_length(distance: int, dimensions: int) -> int:
    r"""Return the number of bits below which no linear code of this distance exists.

    .. math:: \sum_{i < k} \lceil d / 2^i \rceil

    Example:
        >>> griesmer_length(8, 4)  # 8 + 4 + 2 + 1
        15
    """
    return sum(-(-distance // 2**i) for i in range(dimensions))


def orbit_code(dimensions: int, polynomial: int, starts: str) -> list[int]:
    """Return the columns of a generator matrix: all that multiplication by x leads to from some starts.

    Columns are polynomials of degree below k with coefficients 0 and 1, written as the bits of a number, and are multiplied
    modulo a polynomial of degree k. One start gives a cyclic code, several give a quasi-cyclic one.

    Args:
        dimensions: k.
        polynomial: what is divided by, of degree k.
        starts: a column of each orbit, hexadecimal, with blanks between.

    Example:
        >>> orbit_code(3, 0b1011, "1")  # 1, x, x², x + 1, ...: all but 0
        [1, 2, 4, 3, 6, 7, 5]
    """
    columns = []
    for start in (int(text, 16) for text in starts.split()):
        column = start
        while True:
            columns.append(column)
            column <<= 1
            if column >> dimensions:
                column ^= polynomial
            if column == start:
                break
    return columns


@cache
def _distances() -> NDArray[np.int64]:
    """Return d(K, k) for all k (rows) and K (columns), 0 where there is no code."""
    best = np.zeros((MOST_DIMENSIONS + 1, MOST_BITS + 1), dtype=np.int64)
    for dimensions in range(1, MOST_DIMENSIONS + 1):
        for distance in range(1, MOST_BITS + 1):
            bits = griesmer_length(distance, dimensions)
            if bits <= MOST_BITS and _meets_griesmer(distance, dimensions):
                best[dimensions, bits] = distance
        for code in ORBIT_CODES.get(dimensions, ()):
            _measure(best[dimensions], dimensions, orbit_code(dimensions, *code))
    for bits, distances in BEST_KNOWN.items():
        best[1 : len(distances) + 1, bits] = distances
    while True:
        before = best.copy()
        _derive(best)
        if np.array_equal(best, before):
            return best


def _meets_griesmer(distance: int, dimensions: int) -> bool:
    """Return whether copies of all columns but 0, less some subspaces, make a code of this distance on the Griesmer bound.

    A subspace of u dimensions takes 2^(u - 1) off the distance. Subspaces of different dimensions can be left out of s copies if
    no s + 1 of them need more than the s k dimensions there are.
    """
    copies = -(-distance // 2 ** (dimensions - 1))
    excess = copies * 2 ** (dimensions - 1) - distance
    subspaces = [u for u in range(dimensions, 0, -1) if excess >> (u - 1) & 1]
    return sum(subspaces[: copies + 1]) <= copies * dimensions


def _measure(row: NDArray[np.int64], dimensions: int, columns: list[int]) -> None:
    """Enter the least weight of any word, for the code and for all codes that it begins with."""
    products = np.arange(1, 2**dimensions)[:, None] & np.array(columns)
    parities = sum(products >> i & 1 for i in range(dimensions)) % 2
    row[1 : len(columns) + 1] = np.maximum(row[1 : len(columns) + 1], parities.cumsum(axis=1).min(axis=0))


def _derive(best: NDArray[np.int64]) -> None:
    """Enter what follows from the codes that are there."""
    lengths = np.arange(MOST_BITS + 1)
    for k in range(MOST_DIMENSIONS, 1, -1):
        best[k - 1] = np.maximum(best[k - 1], best[k])  # half of the words
        best[k - 1, :-1] = np.maximum(best[k - 1, :-1], best[k, 1:])  # those with a 0 at some bit, without it
        for j in range(1, k):  # (u, u + v) for all u of one code and v of another
            best[k, ::2] = np.maximum(best[k, ::2], np.minimum(2 * best[j], best[k - j])[: MOST_BITS // 2 + 1])
    for bits in range(1, MOST_BITS + 1):  # two codes side by side; a single bit more makes an odd distance even
        beside = (best[:, :bits] + best[:, bits:0:-1]).max(axis=1)
        best[:, bits] = np.maximum(beside, best[:, bits - 1] + best[:, bits - 1] % 2)
    shorter = np.maximum.accumulate((best - lengths)[:, ::-1], axis=1)[:, ::-1] + lengths  # without some bits
    np.maximum(best, shorter, out=best)
