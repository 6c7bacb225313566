"""The network, the rule and the loss as one Lightning module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .. import codes
from ..backbones import HashNetwork
from ..bio import give_target, ignore_in_ddp
from ..data import ImageFold
from ..eval import leave_one_out_average_precision
from ..losses import HashingLoss
from ..settings import TrainingSettings
from .devices import lay_out
from .feeding import backbone_features, input_of
from .learner import Learner, schedule_of
from .quiet import silence_third_party
from .trained_module import Batch, TrainedModule
from .validation import Validation


class HashingModule(TrainedModule):
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
        super().__init__(settings)
        self.example = example
        self.network = network
        self.learner = Learner(network, settings)
        self.loss = loss
        self.validation = validation
        self.can_move = validation is None or validation.can_move
        self._transformation = input_of(settings)
        self._gets_features = False  # of a frozen backbone, in place of images
        self._validated: list[list[Batch]] = [[], []]  # of the val fold, and of its companions
        self._start: Mapping[str, Any] = {}

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
        self.loss = self.built_by_leader(self.loss)
        self.learner.convert(self._start)
        self.loss.on_fit_start(self.trainer.datamodule.train_images.labels)  # before a resume loads the state of the loss
        ignore_in_ddp(self, (name for name, _ in self.named_buffers() if name.startswith("loss.memory.")))  # of joined batches
        lay_out(self.network, self.trainer.strategy.root_device)

    def train(self, mode: bool = True) -> HashingModule:
        """Set training mode, except for a frozen backbone: no dropout there, and no update of running statistics."""
        super().train(mode)
        self.learner.set_evaluation_of_frozen()
        return self

    def on_fit_start(self) -> None:
        """Begin to train; what a frozen backbone makes of images is computed once."""
        self.train()
        if self.settings.freeze and self.trainer.world_size == 1:
            width = int(self.network.backbone.num_features)  # type: ignore[arg-type]
            self._gets_features = self.trainer.datamodule.become_features(self._features_of, width)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Convert bytes to the network's input on its device."""
        images, labels, index = batch
        inputs = images if self._gets_features else self._transformation.to_network_input(images)
        return inputs.to(self.dtype), labels, index

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
        return self.loss(*self.join(self._outputs(images), labels, index))

    def _outputs(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.network.hash_layer(inputs) if self._gets_features else self.network(inputs)
        return outputs

    def _features_of(self, images: ImageFold) -> NDArray[np.floating[Any]]:
        with self.trainer.precision_plugin.forward_context():
            quiet = self.trainer.progress_bar_callback is None
            features = backbone_features(self.network.backbone, images, self.settings, dtype=self.dtype, quiet=quiet)
        return (features if features.dtype == torch.float64 else features.float()).numpy()

    def on_train_batch_end(self, *args: Any) -> None:
        """Advance the loss's schedule by one step."""
        self.loss.advance()

    def on_train_epoch_end(self) -> None:
        """Call the loss's hook between epochs, before checkpoints are written."""
        self.loss.on_epoch_end()

    def validation_step(self, batch: Batch, batch_index: int, dataloader_idx: int = 0) -> None:
        """Collect raw outputs."""
        images, labels, index = batch
        outputs, labels, index = self.join(self._outputs(images).float(), labels, index)
        affine = self.loss.affine()
        if affine is not None:
            outputs = outputs * affine[0] + affine[1]
        self._validated[dataloader_idx].append((outputs, labels, index))  # on their device: a copy in each step would wait for the GPU

    def on_validation_epoch_end(self) -> None:
        """Log the mAP of the val fold: each image against all others, expected over ties."""
        val = self._gathered(0)
        self.warn_of_collapse(val[0], self.settings.items, self.loss.collapse_cure())
        companions = None if self.validation is None else self.validation.companions
        ranked = [val] if companions is None else [val, [part[companions] for part in self._gathered(1)]]
        packed, labels = (np.concatenate(parts) for parts in zip(*ranked, strict=True))
        self.log("val_mAP", leave_one_out_average_precision(packed, labels, queries=len(val[0])))

    def _gathered(self, fold: int) -> list[NDArray[np.uint8]]:
        """Return packed codes and labels of the images of a validated fold, each once and in the order of the fold."""
        outputs, labels, index = (torch.cat(parts).cpu() for parts in zip(*self._validated[fold], strict=True))
        self._validated[fold].clear()
        if not torch.isfinite(outputs).all():
            raise self.diverged_outputs()
        first = np.unique(index.numpy(), return_index=True)[1]  # processes repeat images to get equal shares
        return [codes.pack(outputs.numpy()[first]), labels.numpy()[first].astype(np.uint8)]

    def configure_optimizers(self) -> dict[str, Any]:
        """Return the optimizer and its schedule: backbone at the rate of ``-lr``, hash layer faster, the loss as it says."""
        optimizer = self.learner.optimizer(*self.loss.parameter_groups(self.learner.fast_rate))
        return {"optimizer": optimizer, **schedule_of(optimizer, self.settings)}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save how the feedback was drawn and the state of its updates."""
        checkpoint |= self.learner.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Draw the feedback again as it was."""
        self.learner.load_state(checkpoint)

    def checkpoint_content(self) -> dict[str, Any]:
        """Return rule, plain network and loss, and the feedback that was learned where there is any."""
        return {**self.learner.content(self.loss.affine()), "loss": self.loss.state_dict()}

    def epoch_values(self) -> dict[str, float]:
        """Return what the loss tells of the epoch that ends."""
        return self.loss.epoch_values()

    def summary(self) -> str:
        """Return one line: the number of parameters, which rules apply to how many weights, and a penalty without effect."""
        weighed = "penalty" in self.settings.long_names() and not self.loss.has_penalty
        note = "" if not weighed else f"; {type(self.loss).__name__} has no penalty of its own, -penalty is without effect"
        return f"network: {self.learner.summary()}{note}"
