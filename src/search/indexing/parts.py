"""Several indexes whose ids are different, as parts of one collection: each is asked, and the answers are merged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ...errors import RunError
from .engine import Answer, merge
from .index import Index
from .kernels import Bytes, Ids
from .searchable import Item, Searchable
from .store import Facts


@dataclass(frozen=True)
class PartQuery:
    """What a part of a collection is asked; it can be pickled.

    Args:
        number: of the part, from 0.
        folder: of its index.
        facts: what that held when the parts were opened.
        codes: packed codes of the queries, (q, bytes).
        most: how many items an answer has at most.
        radius: the distance within which they are; None for any.
        classes: names; None for all.
        exclude: an id for each query, -1 for none, (q,).
    """

    number: int
    folder: Path
    facts: Facts
    codes: Bytes
    most: int
    radius: int | None
    classes: Sequence[str] | None
    exclude: Ids


Ask: TypeAlias = Callable[[Sequence[PartQuery]], list[list[Answer]]]


def ask_part(query: PartQuery) -> list[Answer]:
    """Return the answers of a part.

    Raises:
        RunError: if the index was built anew since the parts were opened, or cannot be used.
    """
    index = Index(query.folder)
    if index.facts != query.facts:
        raise RunError(f"{query.folder} was built anew while it was searched: search again")
    return index.answer(query.codes, query.most, query.radius, query.classes, query.exclude)


class IndexParts(Searchable):
    """Indexes whose ids are different, which answer as one index over all their items does: by distance and then by id.

    Args:
        folder: where they lie.
        indexes: in the order of their ids, at least one.
        items: returns items by id, in the order that they are asked for.
        find: returns the id of the item of a path, None if there is none.
        ask: has the parts asked, and returns the answers in their order; None to ask one after the other in this process.

    Example:
        >>> import tempfile
        >>> folder, codes = Path(tempfile.mkdtemp()), np.array([[1, 1, 1], [-1, 1, 1], [1, 1, 1], [-1, -1, -1]])
        >>> parts = [Index.build(folder / f"{n}", codes[n : n + 2], ["a", "b"], facts=Facts(bits=3, first_id=n)) for n in (0, 2)]
        >>> IndexParts(folder, parts, items=lambda ids: [], find=lambda path: None).search(codes[:1], k=3)[0].ids.tolist()
        [0, 2, 1]
    """

    def __init__(
        self,
        folder: Path,
        indexes: Sequence[Index],
        items: Callable[[Sequence[int]], list[Item]],
        find: Callable[[str], int | None],
        ask: Ask | None = None,
    ) -> None:
        self.folder, self.indexes, self._items, self.find = folder, indexes, items, find
        self._ask = ask or (lambda queries: [ask_part(query) for query in queries])
        shards = tuple(shard for index in indexes for shard in index.facts.shards)
        self._facts = replace(indexes[0].facts, shards=shards)

    @property
    def facts(self) -> Facts:
        """What the parts belong to, with the shards of all."""
        return self._facts

    def __len__(self) -> int:
        """Return how many items there are."""
        return sum(len(index) for index in self.indexes)

    @property
    def distinct(self) -> int:
        """How many distinct codes are scanned; one that lies in several parts counts in each."""
        return sum(index.distinct for index in self.indexes)

    def items(self, ids: Iterable[int]) -> list[Item]:
        """Return items by id.

        Raises:
            RunError: naming an id that no item has.
        """
        return self._items([int(number) for number in ids])

    def code(self, number: int) -> Bytes:
        """Return the packed code of an item, (bytes,).

        Raises:
            RunError: naming an id that no item has.
        """
        firsts = [index.facts.first_id for index in self.indexes]
        return self.indexes[max(0, int(np.searchsorted(firsts, number, side="right")) - 1)].code(number)

    def answer(self, queries: Bytes, most: int, radius: int | None, classes: Sequence[str] | None, excluded: Ids) -> list[Answer]:
        asked = [
            PartQuery(number, index.folder.absolute(), index.facts, queries, most, radius, classes, excluded)
            for number, index in enumerate(self.indexes)
        ]  # fmt: skip
        return [merge(answers, most) for answers in zip(*self._ask(asked), strict=True)]
