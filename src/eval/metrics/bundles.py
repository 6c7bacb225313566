"""Bundles of items with equal code and equal classes: what distinct codes and collisions are counted from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
_WORD = 8  # bytes


@dataclass(frozen=True)
class EqualCodes:
    """How many items have equal codes; these numbers add up over sets of items that have no code in common.

    Args:
        unique_codes: distinct codes.
        equal_pairs: pairs of items with equal codes.
        apart: those of these pairs that have no class in common.
    """

    unique_codes: int
    equal_pairs: int
    apart: int

    def __add__(self, other: EqualCodes) -> EqualCodes:
        """Return the numbers of both sets of items, which must have no code in common."""
        return EqualCodes(self.unique_codes + other.unique_codes, self.equal_pairs + other.equal_pairs, self.apart + other.apart)


@dataclass(frozen=True)
class Bundles:
    """Items with equal code and equal classes as one row, in the order of the codes.

    Args:
        rows: the bytes of the code, those of the classes padded to whole words, and how many items these are, int64; (bundles, bytes).
        code_bytes: bytes of a code.

    Example:
        >>> codes, classes = np.array([[5], [5], [5], [7]], dtype=np.uint8), np.array([[128], [64], [128], [0]], dtype=np.uint8)
        >>> Bundles.of(codes, classes).count()
        EqualCodes(unique_codes=2, equal_pairs=3, apart=2)
    """

    rows: Bytes
    code_bytes: int

    @classmethod
    def of(cls, codes: Bytes, classes: Bytes) -> Bundles:
        """Return the bundles of some items.

        Args:
            codes: packed codes, uint8 (n, ceil(bits / 8)).
            classes: packed labels, uint8 (n, ceil(classes / 8)); items without any class share none with anybody.
        """
        padding = np.zeros((len(codes), -classes.shape[1] % _WORD), np.uint8)
        sizes = np.ones((len(codes), 1), np.int64).view(np.uint8)
        return cls.merged(np.hstack((codes, classes, padding, sizes)), codes.shape[1])

    @classmethod
    def merged(cls, rows: Bytes, code_bytes: int) -> Bundles:
        """Return the bundles of rows in any order, equal ones joined.

        Args:
            rows, code_bytes: as of bundles.
        """
        width = rows.shape[1]
        strings = np.sort(np.ascontiguousarray(rows).view(f"S{width}")[:, 0])  # strings sort faster than rows
        rows = strings.view(np.uint8).reshape(-1, width)
        first = _starts(rows[:, :-_WORD])
        sizes = np.add.reduceat(cls(rows, code_bytes).sizes, first)
        return cls(np.hstack((rows[first, :-_WORD], sizes[:, None].view(np.uint8))), code_bytes)

    @property
    def codes(self) -> Bytes:
        """Code of each bundle."""
        return self.rows[:, : self.code_bytes]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Items of each bundle."""
        return np.ascontiguousarray(self.rows[:, -_WORD:]).view(np.int64)[:, 0]

    def count(self) -> EqualCodes:
        """Count distinct codes and pairs of equal ones, without an array of items × items."""
        sizes, first = self.sizes, _starts(self.codes)
        return EqualCodes(len(first), int(_pairs(np.add.reduceat(sizes, first)).sum()), self._apart(first))

    def _apart(self, first: NDArray[np.int64]) -> int:
        """Return how many pairs of items with equal codes have no class in common.

        Each bundle is set against the next one of its code, then against the one after that, and so on: the memory is linear, the work
        quadratic only in the different sets of classes that a code has. Codes with most of them come first, so that each step is about
        the first bundles.

        Args:
            first: the number of the first bundle of each code.
        """
        words = np.ascontiguousarray(self.rows[:, self.code_bytes : -_WORD]).view(np.uint64).T
        apart = int(_pairs(self.sizes[~words.any(axis=0)]).sum())
        per_code = np.diff(first, append=len(self.rows))
        crowd = -np.repeat(per_code, per_code)  # minus the bundles of its code: most of them come first where these ascend
        order = np.argsort(crowd, kind="stable")[: np.count_nonzero(crowd < -1)]
        crowd, code, sizes, words = crowd[order], np.repeat(first, per_code)[order], self.sizes[order], words[:, order].copy()
        for step in range(1, -crowd.min(initial=-1)):
            end = np.searchsorted(crowd, -step)  # of the bundles whose code has more than these
            one, other = slice(end - step), slice(step, end)
            disjoint = code[one] == code[other]
            for word in words:
                disjoint &= (word[one] & word[other]) == 0
            apart += int(sizes[one][disjoint] @ sizes[other][disjoint])
        return apart


def _starts(rows: Bytes) -> NDArray[np.int64]:
    """Return the numbers of the rows that differ from the row before."""
    changed = np.ones(len(rows), bool)
    changed[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    return np.flatnonzero(changed)


def _pairs(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return counts * (counts - 1) // 2
