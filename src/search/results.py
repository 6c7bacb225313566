"""Answers in the form that people and programs read: paths, classes, and the class that they predict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .indexing.engine import Answer
from .indexing.index import Index
from .indexing.parts import IndexParts
from .indexing.searchable import Item

TIE_RULES = {"id": "distance, then id", "features": "distance, then distance of the features at unit length, then id"}


@dataclass(frozen=True)
class Neighbour:
    """An item near a query.

    Args:
        rank: 1 for the nearest.
        id: its number.
        distance: its Hamming distance.
        path: of the image; ``FOLD:ROW`` of a text without one.
        classes: their names; none where they are not known.
        relevant: whether it shares a class with the query; None where the query's classes are not known.
        text: the item, where texts are searched for; empty otherwise.
    """

    rank: int
    id: int
    distance: int
    path: str
    classes: tuple[str, ...]
    relevant: bool | None
    text: str = ""


@dataclass(frozen=True)
class Prediction:
    """The class that an image most likely has.

    Args:
        name: of the class.
        share: its probability, or the share of the neighbours that have it.
        source: where it comes from, in words: "by the head of GreedyHash", or "9 of 10 nearest".
    """

    name: str
    share: float
    source: str

    def __str__(self) -> str:
        """Return it as it is printed.

        Example:
            >>> str(Prediction("6", 0.9965, "by the head of GreedyHash")), str(Prediction("6", 0.9, "9 of 10 nearest"))
            ('class 6 (probability 0.9965, by the head of GreedyHash)', 'class 6 (9 of 10 nearest)')
        """
        probability = f"probability {self.share:.4f}, " if self.source.startswith("by ") else ""
        return f"class {self.name} ({probability}{self.source})"


@dataclass(frozen=True)
class Result:
    """A query and its answer.

    Args:
        source: the query in words: a file, a fold and a row, or a text.
        code: its packed code in hexadecimal digits.
        classes: of the query; None where they are not known.
        prediction: the class that it most likely has; None if there is no evidence.
        neighbours: the nearest first.
        tied: how many further items are at the last distance.
        total: how many items could have been an answer.
        note: an unusual step of decoding the image, or the words of a text that do not count, if any.
        text: the query, where it is a text; empty otherwise.
    """

    source: str
    code: str
    classes: tuple[str, ...] | None
    prediction: Prediction | None
    neighbours: tuple[Neighbour, ...]
    tied: int
    total: int
    note: str = ""
    text: str = ""

    @property
    def hits(self) -> int | None:
        """How many neighbours share a class with the query; None where its classes are not known."""
        return None if self.classes is None else sum(bool(one.relevant) for one in self.neighbours)

    @property
    def ties(self) -> str:
        """The items at the last distance in words.

        Example:
            >>> Result("a.png", "00", None, None, (Neighbour(1, 0, 3, "b.png", (), None),), 96, 597).ties
            '1 of 97 items at distance 3'
        """
        if not self.neighbours:
            return "no item"
        last = self.neighbours[-1].distance
        shown = sum(one.distance == last for one in self.neighbours)
        return f"{shown:,} of {shown + self.tied:,} items at distance {last}"

    def record(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self) | {"hits": self.hits}


def result_of(
    index: Index | IndexParts,
    answer: Answer,
    *,
    source: str,
    code: NDArray[np.uint8],
    labels: NDArray[np.uint8] | None,
    prediction: Prediction | None = None,
    note: str = "",
    text: str = "",
    text_of: Callable[[Item], str] | None = None,
) -> Result:
    """Return an answer with paths and classes, and the texts of the items where these are searched for.

    Args:
        index: that gave it.
        answer: to one query.
        source: the query in words.
        code: its packed code, (bytes,).
        labels: its classes, 0 or 1, (C,); None where they are not known.
        prediction: by a head or centres; None to let the neighbours vote.
        note: what was done to the query.
        text: the query, where it is a text.
        text_of: returns the text of an item; None where images are searched for.
    """
    names = np.array(index.facts.classes, dtype=object)
    items = index.items(answer.ids.tolist())
    known = labels is not None and bool(labels.any())
    neighbours = []
    for rank, (item, distance) in enumerate(zip(items, answer.distances.tolist(), strict=True), start=1):
        relevant = bool((item.labels & labels).any()) if labels is not None and known else None
        own = tuple(names[item.labels != 0].tolist()) if len(item.labels) else ()
        neighbours.append(Neighbour(rank, item.id, distance, item.path, own, relevant, text_of(item) if text_of else ""))
    vote = prediction or voted(np.array([item.labels for item in items]), answer.distances, index.facts.classes)
    classes = tuple(names[labels != 0].tolist()) if labels is not None and known else None
    return Result(source, code.tobytes().hex(), classes, vote, tuple(neighbours), answer.tied, answer.total, note, text)


def voted(labels: NDArray[np.uint8], distances: NDArray[np.int64], classes: Sequence[str]) -> Prediction | None:
    """Return the class that most of the neighbours have; of several the one whose items are nearer together, then the first.

    Args:
        labels: 0 or 1, (n, C).
        distances: of the neighbours, (n,).
        classes: names.

    Example:
        >>> voted(np.array([[1, 0], [0, 1], [0, 1], [1, 0]]), np.array([0, 2, 2, 3]), ["cat", "dog"]).name
        'cat'
        >>> voted(np.zeros((2, 2), np.uint8), np.array([0, 2]), ["cat", "dog"]) is None
        True
    """
    if not labels.any():
        return None
    votes, sums = labels.sum(axis=0, dtype=np.int64), distances @ labels.astype(np.int64)
    best = int(np.lexsort((np.arange(len(votes)), sums, -votes))[0])
    return Prediction(classes[best], float(votes[best] / len(labels)), f"{votes[best]} of {len(labels)} nearest")
