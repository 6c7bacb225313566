"""One training of two towers, from reading the data to the finished marker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from ...backbones import HashNetwork
from ...backbones.texts import build_text_network
from ...data import PreparedDataset, TextFold
from ...errors import RuleError, UsageError
from ...losses import keywords_of, similar_probability
from ...losses.crossmodal import AlternatingLoss, CrossModalLoss
from ...runs import Run
from ...settings import TrainingSettings
from ...settings.constants import parse_constants
from ...surroundings import has_terminal
from ...training.checks import check_batches, check_input, check_rules
from ...training.devices import device_of
from ...training.feeding import batches_of, network_for, preprocessing_line
from ...training.loop import check_machine, interrupted_training, train_module
from ...training.meeting import leader_first, leads
from ...training.quiet import silence_third_party
from ...training.reporting import Reporting
from ...training.validation import Validation
from .feeding import CrossModalFeeding
from .module import CrossModalModule
from .own_loss import check_loss, loss_class
from .settings import Settings
from .views import View, transformation_of_texts


def fit(run: Run, settings: Settings, reporting: Reporting) -> None:
    """Train a run to its end, going on from its last finished epoch if there is one.

    Settings, data and weights are checked before the run's directory is touched.

    Args:
        run: its directory holds all results.
        settings: the run's settings.
        reporting: how it reports its progress.

    Raises:
        BioDeepHashingError: if training fails; the run is then marked as interrupted.
        KeyboardInterrupt: after Ctrl-C; likewise.
    """
    silence_third_party()
    with leader_first():
        check_machine(settings)
        prepared = PreparedDataset(settings.database)
        texts = transformation_of_texts(prepared, settings)
        loss = loss_class(settings)
        feeding = CrossModalFeeding(prepared, texts, settings, alternates=loss.alternates, pairwise=loss.pairwise)
        validation = Validation.of(feeding.val_fold, feeding.val_fold)
        resume = interrupted_training(run, settings)
        module = build_module(settings, feeding, fresh=resume is None, can_move=validation.can_move)
    train_module(run, settings, reporting, module, feeding, _plan(settings, feeding, module, validation), resume=resume)


def build_module(settings: Settings, feeding: CrossModalFeeding, *, fresh: bool, can_move: bool = True) -> CrossModalModule:
    """Build what a run trains, and check that it can be trained.

    Args:
        settings: the run's settings.
        feeding: its data.
        fresh: whether the training starts with weights of its own; a resume brings others.
        can_move: whether val mAP can tell one epoch from another.

    Raises:
        UsageError: if networks, loss, data and settings do not fit together.
        RuleError: if a rule cannot be applied to a tower.
    """
    torch.manual_seed(settings.seed)
    views = feeding.train_views
    images, texts = views["image"], views["text"]
    assert not isinstance(images, TextFold)
    fusion = _fusion(settings)
    towers = {
        "image": network_for(images, settings, weights=settings.weights if fresh else "none", fusion=fusion),
        "text": _text_network(texts, settings.tower("text"), fusion),
    }
    for network in towers.values():
        if isinstance(network.hash_layer, nn.Linear):
            network.hash_layer.reset_parameters()  # from near zero, codes that a loss remembers at the start would say too little
    loss = _build_loss(settings, views)
    example = images.transformation.to_network_input(images[int(images.present.argmax())][0][None])[0]
    check_input(towers["image"], example, settings)
    if isinstance(loss, AlternatingLoss):
        loss.set_present(*(torch.from_numpy(view.present) for view in views.values()))
        if fresh and leads():  # the other processes of a launch get the loss as it is then
            _start(loss, towers, views, settings)
    for modality, shown in (("image", example), ("text", texts.transformation.to_network_input(texts[0][0][None])[0])):
        tower, mode = settings.tower(modality), settings.mode_of(modality)
        if not feeding.pairwise:  # a batch of pairs has two items at least
            check_batches(towers[modality], shown, tower)
        try:
            check_rules(towers[modality], shown, tower)
        except RuleError as error:
            prefixes = "" if "=" not in mode else "; before these, image. or text. says of which tower they are"
            raise RuleError(f"{modality} tower ({tower.flag('mode')} {mode}): {error}{prefixes}") from error
    return CrossModalModule(towers, loss, settings, feeding.texts, can_move=can_move)


def _fusion(settings: Settings) -> int | None:
    """Return how many stages of each tower are fused, 0 for all; None where the loss takes one code of an item."""
    if loss_class(settings).levels:
        return settings.fusion
    if settings.fusion:
        raise UsageError(f"-fusion {settings.fusion} fuses codes of several stages, and {settings.loss} takes one code: leave it out")
    return None


def _text_network(texts: View, tower: TrainingSettings, fusion: int | None) -> HashNetwork:
    """Build the network of texts, or of the ready features in their place."""
    if isinstance(texts, TextFold):
        words = len(texts.transformation.vocabulary)
        return build_text_network(tower.backbone, words=words, bits=tower.number_of_bits, fusion=fusion)
    return network_for(texts, tower, fusion=fusion)


def _build_loss(settings: Settings, views: Mapping[str, View]) -> CrossModalLoss:
    """Build the loss of a run for the facts of the train fold."""
    kind, labels = loss_class(settings), views["image"].labels
    constants: Mapping[str, Any] = parse_constants(settings.constants)
    for name in constants.keys() & keywords_of(CrossModalLoss).keys():
        raise UsageError(f"-constants {name}=...: {name} is not a constant of the method, the run sets it")
    if settings.batch_size == 1 and not kind.alternates:
        raise UsageError(
            f"-bs 1: {settings.loss} compares the pairs of a batch with each other, and one alone has no other: give at least 2"
        )
    shared: dict[str, Any] = {
        "bits": settings.number_of_bits, "classes": labels.shape[1], "train_size": len(labels),
        "similar_probability": similar_probability(labels), "multi_label": bool((labels.sum(dim=1) > 1).any()),
        "similarity": settings.similarity,
    }  # fmt: skip
    if settings.loss_file:
        check_loss(kind, shared, constants)
    return kind(**shared, **constants)


def _start(loss: AlternatingLoss, towers: Mapping[str, HashNetwork], views: Mapping[str, View], settings: Settings) -> None:
    """Fill what a loss remembers of the train fold, with the outputs of the untrained towers or with draws."""
    if loss.starts_from_towers:
        outputs = {modality: _outputs(towers[modality], view, settings) for modality, view in views.items()}
        loss.start(outputs["image"], outputs["text"])
    else:
        loss.start(None, None, settings.seed)


def _outputs(network: HashNetwork, view: View, settings: Settings) -> Tensor:
    """Return what a network, as it is before any training, makes of a view of the train fold, (N, bits); zeros for what is not there."""
    device = device_of(settings)
    network = network.to(device).eval()
    outputs = torch.zeros(len(view), settings.number_of_bits)
    bar = tqdm(batches_of(view, settings, device), desc="start", unit="batch", disable=not has_terminal(), leave=False)
    with torch.inference_mode():
        for inputs, _, rows in bar:
            outputs[rows] = network(view.transformation.to_network_input(inputs.to(device))).float().cpu()
    network.train().cpu()
    return outputs


def _plan(settings: Settings, feeding: CrossModalFeeding, module: CrossModalModule, validation: Validation) -> list[str]:
    """Return what a training will do, a line each."""
    text_fold = feeding.train_views["text"]
    if isinstance(text_fold, TextFold):
        none = f", {len(text_fold.wordless):,} texts of train have none of them" if len(text_fold.wordless) else ""
        words = f"texts (-text_weights {settings.text_weights}): {len(text_fold.transformation.vocabulary):,} words{none}"
    else:
        words = f"texts: ready features{', as they are' if settings.transformations == 'none' else ', standardised as those of images'}"
    passes = {name: int(np.count_nonzero(views.present)) for name, views in feeding.passes().items()}
    if feeding.partners:
        passes = {f"{name} with their partners": len(partners.anchors) for name, partners in feeding.partners.items()}
    other = ", each with another one at random" if feeding.pairwise else ""
    order = ", then ".join(f"{count:,} {name} in batches of {settings.batch_size:,}{other}" for name, count in passes.items())
    alone = f"; {validation.unreachable:,} share no class with another one and count as 0" if validation.unreachable else ""
    fixed = "" if validation.can_move else "; val mAP cannot change, so the last epoch is kept and -pt stops nothing"
    return [
        f"data: {settings.database}: train {len(text_fold):,} items of {text_fold.labels.shape[1]} classes, "
        f"val {validation.images:,} pairs",
        f"validation: each of {validation.images:,} val images ranks the texts of the others, and each text the images{alone}{fixed}",
        preprocessing_line(settings),
        words,
        f"epoch: {order}",
        *(f"sampling (-sampling {settings.sampling}) of {name}: {partners}" for name, partners in feeding.partners.items()),
        *(["labels of train: " + _noise(feeding)] if feeding.settings.label_noise else []),
        *(f"note: {warning}" for warning in module.loss.warnings_for(settings.optimizer)),
    ]


def _noise(feeding: CrossModalFeeding) -> str:
    """Return in words how many items of train have a wrong label on purpose."""
    metadata = feeding.train_views["image"].metadata
    wrong = int((feeding.labels.numpy() != metadata.labels).any(axis=1).sum())
    return f"{wrong:,} of {len(metadata):,} items have one exchanged for a wrong one (-label_noise {feeding.settings.label_noise:g})"
