"""A retrieval problem cut into shards."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from ranking_oracle import Sample

from biodeephashing.eval import RetrievalTask
from biodeephashing.eval.merging import PackedItems

BITS = st.one_of(st.integers(1, 40), st.sampled_from([63, 64, 65, 500, 1023, 1024]))


class Sharded:
    """A sample whose database is cut at some rows, which may be the same: shards may be empty, or of a single item."""

    def __init__(self, sample: Sample, cuts: list[int]) -> None:
        self.sample, self.starts = sample, [0, *sorted(cuts)]
        ends = [*self.starts[1:], len(sample.database_labels)]
        self.rows = [slice(start, end) for start, end in zip(self.starts, ends, strict=True)]

    @property
    def queries(self) -> PackedItems:
        return self._packed(self.sample.query_codes, self.sample.query_labels)

    @property
    def shards(self) -> list[PackedItems]:
        return [self._packed(self.sample.database_codes[rows], self.sample.database_labels[rows]) for rows in self.rows]

    @property
    def whole(self) -> RetrievalTask:
        return RetrievalTask(*self.sample.arrays, bits=self.sample.bits, features=self.sample.features)

    def tasks(self) -> list[tuple[RetrievalTask, int]]:
        """Tasks of the shards that hold items, with their features, and the number of the first item of each."""
        query_codes, codes, query_labels, labels = self.sample.arrays
        own, items = self.sample.features
        return [
            (
                RetrievalTask(query_codes, codes[rows], query_labels, labels[rows], bits=self.sample.bits, features=(own, items[rows])),
                rows.start,
            )
            for rows in self.rows
            if rows.start < rows.stop
        ]

    def _packed(self, codes: np.ndarray, labels: np.ndarray) -> PackedItems:
        return PackedItems(codes, np.packbits(labels, axis=1), self.sample.bits, labels.shape[1])


@st.composite
def problems(draw: st.DrawFn) -> Sharded:
    """Databases of 1 to 60 items in 1 to 6 shards; some shards may have no item with two classes, some queries nothing relevant."""
    database = draw(st.integers(1, 60))
    sample = Sample(
        draw(st.integers(0, 10**6)), draw(st.integers(1, 12)), database, draw(BITS),
        draw(st.sampled_from([1, 2, 8, 9, 17])), draw(st.booleans()),
    )  # fmt: skip
    problem = Sharded(sample, draw(st.lists(st.integers(0, database), max_size=5)))
    for rows in problem.rows:
        if draw(st.booleans()):
            sample.database_labels[rows] = np.eye(sample.database_labels.shape[1], dtype=np.uint8)[0]
    if draw(st.booleans()):
        sample.query_labels[0] = 0
    return problem
