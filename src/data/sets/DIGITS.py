"""The handwritten digits inside scikit-learn: 1,797 images of 8 × 8 pixels (Alpaydin and Kaynak, Optical recognition of digits, 1998)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from ..prepare import splits
from ..prepare.content import DatasetContent
from ..prepare.splits import Protocol
from .dataset import Flags, PublicDataset

PROTOCOLS = {"DIGITS": Protocol("disjoint", "per class, after one shuffle of all images: 80 train, 20 query, 20 val, the rest database")}
PREPARE_FLAGS: Flags = {"-no_skip": {}}
SIZES = {"train": 80, "query": 20, "val": 20}


def enlarge(digits: NDArray[np.int64]) -> NDArray[np.uint8]:
    r"""Enlarge 8 × 8 images with values 0..16 four times, to 8-bit grey, by bilinear interpolation in whole numbers.

    .. math:: Y = \left\lfloor \frac{255\, U X U^\top + 512}{1024} \right\rfloor

    The rows of :math:`U` (32 × 8) hold the weights of the two neighbours in eighths; outside, the border continues. So the result is the
    exact value, rounded, on every machine.

    Args:
        digits: (n, 8, 8), whole numbers from 0 to 16.

    Returns:
        (n, 32, 32) uint8.

    Example:
        >>> import numpy as np
        >>> enlarge(np.tile([0, 16, 0, 0, 0, 0, 0, 0], (1, 8, 1)))[0, 0, :8].tolist()
        [0, 0, 32, 96, 159, 223, 223, 159]
    """
    weights = np.zeros((32, 8), dtype=np.int64)
    for pixel in range(32):
        left, eighths = divmod(2 * pixel - 3, 8)  # the centre of a small pixel lies at (pixel + 1/2) / 4 - 1/2
        weights[pixel, max(left, 0)] += 8 - eighths
        weights[pixel, min(left + 1, 7)] += eighths
    return ((255 * (weights @ digits @ weights.T) + 512) // 1024).astype(np.uint8)


def _content(protocol: str) -> DatasetContent:
    digits = load_digits()
    images = enlarge(digits.images.astype(np.int64))
    classes = digits.target.astype(np.int64)
    names = [str(name) for name in digits.target_names]
    return DatasetContent(
        files=[f"digit-{row:04d}.png" for row in range(len(images))],
        labels=splits.one_hot(classes, len(names)),
        classes=names,
        folds=splits.per_class(classes, SIZES, names=names),
        write_image=lambda row, path: Image.fromarray(images[row]).save(path),
        protocol=PROTOCOLS[protocol],
        source="sklearn.datasets.load_digits",
        reading={"labels": "one class number per image"},
    )


DATASET = PublicDataset("DIGITS", _content, first_training="-trf none -arch bio-lenet -loss DCH -nbits 32 -mode fa -bs 64 -ep 20 -lr 3e-4")
