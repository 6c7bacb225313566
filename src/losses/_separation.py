"""The cosine that the codes of different classes may have: that of the nearest words of a good linear code."""

from __future__ import annotations

from ..errors import UsageError

#: Minimum distance d(K, k) by K, for k = 1, 2, ..., 10: best known for up to 128 bits and k up to 8, else of a code that was constructed.
BEST_KNOWN = {
    8: (8, 5, 4, 4, 2, 2, 2, 1),
    12: (12, 8, 6, 6, 4, 4, 4, 3, 2, 2),
    16: (16, 10, 8, 8, 8, 6, 6, 5, 4, 4),
    24: (24, 16, 13, 12, 12, 10, 10, 8, 8, 8),
    32: (32, 21, 18, 16, 16, 16, 14, 13, 12, 12),
    48: (48, 32, 27, 24, 24, 24, 22, 22, 20, 20),
    64: (64, 42, 36, 33, 32, 32, 32, 29, 28, 28),
    128: (128, 85, 72, 68, 64, 64, 64, 64, 58, 56),
    256: (256, 170, 146, 136, 131, 128, 128, 128, 128, 120),
}


def separation(bits: int, classes: int) -> float:
    r"""Return the cosine of the nearest words of a linear code that has a word for each class.

    .. math:: \sigma = 1 - \frac{2\, d(K, k)}{K}, \quad k = \max(1, \lceil \log_2 C \rceil)

    Args:
        bits: K, length of a code.
        classes: C, number of classes.

    Returns:
        At least -1 and below 1.

    Raises:
        UsageError: if the classes outnumber the words.

    Example:
        >>> separation(16, 100), separation(64, 100)
        (0.25, 0.0)
    """
    dimensions = max(1, (classes - 1).bit_length())
    if dimensions > bits:
        raise UsageError(f"{classes} classes do not fit into {bits} bits: a word of its own for each takes at least {dimensions} bits")
    return 1 - 2 * code_distance(bits, dimensions) / bits


def code_distance(bits: int, dimensions: int) -> int:
    r"""Return d(K, k), the minimum distance of a binary linear code of K bits and 2^k words.

    It is that of :data:`BEST_KNOWN` for the lengths and dimensions there, and the best possible one for k up to 4.
    Elsewhere it is an upper bound, which the best known codes may miss by a few bits: the largest d with

    .. math:: \sum_{i < k} \lceil d / 2^i \rceil \le K

    (Griesmer) that the table allows, since a bit more adds at most 1 to the distance and a dimension more adds nothing.

    References:
        Bounds on the minimum distance of linear codes (Grassl; codetables.de), for the table.
        A Bound for Error-Correcting Codes (Griesmer; IBM Journal of Research and Development 1960).

    Args:
        bits: K.
        dimensions: k, from 1 to K.

    Example:
        >>> code_distance(16, 7), code_distance(7, 3)  # of the table; by the bound, which the simplex code reaches
        (6, 4)
    """
    distance = 1
    while griesmer_length(distance + 1, dimensions) <= bits:
        distance += 1
    tabulated = (row[min(dimensions, len(row)) - 1] + max(0, bits - length) for length, row in BEST_KNOWN.items())
    return min(distance, *tabulated)


def griesmer_length(distance: int, dimensions: int) -> int:
    r"""Return the number of bits below which no linear code of this distance exists.

    .. math:: \sum_{i < k} \lceil d / 2^i \rceil

    Example:
        >>> griesmer_length(8, 4)  # 8 + 4 + 2 + 1
        15
    """
    return sum(-(-distance // 2**i) for i in range(dimensions))
