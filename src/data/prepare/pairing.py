"""Whether the images and the texts of a dataset belong to each other: what shuffled lines would look like."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..images.decoding import UnreadableError, decode
from ..images.threads import in_threads
from ..metadata import PreparedDataset
from ..texts.rows import load_texts
from ..texts.vocabulary import Vocabulary

_MOST, _LEAST = 1_000, 100  # pairs that are looked at, and below which nothing can be told
_SIDE = 16  # of the coarse images
_DEVIATIONS = 3.0  # that a figure must be better than chance

Matrix = NDArray[np.float64]


def neighbour_agreement(view: Matrix, labels: NDArray[np.uint8]) -> tuple[float, float]:
    """Return how often an item and its nearest neighbour (by cosine) share a label, and how often two items do.

    Args:
        view: (n, d).
        labels: (n, C), each 0 or 1.

    Example:
        >>> neighbour_agreement(np.array([[1, 0], [2, 0.1], [0, 1], [0.1, 3]]), np.eye(2, dtype=np.uint8)[[0, 0, 1, 1]])
        (1.0, 0.3333333333333333)
    """
    unit = _unit(view)
    likeness = unit @ unit.T
    np.fill_diagonal(likeness, -np.inf)
    similar = (labels.astype(np.int64) @ labels.T.astype(np.int64)) > 0
    count, alone = len(labels), int(np.trace(similar))
    prior = (int(similar.sum()) - alone) / (count * (count - 1))
    return float(similar[np.arange(count), likeness.argmax(axis=1)].mean()), prior


def partner_rank(images: Matrix, texts: Matrix) -> float:
    r"""Return where the own text of an image ranks, 0 for first and 1 for last, on average; 1/2 is chance.

    A ridge regression :math:`W = (X^\top X + \lambda I)^{-1} X^\top Y` of the texts on the images is fitted on the first half of the
    pairs; of the second half, each image is mapped and all texts are ranked by their cosine to it.

    Args:
        images: X, (n, d).
        texts: Y, (n, d_t).
    """
    half = len(images) // 2
    deviation = images[:half].std(axis=0)
    inputs = (images - images[:half].mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    targets = texts - texts[:half].mean(axis=0)
    gram = inputs[:half].T @ inputs[:half]
    weights = np.linalg.solve(gram + half * np.eye(len(gram)), inputs[:half].T @ targets[:half])
    likeness = _unit(inputs[half:] @ weights) @ _unit(targets[half:]).T
    own = np.diag(likeness)[:, None]
    better, equal = (likeness > own).sum(axis=1), (likeness == own).sum(axis=1) - 1
    return float(((better + equal / 2) / (len(own) - 1)).mean())


def pairing_remarks(prepared: PreparedDataset) -> Iterator[str]:
    """Yield what suggests that texts and images of train are not paired: both views of at most 1,000 pairs are no better than chance.

    Raises:
        DataError: if texts and metadata do not match line by line, or a file cannot be read.
    """
    if not prepared.split.has_texts or prepared.split.has_features():
        return
    metadata, texts = prepared.fold("train"), load_texts(prepared, "train")
    both = np.flatnonzero(metadata.present & texts.present)
    rows = both[np.argsort(np.random.PCG64(0).random_raw(len(both)), kind="stable")[:_MOST]]
    pixels = in_threads(_coarse, [metadata.image(row) for row in rows.tolist()], f"{prepared.database}: pairs")
    readable = np.array([image is not None for image in pixels], dtype=bool)
    rows = rows[readable]
    if len(rows) < _LEAST:
        return
    images = np.stack([image for image in pixels if image is not None])
    bags = Vocabulary.of(prepared).bags([texts.texts[row] for row in rows.tolist()]).astype(np.float64)
    views = {"images": images - images.mean(axis=0), "texts": bags - bags.mean(axis=0)}
    for name, view in views.items():
        agreement, prior = neighbour_agreement(view, metadata.labels[rows])
        if agreement < prior + _DEVIATIONS * math.sqrt(prior * (1 - prior) / len(rows)):
            yield (
                f"{name} of train that share a label with the most similar one: {agreement:.1%}, of any two {prior:.1%}: "
                f"do the labels belong to these {name}?"
            )
    rank, count = partner_rank(images, bags), len(rows) - len(rows) // 2
    if rank > 0.5 - _DEVIATIONS / math.sqrt(12 * count):
        yield (
            f"texts of train ranked by a linear map of their images: the own text comes after {rank:.1%} of the others, by chance after "
            f"50 %: do texts and images belong to each other line by line?"
        )


def _coarse(file: Path) -> Matrix | None:
    try:
        image = decode(file)[0]
    except UnreadableError:
        return None
    return np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.BOX), dtype=np.float64).ravel()


def _unit(rows: Matrix) -> Matrix:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0, length, 1.0)
