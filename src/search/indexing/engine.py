"""The exact nearest items of queries: look-ups of near codes first, then a scan, over all segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..._compiled import chunked, threads
from .kernels import BLOCK, ID_BITS, NARROW, Bytes, Ids, living_items, look_up, scan
from .segments import Segment

TOGETHER = 128  # queries that share a pass over the codes
_SCANNED_PER_LOOK_UP = 256  # codes that are scanned while one is looked up
_SHARED = 2**17  # codes from which on threads share the scan for a single query
_ID = (1 << ID_BITS) - 1
_NO_BYTES, _NO_IDS = np.empty(0, np.uint8), np.empty(0, np.int64)
for _array in (_NO_BYTES, _NO_IDS):
    _array.flags.writeable = False


@dataclass(frozen=True)
class Answer:
    """What is nearest to a query, by distance and, where that is equal, by id.

    Args:
        ids: of the items, int64 (n,).
        distances: their Hamming distances, int64 (n,).
        tied: how many further items are at the last distance.
        total: how many items could have been an answer: those that pass the filter, and lie within the radius where there is one.
    """

    ids: Ids
    distances: Ids
    tied: int
    total: int


def merge(answers: Sequence[Answer], k: int) -> Answer:
    """Return the answer of several indexes whose ids are different, to the same query.

    Args:
        answers: one of each index, each for at least k items.
        k: how many items.

    Example:
        >>> near, far = (Answer(np.array([number]), np.array([distance]), 0, 1) for number, distance in ((7, 2), (3, 2)))
        >>> merge([near, far], 1)
        Answer(ids=array([3]), distances=array([2]), tied=1, total=2)
    """
    ids = np.concatenate([one.ids for one in answers])
    distances = np.concatenate([one.distances for one in answers])
    order = np.lexsort((ids, distances))[:k]
    total = sum(one.total for one in answers)
    if not len(order):
        return Answer(ids[order], distances[order], 0, total)
    last = distances[order[-1]]
    beyond = sum(one.tied for one in answers if len(one.distances) and one.distances[-1] == last)
    return Answer(ids[order], distances[order], int((distances == last).sum() - (distances[order] == last).sum()) + beyond, total)


@dataclass(frozen=True)
class Part:
    """A segment, and which of its items may be answers.

    Args:
        segment: the segment.
        alive: 1 or 0 for each item, uint8 (n,); empty where all may be.
        living: how many of each group may be, int64 (groups,); empty likewise.
    """

    segment: Segment
    alive: Bytes
    living: Ids

    @classmethod
    def of(cls, segment: Segment, alive: NDArray[np.bool_] | None) -> Part:
        """Return a segment with a mask over its items, None for all of them."""
        if alive is None or alive.all():
            return cls(segment, _NO_BYTES, _NO_IDS)
        mask = alive.astype(np.uint8)
        living = living_items(segment.starts, mask)
        mask.flags.writeable = living.flags.writeable = False
        return cls(segment, mask, living)

    def having(self, classes: Bytes) -> Part:
        """Return only those items that have one of some classes, packed, (bytes of a row,)."""
        mask = np.zeros(len(self.segment), np.bool_)
        mask[:] = (self.segment.labels & classes[:, None]).any(axis=0) if len(self.segment.labels) else False
        if len(self.alive):
            mask &= self.alive != 0
        return Part.of(self.segment, mask)

    @property
    def total(self) -> int:
        """How many items may be answers."""
        return int(self.living.sum()) if len(self.alive) else len(self.segment)


class _Search:
    """The state of a batch of queries: what is nearest so far.

    Args:
        queries: packed codes, (q, bytes).
        excluded: an id for each query that is no answer, -1 for none, (q,).
        most: how many items an answer has at most.
        bits: length of a code.
        radius: distance beyond which nothing is an answer; None to go as far as it takes.
    """

    def __init__(self, queries: Bytes, excluded: Ids, most: int, bits: int, radius: int | None) -> None:
        count = len(queries)
        self.queries, self.excluded, self.bits, self.shrinks = queries, excluded, bits, radius is None
        self.keys = np.empty((count, most), np.int64)
        self.filled, self.within = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self.counts = np.zeros((count, bits + 1), np.int64)
        self.bounds = np.full(count, bits if radius is None else radius, np.int64)
        self.looked = np.full(count, -1, np.int64)

    def rest(self) -> NDArray[np.bool_]:
        """Return which queries are not answered yet."""
        return self.bounds > self.looked

    def look_up(self, parts: Sequence[Part], radius: int) -> None:
        """Take the items at a distance by looking up every code there, for the queries that are not answered."""
        due = self.rest()
        if radius == 2:  # where nothing is nearer, little is here
            due &= self.filled > 0
        if not due.any():
            return
        for part in parts:
            own = part.segment
            look_up(radius, self.bits, due, self.queries, own.codes, own.starts, own.items, own.table, *self._shared(part))
        self.looked[due] = radius

    def scan(self, part: Part, first: int, last: int) -> None:
        """Take the items of the groups from first to last, for the queries that are not answered."""
        own, due = part.segment, self.rest()
        scratch = np.empty(BLOCK, np.uint8 if self.bits <= NARROW else np.uint16)
        scan(scratch, first, last, due, self.looked, self.queries, own.codes, own.starts, own.items, *self._shared(part))

    def merge(self, others: Sequence[_Search]) -> None:
        """Merge the results of other searches for the same queries."""
        most = self.keys.shape[1]
        for query in range(len(self.queries)):
            keys = np.concatenate([one.keys[query, : one.filled[query]] for one in (self, *others)])
            keys = np.sort(keys)[:most]
            self.keys[query, : len(keys)], self.filled[query] = keys, len(keys)
        self.counts += sum(one.counts for one in others)

    def answers(self, total: int | None) -> list[Answer]:
        """Return the answers; total is how many items may be, None to count those within the radius."""
        order = np.arange(len(self.queries))
        self.keys[np.arange(self.keys.shape[1]) >= self.filled[:, None]] = np.iinfo(np.int64).max
        self.keys.sort(axis=1)
        ids, distances = self.keys & _ID, self.keys >> ID_BITS
        last = distances[order, np.maximum(self.filled - 1, 0)]
        tied = self.counts[order, np.where(self.filled, last, 0)] - (distances == last[:, None]).sum(axis=1)
        tied[self.filled == 0] = 0
        totals = self.counts.sum(axis=1).tolist() if total is None else [total] * len(order)
        columns = zip(ids, distances, self.filled.tolist(), tied.tolist(), totals, strict=True)
        return [Answer(one[:count], far[:count], rest, every) for one, far, count, rest, every in columns]

    def _shared(self, part: Part) -> tuple[object, ...]:
        answers = (self.keys, self.filled, self.counts, self.within, self.bounds)
        return (part.alive, part.living, self.excluded, self.shrinks, *answers)


def nearest(parts: Sequence[Part], queries: Bytes, *, bits: int, most: int, radius: int | None = None, excluded: Ids) -> list[Answer]:
    """Return the nearest items of each query.

    Args:
        parts: where to search; ids rise from one to the next or mix, as they like.
        queries: packed codes, (q, bytes).
        bits: length of a code.
        most: how many items an answer has at most, at least 1.
        radius: distance beyond which nothing is an answer; None to go as far as it takes.
        excluded: an id for each query that is no answer, -1 for none, (q,).
    """
    workers = threads()
    total = sum(part.total for part in parts) if radius is None else None
    answers: list[list[Answer]] = [[] for _ in range(len(queries))]
    together = max(1, min(TOGETHER, -(-len(queries) // workers)))
    alone = len(queries) < workers and sum(part.segment.groups for part in parts) >= _SHARED

    def answer(rows: slice) -> None:
        search = _Search(queries[rows], excluded[rows], min(most, max(1, total)) if total is not None else most, bits, radius)
        _look_up(search, parts)
        if alone:
            _scan_together(search, parts, most, radius, workers)
        elif search.rest().any():
            for part in parts:
                search.scan(part, 0, part.segment.groups)
        answers[rows.start] = search.answers(total)

    chunked(answer, len(queries), together, 1 if alone else workers)
    return [one for batch in answers for one in batch]


def _look_up(search: _Search, parts: Sequence[Part]) -> None:
    """Look up the codes at distances 0, 1 and 2, as far as that takes less time than a scan."""
    distinct = sum(part.segment.groups for part in parts)
    bits = search.bits
    for radius, codes in enumerate((1, bits, bits * (bits - 1) // 2)):
        if radius and codes * len(parts) * _SCANNED_PER_LOOK_UP > distinct:
            return
        search.look_up(parts, radius)


def _scan_together(search: _Search, parts: Sequence[Part], most: int, radius: int | None, workers: int) -> None:
    """Scan with several threads, each a part of the codes; the result does not depend on their number."""
    if not search.rest().any():
        return
    spans: list[tuple[Part, int, int]] = []
    for part in parts:
        step = -(-part.segment.groups // workers)
        spans += [(part, first, min(first + step, part.segment.groups)) for first in range(0, part.segment.groups, step)]
    others = [_Search(search.queries, search.excluded, search.keys.shape[1], search.bits, radius) for _ in spans]
    for other in others:
        other.looked, other.bounds = search.looked, search.bounds.copy()

    def work(rows: slice) -> None:
        others[rows.start].scan(*spans[rows.start])

    chunked(work, len(spans), 1, workers)
    search.merge(others)
