"""The losses of the two phases: a codebook by classification, then codes of images by regression of their class's code."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...codes.codebooks import codebook_loss, count_flips, draw_codebook, instance_loss
from ...codes.signs import signs
from ...data import Metadata
from ...errors import UsageError
from ...losses import HashingLoss
from .codebook_file import read_codebook, warn_if_fixed
from .settings import Settings


class CodebookLoss(HashingLoss):
    """Classifies outputs by a codebook that is learnt with them, see :func:`~biodeephashing.codes.codebooks.codebook_loss`.

    Args:
        weight: the codebook's first entries, real, (C, K).
        smoothing: ε of the label smoothing.
        train_size: N, images of the train fold.

    Example:
        >>> loss = CodebookLoss(torch.tensor([[0.1, -0.1], [0.1, 0.1]]), smoothing=0.0, train_size=1)
        >>> round(loss(torch.tensor([[1.0, -1.0]]), torch.tensor([[1, 0]]), torch.arange(1)).item(), 4)
        0.1269
    """

    before: Tensor

    def __init__(self, weight: Tensor, smoothing: float, train_size: int) -> None:
        super().__init__(**_shared(weight, train_size))
        self.smoothing = smoothing
        self.weight = nn.Parameter(weight.clone())
        self.register_buffer("before", weight.clone())

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of outputs (B, K) and labels (B, C)."""
        return codebook_loss(codes, self.weight.to(codes.dtype), labels.argmax(dim=1), self.smoothing)

    def epoch_values(self) -> dict[str, float]:
        """Return how many bits of the codebook the epoch has flipped: where it is few, it is hardly learnt."""
        return {"codebook_flips": count_flips(self.before, self.weight.detach())}

    def on_epoch_end(self) -> None:
        """Count the flips of the next epoch from here."""
        self.before.copy_(self.weight.detach())


class InstanceLoss(HashingLoss):
    """Draws outputs to the code of their class, see :func:`~biodeephashing.codes.codebooks.instance_loss`; the codebook does not learn.

    Args:
        weight: a codebook, real, (C, K).
        train_size: N, images of the train fold.

    Example:
        >>> loss = InstanceLoss(torch.tensor([[0.2, -0.1]]), train_size=1)
        >>> round(loss(torch.zeros(1, 2), torch.tensor([[1]]), torch.arange(1)).item(), 4)  # log 2
        0.6931
    """

    weight: Tensor

    def __init__(self, weight: Tensor, train_size: int) -> None:
        super().__init__(**_shared(weight, train_size))
        self.register_buffer("weight", weight.clone())

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of outputs (B, K) and labels (B, C)."""
        return instance_loss(codes, signs(self.weight), labels.argmax(dim=1))


def first_loss(settings: Settings, train_fold: Metadata) -> CodebookLoss:
    """Build the loss of the codebook phase; its codebook comes from a file, or is drawn from PyTorch's generator.

    Raises:
        UsageError: for images of several classes or none, fewer codes than classes, or a file that does not fit.
    """
    check_single(train_fold)
    classes, bits = train_fold.labels.shape[1], settings.number_of_bits
    weight = draw_codebook(classes, bits, torch.default_generator, settings.codebook_scale)
    if settings.load_codebook:
        weight = read_codebook(settings.load_codebook, classes, bits)
        warn_if_fixed(weight, settings, len(train_fold))
    return CodebookLoss(weight, settings.smoothing, len(train_fold))


def check_single(fold: Metadata) -> None:
    """Refuse a fold with an image that has several classes, or none: it has no class whose code it could learn.

    Raises:
        UsageError: naming the first such image.
    """
    counts: NDArray[np.intp] = fold.labels.sum(axis=1, dtype=np.intp)
    if len(bad := np.flatnonzero((counts != 1) & fold.present)):
        has = f"{counts[bad[0]]} classes" if counts[bad[0]] else "no class"
        raise UsageError(
            f"LLC learns the code of the class of an image, and {fold.paths[bad[0]]} ({fold.where(bad[0])}) has {has}, as {len(bad):,} of "
            f"{int(fold.present.sum()):,} have not exactly one: take a dataset with one class per image, or another method"
        )


def _shared(weight: Tensor, train_size: int) -> dict[str, Any]:
    classes, bits = weight.shape
    return {"bits": bits, "classes": classes, "train_size": train_size, "similar_probability": 1.0, "penalty": 0.0, "cube": False}
