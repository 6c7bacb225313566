"""What tables of other code bases hold: bits, packed bits, or features whose signs are the bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...codes import pack
from ...errors import DataError
from ..arrays.array_files import LoadedArray
from ..records.code_files import FoldCodes
from ._packed_words import Words, is_whole, read_packed, words_of

SIGNS, ZERO_ONE, FEATURES, PACKED = "±1", "0/1", "signs of real-valued features", "packed bits"


def width_of(stored: LoadedArray, bits: int | None, kind: str | None) -> int:
    """Return the bits of a code as far as one table tells: its columns, but for packed codes of known length."""
    return bits if bits is not None and _packing(stored, bits, kind) else stored.values.shape[1]


def kind_of(stored: LoadedArray, bits: int | None, kind: str | None) -> str:
    """Return what the entries of a table are.

    Args:
        stored: the table, (n, bits) or (n, words).
        bits: length of a code; None where it is not known.
        kind: "bits", "packed" or "features"; None to find out.

    Raises:
        DataError: where they can be several things, or nothing that is known.
    """
    values, width = stored.values, stored.values.shape[1]
    if _packing(stored, bits, kind):
        return PACKED
    if bits is not None and width != bits:
        raise DataError(f"{stored} holds no codes of {bits} bits: {bits} columns, or {-(-bits // 8)} of packed bytes, would")
    if kind == "packed":
        raise DataError(f"{stored} holds no packed codes{f' of {bits} bits' if bits else ''}: these are whole numbers below 2^64")
    if kind != "features" and _are_bits(stored):
        return ZERO_ONE if ((values == 0) | (values == 1)).all() else SIGNS
    if kind == "bits":
        raise DataError(f"{stored} holds values from {values.min():g} to {values.max():g}, and bits are -1 and +1, or 0 and 1")
    if kind is None and bits is None:
        check_certain(stored)
    if kind is None and is_whole(values):
        raise DataError(
            f"{stored} holds whole numbers from {values.min():g} to {values.max():g} in {width} columns: as {bits} bits they would be "
            "-1 and +1, or 0 and 1; if their signs are the codes, say -kind features"
        )
    if values.min() >= 0:
        raise DataError(
            f"{stored} holds values from {values.min():g} to {values.max():g}: with none below 0 every bit would be +1. "
            "From features take off the threshold first (0.5 where they end in a sigmoid)"
        )
    return FEATURES


def check_certain(stored: LoadedArray) -> None:
    """Refuse whole numbers that may be packed codes as well as features.

    Raises:
        DataError: for whole numbers other than -1, 0 and 1.
    """
    if _are_bits(stored) or not is_whole(stored.values):
        return
    words = words_of([stored.values], None)
    filled = f" ({words.size * words.columns} if it fills {words})" if words else ""
    raise DataError(
        f"{stored} holds whole numbers from {stored.values.min():g} to {stored.values.max():g}: if these are packed codes, say with -bits "
        f"how many bits a code has{filled}, since the file does not tell; if their signs are the codes, say -kind features"
    )


def read_codes(
    sides: Sequence[LoadedArray], kinds: Sequence[str], bits: int | None, checksums: Sequence[str], gaps: bool
) -> tuple[list[FoldCodes], str]:
    """Return the codes of queries and database, with their features where both sides hold them, and how they are packed.

    Raises:
        DataError: for tables that cannot be read alike.
    """
    _check_conventions(sides, kinds)
    ranked = all(kind == FEATURES for kind in kinds)
    words = _common_words(sides, bits) if set(kinds) == {PACKED} else None
    packed = read_packed(sides, words, bits) if words else [_pack(side, kind, bits) for side, kind in zip(sides, kinds, strict=True)]
    sides_read = []
    for side, kind, codes, checksum in zip(sides, kinds, packed, checksums, strict=True):
        width = bits or (words.size * words.columns if words else side.values.shape[1])
        absent = tuple(np.flatnonzero(~side.values.any(axis=1)).tolist()) if gaps and kind == SIGNS else ()
        zeros = int(np.count_nonzero(side.values == 0)) - len(absent) * width if kind in (SIGNS, FEATURES) else 0
        sides_read.append(FoldCodes(codes, width, zeros, side.values if ranked else None, checksum, checksum if ranked else None, absent))
    return sides_read, str(words or "")


def _packing(stored: LoadedArray, bits: int | None, kind: str | None) -> bool:
    """Return whether rows of whole numbers are packed codes, rather than a bit each."""
    if kind in ("bits", "features") or (kind is None and bits is None):
        return False
    return words_of([stored.values], bits) is not None and (kind == "packed" or bits != 1 or not _are_bits(stored))


def _are_bits(stored: LoadedArray) -> bool:
    return bool(((stored.values == 0) | (stored.values == 1) | (stored.values == -1)).all())


def _common_words(sides: Sequence[LoadedArray], bits: int | None) -> Words:
    """Return how both sides are packed; refuse to compare what is packed in two ways."""
    both, own = words_of([side.values for side in sides], bits), [words_of([side.values], bits) for side in sides]
    full = {side.values.dtype.kind for side in sides if both and side.values.dtype.kind != "f" and 8 * side.values.itemsize == both.size}
    if both is None or both.size != max(words.size for words in own if words) or len(full) > 1:
        ways = " and ".join(f"{side} ({words})" for side, words in zip(sides, own, strict=True))
        raise DataError(f"{ways} are packed in different ways: write both in the same way, with or without a sign")
    return both


def _check_conventions(sides: Sequence[LoadedArray], kinds: Sequence[str]) -> None:
    """Refuse a 0 that would be -1 in one file and +1 in the other, and packed codes whose order of bits is not known."""
    for one, other in ((0, 1), (1, 0)):
        values = sides[one].values
        if kinds[one] == ZERO_ONE and kinds[other] in (SIGNS, FEATURES) and values.dtype != bool and (values == 0).any():
            raise DataError(f"{sides[one]} holds 0/1, but {sides[other]} holds {kinds[other]}: write both in the same way")
        plain = values.dtype.kind != "b" and values.min() >= 0 and values.max() < 256
        if kinds[one] == PACKED != kinds[other] and not plain:
            raise DataError(f"{sides[one]} holds {PACKED}, but {sides[other]} holds {kinds[other]}: write both in the same way")


def _pack(side: LoadedArray, kind: str, bits: int | None) -> NDArray[np.uint8]:
    """Return a side as bytes, the first bit highest; packed codes are bytes in that order where the other side is not packed."""
    if kind != PACKED:
        return pack(np.ascontiguousarray(side.values)) if kind != ZERO_ONE else np.packbits(side.values != 0, axis=1)
    codes = side.values.astype(np.uint8)
    if bits and bits % 8 and (codes[:, -1] & (0xFF >> bits % 8)).any():
        raise DataError(f"{side} has ones beyond the {bits} bits of a code: -bits is wrong, or the first bit is not the highest of a byte")
    return codes
