"""Which items are drawn together: pairs, triplets and quadruplets, by lists of the items of each class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..errors import unknown_name

Rows = NDArray[np.int64]
Truths = NDArray[np.bool_]
ROLES: Mapping[str, tuple[tuple[str, str], ...]] = {  # what stands before and behind the keys of each partner
    "single": (), "pairwise": (("ano_", ""),), "triplet": (("pos_", ""), ("neg_", "")),
    "quadruplet": (("pos_", ""), ("neg_", "1"), ("neg_", "2")),
}  # fmt: skip
_ROUNDS = 12  # of drawing and rejecting, before what is left over is looked up
_STREAM = 4  # of the random numbers of a seed: 1 to 3 change images and texts
_NONE = -1


class Partners:
    """Draws the partners of each item of a fold anew in every epoch: another item, a similar one, dissimilar ones.

    Two items are similar if they share a class. Every similar item is as likely as any other to be the positive, and so is
    every dissimilar one as the negative. No matrix of similarities is made: time and memory grow with items × classes.

    - ``pairwise``: any other item;
    - ``triplet``: a positive, and a negative, which shares no class with the anchor;
    - ``quadruplet``: the same with two negatives, which share no class with each other either.

    Args:
        labels: 0 or 1, (n, C).
        mode: single, pairwise, triplet or quadruplet.
        present: which items may be drawn, (n,); None for all.
        seed: what is drawn is a function of it and the epoch.

    Raises:
        UnknownNameError: for another mode.

    Example:
        >>> partners = Partners(np.array([[1, 0], [1, 0], [0, 1]]), "triplet")
        >>> partners.anchors.tolist(), partners.drawn(epoch=0)[partners.anchors].tolist(), str(partners)
        ([0, 1], [[1, 2], [0, 2]], '2 of 3 items as anchors; without a positive 1, without a negative 0')
    """

    def __init__(self, labels: NDArray[np.generic], mode: str, *, present: Truths | None = None, seed: int = 0) -> None:
        if mode not in ROLES:
            raise unknown_name("sampling mode", mode, ROLES)
        self.mode, self.seed, self.length = mode, seed, len(labels)
        self._rows = np.arange(len(labels)) if present is None else np.flatnonzero(present)
        self._labels: Truths = np.asarray(labels)[self._rows] > 0
        self._sizes = self._labels.sum(axis=0)
        self._members = np.argsort(~self._labels.T, axis=1, kind="stable")  # of class c: its first sizes[c] entries
        self._hopeless: set[bytes] = set()  # labels to which no item is dissimilar
        self._last: tuple[int, Rows] = (-1, np.empty((0, 0), np.int64))

    @cached_property
    def anchors(self) -> Rows:
        """Rows that have all partners of the mode."""
        return np.flatnonzero((self.drawn(0) != _NONE).all(axis=1)) if ROLES[self.mode] else self._rows

    def __str__(self) -> str:
        words = f"{len(self.anchors):,} of {len(self._rows):,} items as anchors"
        if self.mode not in ("triplet", "quadruplet"):
            return words
        positives = int((self.drawn(0)[self._rows, 0] != _NONE).sum())
        lacking = len(self._rows) - positives
        return f"{words}; without a positive {lacking:,}, without a negative {positives - len(self.anchors):,}"

    def drawn(self, epoch: int) -> Rows:
        """Return the partners of all rows in an epoch, (n, partners); -1 for those that there are not.

        Args:
            epoch: number of the epoch, from 0.
        """
        if self._last[0] != epoch:
            found = np.full((self.length, len(ROLES[self.mode])), _NONE)
            local = self._draw(_uniform(self.seed, epoch))
            found[self._rows] = np.where(local == _NONE, _NONE, self._rows[local]) if len(self._rows) else local
            self._last = epoch, found
        return self._last[1]

    def _draw(self, uniform: Callable[[int], NDArray[np.float64]]) -> Rows:
        """Return the partners of each item that may be drawn, as positions among these."""
        count = len(self._labels)
        if self.mode == "single" or count < 2:
            return np.full((count, len(ROLES[self.mode])), _NONE)
        if self.mode == "pairwise":
            steps = 1 + (uniform(count) * (count - 1)).astype(np.int64)
            return ((np.arange(count) + steps) % count)[:, None]
        positives = self._similar(uniform)
        anchors = np.flatnonzero(positives != _NONE)
        first = np.full(count, _NONE)
        first[anchors] = self._dissimilar(self._labels[anchors], anchors, uniform)
        if self.mode == "triplet":
            return np.stack([positives, first], axis=1)
        second = np.full(count, _NONE)
        anchors = np.flatnonzero(first != _NONE)
        second[anchors] = self._dissimilar(self._labels[anchors] | self._labels[first[anchors]], first[anchors], uniform)
        for anchor in anchors[second[anchors] == _NONE].tolist():
            first[anchor], second[anchor] = self._two_dissimilar(anchor, uniform)
        return np.stack([positives, first, second], axis=1)

    def _similar(self, uniform: Callable[[int], NDArray[np.float64]]) -> Rows:
        """Return for each item another one that shares a class with it.

        From the lists of its classes, one after the other, an entry is drawn; one that stands in k of them counts once in k times.
        """
        found = np.full(len(self._labels), _NONE)
        pending = np.flatnonzero((self._labels & (self._sizes > 1)).any(axis=1))
        for _ in range(_ROUNDS):
            ends = np.cumsum(self._labels[pending] * self._sizes, axis=1)
            entry = (uniform(len(pending)) * ends[:, -1]).astype(np.int64)
            drawn = (ends <= entry[:, None]).sum(axis=1)  # the class whose list it is in
            starts = np.take_along_axis(ends, drawn[:, None], axis=1)[:, 0] - self._sizes[drawn]
            picked = self._members[drawn, entry - starts]
            shared = (self._labels[pending] & self._labels[picked]).sum(axis=1)
            accepted = (picked != pending) & (uniform(len(pending)) * shared < 1)
            found[pending[accepted]] = picked[accepted]
            pending = pending[~accepted]
        for row in pending.tolist():
            others = np.flatnonzero(self._sharing(self._labels[row]))
            found[row] = _one_of(others[others != row], uniform)
        return found

    def _dissimilar(self, classes: Truths, barred: Rows, uniform: Callable[[int], NDArray[np.float64]]) -> Rows:
        """Return an item that has none of some classes (m, C) and is not a barred one (m,), for each of m draws."""
        found, pending = np.full(len(classes), _NONE), np.arange(len(classes))
        for _ in range(_ROUNDS):
            picked = (uniform(len(pending)) * len(self._labels)).astype(np.int64)
            accepted = ~(classes[pending] & self._labels[picked]).any(axis=1) & (picked != barred[pending])
            found[pending[accepted]] = picked[accepted]
            pending = pending[~accepted]
        for draw in pending.tolist():
            found[draw] = _one_of(self._without(classes[draw], int(barred[draw])), uniform)
        return found

    def _two_dissimilar(self, anchor: int, uniform: Callable[[int], NDArray[np.float64]]) -> tuple[int, int]:
        """Return two items that share no class with an anchor nor with each other, looked for in a random order."""
        firsts = self._without(self._labels[anchor], anchor)
        for first in firsts[np.argsort(uniform(len(firsts)), kind="stable")].tolist():
            if len(seconds := self._without(self._labels[anchor] | self._labels[first], first)):
                return first, _one_of(seconds, uniform)
        return _NONE, _NONE

    def _without(self, classes: Truths, barred: int) -> Rows:
        """Return all items that have none of some classes, (C,), but a barred one."""
        key = classes.tobytes()
        if key in self._hopeless:
            return np.empty(0, np.int64)
        rows = np.flatnonzero(~self._sharing(classes))
        if not len(rows):
            self._hopeless.add(key)
        return rows[rows != barred]

    def _sharing(self, classes: Truths) -> Truths:
        """Return which items have one of some classes, (C,)."""
        sharing = np.zeros(len(self._labels), dtype=bool)
        for column in np.flatnonzero(classes).tolist():
            sharing[self._members[column, : self._sizes[column]]] = True
        return sharing


def _uniform(seed: int, epoch: int) -> Callable[[int], NDArray[np.float64]]:
    """Return what gives the next so many numbers from [0, 1)."""
    bits = np.random.PCG64(np.random.SeedSequence((seed, epoch), spawn_key=(_STREAM,)))
    return lambda count: np.ldexp(bits.random_raw(count) >> np.uint64(11), -53)


def _one_of(rows: Rows, uniform: Callable[[int], NDArray[np.float64]]) -> int:
    return int(rows[int(uniform(1)[0] * len(rows))]) if len(rows) else _NONE
