"""The items of a fold as dictionaries, alone or with partners: for objectives of one's own that compare two, three or four items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from ..errors import UsageError, unknown_name
from .features.fold import FeatureFold
from .images.fold import ImageFold
from .metadata import PreparedDataset
from .partners import ROLES, Partners
from .texts.fold import TextFold
from .texts.rows import load_texts
from .texts.transformation import TextTransformation

View: TypeAlias = ImageFold | TextFold | FeatureFold
VIEWS = ("img", "txt")


class Samples(Dataset[dict[str, Any]]):
    """Items of a fold, each a dictionary, with the partners that a sampling mode draws anew in every epoch.

    An item has ``index`` (its row), ``label`` (C,), and ``img`` or ``txt`` or both, as their folds give them, see
    :class:`~biodeephashing.data.ImageFold` and :class:`~biodeephashing.data.TextFold`. Its partners have the same under other keys:

    ============  ======================================================================
    mode          keys besides
    ============  ======================================================================
    single        none
    pairwise      ``ano_index``, ``ano_label``, ``ano_img``, ``ano_txt``: another item
    triplet       ``pos_...``, which shares a class, and ``neg_...``, which shares none
    quadruplet    ``pos_...``, ``neg_...1`` and ``neg_...2``, as ``neg_index1``
    ============  ======================================================================

    Only :attr:`~biodeephashing.data.partners.Partners.anchors` are items; ``print(samples.partners)`` tells how many were left out.
    ``loader(samples, batch_size=..., shuffle=True)`` gives batches under the same keys, with the partners of its own epoch.

    Args:
        views: folds of the same items, by "img" and "txt"; what is not among them is not read.
        mode: single, pairwise, triplet or quadruplet.
        seed: what is drawn is a function of it and the epoch.

    Raises:
        UnknownNameError: for another mode or view.
        UsageError: if there is no view, or they have different numbers of items.
    """

    def __init__(self, views: Mapping[str, View], mode: str = "single", *, seed: int = 0) -> None:
        for name in views:
            if name not in VIEWS:
                raise unknown_name("view", name, VIEWS)
        lengths = {len(view) for view in views.values()}
        if len(lengths) != 1:
            raise UsageError(f"samples need views of the same items, and these have {sorted(lengths)} items")
        self.views, self.epoch = views, 0
        there = np.logical_and.reduce([view.present for view in views.values()])
        labels = next(iter(views.values())).labels.numpy()
        self.partners = Partners(labels, mode, present=there, seed=seed)
        self.present: NDArray[np.bool_] = np.zeros(len(labels), dtype=bool)
        self.present[self.partners.anchors] = True
        self.ready = all(view.ready for view in views.values())

    def __len__(self) -> int:
        return len(self.partners.anchors)

    def set_epoch(self, epoch: int) -> None:
        """Draw the partners of another epoch from now on."""
        self.epoch = epoch

    def __getitem__(self, position: int) -> dict[str, Any]:
        """Return the item at a position among the anchors."""
        batch = self.batch([int(self.partners.anchors[position])], self.epoch)
        return {key: int(value[0]) if "index" in key else value[0] for key, value in batch.items()}

    def batch(self, rows: Sequence[int], epoch: int = 0) -> dict[str, torch.Tensor]:
        """Return a batch of anchors with their partners, one tensor a key.

        Args:
            rows: rows of anchors.
            epoch: number of the epoch; partners, and random changes, depend on it.
        """
        drawn = self.partners.drawn(epoch)[np.asarray(rows, dtype=np.int64)]
        batch = self._items(list(rows), epoch, "", "")
        for (before, after), chosen in zip(ROLES[self.partners.mode], drawn.T.tolist(), strict=True):
            batch |= self._items(chosen, epoch, before, after)
        return batch

    def _items(self, rows: list[int], epoch: int, before: str, after: str) -> dict[str, torch.Tensor]:
        items = {}
        for name, view in self.views.items():
            items[f"{before}{name}{after}"], labels, index = view.batch(rows, epoch)
        return items | {f"{before}label{after}": labels, f"{before}index{after}": index}


def load_samples(
    database: str | PreparedDataset, mode: str = "single", *, views: Sequence[str] = VIEWS, fold: str = "train",
    transformation: str = "none", seed: int = 0,
) -> Samples:  # fmt: skip
    """Return the items of a prepared dataset, see :class:`Samples`; texts as bags of words.

    Args:
        database: the dataset, or its name.
        mode: single, pairwise, triplet or quadruplet.
        views: "img", "txt" or both; without "img" no image is decoded.
        fold: "train", "val", "query" or "database".
        transformation: what happens to an image, see :data:`~biodeephashing.data.TRANSFORMS`.
        seed: what is drawn is a function of it and the epoch.

    Raises:
        UnknownNameError: for another mode, view, fold or transformation.
        DataError: if the dataset was not prepared, was changed afterwards, or has no texts and they are asked for.
    """
    prepared = database if isinstance(database, PreparedDataset) else PreparedDataset(database)
    metadata, read = prepared.fold(fold), dict[str, View]()
    for name in views:
        if name == "txt":
            read[name] = TextFold(metadata, load_texts(prepared, fold), TextTransformation.of(prepared))
        else:
            read[name] = ImageFold(metadata, transformation)
    return Samples(read, mode, seed=seed)
