"""What can be searched: the questions that an index and several parts of one answer alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError
from .engine import Answer
from .kernels import Bytes, Ids
from .store import Facts
from .writer import packed


@dataclass(frozen=True)
class Item:
    """An item of an index.

    Args:
        id: its number, given once and never again.
        path: of the image, below the project root where it is; ``FOLD:ROW`` of a text without one.
        labels: 0 or 1 for each class, uint8 (C,); empty where the index has none.
        fold, row: where it is in the run; None for an added one.
    """

    id: int
    path: str
    labels: NDArray[np.uint8]
    fold: str | None
    row: int | None


class Searchable(ABC):
    """Codes in which the nearest to a query are found: exactly, by distance and then by id."""

    @property
    @abstractmethod
    def facts(self) -> Facts:
        """What the codes belong to."""

    @abstractmethod
    def items(self, ids: Iterable[int]) -> list[Item]:
        """Return items by id.

        Raises:
            RunError: naming an id that no item has.
        """

    def item(self, number: int) -> Item:
        """Return an item by id."""
        return self.items([number])[0]

    @abstractmethod
    def answer(self, queries: Bytes, most: int, radius: int | None, classes: Sequence[str] | None, excluded: Ids) -> list[Answer]:
        """Answer packed queries, (q, bytes); see :meth:`within`, a radius of None being any, -1 excluding none."""

    def search(
        self, codes: NDArray[Any], k: int = 10, classes: Sequence[str] | None = None, exclude: Sequence[int] | None = None
    ) -> list[Answer]:
        """Return the k nearest items of each query.

        Args:
            codes: ±1 or real-valued, (q, bits), or packed, uint8 (q, bytes).
            k: how many items, at least 1; all of them where there are fewer.
            classes: names; only items with one of these are answers. None for all.
            exclude: an id for each query that is no answer to it, -1 for none.

        Raises:
            UsageError: for codes of another length, or an unknown class.
        """
        return self._nearest(codes, k, None, classes, exclude)

    def within(
        self, codes: NDArray[Any], radius: int, most: int = 1000, classes: Sequence[str] | None = None, exclude: Sequence[int] | None = None
    ) -> list[Answer]:
        """Return the items within a distance of each query; ``total`` says how many there are.

        Args:
            codes, classes, exclude: as in :meth:`search`.
            radius: the distance, at least 0.
            most: how many items an answer has at most.
        """
        if radius < 0:
            raise UsageError(f"radius {radius} is not possible: it must be at least 0")
        return self._nearest(codes, most, min(radius, self.facts.bits), classes, exclude)

    def packed(self, codes: NDArray[Any]) -> Bytes:
        """Return codes packed; raises UsageError for another length."""
        return packed(codes, self.facts.bits)

    def _nearest(
        self, codes: NDArray[Any], most: int, radius: int | None, classes: Sequence[str] | None, exclude: Sequence[int] | None
    ) -> list[Answer]:
        if most < 1:
            raise UsageError(f"k = {most} is not possible: it must be at least 1")
        queries = self.packed(codes)
        excluded = np.full(len(queries), -1, np.int64) if exclude is None else np.asarray(exclude, dtype=np.int64)
        return self.answer(queries, most, radius, classes, excluded)
