"""What the callbacks of a training see of the module that is trained, whatever it trains."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, TypeVar

import lightning.pytorch as pl
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import RunError
from ..settings import TrainingSettings
from ..surroundings import launch

Batch = tuple[Tensor, Tensor, Tensor]
Part = TypeVar("Part")


class TrainedModule(pl.LightningModule, ABC):
    """A module that a run trains: seeded epoch by epoch, with what checkpoints, curves and the first lines need of it.

    Args:
        settings: the run's settings.
    """

    #: Whether validation can tell one epoch from another.
    can_move: bool = True

    def __init__(self, settings: TrainingSettings) -> None:
        super().__init__()
        self.settings = settings
        self._losses: list[Tensor] = []
        self._collapsed: set[str] = set()

    @abstractmethod
    def checkpoint_content(self) -> dict[str, Any]:
        """Return what the checkpoint of an epoch holds of networks, rules and loss."""

    @abstractmethod
    def summary(self) -> str:
        """Return the line, or lines, that tell what is trained."""

    @abstractmethod
    def epoch_values(self) -> Mapping[str, float]:
        """Return the curves of the epoch beside its loss and val mAP, by name; a name with a slash is not printed."""

    def on_train_epoch_start(self) -> None:
        """Seed the epoch from seed, epoch and rank alone, so that a resumed run draws what an uninterrupted one would."""
        torch.manual_seed(((self.settings.seed * 1_000_003 + self.current_epoch) * 1_009 + self.global_rank) % 2**64)
        self._losses.clear()

    def built_by_leader(self, part: Part) -> Part:
        """Return a part of the module as rank 0 of a launch has built it, with what it computed from the train fold alone."""
        shared: Part = self.trainer.strategy.broadcast(part) if launch().size > 1 else part
        return shared

    def mean_loss(self) -> float:
        """Return the mean loss of the epoch so far.

        Raises:
            RunError: if training has diverged.
        """
        loss = float(torch.stack(self._losses).mean())
        if loss != loss or abs(loss) == float("inf"):
            raise RunError(f"training diverged in epoch {self.current_epoch}: the loss is {loss}. Lower -lr or -scale.")
        return loss

    def diverged_outputs(self) -> RunError:
        """Return the error for outputs that are not finite."""
        return RunError(f"training diverged in epoch {self.current_epoch}: the network's outputs are not finite. Lower -lr or -scale.")

    def warn_of_collapse(self, packed: NDArray[np.uint8], items: str, cure: str) -> None:
        """Warn once where all items of the val fold have the same code.

        Args:
            packed: their codes, (N, bytes).
            items: what they are, in words.
            cure: what may help.
        """
        if items in self._collapsed or not self.trainer.is_global_zero or len(packed) < 2 or (packed != packed[0]).any():
            return
        self._collapsed.add(items)
        warnings.warn(
            f"all {len(packed):,} val {items} have the same code after epoch {self.current_epoch + 1}; "
            f"if the next epochs do not part them, {cure}",
            stacklevel=1,  # in this package: what Lightning seems to warn of is not shown
        )

    def join(self, *shares: Tensor) -> tuple[Tensor, ...]:
        """Join the shares of all processes along the batch, so that pairs across processes count too.

        Gradients are summed on the way back and then averaged by the strategy: together, the gradient of one process
        with the joined batch.
        """
        if self.trainer.world_size == 1:
            return shares
        return tuple(self.all_gather(share, sync_grads=share.requires_grad).flatten(0, 1) for share in shares)
