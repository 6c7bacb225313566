"""Feeding a network: the order of the items of a fold, shared out over devices, and the loader of their images or texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.distributed import DistributedSampler

from ...errors import DataError, UsageError
from ...interrupts import defer_interrupts
from .fold import Batch
from .orders import independent_batches, permutation, with_others

_Request = tuple[list[int], int]  # positions of a batch among the items that are present, and its epoch
_Rows = Callable[[int], NDArray[np.int64]]  # of an epoch


class Fold(Protocol):
    """What a loader feeds from: the images of a fold (:class:`~biodeephashing.data.ImageFold`), or its texts."""

    @property
    def present(self) -> NDArray[np.bool_]:
        """Whether each item has an image, or a text, (n,); others are left out."""

    @property
    def ready(self) -> bool:
        """Whether a batch is nothing but a copy out of memory."""

    def batch(self, rows: Sequence[int], epoch: int = 0) -> Batch:
        """Return inputs, labels and rows of a batch."""


class EpochSampler(DistributedSampler[int]):
    r"""The order of the images in an epoch: a pure function of seed and epoch, the same for any number of devices.

    Batch :math:`g` of an epoch holds the images :math:`gB, \dots, (g+1)B - 1` of the epoch's order, and device
    :math:`r` of :math:`N` takes the :math:`r`-th of its :math:`N` equal parts: joined by rank, the parts are the batch
    one device would have had. Only the last, smaller batch may not be divisible by :math:`N`. When shuffling, what is
    left over is cut (other images in each epoch; none for one device); without shuffling, images from the start fill it
    up, recognisable by their rows.

    Being a :class:`~torch.utils.data.distributed.DistributedSampler`, Lightning sets its epoch and does not
    replace it.

    Args:
        length: images of an epoch.
        batch_size: images of a batch, over all devices.
        seed: seed of the order.
        shuffle: whether there is one; else the images come in their own order.
        rank: number of this device.
        world_size: number of devices N.
        rows: returns the rows that an epoch draws from, ``length`` different ones; None for those from 0.
        independent: whether each batch has a permutation of its own, see :func:`~biodeephashing.data.images.orders.independent_batches`.
        partners: returns for an epoch those that follow each row, (n, k): an epoch then has (1 + k) ``length`` images, and a batch
            (1 + k) ``batch_size``; None for none.
        pairwise: whether each image, then, is followed by another one, which doubles both.

    Raises:
        UsageError: if a batch cannot be shared evenly.
        DataError: if there is not one image for each device, or no other one for a pair.

    Example:
        >>> sampler = EpochSampler(6, batch_size=4, seed=0)
        >>> first = list(sampler)
        >>> sampler.set_epoch(1)
        >>> list(sampler) == first, sorted(sampler) == sorted(first)
        (False, True)
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        *,
        seed: int = 0,
        shuffle: bool = True,
        rank: int = 0,
        world_size: int = 1,
        rows: _Rows | None = None,
        independent: bool = False,
        partners: _Rows | None = None,
        pairwise: bool = False,
    ) -> None:
        if batch_size < 1 or batch_size % world_size:
            raise UsageError(f"-bs {batch_size} cannot be shared evenly by {world_size} devices")
        if length < world_size:
            raise DataError(f"{length} images cannot be shared by {world_size} devices")
        if pairwise and length < 2:
            raise DataError("one image alone has no other one for a pair")
        super().__init__(range(length), num_replicas=world_size, rank=rank, shuffle=shuffle, seed=seed)  # type: ignore[arg-type]
        self.items, self.rows, self.independent, self.partners, self.pairwise = length, rows, independent, partners, pairwise
        group = (1 + (partners(0).shape[1] if partners else 0)) * (1 + pairwise)
        self.length, self.batch_size = group * length, group * batch_size

    def order(self) -> NDArray[np.int64]:
        """Return the order of the epoch, over all devices and before anything is cut or filled up."""
        rows = np.arange(self.items) if self.rows is None else self.rows(self.epoch)
        if not self.shuffle:
            return rows
        if self.independent:
            order = independent_batches(self.items, self.batch_size * self.items // self.length, self.seed, self.epoch)
        else:
            order = permutation(self.items, self.seed, self.epoch)
        if self.partners is not None:
            drawn = self.partners(self.epoch)
            order, rows = np.column_stack([rows[order], drawn[rows[order]]]).ravel(), np.arange(len(drawn))
        return rows[with_others(order, len(rows), self.seed, self.epoch) if self.pairwise else order]

    def __iter__(self) -> Iterator[int]:
        order, surplus = self.order(), self.length % self.num_replicas
        if surplus and self.shuffle:
            order = order[:-surplus]
        elif surplus:
            order = np.concatenate([order, order[: self.num_replicas - surplus]])
        whole = len(order) - len(order) % self.batch_size
        body = order[:whole].reshape(-1, self.num_replicas, self.batch_size // self.num_replicas)[:, self.rank]
        tail = order[whole:].reshape(self.num_replicas, -1)[self.rank]
        return iter([*body.ravel().tolist(), *tail.tolist()])

    def __len__(self) -> int:
        return self.length // self.num_replicas if self.shuffle else -(-self.length // self.num_replicas)


def single_image_left(images: int, batch_size: int) -> bool:
    """Tell whether cutting an epoch into batches leaves one image that can join the batch before it.

    Args:
        images: images of the epoch.
        batch_size: images of a batch, more than one.

    Example:
        >>> single_image_left(35, 17), single_image_left(1, 17), single_image_left(4, 1)
        (True, False, False)
    """
    return 1 < batch_size < images and images % batch_size == 1


class _Batches(EpochSampler):
    """The same order, cut into the batches of one device; each comes with its epoch, which random changes depend on.

    Where a shuffled epoch would end with a batch of one image, that image joins the batch before it: one image has no pair to learn
    from, and batch norm cannot take its deviation.
    """

    def __iter__(self) -> Iterator[_Request]:  # type: ignore[override]
        rows, epoch, share = list(super().__iter__()), self.epoch, self.batch_size // self.num_replicas
        starts = range(0, len(self) * share, share)
        return ((rows[start : start + share] if start != starts[-1] else rows[start:], epoch) for start in starts)

    def __len__(self) -> int:
        count, share = super().__len__(), self.batch_size // self.num_replicas
        joined = self.shuffle and single_image_left(count, share)
        return -(-count // share) - joined


class _ByBatch(Dataset[Batch]):
    """A fold that returns whole batches: one look into the map, and nothing to collate."""

    def __init__(self, fold: Fold) -> None:
        self.fold = fold
        self.rows = np.flatnonzero(fold.present)

    def __getitem__(self, request: _Request) -> Batch:
        positions, epoch = request
        return self.fold.batch(self.rows[positions].tolist(), epoch)


class _Loader(DataLoader[Batch]):
    """A loader that Ctrl-C stops also in the moment when it forks its workers."""

    def __iter__(self) -> Any:
        with defer_interrupts():
            return super().__iter__()


def loader(
    fold: Fold,
    *,
    batch_size: int,
    num_workers: int = 0,
    shuffle: bool = False,
    seed: int = 0,
    rank: int = 0,
    world_size: int = 1,
    pin_memory: bool = False,
    rows: _Rows | None = None,
    independent: bool = False,
    partners: _Rows | None = None,
    pairwise: bool = False,
) -> DataLoader[Batch]:
    """Return a loader of the batches of one device, images or bags of words as bytes; ``loader.sampler.set_epoch(n)`` sets the epoch.

    Items without an image, or text, are left out. With none missing, images and texts come in the same order.

    Args:
        fold: the images, or the texts.
        batch_size: images of a batch, over all devices.
        num_workers: processes that decode or change images; they stay alive between epochs. None where the images are ready.
        shuffle: whether the order changes with the epoch, see :class:`EpochSampler`.
        seed: seed of the order and of the workers.
        rank: number of this device.
        world_size: number of devices.
        pin_memory: whether batches lie in page-locked memory, from where they get to a GPU faster.
        rows: returns the rows of the fold that an epoch draws from, none of them left out and as many in each; None for all.
        independent: see :class:`EpochSampler`.
        partners: returns for an epoch those that follow each row of the fold, see :class:`EpochSampler`; None for none.
        pairwise: see :class:`EpochSampler`.

    Raises:
        UsageError: if a batch cannot be shared evenly.
        DataError: if there is not one image for each device.
    """
    workers, batches = 0 if fold.ready else num_workers, _ByBatch(fold)
    length = len(batches.rows) if rows is None else len(rows(0))
    positions = None if rows is None else lambda epoch: np.searchsorted(batches.rows, rows(epoch))
    following = None if partners is None else lambda epoch: np.searchsorted(batches.rows, partners(epoch)[batches.rows])
    return _Loader(
        batches,
        batch_size=None,  # the sampler gives batches
        sampler=_Batches(
            length,
            batch_size,
            seed=seed,
            shuffle=shuffle,
            rank=rank,
            world_size=world_size,
            rows=positions,
            independent=independent,
            partners=following,
            pairwise=pairwise,
        ),
        num_workers=workers,
        pin_memory=pin_memory,
        persistent_workers=workers > 0,
        # Without a generator of its own a loader draws from the global one, and what is drawn there after it changes.
        generator=torch.Generator().manual_seed(seed),
    )
