"""What every learned objective is, of one modality or of two: its checked keywords and the hooks of a training."""

from __future__ import annotations

from abc import ABC
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import UsageError, unknown_name
from ._keywords import count, keywords_of, number


class Objective(nn.Module, ABC):
    """The base of the families of losses: what a run tells all of them, and when they are called.

    Args:
        bits: K, length of a code.
        classes: C, number of classes.
        train_size: N, items of the train fold; ``index`` counts them from 0.
        similar_probability: p, share of similar pairs in the train fold, see :func:`similar_probability`.
        multi_label: whether an item may have several classes; matters to methods that classify.
        **unknown: constants that the method does not have.

    Raises:
        UsageError: if a value is unknown or impossible.
    """

    def __init__(
        self, *, bits: int, classes: int, train_size: int, similar_probability: float, multi_label: bool = False, **unknown: Any
    ) -> None:
        super().__init__()
        if unknown:
            family = next(ancestor for ancestor in type(self).__mro__ if Objective in ancestor.__bases__)
            own = keywords_of(type(self)).keys() - keywords_of(family).keys()
            raise unknown_name(f"constant of {type(self).__name__}", next(iter(unknown)), own)
        self.bits = count("bits", bits)
        self.classes = count("classes", classes)
        self.train_size = count("train_size", train_size)
        self.similar_probability = number("similar_probability", similar_probability, least=0.0, most=1.0)
        self.multi_label = multi_label

    def on_fit_start(self, labels: Tensor) -> None:
        """Take the labels of the whole train fold, by dataset index, before the first step: nothing, unless the method uses them.

        Each process of a training calls it, a resumed one before the state of the loss is loaded: what the method registers here
        as a buffer goes on from where it was.

        Args:
            labels: 0 or 1, float32 (N, C), on the CPU.
        """
        return

    def on_epoch_end(self) -> None:
        """Take note that an epoch is over, before it is kept in a checkpoint: nothing, unless the method does something then."""
        return

    def epoch_values(self) -> dict[str, float]:
        """Return what is to be told of the epoch that ends, by name; printed and logged before :meth:`on_epoch_end`: nothing, usually."""
        return {}

    def advance(self) -> None:
        """Take note that the optimizer made a step: nothing, unless the method has a schedule."""
        return

    def collapse_cure(self) -> str:
        """Return, as advice to the user, what may keep all items from having one code."""
        return "lower -lr, or start from pretrained weights (-weights)"

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return the optimizer's groups for the method's own parameters: one at the given rate, or none.

        Args:
            learning_rate: rate of the hash layer.
        """
        parameters = list(self.parameters())
        return [{"params": parameters, "lr": learning_rate}] if parameters else []

    def _check_shapes(self, outputs: Tensor, labels: Tensor, index: Tensor) -> None:
        rows = outputs.shape[0] if outputs.ndim else 0
        expected = ((rows, self.bits), (rows, self.classes), (rows,))
        if rows < 1 or (outputs.shape, labels.shape, index.shape) != expected:
            raise UsageError(
                f"{type(self).__name__} of {self.bits} bits and {self.classes} classes takes outputs (B, {self.bits}), "
                f"labels (B, {self.classes}) and index (B,) with B at least 1, "
                f"not {tuple(outputs.shape)}, {tuple(labels.shape)} and {tuple(index.shape)}"
            )


def widen(values: Tensor) -> Tensor:
    """Return values in float32 where they are narrower, else unchanged."""
    return values.float() if torch.finfo(values.dtype).bits < 32 else values
