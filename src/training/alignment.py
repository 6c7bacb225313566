"""How far the rules are from backpropagation while a network trains: measured beside the training, which stays unchanged."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor, nn

from ..bio import QUANTITIES, Alignment, measure_alignment
from ..runs import Run
from ..runs.alignment_csv import AlignmentRow, read_alignment, write_alignment
from .callbacks import MetricLogger
from .module import HashingModule
from .trained_module import Batch


class AlignmentCurves(Checkpoint):
    """Measures every layer that learns by a rule, on real batches with the real loss, before the first update of an epoch.

    A curve goes from 0 to the number of epochs trained, where it is measured once more. Weights, running statistics, random
    numbers and all else that training depends on stay as they are. Every process takes part, because the loss joins their
    shares of a batch; the one that leads writes. Being one of Lightning's checkpoint callbacks it comes after early stopping,
    so that it knows which epoch is the last, and it comes before the checkpoint that a resume would go on from.

    Args:
        run: its directory gets ``alignment.csv``.
        every: epochs between two measurements.
        metric_logger: the callback that owns the tracker.
    """

    def __init__(self, run: Run, every: int, metric_logger: MetricLogger) -> None:
        self.file = run.alignment_file
        self.every = every
        self.metric_logger = metric_logger
        self._rows: list[AlignmentRow] = []
        self._batch: Batch | None = None

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Take up the curve of the epochs that an interrupted training had finished."""
        self._rows = [row for row in read_alignment(self.file, QUANTITIES) if row.epoch < trainer.current_epoch]

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Batch, batch_index: int) -> None:
        """Measure on the first batch of an epoch that is due, and remember the batch."""
        self._batch = batch
        if batch_index == 0 and trainer.current_epoch % self.every == 0:
            self._measure(trainer, module, trainer.current_epoch)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Measure once more after the last epoch, on its last batch."""
        trained = trainer.current_epoch + 1
        if trainer.should_stop or trained == trainer.max_epochs:
            self._measure(trainer, module, trained)
            self._batch = None

    def _measure(self, trainer: pl.Trainer, module: pl.LightningModule, epoch: int) -> None:
        assert isinstance(module, HashingModule)
        assert self._batch is not None
        average = partial(_mean_over_processes, trainer) if trainer.world_size > 1 else None
        with trainer.precision_plugin.train_step_context(), _restoring_buffers(module) as restore:
            measured = measure_alignment(module.network, partial(_loss, trainer, module, self._batch, restore), average=average)
        if trainer.is_global_zero:
            measured = [replace(layer, name=layer.name.removeprefix("backbone.")) for layer in measured]
            self._rows += [
                AlignmentRow(epoch, layer.name, layer.rule, {name: getattr(layer, name) for name in QUANTITIES}) for layer in measured
            ]
            write_alignment(self.file, QUANTITIES, self._rows)
            self.metric_logger.log_values(trainer, curve_points(measured), epoch)


def curve_points(measured: list[Alignment]) -> dict[str, float]:
    """Return the finite values of a measurement under the names of their curves.

    Example:
        >>> curve_points([Alignment("hash_layer", "dfa", 90.0, 0.5, math.nan, 0.0)])
        {'weight_angle/hash_layer': 90.0, 'sign_agreement/hash_layer': 0.5, 'update_angle/hash_layer': 0.0}
    """
    values = {f"{quantity}/{layer.name}": getattr(layer, quantity) for quantity in QUANTITIES for layer in measured}
    return {name: value for name, value in values.items() if math.isfinite(value)}


def _loss(trainer: pl.Trainer, module: HashingModule, batch: Batch, restore: Callable[[], None]) -> Tensor:
    """Return the loss of a batch from the same state each time, scaled as training in half precision scales it."""
    restore()
    scaler: Any = getattr(trainer.precision_plugin, "scaler", None)
    loss = module.loss_of(batch)
    return loss if scaler is None else loss * scaler.get_scale()


def _mean_over_processes(trainer: pl.Trainer, gradient: Tensor) -> Tensor:
    return trainer.strategy.reduce(gradient.contiguous(), reduce_op="mean")


@contextmanager
def _restoring_buffers(module: nn.Module) -> Iterator[Callable[[], None]]:
    """Save the buffers of a network and its loss, yield a function that restores them, and restore them at the end.

    Feedback matrices are left out: a forward pass only reads them.
    """
    saved = [
        (part, name, buffer, buffer.clone())
        for part in module.modules()
        for name, buffer in part._buffers.items()
        if buffer is not None and "_feedback" not in name
    ]

    @torch.no_grad()
    def restore() -> None:
        for part, name, buffer, value in saved:
            buffer.copy_(value)
            part._buffers[name] = buffer

    try:
        yield restore
    finally:
        restore()
