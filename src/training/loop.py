"""The loop of a training, whatever it trains: resume, record, Lightning's trainer with our callbacks, and its errors."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import EarlyStopping
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from ..errors import DataError, RunError, UsageError, cuda_oom_hint
from ..runs import Run
from ..settings import TrainingSettings
from ..surroundings import has_terminal
from .alignment import AlignmentCurves
from .attempt import Attempt
from .callbacks import BoardLogger, Checkpoints, EpochProgressBar, Fence, MetricLogger
from .checkpoint_io import WholeFileCheckpointIO
from .checkpoints import read_checkpoint
from .devices import accelerator
from .feeding import check_preprocessing
from .reporting import Reporting
from .same_split import check_split
from .status import recorded_training
from .trained_module import TrainedModule

PRECISIONS = {"32": "32-true", "64": "64-true", "bf16-mixed": "bf16-mixed", "16-mixed": "16-mixed"}


def check_machine(settings: TrainingSettings) -> None:
    """Refuse devices that are not there, and half precision that a CPU has not.

    Raises:
        UsageError: naming the flag.
    """
    on_cpu = accelerator(settings, settings.devices) == "cpu"
    if on_cpu and settings.precision == "16-mixed":  # Lightning would take bf16-mixed in its place
        raise UsageError("training with -precision 16-mixed needs a CUDA device; on a CPU use -precision bf16-mixed or 32")


def interrupted_training(run: Run, settings: TrainingSettings) -> dict[str, Any] | None:
    """Return the checkpoint of a run that was interrupted; None where the training starts anew.

    Raises:
        RunError: if its dataset or its preprocessing has changed since.
    """
    if settings.no_skip or not run.last_checkpoint.exists():
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
        KeyboardInterrupt: after Ctrl-C; likewise.
    """
    with recorded_training(run, settings, anew=settings.no_skip) as attempt:
        if resume is None or not _is_done(resume, settings):
            if resume is not None and not reporting.quiet:
                print(f"resuming after epoch {resume['epoch'] + 1} of {settings.epochs} ({run.last_checkpoint.name})")
            _fit(attempt, settings, reporting, module, feeding, plan, resuming=resume is not None)
        attempt.check()
        finish()


def _is_done(checkpoint: dict[str, Any], settings: TrainingSettings) -> bool:
    """Return whether an earlier process did all epochs, or stopped early, and was killed before it set the marker."""
    stopped = any(state.get("stopped_epoch", 0) > 0 for state in checkpoint["callbacks"].values())
    return stopped or checkpoint["epoch"] + 1 >= settings.epochs


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
    checkpoints = Checkpoints(attempt, settings, can_move=module.can_move)
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
    trainer = pl.Trainer(
        accelerator=accelerator(settings, settings.devices),
        devices=settings.devices,
        strategy="auto" if settings.devices == 1 else _distributed(module),
        precision=PRECISIONS[settings.precision],
        max_epochs=settings.epochs,
        gradient_clip_val=(settings.clip_norm or None) if module.automatic_optimization else None,  # else the module clips
        callbacks=callbacks,
        plugins=[WholeFileCheckpointIO(attempt)],
        logger=BoardLogger(str(run.logs.parent), name=run.logs.name, default_hp_metric=False),
        enable_progress_bar=show_bar,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        log_every_n_steps=10,
    )
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
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


def _distributed(module: TrainedModule) -> str:
    """Return Lightning's name of the strategy for several processes: a module that steps by itself may leave parameters out of a step."""
    return "ddp_spawn" if module.automatic_optimization else "ddp_spawn_find_unused_parameters_true"


def _restore(number: int, handler: Any) -> None:
    try:
        signal.signal(number, handler)
    except (ValueError, TypeError):
        return  # not the main thread, or a handler that was not installed from Python: nothing was changed either
