"""One training, from reading the data to the finished marker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor

from ..backbones import HashNetwork
from ..data import Metadata, PreparedDataset
from ..losses import HashingLoss
from ..runs import Run
from ..settings import TrainingSettings
from .checks import check_batches, check_input, check_norms, check_precision, check_rules
from .data_module import Feeding
from .devices import device_of
from .feeding import backbone_features, images_of, network_for
from .loop import check_machine, interrupted_training, train_module
from .meeting import leader_first, leads
from .module import HashingModule
from .plan import plan_of
from .quiet import silence_third_party
from .reporting import Reporting
from .validation import Validation

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
    with leader_first():
        check_precision(settings)
        check_machine(settings)
        folds = PreparedDataset(settings.database).folds()
        validation = Validation.of(*(folds[name].rows(folds[name].present) for name in ("train", "val")))
        feeding = _feeding(settings, folds, validation)
        resume = interrupted_training(run, settings)
        module = build_module(settings, folds["train"], build_loss, fresh=resume is None and start is None, validation=validation)
        if resume is None and start is not None:
            module.start_from(start)
        check_norms(module.network, settings)
        check_batches(module.network, module.example, settings)
        check_rules(module.network, module.example, settings)
        sampled = module.loss.epoch_rows(0)
        plan = plan_of(settings, folds, validation, sampled=None if sampled is None else len(sampled))
    train_module(run, settings, reporting, module, feeding, plan, resume=resume, finish=finish)


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
    images = images_of(train_fold, settings, cached=False)
    network = network_for(images, settings, weights=weights)
    example = images.transformation.to_network_input(images[int(images.present.argmax())][0][None])[0]
    module = HashingModule(network, build_loss(settings, train_fold), settings, example, validation)
    check_input(network, example, settings)
    if module.loss.needs_reference and fresh and leads():  # the others get them with the loss
        module.loss.set_reference(_first_features(network, train_fold, settings))
    return module


def _first_features(network: HashNetwork, fold: Metadata, settings: TrainingSettings) -> Tensor:
    """Return what the backbone, as it is before any training, makes of all images of a fold, by dataset index."""
    device = device_of(settings)
    features = backbone_features(network.backbone.to(device).eval(), images_of(fold, settings), settings, dtype=torch.float32)
    network.train().cpu()
    if device.type == "cuda":
        torch.cuda.empty_cache()  # for the processes that train, where there are several
    return features
