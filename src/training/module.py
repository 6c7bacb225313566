"""The network, the rule and the loss as one Lightning module."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .. import codes
from ..backbones import HashNetwork
from ..bio import (
    FeedbackUpdater,
    NormConstraint,
    apply_rule,
    describe,
    give_target,
    ignore_in_ddp,
    load_rule_state,
    plain_state_dict,
    rule_names,
    rule_state,
    track_optimizer,
)
from ..errors import RunError
from ..eval import leave_one_out_average_precision
from ..losses import HashingLoss
from ..settings import TrainingSettings
from ..settings.schedule import parse_schedule
from .devices import lay_out
from .feeding import transformation_of
from .quiet import silence_third_party
from .rules import rules_of
from .validation import Validation

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "sgd": partial(torch.optim.SGD, momentum=0.9),
    "nesterov": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
    "rmsprop": torch.optim.RMSprop,
}

Batch = tuple[Tensor, Tensor, Tensor]


def convert(network: HashNetwork, settings: TrainingSettings) -> None:
    """Give a ``bio-`` network the learning rules of its settings; a plain one keeps PyTorch's own backward pass.

    The patterns of a rule map are matched with the layers' names as the backbone alone has them.
    """
    if settings.is_bio:
        scale = settings.scale if settings.scale in ("init", "weight") else float(settings.scale)
        names = rule_names(network)
        known = (*names, *dict(network.named_modules()), *dict(network.named_parameters()))
        short = {name: name.removeprefix("backbone.") for name in known}
        rules = rules_of(settings, [short[name] for name in names])
        apply_rule(network, rules, seed=settings.seed, scale=scale, names=short)


def _schedule(optimizer: torch.optim.Optimizer, settings: TrainingSettings) -> dict[str, Any]:
    schedule = parse_schedule(settings.schedule)
    if schedule.kind == "constant":
        return {}
    if schedule.kind == "cosine":
        scheduler: Any = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs)
    else:
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, schedule.every, schedule.factor)
    return {"lr_scheduler": {"scheduler": scheduler, "interval": schedule.unit}}


class HashingModule(pl.LightningModule):
    """Trains a network with a rule and a loss, and validates it by mAP on the whole val fold.

    Args:
        network: backbone and hash layer, not yet converted.
        loss: called with raw outputs (B, K), labels (B, C) and dataset indices (B,).
        settings: the run's settings.
        example: one image (3, H, W), to check what the network makes of it.
        validation: how the val fold is ranked; None for its images against each other.
    """

    def __init__(
        self, network: HashNetwork, loss: HashingLoss, settings: TrainingSettings, example: Tensor, validation: Validation | None = None
    ) -> None:
        super().__init__()
        self.example = example
        self.network = network
        self.network.backbone.requires_grad_(not settings.freeze)
        self.loss = loss
        self.settings = settings
        self.validation = validation
        self._transformation = transformation_of(settings)
        self._losses: list[Tensor] = []
        self._validated: list[list[Batch]] = [[], []]  # of the val fold, and of its companions
        self._follower: FeedbackUpdater | None = None
        self._constraint: NormConstraint | None = None
        self._resumed: dict[str, Any] = {}
        self._start: Mapping[str, Any] = {}
        self._collapsed = False

    def start_from(self, checkpoint: Mapping[str, Any]) -> None:
        """Begin with the network, and the feedback of its rules, that the best epoch of another run had.

        Args:
            checkpoint: what :class:`~biodeephashing.training.callbacks.Checkpoints` wrote.
        """
        self.network.load_state_dict(checkpoint["network"])
        self._start = checkpoint

    def setup(self, stage: str) -> None:
        """Convert the network, in every process of a distributed training."""
        silence_third_party()
        convert(self.network, self.settings)
        if self._start and self.settings.is_bio:
            load_rule_state(self.network, self._start["learning_rule"])
            self.network.load_state_dict(self._start.get("feedback", {}), strict=False)
        self.loss.on_fit_start(self.trainer.datamodule.train_images.labels)  # before a resume loads the state of the loss
        ignore_in_ddp(self, (name for name, _ in self.named_buffers() if name.startswith("loss.memory.")))  # of joined batches
        lay_out(self.network, self.trainer.strategy.root_device)

    def train(self, mode: bool = True) -> HashingModule:
        """Set training mode, except for a frozen backbone: no dropout there, and no update of running statistics."""
        super().train(mode)
        if self.settings.freeze:
            self.network.backbone.eval()
        return self

    def on_fit_start(self) -> None:
        """Begin to train."""
        self.train()

    def on_train_epoch_start(self) -> None:
        """Seed the epoch from seed, epoch and rank alone, so that a resumed run draws what an uninterrupted one would."""
        torch.manual_seed(((self.settings.seed * 1_000_003 + self.current_epoch) * 1_009 + self.global_rank) % 2**64)
        self._losses.clear()

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Convert bytes to the network's input on its device."""
        images, labels, index = batch
        return self._transformation.to_network_input(images).to(self.dtype), labels, index

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return the loss of the batch, joined over all devices."""
        loss = self.loss_of(batch)
        self._losses.append(loss.detach())
        self.log("train_loss/batch", loss.detach())
        return loss

    def loss_of(self, batch: Batch) -> Tensor:
        """Return the loss of a batch by a forward pass."""
        images, labels, index = batch
        give_target(self.network, labels)
        return self.loss(*self._join(self.network(images), labels, index))

    def on_train_batch_end(self, *args: Any) -> None:
        """Advance the loss's schedule by one step."""
        self.loss.advance()

    def on_train_epoch_end(self) -> None:
        """Call the loss's hook between epochs, before checkpoints are written."""
        self.loss.on_epoch_end()

    def mean_loss(self) -> float:
        """Return the mean loss of the epoch so far.

        Raises:
            RunError: if training has diverged.
        """
        loss = float(torch.stack(self._losses).mean())
        if loss != loss or abs(loss) == float("inf"):
            raise RunError(f"training diverged in epoch {self.current_epoch}: the loss is {loss}. Lower -lr or -scale.")
        return loss

    def validation_step(self, batch: Batch, batch_index: int, dataloader_idx: int = 0) -> None:
        """Collect raw outputs."""
        images, labels, index = batch
        outputs, labels, index = self._join(self.network(images).float(), labels, index)
        affine = self.loss.affine()
        if affine is not None:
            outputs = outputs * affine[0] + affine[1]
        self._validated[dataloader_idx].append((outputs, labels, index))  # on their device: a copy in each step would wait for the GPU

    def on_validation_epoch_end(self) -> None:
        """Log the mAP of the val fold: each image against all others, expected over ties."""
        val = self._gathered(0)
        self._warn_of_collapse(val[0])
        companions = None if self.validation is None else self.validation.companions
        ranked = [val] if companions is None else [val, [part[companions] for part in self._gathered(1)]]
        packed, labels = (np.concatenate(parts) for parts in zip(*ranked, strict=True))
        self.log("val_mAP", leave_one_out_average_precision(packed, labels, queries=len(val[0])))

    def _warn_of_collapse(self, packed: NDArray[np.uint8]) -> None:
        """Warn once where all images of the val fold have the same code."""
        if self._collapsed or not self.trainer.is_global_zero or len(packed) < 2 or (packed != packed[0]).any():
            return
        self._collapsed = True
        warnings.warn(
            f"all {len(packed):,} val images have the same code after epoch {self.current_epoch + 1}; if the next epochs do not part them, "
            f"{self.loss.collapse_cure()}",
            stacklevel=1,  # in this package: what Lightning seems to warn of is not shown
        )

    def _gathered(self, fold: int) -> list[NDArray[np.uint8]]:
        """Return packed codes and labels of the images of a validated fold, each once and in the order of the fold."""
        outputs, labels, index = (torch.cat(parts).cpu() for parts in zip(*self._validated[fold], strict=True))
        self._validated[fold].clear()
        if not torch.isfinite(outputs).all():
            raise RunError(f"training diverged in epoch {self.current_epoch}: the network's outputs are not finite. Lower -lr or -scale.")
        first = np.unique(index.numpy(), return_index=True)[1]  # processes repeat images to get equal shares
        return [codes.pack(outputs.numpy()[first]), labels.numpy()[first].astype(np.uint8)]

    def configure_optimizers(self) -> dict[str, Any]:
        """Return the optimizer and its schedule: backbone at the rate of ``-lr``, hash layer faster, the loss as it says."""
        rate = self.settings.learning_rate
        fast = self.settings.hash_rate * rate  # the fresh hash layer learns faster than a backbone that may be pretrained
        groups = [
            *([] if self.settings.freeze else [{"params": list(self.network.backbone.parameters()), "lr": rate}]),
            {"params": list(self.network.hash_layer.parameters()), "lr": fast},
            *self.loss.parameter_groups(fast),
        ]
        optimizer = OPTIMIZERS[self.settings.optimizer](groups, lr=rate, weight_decay=self.settings.weight_decay)
        if self.settings.is_bio:
            self._follower = track_optimizer(self.network, optimizer)
            if "follower" in self._resumed:
                self._follower.load_state_dict(self._resumed["follower"])
        if self.settings.constrain_norm:
            self._constraint = NormConstraint(self.network, optimizer)
            if "norms" in self._resumed:
                self._constraint.load_state_dict(self._resumed["norms"])
        return {"optimizer": optimizer, **_schedule(optimizer, self.settings)}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save how the feedback was drawn and the state of its updates; the drawn matrices are derived from it."""
        checkpoint["learning_rule"] = self.learning_rule()
        if self._follower is not None:
            checkpoint["follower"] = self._follower.state_dict()
        if self._constraint is not None:
            checkpoint["norms"] = self._constraint.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Draw the feedback again as it was."""
        if checkpoint["learning_rule"]:
            load_rule_state(self.network, checkpoint["learning_rule"])
        self._resumed = {key: checkpoint[key] for key in ("follower", "norms") if key in checkpoint}

    def plain_weights(self) -> dict[str, Tensor]:
        """Return the state dict of the plain network, whose outputs' signs are the codes."""
        state, affine = plain_state_dict(self.network), self.loss.affine()
        if affine is not None:
            scale, shift = (tensor.to(state["hash_layer.weight"]) for tensor in affine)
            state["hash_layer.weight"] = state["hash_layer.weight"] * scale[:, None]
            state["hash_layer.bias"] = state["hash_layer.bias"] * scale + shift
        return state

    def learning_rule(self) -> dict[str, Any]:
        """Return how the feedback of each layer was drawn; empty for a plain network."""
        return rule_state(self.network) if self.settings.is_bio else {}

    def learned_feedback(self) -> dict[str, Tensor]:
        """Return the feedback that rules have learned, which cannot be drawn again."""
        plain = plain_state_dict(self.network)
        return {name: value for name, value in self.network.state_dict().items() if name not in plain}

    def summary(self) -> str:
        """Return one line: the number of parameters, and which rules apply to how many weights."""
        weighed = "penalty" in self.settings.long_names() and not self.loss.has_penalty
        note = "" if not weighed else f"; {type(self.loss).__name__} has no penalty of its own, -penalty is without effect"
        count = sum(parameter.numel() for parameter in self.network.parameters())
        if not self.settings.is_bio:
            return f"{self.settings.architecture}: {count:,} parameters, plain backpropagation{note}"
        report = describe(self.network)
        rules = Counter(row.rule for row in report.converted)
        named = ", ".join(f"{rule} on {weights} weight{'s' if weights > 1 else ''}" for rule, weights in rules.items())
        others = f"{len(report.exact)} others on exact gradients{f' ({report.reasons})' if report.exact else ''}"
        return f"{self.settings.architecture}: {count:,} parameters, {named}, {others}{note}"

    def _join(self, *shares: Tensor) -> tuple[Tensor, ...]:
        """Join the shares of all processes along the batch, so that pairs across processes count too.

        Gradients are summed on the way back and then averaged by the strategy: together, the gradient of one process
        with the joined batch.
        """
        if self.trainer.world_size == 1:
            return shares
        return tuple(self.all_gather(share, sync_grads=share.requires_grad).flatten(0, 1) for share in shares)
