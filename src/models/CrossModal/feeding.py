"""What feeds two towers: images and texts of the same items, apart or as pairs, and the passes of an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import lightning.pytorch as pl
from torch import Tensor
from torch.utils.data import DataLoader

from ...data import Metadata, PreparedDataset, loader
from ...data.partners import Partners
from ...errors import DataError
from ...modalities import MODALITIES
from .label_noise import with_label_noise
from .settings import PARTNERED, Settings
from .views import Batches, OfTexts, Views, views_of


class Passes:
    """The passes of an epoch as one loader: all batches of the first, then all of the second.

    Args:
        loaders: one a pass.
    """

    def __init__(self, loaders: Sequence[DataLoader[Any]]) -> None:
        self.loaders = loaders

    def __iter__(self) -> Iterator[Batches]:
        for one in self.loaders:
            yield from one

    def __len__(self) -> int:
        return sum(len(one) for one in self.loaders)

    @property
    def sampler(self) -> Passes:
        """Itself, where Lightning looks for what it tells the epoch."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Tell every pass the number of the epoch."""
        for one in self.loaders:
            one.sampler.set_epoch(epoch)  # type: ignore[attr-defined] # an EpochSampler


class CrossModalFeeding(pl.LightningDataModule):
    """Feeds both towers with the train fold, and with the pairs of the val fold.

    Args:
        prepared: the dataset.
        texts: what happens to its texts.
        settings: the run's settings.
        alternates: whether the towers learn in turn; else from pairs.
        pairwise: whether each item of a training batch is followed by another one at random.

    Raises:
        DataError: if the labels leave no item with the partners that ``-sampling`` draws.
    """

    def __init__(
        self, prepared: PreparedDataset, texts: OfTexts, settings: Settings, *, alternates: bool, pairwise: bool = False
    ) -> None:  # fmt: skip
        super().__init__()
        self.settings = settings
        self.texts = texts
        self.alternates = alternates
        self.pairwise = pairwise
        self.train_views = views_of(prepared, "train", texts, settings, training=True)
        if settings.label_noise:
            noisy = with_label_noise(self.labels, settings.label_noise, settings.seed)
            for view in self.train_views.values():
                view.labels = noisy
        self.val_pairs = Views(views_of(prepared, "val", texts, settings))
        self.partners = self._partners()

    @property
    def labels(self) -> Tensor:
        """Labels of the train fold, float32 (N, C)."""
        return self.train_views["image"].labels

    @property
    def val_fold(self) -> Metadata:
        """The items of the val fold that have an image and a text."""
        return self.val_pairs.views["image"].metadata.rows(self.val_pairs.present)

    def passes(self) -> dict[str, Views]:
        """Return what each pass of an epoch sees, in their order, by its name in words."""
        if not self.alternates:
            return {"pairs": Views(self.train_views)}
        order = MODALITIES if self.settings.first == MODALITIES[0] else MODALITIES[::-1]
        return {f"{modality}s": Views({modality: self.train_views[modality]}) for modality in order}

    def train_dataloader(self) -> Any:
        """Return this process's share of the passes, each in an order of its own that seed and epoch give."""
        loaders = [self._loader(views, number, self.partners.get(name)) for number, (name, views) in enumerate(self.passes().items())]
        passes = Passes(loaders)
        # Workers begin to fetch before Lightning tells the sampler which epoch a resumed training goes on with.
        passes.set_epoch(self._trainer().fit_loop.epoch_progress.current.processed)
        return passes

    def val_dataloader(self) -> DataLoader[Any]:
        """Return this process's share of the pairs of the val fold."""
        return self._loader(self.val_pairs)

    def _trainer(self) -> pl.Trainer:
        assert self.trainer is not None
        return self.trainer

    def _partners(self) -> dict[str, Partners]:
        """Return what draws the partners of the items of each pass; empty where items come alone."""
        mode, drawn = self.settings.sampling, {}
        if mode not in PARTNERED or (mode == PARTNERED[0] and self.pairwise):
            return {}
        for number, (name, views) in enumerate(self.passes().items()):
            seed = (self.settings.seed + number) % 2**64
            drawn[name] = Partners(self.labels.numpy(), mode, present=views.present, seed=seed)
            if not len(drawn[name].anchors):
                raise DataError(f"-sampling {mode}: no item of train has such partners among the {name} ({drawn[name]})")
        return drawn

    def _loader(self, views: Views, number: int | None = None, partners: Partners | None = None) -> DataLoader[Any]:
        """Return a loader, in the order of the pass of that number, or in that of the rows."""
        trainer: Any = self._trainer()
        fold: Any = views
        return loader(
            fold,
            batch_size=self.settings.batch_size,
            num_workers=self.settings.num_workers,
            shuffle=number is not None,
            seed=(self.settings.seed + (number or 0)) % 2**64,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
            pin_memory=trainer.strategy.root_device.type == "cuda",
            independent=self.settings.sampling == "independent",
            rows=None if partners is None else lambda epoch: partners.anchors,
            partners=None if partners is None else partners.drawn,
            pairwise=number is not None and self.pairwise,
        )
