"""The split that MIRFLICKR-25000 and PASCAL VOC 2012 share: dealt at random, the rest database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..prepare import splits

if TYPE_CHECKING:
    from ..prepare.content import Content
    from ..prepare.label_table import LabelTable

SIZES = {"train": 4_000, "query": 1_000, "val": 1_000}
SEED = 0
_DEALT = "a shuffled list of 4,000 train, 1,000 query, 1,000 val and else database is assigned to the images"


def dealt(table: LabelTable, name: str, *, disjoint: bool, source: str) -> Content:
    """Return images dealt to the four folds.

    Args:
        table: the images and their labels.
        name: of the protocol, where the folds are not disjoint.
        disjoint: whether they are; else the database also holds the val images.
        source: where the images come from.
    """
    protocol = splits.Protocol("disjoint", _DEALT, SEED)
    if not disjoint:
        rule = f"{_DEALT}; the database also holds the val images, but not the training images"
        protocol = splits.Protocol(name, rule, SEED, ("val-database",))
    folds = splits.share(splits.deal(len(table), SIZES, seed=SEED), protocol.shared)
    return table.content(folds, protocol, source=source)
