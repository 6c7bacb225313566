"""The folds as Lightning wants them: loaders made in each process, for its share of every batch."""

from __future__ import annotations

from typing import cast

import lightning.pytorch as pl
from torch.utils.data import DataLoader

from ...data import EpochSampler, ImageFold, Metadata, loader
from ...hparams import Settings


class Feeding(pl.LightningDataModule):
    """Feeds the train and the val fold.

    Args:
        train_fold: images to learn from.
        val_fold: images to choose the best epoch by.
        settings: the run's settings.
    """

    def __init__(self, train_fold: Metadata, val_fold: Metadata, settings: Settings) -> None:
        super().__init__()
        self.train_fold = train_fold
        self.val_fold = val_fold
        self.settings = settings

    def train_dataloader(self) -> DataLoader:
        """Return this process's share of the train fold, in the order that seed and epoch give."""
        batches = self._loader(self.train_fold, shuffle=True)
        # Workers begin to fetch before Lightning tells the sampler which epoch a resumed training goes on with.
        cast(EpochSampler, batches.sampler).set_epoch(self._trainer().fit_loop.epoch_progress.current.processed)
        return batches

    def val_dataloader(self) -> DataLoader:
        """Return this process's share of the val fold."""
        return self._loader(self.val_fold, shuffle=False)

    def _trainer(self) -> pl.Trainer:
        assert self.trainer is not None
        return self.trainer

    def _loader(self, fold: Metadata, *, shuffle: bool) -> DataLoader:
        trainer = self._trainer()
        return loader(
            ImageFold(fold, self.settings.transformations),
            batch_size=self.settings.batch_size,
            num_workers=self.settings.num_workers,
            shuffle=shuffle,
            seed=self.settings.seed,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
            pin_memory=trainer.strategy.root_device.type == "cuda",
        )
