"""One training, from reading the data to the finished marker."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException
from tqdm import tqdm

from ..backbones import HashNetwork, build_network
from ..data import ImageFold, Metadata, PreparedDataset
from ..errors import DataError, RunError, UsageError, cuda_oom_hint
from ..losses import HashingLoss
from ..runs import Run
from ..settings import TrainingSettings
from ..surroundings import has_terminal
from .alignment import AlignmentCurves
from .callbacks import BoardLogger, Checkpoints, EpochProgressBar, MetricLogger
from .checkpoint_io import WholeFileCheckpointIO
from .checkpoints import read_checkpoint
from .checks import check_batches, check_input, check_precision, check_rules
from .data_module import Feeding
from .devices import accelerator, device_of
from .feeding import batches_of, check_preprocessing, images_of, transformation_of
from .module import HashingModule
from .plan import plan_of
from .quiet import silence_third_party
from .reporting import Reporting
from .same_split import check_split
from .status import recorded_training
from .validation import Validation

PRECISIONS = {"32": "32-true", "64": "64-true", "bf16-mixed": "bf16-mixed", "16-mixed": "16-mixed"}
Table = TypeVar("Table", bound=TrainingSettings)
LossOf: TypeAlias = Callable[[Table, Metadata], HashingLoss]


def fit(
    run: Run,
    settings: Table,
    build_loss: LossOf[Table],
    reporting: Reporting,
    *,
    start: Mapping[str, Any] | None = None,
    finish: Callable[[], None] = lambda: None,
) -> None:
    """Train a run to its end, going on from its last finished epoch if there is one.

    Settings, data and weights are checked before the run's directory is touched.

    Args:
        run: its directory holds all results.
        settings: the run's settings.
        build_loss: returns the method's loss for the settings and the train fold.
        reporting: how it reports its progress.
        start: the checkpoint of another run's best epoch, whose network and feedback the first epoch begins with.
        finish: what is done after the last epoch, before the run is marked as finished.

    Raises:
        BioDeepHashingError: if training fails; the run is then marked as interrupted.
        KeyboardInterrupt: after Ctrl-C; likewise.
    """
    silence_third_party()
    check_precision(settings)
    on_cpu = accelerator(settings, settings.devices) == "cpu"
    if on_cpu and settings.precision == "16-mixed":  # Lightning would take bf16-mixed in its place
        raise UsageError("training with -precision 16-mixed needs a CUDA device; on a CPU use -precision bf16-mixed or 32")
    folds = PreparedDataset(settings.database).folds()
    validation = Validation.of(folds["train"], folds["val"])
    feeding = _feeding(settings, folds, validation)
    resume = None if settings.no_skip or not run.last_checkpoint.exists() else read_checkpoint(run.last_checkpoint)
    if resume is not None:
        check_split(run)
        check_preprocessing(run, settings)
    module = build_module(settings, folds["train"], build_loss, fresh=resume is None and start is None, validation=validation)
    if resume is None and start is not None:
        module.start_from(start)
    check_batches(module, settings)
    check_rules(module, settings)
    sampled = module.loss.epoch_rows(0)
    plan = plan_of(settings, folds, validation, sampled=None if sampled is None else len(sampled))
    with recorded_training(run, settings, anew=settings.no_skip):
        if resume is None or not _is_done(resume, settings):
            if resume is not None and not reporting.quiet:
                print(f"resuming after epoch {resume['epoch'] + 1} of {settings.epochs} ({run.last_checkpoint.name})")
            _fit(run, settings, reporting, module, feeding, plan, resuming=resume is not None)
        finish()


def _feeding(settings: TrainingSettings, folds: Mapping[str, Metadata], validation: Validation) -> Feeding:
    companions = None if validation.companions is None else images_of(folds["train"], settings)
    return Feeding(images_of(folds["train"], settings, training=True), images_of(folds["val"], settings), settings, companions)


def build_module(
    settings: Table, train_fold: Metadata, build_loss: LossOf[Table], *, fresh: bool, validation: Validation | None = None
) -> HashingModule:
    """Build what a run trains: network, loss, and one image to check them with.

    Args:
        settings: the run's settings.
        train_fold: the images to learn from.
        build_loss: returns the method's loss for the settings and the train fold.
        fresh: whether the training starts with weights of its own; a resume, and the network of another run, bring others.
        validation: how the val fold is ranked; None for its images against each other.

    Raises:
        UsageError: if network, images and settings do not fit together.
    """
    torch.manual_seed(settings.seed)
    weights = settings.weights if fresh else "none"  # a resume brings its own
    network = build_network(settings.backbone, bits=settings.number_of_bits, weights=weights)
    images = ImageFold(train_fold, transformation_of(settings))
    example = images.transformation.to_network_input(images[0][0][None])[0]
    module = HashingModule(network, build_loss(settings, train_fold), settings, example, validation)
    check_input(module, settings)
    if module.loss.needs_reference and fresh:
        module.loss.set_reference(_features(network, train_fold, settings))
    return module


def _features(network: HashNetwork, fold: Metadata, settings: TrainingSettings) -> Tensor:
    """Return what the backbone, as it is before any training, makes of all images of a fold, by dataset index."""
    device = device_of(settings)
    backbone = network.backbone.to(device).eval()
    images = images_of(fold, settings)
    bar = tqdm(batches_of(images, settings, device), desc="features", unit="batch", disable=not has_terminal(), leave=False)
    with torch.inference_mode():
        parts = [backbone(images.transformation.to_network_input(batch.to(device, non_blocking=True))).cpu() for batch, _, _ in bar]
    network.train().cpu()
    if device.type == "cuda":
        torch.cuda.empty_cache()  # for the processes that train, where there are several
    features = torch.cat(parts)
    return features.clone()  # out of inference mode: an ordinary tensor


def _is_done(checkpoint: dict[str, Any], settings: TrainingSettings) -> bool:
    """Return whether an earlier process did all epochs, or stopped early, and was killed before it set the marker."""
    stopped = any(state.get("stopped_epoch", 0) > 0 for state in checkpoint["callbacks"].values())
    return stopped or checkpoint["epoch"] + 1 >= settings.epochs


def _fit(
    run: Run,
    settings: TrainingSettings,
    reporting: Reporting,
    module: HashingModule,
    feeding: Feeding,
    plan: Sequence[str],
    *,
    resuming: bool,
) -> None:
    can_move = module.validation is None or module.validation.can_move
    checkpoints = Checkpoints(run, settings, can_move=can_move)
    metric_logger = MetricLogger(run, settings, checkpoints, plan, quiet=reporting.quiet, parent=reporting.parent, fresh=settings.no_skip)
    stopping = EarlyStopping("val_mAP", mode="max", patience=settings.patience, min_delta=settings.min_delta)
    callbacks: list[pl.Callback] = [
        *([stopping] if can_move else []),
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
        strategy="auto" if settings.devices == 1 else "ddp_spawn",
        precision=PRECISIONS[settings.precision],
        max_epochs=settings.epochs,
        gradient_clip_val=settings.clip_norm or None,
        callbacks=callbacks,
        plugins=[WholeFileCheckpointIO()],
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


def _restore(number: int, handler: Any) -> None:
    try:
        signal.signal(number, handler)
    except (ValueError, TypeError):
        return  # not the main thread, or a handler that was not installed from Python: nothing was changed either
