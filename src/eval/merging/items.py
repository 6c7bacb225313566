"""Queries, or the items of a shard, as small as they are stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..ranking.task import RetrievalTask


@dataclass(frozen=True)
class PackedItems:
    """Queries, or the items of a shard, as small as they are stored.

    Args:
        codes: packed codes, uint8 (n, ceil(bits / 8)).
        labels: packed labels, uint8 (n, ceil(classes / 8)).
        bits: length of a code.
        classes: number of classes.
    """

    codes: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    bits: int
    classes: int

    def task(self, queries: PackedItems) -> RetrievalTask:
        """Return queries against these items.

        Raises:
            BioDeepHashingError: if there are no items, or codes and labels do not fit together.
        """
        labels = queries.labels, self.labels
        return RetrievalTask(queries.codes, self.codes, *labels, bits=self.bits, classes=self.classes)
