"""Which images validation ranks the val fold against, and whether its mAP can distinguish epochs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data import Metadata

_BLOCK = 256  # queries compared at once


@dataclass(frozen=True)
class Validation:
    """How the val fold is ranked in each epoch.

    A partner of an image is another one that shares a class with it. Where every val image has a partner in val, each is ranked against
    the others; else against those and the train fold.

    Args:
        images: images of the val fold.
        without_partner: how many of them have no partner in val.
        unreachable: how many of them have none in train either; each counts as 0.
        companions: rows of the train fold that are ranked too; None where val suffices.
        can_move: whether any order of the ranked images can give another mAP than the others.
    """

    images: int
    without_partner: int
    unreachable: int
    companions: NDArray[np.intp] | None
    can_move: bool

    @classmethod
    def of(cls, train: Metadata, val: Metadata) -> Validation:
        """Return how a val fold is ranked, from its labels and those of the train fold.

        Example:
            >>> from pathlib import Path
            >>> val = Metadata(Path("val_metadata.txt"), ["a.png", "b.png"], np.eye(2, dtype=np.uint8))
            >>> train = Metadata(Path("train_metadata.txt"), ["c.png", "d.png"], np.eye(2, dtype=np.uint8))
            >>> Validation.of(train, val)
            Validation(images=2, without_partner=2, unreachable=0, companions=array([0, 1]), can_move=True)
        """
        alone = ~_has_partner(val.labels, val.labels)
        inside = set(val.paths)
        rows = np.array([row for row, path in enumerate(train.paths) if path not in inside], dtype=np.intp)
        joined = np.concatenate([val.labels, train.labels[rows]])
        unreachable = ~_has_partner(val.labels, joined)
        helped = bool((alone & ~unreachable).any())
        can_move = _can_move(val.labels, joined if helped else val.labels)
        return cls(len(val), int(alone.sum()), int(unreachable.sum()), rows if helped else None, can_move)

    def line(self, items: str) -> str:
        """Return one line for the plan printed before the first epoch, which calls the items by their name."""
        against = f"the {self.images - 1:,} others"
        why = ""
        if self.companions is not None:
            against += f" and the {len(self.companions):,} of train"
            why = f", because {self.without_partner:,} of them share no class with another one"
        zeros = f"; {self.unreachable:,} share no class with any of these and count as 0" if self.unreachable else ""
        fixed = "" if self.can_move else "; val mAP cannot change, so the last epoch is kept and -pt stops nothing"
        return f"each of {self.images:,} val {items} is ranked against {against}{why}{zeros}{fixed}"


def _has_partner(queries: NDArray[np.uint8], items: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which queries, each an item itself, share a class with another item."""
    return np.asarray(queries[:, items.sum(axis=0, dtype=np.intp) >= 2].any(axis=1))


def _can_move(queries: NDArray[np.uint8], items: NDArray[np.uint8]) -> bool:
    """Return whether a query, itself an item, has both a partner and an item that is none."""
    columns = items.T.astype(np.float32)
    for start in range(0, len(queries), _BLOCK):
        block = queries[start : start + _BLOCK].astype(np.float32)
        partners = (block @ columns > 0).sum(axis=1) - block.any(axis=1)
        if ((partners > 0) & (partners < len(items) - 1)).any():
            return True
    return False
