"""The folds as a Lightning data module: each process loads its share of every batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, cast

import lightning.pytorch as pl
import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from ..data import EpochSampler, FeatureFold, ImageFold, loader
from ..settings import TrainingSettings
from .module import HashingModule

Items: TypeAlias = ImageFold | FeatureFold
_IN_MEMORY = 2**32  # bytes of features that are kept


class Feeding(pl.LightningDataModule):
    """Feeds the train and the val fold.

    Args:
        train_images: images to learn from, or the ready features in their place.
        val_images: those to choose the best epoch by.
        settings: the run's settings.
        companions: those that the val images are ranked against in addition to each other; None for none.
    """

    def __init__(
        self, train_images: Items, val_images: Items, settings: TrainingSettings, companions: Items | None = None
    ) -> None:  # fmt: skip
        super().__init__()
        self.train_images = train_images
        self.val_images = val_images
        self.settings = settings
        self.companions = companions

    def become_features(self, features_of: Callable[[ImageFold], NDArray[np.floating[Any]]], width: int) -> bool:
        """Put features in the place of all images; tell whether that was done: not where images change with the epoch, or are too many.

        Args:
            features_of: computes those of a fold, float32 (n, D).
            width: their number D.
        """
        images, val = self.train_images, self.val_images
        if not isinstance(images, ImageFold) or not isinstance(val, ImageFold) or images.changing:
            return False
        if 4 * width * (len(images) + len(val)) > _IN_MEMORY:
            return False
        self.train_images, self.val_images = (FeatureFold(fold.metadata, features_of(fold), fold.present) for fold in (images, val))
        self.companions = self.companions and self.train_images
        return True

    def train_dataloader(self) -> DataLoader:
        """Return this process's share of what the loss draws from the train fold, in the order that seed and epoch give."""
        module = self._trainer().lightning_module
        assert isinstance(module, HashingModule)
        loss = module.loss
        rows = None if loss.epoch_rows(0) is None else lambda epoch: cast(Tensor, loss.epoch_rows(epoch)).numpy()
        batches = self._loader(self.train_images, shuffle=True, rows=rows)
        # Workers begin to fetch before Lightning tells the sampler which epoch a resumed training goes on with.
        cast(EpochSampler, batches.sampler).set_epoch(self._trainer().fit_loop.epoch_progress.current.processed)
        return batches

    def val_dataloader(self) -> list[DataLoader]:
        """Return this process's share of the val fold, and of its companions where it has some."""
        folds = [self.val_images] if self.companions is None else [self.val_images, self.companions]
        return [self._loader(fold, shuffle=False) for fold in folds]

    def _trainer(self) -> pl.Trainer:
        assert self.trainer is not None
        return self.trainer

    def _loader(self, images: Items, *, shuffle: bool, rows: Callable[[int], NDArray[np.int64]] | None = None) -> DataLoader:
        trainer = self._trainer()
        return loader(
            images,
            batch_size=self.settings.batch_size,
            num_workers=self.settings.num_workers,
            shuffle=shuffle,
            seed=self.settings.seed,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
            pin_memory=trainer.strategy.root_device.type == "cuda",
            rows=rows,
        )
