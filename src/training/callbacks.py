"""What happens after each epoch: checkpoints, curves, a line for the reader."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger

from ..runs import Run
from ..runs.hparams_json import hparams_of
from ..settings import TrainingSettings
from ..tracking import Tracker, open_tracker
from .attempt import Attempt, SupersededError
from .checkpoints import write_checkpoint
from .trained_module import TrainedModule


class Fence(pl.Callback):
    """Ends a training that another process has taken over before the callbacks after it write or log anything.

    Args:
        attempt: the attempt to train the run.
    """

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Look for another process after each epoch."""
        self.attempt.check()

    def on_fit_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Look for another process after the last epoch."""
        self.attempt.check()


class Checkpoints(Checkpoint):
    """Keeps the best epoch, one every half patience, and what a resume needs.

    Being one of Lightning's checkpoint callbacks it comes after early stopping, whose state a resume needs too.

    Args:
        attempt: the attempt to train the run, whose directory holds them.
        settings: the run's settings.
        can_move: whether val mAP can tell one epoch from another; where it cannot, the last one counts as the best.
        until: epochs after which the training pauses; None for none.
    """

    def __init__(self, attempt: Attempt, settings: TrainingSettings, *, can_move: bool = True, until: int | None = None) -> None:
        self.attempt = attempt
        self.run = attempt.run
        self.settings = settings
        self.can_move = can_move
        self.best_value = -1.0
        self.best_epoch = -1
        self.values: list[float] = []  # val mAP of every epoch
        self.until = until
        self.paused = False

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Write the checkpoints of the epoch; the one for a resume last, once all others exist."""
        assert isinstance(module, TrainedModule)
        epoch, value = trainer.current_epoch, float(trainer.callback_metrics["val_mAP"])
        self.values.append(value)
        improved = value > self.best_value or not self.can_move
        if improved:
            self.best_value, self.best_epoch = value, epoch
        if trainer.is_global_zero:
            if improved:
                self._write(module, self.run.directory / f"best-epoch={epoch}.ckpt", epoch, value)
                self._remove_previous_best(epoch)
            if (epoch + 1) % max(1, self.settings.patience // 2) == 0:
                self._write(module, self.run.directory / f"epoch={epoch}-val_mAP={value:.8f}.ckpt", epoch, value)
        trainer.save_checkpoint(self.run.last_checkpoint, weights_only=False)
        if epoch + 1 == self.until and epoch + 1 < self.settings.epochs and not trainer.should_stop:
            self.paused = trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Return what a resume needs."""
        return {"best_value": self.best_value, "best_epoch": self.best_epoch, "values": self.values}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best epoch of the interrupted process."""
        self.best_value, self.best_epoch = state_dict["best_value"], state_dict["best_epoch"]
        self.values = list(state_dict.get("values", []))  # which earlier versions did not keep

    def _write(self, module: TrainedModule, path: Path, epoch: int, value: float) -> None:
        self.attempt.check()
        write_checkpoint(
            path,
            {
                "epoch": epoch,
                "val_mAP": value,
                "hparams": hparams_of(self.settings),
                **module.checkpoint_content(),
            },
        )

    def _remove_previous_best(self, epoch: int) -> None:
        for path in self.run.directory.glob("best-epoch=*.ckpt"):
            if path.name != f"best-epoch={epoch}.ckpt":
                path.unlink()


class EpochProgressBar(TQDMProgressBar):
    """Lightning's progress bar, counting epochs from 1 as the lines above it do."""

    def on_train_epoch_start(self, trainer: pl.Trainer, *args: Any) -> None:
        """Name the epoch."""
        super().on_train_epoch_start(trainer, *args)
        self.train_progress_bar.set_description(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}")


class BoardLogger(TensorBoardLogger):
    """Lightning's TensorBoard logger with a fixed directory."""

    @property
    def log_dir(self) -> str:
        """The directory of this training; Lightning would take a ``$NAME`` in it for a variable."""
        return str(Path(self.root_dir) / f"version_{self.version}")


class MetricLogger(pl.Callback):
    """Logs each epoch to the terminal, TensorBoard and MLflow.

    Args:
        run: the run.
        settings: its settings.
        checkpoints: the callback that records the best epoch.
        plan: what the training will do, a line each; printed before the first epoch, and a tag of the run in MLflow.
        quiet: whether to print nothing.
        parent: MLflow id of the grid the run belongs to, if any.
        fresh: whether the run starts anew in MLflow too.
    """

    def __init__(
        self,
        run: Run,
        settings: TrainingSettings,
        checkpoints: Checkpoints,
        plan: Sequence[str],
        *,
        quiet: bool,
        parent: str | None = None,
        fresh: bool = False,
    ) -> None:
        self.run = run
        self.settings = settings
        self.checkpoints = checkpoints
        self.plan = plan
        self.quiet = quiet
        self.parent = parent
        self.fresh = fresh
        self._tracker = Tracker()
        self._started = 0.0

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Open the tracker in the process of rank 0."""
        assert isinstance(module, TrainedModule)
        self._started = time.monotonic()
        if not trainer.is_global_zero:
            return
        plan = "\n".join([*self.plan, module.summary()])
        if not self.quiet:
            print(plan)
        self._tracker = open_tracker(
            self.run, hparams_of(self.settings), enabled=self.settings.tracking == "on", fresh=self.fresh, parent=self.parent
        )
        self._tracker.set_tags({"plan": plan})

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Log the epoch."""
        assert isinstance(module, TrainedModule)
        loss = module.mean_loss()
        if not trainer.is_global_zero:
            return
        epoch, value = trainer.current_epoch, float(trainer.callback_metrics["val_mAP"])
        further = module.epoch_values()
        for logger in trainer.loggers:
            logger.log_metrics({"train_loss": loss, "val_mAP/epoch": value, **further}, step=epoch)
        self._tracker.log_metrics({"train_loss": loss, "val_mAP": value, **further}, step=epoch)
        if not self.quiet:
            module.print(  # above the progress bar, where there is one
                f"epoch {epoch + 1}/{self.settings.epochs}  train_loss {loss:.4f}  val_mAP {value:.4f}  "
                f"(best {max(value, self.checkpoints.best_value):.4f})"
                + "".join(f"  {name} {number:g}" for name, number in further.items() if "/" not in name)
            )

    def log_values(self, trainer: pl.Trainer, values: dict[str, float], step: int) -> None:
        """Log one value of each of several curves, in the process of rank 0."""
        for logger in trainer.loggers:
            logger.log_metrics(values, step=step)
        self._tracker.log_metrics(values, step=step)

    def on_fit_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Log the metrics of the whole training, and print whether it stopped early."""
        paused = self.checkpoints.paused
        if trainer.should_stop and not paused and trainer.is_global_zero and not self.quiet:
            print(f"stopped early: no gain of {self.settings.min_delta:g} in val_mAP for {self.settings.patience} epochs (-pt, -min_delta)")
        best = {"best_val_mAP": self.checkpoints.best_value, "best_epoch": float(self.checkpoints.best_epoch)}
        self._tracker.log_metrics({**best, "train_seconds": time.monotonic() - self._started})
        self._tracker.close("KILLED" if paused else "FINISHED")

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        """Close the MLflow run as killed or failed, unless it goes on in another process."""
        if isinstance(exception, SupersededError):
            return
        self._tracker.close("KILLED" if isinstance(exception, KeyboardInterrupt) else "FAILED")
