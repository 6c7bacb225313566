"""The images of one fold, as bytes and in whole batches."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import Dataset

from ...errors import DataError
from ...runs import home
from ..metadata import Metadata
from ..split import how_to_fix
from ._augment import Images, Pixels, draws
from ._cache import FOLDER, OWN, NotMappableError, PixelMap, pixel_map
from .decoding import UnreadableError, decode
from .transforms import TRANSFORMS, Transformation, pixels
from .turning import NUMBERS

Item = tuple[torch.Tensor, torch.Tensor, int]
_IN_MEMORY = 2**32  # bytes of cached images that stay in the system's cache; of more than that, other processes read ahead
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class ImageFold(Dataset[Item]):
    """The images of one fold as bytes, in the order of the metadata file.

    As bytes, so that little travels: ``fold.transformation.to_network_input(images)`` makes of them, on any device, what a network takes.

    Args:
        metadata: the fold, as :func:`~biodeephashing.data.load_fold` reads it.
        transformation: what happens to an image, or its name in :data:`~biodeephashing.data.TRANSFORMS`.
        cache: decode all images now, unless that was done before, and keep them in a file beside the metadata.
        augment: seed of the random changes that the transformation makes for training; None for no such changes.

    Raises:
        UnknownNameError: for an unknown transformation.
        DataError: if images are to be cached and one cannot be read, or the disk is full.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> file = Path(tempfile.mkdtemp()) / "cat.png"
        >>> Image.new("L", (40, 30), 255).save(file)
        >>> fold = ImageFold(Metadata(file.parent / "train_metadata.txt", [str(file)], np.ones((1, 2), np.uint8)), "none")
        >>> image, labels, index = fold[0]
        >>> tuple(image.shape), image.dtype, labels.tolist(), index
        ((3, 30, 40), torch.uint8, [1.0, 1.0], 0)
    """

    def __init__(
        self, metadata: Metadata, transformation: str | Transformation, *, cache: bool = False, augment: int | None = None
    ) -> None:
        self.metadata = metadata
        self.transformation = TRANSFORMS[transformation] if isinstance(transformation, str) else transformation
        self.labels = torch.from_numpy(metadata.labels).to(torch.float32)  # (n, C)
        self._augment = None if augment is None else self.transformation.augment
        self._change = None if augment is None else self.transformation.change
        self._seed = augment or 0
        self._root = home().absolute()
        self._rows = np.flatnonzero(metadata.present).tolist()  # those with an image, which alone are cached
        self._position = np.cumsum(metadata.present) - 1  # of each row among them
        self._cached = self._cache() if cache else None

    def __len__(self) -> int:
        return len(self.metadata)

    @property
    def present(self) -> NDArray[np.bool_]:
        """Whether each item has an image, (n,)."""
        return self.metadata.present

    @property
    def changing(self) -> bool:
        """Whether an image is another one in each epoch."""
        return self._augment is not None or self._change is not None

    @property
    def ready(self) -> bool:
        """Whether a batch is nothing but a copy out of memory, so that handing it over by another process would cost more than it."""
        return not self.changing and self._cached is not None and self._cached.pixels.nbytes < _IN_MEMORY

    def __getitem__(self, index: int) -> Item:
        """Return an image, uint8 (3, H, W), its labels, float32 (C,), and its row.

        Raises:
            DataError: naming the image, the metadata file and the line, if the image is missing or damaged.
        """
        images, labels, _ = self.batch([index])
        return images[0], labels[0], index

    def batch(self, rows: Sequence[int], epoch: int = 0) -> Batch:
        """Return a batch: images, uint8 (B, 3, H, W), labels, float32 (B, C), and rows, int64 (B,).

        Args:
            rows: rows of the images.
            epoch: number of the epoch; random changes depend on it.

        Raises:
            DataError: if an image is missing or damaged, or images are of different size; it names them.
        """
        index = np.array(rows, dtype=np.int64)
        if not self.present[index].all():
            self._refuse_text(int(index[~self.present[index]][0]))
        images: Images = self._decoded(rows) if self._cached is None else self._cached[self._position[index]]
        if self.transformation.geometry is None:
            self._check_sizes(rows, images)
        changed = np.asarray(images) if self._augment is None else self._augment(images, draws(self._seed, epoch, len(self))[index])
        if self._change is not None:
            bits = draws(self._seed, epoch, NUMBERS * len(self), stream=2).reshape(-1, NUMBERS)
            changed = self._change(changed, bits[index])
        chosen = torch.from_numpy(index)
        return torch.from_numpy(changed), self.labels[chosen], chosen

    def image(self, row: int) -> Image.Image:
        """Return an image as it lies on disk, upright and in RGB.

        Raises:
            DataError: naming the image, the metadata file and the line, if the image is missing or damaged.
        """
        if not self.present[row]:
            self._refuse_text(row)
        file = self._root / self.metadata.paths[row]
        try:
            return decode(file)[0]
        except UnreadableError as error:
            raise self._unusable(row, str(error)) from error

    def _cache(self) -> PixelMap | None:
        """Return the cached images: at their own size where that is one for all and the rest can wait, else with their geometry done."""
        metadata, geometry = self.metadata, None if self._augment else self.transformation.geometry
        forms = {OWN: self._at_own_size} | ({geometry.name: self._at_its_size} if geometry else {})
        paths = [metadata.paths[row] for row in self._rows]
        find = partial(pixel_map, metadata.file.parent / FOLDER, metadata.fold, self._root, paths)
        cached = find(forms)
        if cached and cached.form == OWN and not self._can_wait(*cached.pixels.shape[2:]):  # by one that changes them later
            cached = find({form: decode for form, decode in forms.items() if form != OWN})
        return cached

    def _at_own_size(self, position: int) -> Pixels:
        image = self.image(self._rows[position])
        if not self._can_wait(image.height, image.width):
            raise NotMappableError
        return pixels(image)

    def _at_its_size(self, position: int) -> Pixels:
        geometry = self.transformation.geometry
        assert geometry is not None
        return pixels(geometry(self.image(self._rows[position])))

    def _decoded(self, rows: Sequence[int]) -> list[Pixels]:
        images = [self.image(row) for row in rows]
        return self.transformation.bytes_of(images) if self._augment is None else [pixels(image) for image in images]

    def _can_wait(self, height: int, width: int) -> bool:
        """Tell whether an image is changed later: at random, or by the device."""
        return self._augment is not None or self.transformation.can_wait(height, width)

    def _unusable(self, row: int, complaint: str) -> DataError:
        metadata = self.metadata
        return DataError(
            f"the image {self._root / metadata.paths[row]} ({metadata.where(row)}) {complaint}: {how_to_fix(metadata.file.parent.name)}"
        )

    def _refuse_text(self, row: int) -> NoReturn:
        raise DataError(f"{self.metadata.where(row)} is a text alone, without an image")

    def _check_sizes(self, rows: Sequence[int], images: Images) -> None:
        (_, height, width) = images[0].shape
        for row, image in zip(rows, images, strict=True):
            if image.shape != images[0].shape:
                raise DataError(
                    f"images of different size cannot share a batch: {self.metadata.paths[rows[0]]} has {width} × {height} pixels and "
                    f"{self.metadata.paths[row]} {image.shape[2]} × {image.shape[1]}; -trf imagenet brings all to one size"
                )
