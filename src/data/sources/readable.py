"""The images of a shard in whole batches, as a network takes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ...errors import DataError
from ..images.decoding import UnreadableError, decode
from ..images.fold import Batch
from ..images.transforms import Transformation
from ._interface import Images


class ReadableImages:
    """The images of a shard that can be read, for :func:`~biodeephashing.data.loader`.

    Args:
        images: all images of the shard.
        transformation: what happens to an image before the network.
        refuse: whether an image that cannot be decoded is an error; else it is missing in its batch.
    """

    ready = False

    def __init__(self, images: Images, transformation: Transformation, *, refuse: bool) -> None:
        self.images, self.transformation, self.refuse = images, transformation, refuse
        self.present: NDArray[np.bool_] = np.ones(len(images), dtype=bool)

    def batch(self, rows: Sequence[int], epoch: int = 0) -> Batch:
        """Return a batch: images, uint8 (B, 3, H, W), labels, (B, 0), and rows, int64 (B,).

        Args:
            rows: rows of the images.
            epoch: has no effect: nothing changes at random.

        Raises:
            DataError: if an image cannot be decoded and that is an error, or images are of different size; it names them.
        """
        decoded: dict[int, Image.Image] = {}
        for row in rows:
            try:
                decoded[row], _ = decode(self.images.file(row))
            except UnreadableError as error:
                if self.refuse:
                    raise DataError(f"the image {self.images.where(row)} {error} (-skip_unreadable leaves such images out)") from error
        if self.transformation.geometry is None:
            self._check_sizes(decoded)
        pixels = np.asarray(self.transformation.bytes_of(list(decoded.values())), dtype=np.uint8)
        index = torch.tensor(list(decoded), dtype=torch.int64)
        return torch.from_numpy(pixels), torch.empty(len(index), 0), index

    def fault(self, row: int) -> str:
        """Return why an image cannot be decoded; empty where it can."""
        try:
            decode(self.images.file(row))
        except UnreadableError as error:
            return str(error)
        return ""

    def _check_sizes(self, decoded: dict[int, Image.Image]) -> None:
        first = next(iter(decoded), 0)
        for row, image in decoded.items():
            if image.size != decoded[first].size:
                raise DataError(
                    f"images of different size cannot share a batch, and the run's network takes images as they are: "
                    f"{self.images.where(first)} has {decoded[first].width} × {decoded[first].height} pixels and "
                    f"{self.images.where(row)} {image.width} × {image.height}"
                )
