"""The ready features of one fold, in whole batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from ..metadata import Metadata
from .rows import Values

Item = tuple[torch.Tensor, torch.Tensor, int]
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class FeatureTransformation:
    """What happens to ready features before a network: nothing; it standardises them itself, by statistics that its checkpoint holds."""

    def to_network_input(self, features: torch.Tensor) -> torch.Tensor:
        """Return features (B, D), float16 or float32, as float32."""
        return features.to(torch.float32)


class FeatureFold(Dataset[Item]):
    """The ready features of one fold, in the order of the metadata file.

    Args:
        metadata: the fold, as :func:`~biodeephashing.data.load_fold` reads it.
        values: its features, (n, D); they may be mapped into memory.
        present: which items have features, (n,); None for all.

    Example:
        >>> from pathlib import Path
        >>> metadata = Metadata(Path("train_metadata.txt"), ["a", "b"], np.eye(2, dtype=np.uint8))
        >>> fold = FeatureFold(metadata, np.array([[1, 2, 3], [4, 5, 6]], np.float32))
        >>> features, labels, rows = fold.batch([1])
        >>> features.tolist(), labels.tolist(), rows.tolist()
        ([[4.0, 5.0, 6.0]], [[0.0, 1.0]], [1])
    """

    ready = True  # a batch is nothing but a copy out of memory
    transformation = FeatureTransformation()

    def __init__(self, metadata: Metadata, values: Values, present: NDArray[np.bool_] | None = None) -> None:
        self.metadata, self.values = metadata, values
        self.present: NDArray[np.bool_] = np.ones(len(metadata), dtype=bool) if present is None else present
        self.labels = torch.from_numpy(metadata.labels).to(torch.float32)  # (n, C)

    def __len__(self) -> int:
        return len(self.metadata)

    def __getitem__(self, index: int) -> Item:
        """Return the features of an item, (D,), its labels, float32 (C,), and its row."""
        features, labels, _ = self.batch([index])
        return features[0], labels[0], index

    def batch(self, rows: Sequence[int], epoch: int = 0) -> Batch:
        """Return a batch: features as they are stored, (B, D), labels, float32 (B, C), and rows, int64 (B,).

        Args:
            rows: rows of the features.
            epoch: number of the epoch; ready features do not depend on it.
        """
        index = np.asarray(rows, dtype=np.int64)
        chosen = torch.from_numpy(index)
        return torch.from_numpy(np.array(self.values[index])), self.labels[chosen], chosen
