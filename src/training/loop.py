"""The loop of a training, whatever it trains: resume, record, Lightning's trainer with our callbacks, and its errors."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import lightning.pytorch as pl
from lightning.fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from lightning.pytorch.callbacks import EarlyStopping
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from ..errors import DataError, RunError, UsageError, cuda_oom_hint
from ..runs import Run
from ..settings import TrainingSettings
from ..surroundings import has_terminal, launch
from .alignment import AlignmentCurves
from .attempt import Attempt
from .callbacks import BoardLogger, Checkpoints, EpochProgressBar, Fence, MetricLogger
from .checkpoint_io import WholeFileCheckpointIO
from .checkpoints import read_checkpoint
from .devices import accelerator
from .feeding import check_preprocessing
from .launched import join_group
from .meeting import leader_decides, leads
from .reporting import PausedError, Reporting
from .same_split import check_split
from .status import recorded_training
from .trained_module import TrainedModule

PRECISIONS = {"32": "32-true", "64": "64-true", "bf16-mixed": "bf16-mixed", "16-mixed": "16-mixed"}


def check_machine(settings: TrainingSettings) -> None:
    """Refuse devices that are not there, and half precision that a CPU has not.

    Raises:
        UsageError: naming the flag.
    """
    on_cpu = accelerator(settings, _devices_here(settings)) == "cpu"
    if on_cpu and settings.precision == "16-mixed":  # Lightning would take bf16-mixed in its place
        raise UsageError("training with -precision 16-mixed needs a CUDA device; on a CPU use -precision bf16-mixed or 32")


def interrupted_training(run: Run, settings: TrainingSettings) -> dict[str, Any] | None:
    """Return the checkpoint of a run that was interrupted; None where the training starts anew.

    Raises:
        RunError: if its dataset or its preprocessing has changed since.
    """
    if leader_decides(lambda: settings.no_skip or not run.last_checkpoint.exists()):
        return None
    resume = read_checkpoint(run.last_checkpoint)
    check_split(run)
    check_preprocessing(run, settings)
    return resume


def train_module(
    run: Run,
    settings: TrainingSettings,
    reporting: Reporting,
    module: TrainedModule,
    feeding: pl.LightningDataModule,
    plan: Sequence[str],
    *,
    resume: dict[str, Any] | None,
    finish: Callable[[], None] = lambda: None,
) -> None:
    """Train a module to the end of its run, and record it.

    Args:
        run: its directory holds all results.
        settings: the run's settings.
        reporting: how it reports its progress.
        module: what is trained.
        feeding: its data.
        plan: what the training will do, a line each.
        resume: the checkpoint it goes on from, see :func:`interrupted_training`.
        finish: what is done after the last epoch, before the run is marked as finished.

    Raises:
        BioDeepHashingError: if training fails; the run is then marked as interrupted.
        PausedError: after the epoch that ``reporting`` says; likewise.
        KeyboardInterrupt: after Ctrl-C; likewise.
    """
    with recorded_training(run, settings, anew=settings.no_skip) as attempt:
        until = min(reporting.until or settings.epochs, settings.epochs)
        if resume is None or not _is_done(resume, until):
            if resume is not None and not reporting.quiet:
                print(f"resuming after epoch {resume['epoch'] + 1} of {settings.epochs} ({run.last_checkpoint.name})")
            _fit(attempt, settings, reporting, module, feeding, plan, resuming=resume is not None)
        if until < settings.epochs and not _is_done(read_checkpoint(run.last_checkpoint), settings.epochs):
            raise PausedError(f"{run} pauses after epoch {until} of {settings.epochs}")
        if leads():
            attempt.check()
            finish()


def _is_done(checkpoint: dict[str, Any], epochs: int) -> bool:
    """Return whether a process did so many epochs, or stopped early, perhaps an earlier one that was killed before it set the marker."""
    stopped = any(state.get("stopped_epoch", 0) > 0 for state in checkpoint["callbacks"].values())
    return stopped or checkpoint["epoch"] + 1 >= epochs


def validated(run: Run) -> list[float]:
    """Return val mAP after each epoch that a run has finished.

    Raises:
        RunError: if an earlier version, which did not keep it, has trained some of them.
    """
    checkpoint = read_checkpoint(run.last_checkpoint)
    values: list[float] = next((state["values"] for state in checkpoint["callbacks"].values() if "values" in state), [])
    if len(values) <= checkpoint["epoch"]:
        raise RunError(f"{run} was trained by an earlier version, which kept no val mAP of each epoch: train it again with -no_skip")
    return values


def _fit(
    attempt: Attempt,
    settings: TrainingSettings,
    reporting: Reporting,
    module: TrainedModule,
    feeding: pl.LightningDataModule,
    plan: Sequence[str],
    *,
    resuming: bool,
) -> None:
    run = attempt.run
    checkpoints = Checkpoints(attempt, settings, can_move=module.can_move, until=reporting.until)
    metric_logger = MetricLogger(run, settings, checkpoints, plan, quiet=reporting.quiet, parent=reporting.parent, fresh=settings.no_skip)
    stopping = EarlyStopping("val_mAP", mode="max", patience=settings.patience, min_delta=settings.min_delta)
    callbacks: list[pl.Callback] = [
        Fence(attempt),
        *([stopping] if module.can_move else []),
        metric_logger,
        *([AlignmentCurves(run, settings.align_every, metric_logger)] if settings.align_every else []),
        checkpoints,
    ]
    show_bar = not reporting.quiet and has_terminal()
    if show_bar:
        callbacks.append(EpochProgressBar(leave=False))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    launched, here = launch().size > 1, _devices_here(settings)
    if launched:
        callbacks.append(_OwnSignals(handlers))
        join_group("gloo" if accelerator(settings, here) == "cpu" else "nccl")
    trainer = pl.Trainer(
        accelerator=accelerator(settings, here),
        devices=here,
        num_nodes=settings.devices // here,
        strategy="auto" if settings.devices == 1 else _distributed(module, launched=launched),
        precision=PRECISIONS[settings.precision],
        max_epochs=settings.epochs,
        gradient_clip_val=(settings.clip_norm or None) if module.automatic_optimization else None,  # else the module clips
        callbacks=callbacks,
        plugins=[WholeFileCheckpointIO(attempt), TorchElasticEnvironment() if launched else LightningEnvironment()],
        logger=BoardLogger(str(run.logs.parent), name=run.logs.name, default_hp_metric=False),
        enable_progress_bar=show_bar,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        log_every_n_steps=10,
    )
    try:
        trainer.fit(module, datamodule=feeding, ckpt_path=run.last_checkpoint if resuming else None, weights_only=True)
    except SystemExit as stop:  # Lightning turns Ctrl-C into an exit of its own
        raise KeyboardInterrupt from stop
    except ProcessExitedException as error:
        raise RunError(f"a training process was ended from outside, perhaps because memory ran out: {error.msg}") from error
    except ProcessRaisedException as error:
        if (complaint := cuda_oom_hint(error)) is not None:
            raise RunError(complaint) from error
        last = str(error).strip().splitlines()[-1].removeprefix(f"{DataError.__module__}.")
        raise RunError(f"a training process failed: {last}") from error
    finally:
        for number, handler in handlers.items():
            _restore(number, handler)


class _OwnSignals(pl.Callback):
    """Keeps the handlers of signals: Lightning's own one for SIGTERM talks to the other processes, which may be at another step.

    Args:
        handlers: by signal.
    """

    def __init__(self, handlers: Mapping[signal.Signals, Any]) -> None:
        self.handlers = handlers

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Take the place of Lightning's handlers, which are set by now."""
        for number, handler in self.handlers.items():
            _restore(number, handler)


def _devices_here(settings: TrainingSettings) -> int:
    """Return how many of the run's devices are on this machine."""
    return launch().here if launch().size > 1 else settings.devices


def _distributed(module: TrainedModule, *, launched: bool) -> str:
    """Return Lightning's name of the strategy for several processes, which it spawns unless they were launched.

    A module that steps by itself may leave parameters out of a step.
    """
    strategy = "ddp" if launched else "ddp_spawn"
    return strategy if module.automatic_optimization else f"{strategy}_find_unused_parameters_true"


def _restore(number: int, handler: Any) -> None:
    try:
        signal.signal(number, handler)
    except (ValueError, TypeError):
        return  # not the main thread, or a handler that was not installed from Python: nothing was changed either
