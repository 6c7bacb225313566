"""Two towers, their rules and one loss as a Lightning module that steps by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from ... import codes
from ...backbones import HashNetwork, LevelNetwork
from ...bio import give_target, ignore_in_ddp
from ...data import TextTransformation, Transformation
from ...eval import leave_one_out_average_precision
from ...losses.crossmodal import AlternatingLoss, CrossModalLoss, JointLoss
from ...modalities import MODALITIES, Modality, other_modality
from ...training.devices import lay_out
from ...training.feeding import input_of
from ...training.learner import Learner, optimizer_of, schedule_of
from ...training.quiet import silence_third_party
from ...training.trained_module import TrainedModule
from .settings import Settings
from .views import Batches, OfTexts


class CrossModalModule(TrainedModule):
    """Trains a network for images and one for texts, each with its rule and its optimizer, and validates across them.

    A batch of one modality moves its own tower; one of pairs moves both. The loss's own parameters have a third optimizer.

    Args:
        towers: a network for each modality, "image" and "text", not yet converted.
        loss: called with the raw outputs of one tower, or of both.
        settings: the run's settings.
        texts: what happens to texts before their tower.
        can_move: whether val mAP can tell one epoch from another.
    """

    def __init__(
        self, towers: Mapping[str, HashNetwork], loss: CrossModalLoss, settings: Settings, texts: OfTexts, *,
        can_move: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(settings)
        self.automatic_optimization = False
        self.towers = nn.ModuleDict(towers)
        self.learners = {modality: Learner(network, settings.tower(modality)) for modality, network in towers.items()}
        self.loss = loss
        self.texts = texts
        self.can_move = can_move
        self._transformations: dict[str, Transformation | OfTexts] = {"image": input_of(settings), "text": texts}
        self._terms: dict[str, list[Tensor]] = {}
        self._validated: list[dict[str, Tensor]] = []
        self._across: dict[str, float] = {}

    def setup(self, stage: str) -> None:
        """Convert both networks, in every process of a distributed training."""
        silence_third_party()
        self.loss = self.built_by_leader(self.loss)
        for learner in self.learners.values():
            learner.convert({})
        self.loss.on_fit_start(self.trainer.datamodule.labels)  # before a resume loads the state of the loss
        ignore_in_ddp(self)
        lay_out(self.learners["image"].network, self.trainer.strategy.root_device)

    def train(self, mode: bool = True) -> CrossModalModule:
        """Set training mode, except for a frozen backbone."""
        super().train(mode)
        for learner in self.learners.values():
            learner.set_evaluation_of_frozen()
        return self

    def on_fit_start(self) -> None:
        """Begin to train."""
        self.train()

    def on_train_epoch_start(self) -> None:
        """Seed the epoch."""
        super().on_train_epoch_start()
        self._terms.clear()

    def on_after_batch_transfer(self, batch: Batches, dataloader_idx: int) -> Batches:
        """Convert bytes to the networks' inputs on their device."""
        return {
            modality: (self._transformations[modality].to_network_input(inputs).to(self.dtype), labels, index)
            for modality, (inputs, labels, index) in batch.items()
        }

    def training_step(self, batch: Batches, batch_index: int) -> None:
        """Let the towers of a batch, and the loss's own parameters, take a step."""
        loss = self.loss_of(batch)
        self._losses.append(loss.detach())
        self.log("train_loss/batch", loss.detach())
        prefix = f"{next(iter(batch))}_loss" if len(batch) == 1 else "loss"
        for name, term in self.loss.terms.items():
            self._terms.setdefault(f"{prefix}/{name}", []).append(term)
        stepping = [optimizer for name, optimizer in self._optimizers().items() if name in batch or name == "loss"]
        for optimizer in stepping:
            optimizer.zero_grad()
        self.manual_backward(loss)
        for optimizer in stepping:
            if self.settings.clip_norm:
                self.clip_gradients(optimizer, gradient_clip_val=self.settings.clip_norm, gradient_clip_algorithm="norm")
            optimizer.step()
            self._advance_rates("step", optimizer.optimizer)
        self.loss.advance()

    def loss_of(self, batch: Batches) -> Tensor:
        """Return the loss of a batch by a forward pass, joined over all devices."""
        outputs = {}
        for modality, (inputs, labels, _) in batch.items():
            give_target(self.towers[modality], labels)
            outputs[modality] = self.towers[modality](inputs)
            if self.loss.levels:
                outputs[modality] = outputs[modality].unflatten(1, (-1, self.loss.bits))
        _, labels, index = next(iter(batch.values()))
        *joined, labels, index = self.join(*outputs.values(), labels, index)
        if isinstance(self.loss, AlternatingLoss):
            return self.loss(joined[0], labels, index, cast("Modality", next(iter(batch))))
        assert isinstance(self.loss, JointLoss)
        return self.loss(*joined, labels, index)

    def on_train_epoch_end(self) -> None:
        """Change the rates, and call the loss's hook between epochs, before checkpoints are written."""
        self._advance_rates("epoch")
        self.loss.on_epoch_end()

    def epoch_values(self) -> dict[str, float]:
        """Return val mAP in both directions, the mean of each term of the loss, and what the loss tells of the epoch."""
        terms = {name: float(torch.stack(values).mean()) for name, values in self._terms.items()}
        return {**self._across, **terms, **self._fusion_weights(), **self.loss.epoch_values()}

    def _fusion_weights(self) -> dict[str, float]:
        """Return the mean weight of each level that a tower fuses."""
        return {
            f"{modality}_fusion/level_{level}": float(weights.mean())
            for modality, network in self.towers.items()
            if isinstance(network, LevelNetwork)
            for level, weights in enumerate(network.hash_layer.attention.detach(), 1)
        }

    def validation_step(self, batch: Batches, batch_index: int) -> None:
        """Collect raw outputs of both towers."""
        modalities = list(batch)
        _, labels, index = next(iter(batch.values()))
        outputs = (self.towers[modality](batch[modality][0]).float() for modality in modalities)
        joined = self.join(*outputs, labels, index)
        self._validated.append(dict(zip([*modalities, "labels", "index"], joined, strict=True)))

    def on_validation_epoch_end(self) -> None:
        """Log the mAP of val images against val texts and the other way round, an item's own partner left out, and their mean."""
        gathered = {key: torch.cat([part[key] for part in self._validated]).cpu() for key in self._validated[0]}
        self._validated.clear()
        order = np.unique(gathered["index"].numpy(), return_index=True)[1]  # processes repeat items to get equal shares
        packed = {}
        for modality in MODALITIES:
            if not torch.isfinite(gathered[modality]).all():
                raise self.diverged_outputs()
            packed[modality] = codes.pack(gathered[modality].numpy()[order])
            self.warn_of_collapse(packed[modality], f"{modality}s", self.loss.collapse_cure())
        labels = gathered["labels"].numpy()[order].astype(np.uint8)
        self._across = {
            f"val_mAP_{query[0]}2{item[0]}": leave_one_out_average_precision(packed[query], labels, other_view=packed[item])
            for query, item in ((modality, other_modality(modality)) for modality in MODALITIES)
        }
        self.log("val_mAP", sum(self._across.values()) / len(self._across))

    def configure_optimizers(self) -> list[dict[str, Any]]:
        """Return an optimizer with its schedule for each tower, and one for the loss's own parameters where it has some."""
        optimizers = [learner.optimizer() for learner in self.learners.values()]
        if groups := self.loss.parameter_groups(self.learners["image"].fast_rate):
            optimizers.append(optimizer_of(groups, self.settings))
        return [{"optimizer": optimizer, **schedule_of(optimizer, self.settings)} for optimizer in optimizers]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save how the feedback of each tower was drawn and the state of its updates."""
        checkpoint["towers"] = {modality: learner.state() for modality, learner in self.learners.items()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Draw the feedback again as it was."""
        for modality, learner in self.learners.items():
            learner.load_state(checkpoint["towers"][modality])

    def checkpoint_content(self) -> dict[str, Any]:
        """Return the image tower as every run has its network, the text tower beside it with its words, and the loss."""
        image, text = (self.learners[modality].content() for modality in MODALITIES)
        texts = {"texts": self.texts.record()} if isinstance(self.texts, TextTransformation) else {}  # ready features have no words
        return {**image, "text": {**text, **texts}, "loss": self.loss.state_dict()}

    def summary(self) -> str:
        """Return a line for each tower."""
        return "\n".join(f"{modality} network: {learner.summary()}" for modality, learner in self.learners.items())

    def _optimizers(self) -> dict[str, Any]:
        return dict(zip([*self.learners, "loss"], cast("list[Any]", self.optimizers()), strict=False))

    def _advance_rates(self, unit: str, optimizer: torch.optim.Optimizer | None = None) -> None:
        """Step the schedules that count in a unit, those of one optimizer or of all."""
        for config in self.trainer.lr_scheduler_configs:
            if config.interval == unit and (optimizer is None or config.scheduler.optimizer is optimizer):
                config.scheduler.step()
