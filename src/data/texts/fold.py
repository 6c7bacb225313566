"""The texts of one fold as bags of words, in whole batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from ...errors import DataError
from ..metadata import Metadata
from .erasure import Erasure
from .rows import TextRows
from .transformation import TextTransformation

Item = tuple[torch.Tensor, torch.Tensor, int]
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class TextFold(Dataset[Item]):
    """The texts of one fold as bags of words, in the order of the metadata file; made once, a byte per word of the vocabulary.

    As bytes, so that little travels: ``fold.transformation.to_network_input(bags)`` makes of them, on any device, what a network takes.

    Args:
        metadata: the fold, as :func:`~biodeephashing.data.load_fold` reads it.
        texts: its texts, as :func:`~biodeephashing.data.load_texts` reads them.
        transformation: vocabulary, weights, and which captions count.
        erasure: what is erased at random, for training; None for nothing.

    Raises:
        DataError: if there are more or fewer texts than rows of metadata.

    Example:
        >>> from pathlib import Path
        >>> from biodeephashing.data import Vocabulary
        >>> metadata = Metadata(Path("train_metadata.txt"), ["cat.png", "dog.png"], np.eye(2, dtype=np.uint8))
        >>> texts = TextRows(Path("train_texts.txt"), ["a cat", "a dog runs"])
        >>> fold = TextFold(metadata, texts, TextTransformation(Vocabulary(("cat", "dog", "runs"))))
        >>> bags, labels, rows = fold.batch([1, 0])
        >>> bags.tolist(), labels.tolist(), rows.tolist()
        ([[0, 1, 1], [1, 0, 0]], [[0.0, 1.0], [1.0, 0.0]], [1, 0])
    """

    ready = True  # a batch is nothing but a copy out of memory

    def __init__(
        self, metadata: Metadata, texts: TextRows, transformation: TextTransformation, erasure: Erasure | None = None
    ) -> None:  # fmt: skip
        if len(texts) != len(metadata):
            raise DataError(f"{texts.file} has {len(texts):,} texts, but {metadata.file} has {len(metadata):,} lines")
        self.metadata, self.texts, self.transformation, self.erasure = metadata, texts, transformation, erasure
        self.labels = torch.from_numpy(metadata.labels).to(torch.float32)  # (n, C)
        self.bags = torch.from_numpy(transformation.bags(texts.texts))  # (n, d_t)

    def __len__(self) -> int:
        return len(self.metadata)

    @property
    def present(self) -> NDArray[np.bool_]:
        """Whether each item has a text, (n,)."""
        return self.texts.present

    @property
    def wordless(self) -> NDArray[np.int64]:
        """Rows of the texts of which no word is in the vocabulary."""
        return np.flatnonzero(self.present & ~self.bags.any(dim=1).numpy())

    def __getitem__(self, index: int) -> Item:
        """Return a bag, uint8 (d_t,), its labels, float32 (C,), and its row."""
        return self.bags[index], self.labels[index], index

    def batch(self, rows: Sequence[int], epoch: int = 0) -> Batch:
        """Return a batch: bags, uint8 (B, d_t), labels, float32 (B, C), and rows, int64 (B,).

        Args:
            rows: rows of the texts.
            epoch: number of the epoch; what is erased depends on it.
        """
        chosen = torch.tensor(rows, dtype=torch.int64)
        bags = self.bags[chosen]
        if self.erasure is not None:
            bags = torch.from_numpy(self.erasure(bags.numpy(), rows, epoch))
        return bags, self.labels[chosen], chosen
