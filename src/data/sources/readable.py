"""The images of shards in whole batches, as a network takes them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ...errors import DataError
from ...interrupts import defer_interrupts
from ..images.decoding import UnreadableError, decode
from ..images.transforms import Transformation
from ._interface import Images

Decoded = tuple[Tensor, Tensor]

# Below a process that an executor spawned they would be spawned too, and import PyTorch.
_START_METHOD = "fork" if sys.platform == "linux" else None


class ShardLoader:
    """Decodes the images of one shard after the other, by the same processes.

    Args:
        transformation: what happens to an image before the network.
        batch_size: images of a batch.
        refuse: whether an image that cannot be decoded is an error; else it is missing in its batch.
        num_workers: processes that decode; they end with this object.
        pin_memory: whether batches lie in page-locked memory, from where they get to a GPU faster.
    """

    def __init__(self, transformation: Transformation, batch_size: int, *, refuse: bool, num_workers: int, pin_memory: bool) -> None:
        self._size, self._parts = batch_size, _Parts()
        self._batches: DataLoader[Decoded] = DataLoader(
            _Decoding(transformation, refuse),
            batch_size=None,  # the sampler gives parts
            sampler=self._parts,
            num_workers=num_workers,
            pin_memory=pin_memory,
            persistent_workers=num_workers > 0,
            multiprocessing_context=_START_METHOD if num_workers else None,
            generator=torch.Generator(),  # without one of its own a loader draws from the global one
        )

    def batches(self, images: Images) -> Iterator[Decoded]:
        """Yield the batches of a shard: images, uint8 (B, 3, H, W), and their rows in the shard, int64 (B,).

        Args:
            images: those of the shard.

        Raises:
            DataError: if an image cannot be decoded and that is an error, or images are of different size; it names them.
        """
        starts = range(0, len(images), self._size)
        self._parts.due = (images.part(slice(start, start + self._size)) for start in starts)
        with defer_interrupts():  # processes may be forked
            batches = iter(self._batches)
        for start, (pixels, rows) in zip(starts, batches, strict=True):
            yield pixels, start + rows


def fault(images: Images, row: int) -> str:
    """Return why an image cannot be decoded; empty where it can."""
    try:
        decode(images.file(row))
    except UnreadableError as error:
        return str(error)
    return ""


class _Parts:
    """The images of the batches of a shard, which are sent to where they are decoded."""

    due: Iterator[Images] = iter(())

    def __iter__(self) -> Iterator[Images]:
        return self.due


@dataclass(frozen=True)
class _Decoding(Dataset[Decoded]):
    transformation: Transformation
    refuse: bool

    def __getitem__(self, images: Images) -> Decoded:
        decoded: dict[int, Image.Image] = {}
        for row in range(len(images)):
            try:
                decoded[row], _ = decode(images.file(row))
            except UnreadableError as error:
                if self.refuse:
                    raise DataError(f"the image {images.where(row)} {error} (-skip_unreadable leaves such images out)") from error
        if self.transformation.geometry is None:
            _check_sizes(images, decoded)
        pixels = np.asarray(self.transformation.bytes_of(list(decoded.values())), dtype=np.uint8)
        return torch.from_numpy(pixels), torch.tensor(list(decoded), dtype=torch.int64)


def _check_sizes(images: Images, decoded: dict[int, Image.Image]) -> None:
    first = next(iter(decoded), 0)
    for row, image in decoded.items():
        if image.size != decoded[first].size:
            raise DataError(
                f"images of different size cannot share a batch, and the run's network takes images as they are: "
                f"{images.where(first)} has {decoded[first].width} × {decoded[first].height} pixels and "
                f"{images.where(row)} {image.width} × {image.height}"
            )
