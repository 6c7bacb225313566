"""The images of one fold as a map-style data set."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import torch
from PIL import Image
from torch.utils.data import Dataset

from ..errors import DataError
from ..runs import home
from .metadata import Metadata
from .split import remedy
from .transforms import TRANSFORMS, normalise, pixels

Item = tuple[torch.Tensor, torch.Tensor, int]
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
# Pillow's decoders raise any of these for a damaged file.
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error, Image.DecompressionBombError)
_DEEP = ("I", "F")  # modes of more than 8 bits a channel begin with these


class ImageFold(Dataset[Item]):
    """The images of one fold, decoded on access, in the order of the metadata file.

    Args:
        metadata: the fold, as :func:`~biodeephashing.data.load_fold` reads it.
        transformation: name of what happens to an image ("imagenet" or "none").

    Raises:
        UnknownNameError: for an unknown transformation.

    Example:
        >>> import numpy as np, tempfile
        >>> from pathlib import Path
        >>> file = Path(tempfile.mkdtemp()) / "cat.png"
        >>> Image.new("L", (40, 30), 255).save(file)
        >>> fold = ImageFold(Metadata(file.parent / "train_metadata.txt", [str(file)], np.ones((1, 2), np.uint8)), "none")
        >>> image, labels, index = fold[0]
        >>> tuple(image.shape), labels.tolist(), index
        ((3, 30, 40), [1.0, 1.0], 0)
    """

    def __init__(self, metadata: Metadata, transformation: str) -> None:
        self.metadata = metadata
        self.transformation = transformation
        self.geometry = TRANSFORMS[transformation]
        self.labels = torch.from_numpy(metadata.labels).to(torch.float32)  # (n, C)
        self._root = home().absolute()

    def __len__(self) -> int:
        return len(self.metadata)

    def __getitem__(self, index: int) -> Item:
        """Return an image, float32 (3, H, W), its labels, float32 (C,), and its row.

        Raises:
            DataError: naming the image, the metadata file and the line, when the image is missing or damaged.
        """
        return normalise(pixels(self.geometry(self.image(index)))), self.labels[index], index

    def image(self, index: int) -> Image.Image:
        """Return an image as it lies on disk, in RGB.

        Raises:
            DataError: naming the image, the metadata file and the line, when the image is missing or damaged.
        """
        file = self._root / self.metadata.paths[index]
        try:
            with Image.open(file) as image:
                if image.mode.startswith(_DEEP):
                    raise ValueError(f"it has more than 8 bits a channel (mode {image.mode}), which would be cut off")
                return image.convert("RGB")
        except FileNotFoundError as error:
            raise self._unusable(index, "is missing") from error
        except _DAMAGED as error:
            raise self._unusable(index, f"cannot be read ({error})") from error

    def collate(self, items: Sequence[Item]) -> Batch:
        """Join items to a batch: images (B, 3, H, W), labels (B, C), rows (B,).

        Raises:
            DataError: when the images are of different size.
        """
        images, labels, rows = zip(*items, strict=True)
        for image, row in zip(images, rows, strict=True):
            if image.shape != images[0].shape:
                (_, height, width), (_, other_height, other_width) = images[0].shape, image.shape
                raise DataError(
                    f"images of different size cannot share a batch: {self.metadata.paths[rows[0]]} has {width} × {height} pixels and "
                    f"{self.metadata.paths[row]} {other_width} × {other_height}; -trf imagenet brings all to one size"
                )
        return torch.stack(images), torch.stack(labels), torch.tensor(rows)

    def _unusable(self, index: int, complaint: str) -> DataError:
        metadata = self.metadata
        return DataError(
            f"the image {self._root / metadata.paths[index]} ({metadata.where(index)}) {complaint}: {remedy(metadata.file.parent.name)}"
        )
