"""Checks that network, images and rules fit together, on one image, before a run's directory is touched."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from ..backbones import HashNetwork, preprocessing_of
from ..bio import RULES, NormConstraint, check_reach, remove_rule
from ..errors import UsageError
from ..preprocessing import IMAGENET, Preprocessing
from ..settings import TrainingSettings
from ..settings.rule_maps import rules_named
from .learner import batch_norms, convert, set_evaluation_of_frozen


def check_input(network: HashNetwork, image: Tensor, settings: TrainingSettings) -> None:
    """Pass one image of the run, (3, H, W), through the network.

    Raises:
        UsageError: if it cannot process images of that size, or does not return one vector per image.
    """
    try:
        with torch.no_grad():
            output = network.eval()(image.unsqueeze(0))
    except Exception as error:  # each library raises its own kind of error here
        size, reason = tuple(image.shape[1:]), next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
        complaint = f"{settings.backbone} cannot take images of {size[0]}×{size[1]} pixels ({reason})"
        raise UsageError(complaint + _advice(size, preprocessing_of(settings.backbone))) from error
    if output.shape != (1, settings.number_of_bits):
        raise UsageError(
            f"{settings.backbone} returns {output.shape[1:-1].numel()} feature vectors per image, not one: it has no global pooling; "
            f"choose another network"
        )
    network.train()


def check_precision(settings: TrainingSettings) -> None:
    """Refuse to scale the loss for a rule that also propagates the target.

    Raises:
        UsageError: if a rule propagates the target and the precision scales the loss.
    """
    named = rules_named(settings.mode)
    if settings.precision == "16-mixed" and (rule := next((rule for rule in named if RULES[rule].needs_target), None)):
        raise UsageError(
            f"-mode {rule} propagates the target, to which the loss scaling of -precision 16-mixed does not apply: use bf16-mixed"
        )


def check_batches(network: HashNetwork, example: Tensor, settings: TrainingSettings) -> None:
    """Run a copy of the network in training mode on one image if that is all a device gets: batch norm needs two values.

    Raises:
        UsageError: if the network cannot be trained that way.
    """
    if settings.batch_size > settings.devices:
        return
    try:
        with torch.no_grad():
            trained = copy.deepcopy(network).train()
            set_evaluation_of_frozen(trained, settings)
            trained(example.unsqueeze(0))
    except ValueError as error:
        raise UsageError(
            f"-bs {settings.batch_size} gives each device one image at a time, and batch norm in {settings.backbone} needs more "
            f"({error}): give at least -bs {2 * settings.devices}"
        ) from error


def check_norms(network: HashNetwork, settings: TrainingSettings) -> None:
    """Refuse to keep the statistics of batch norm where there is none.

    Raises:
        UsageError: naming the backbone.
    """
    if settings.fixed_norm and not batch_norms(network.backbone):
        raise UsageError(f"-fixed_norm keeps the statistics of batch norm, and {settings.backbone} has no batch norm: leave it out")


def check_rules(network: HashNetwork, example: Tensor, settings: TrainingSettings) -> None:
    """Apply the rules to the network and remove them again, so that an error shows before training processes start.

    Raises:
        RuleError: if a rule cannot be applied, or the network uses a weight without its rule.
    """
    if settings.is_bio:
        convert(network, settings)
        check_reach(network.eval(), example.unsqueeze(0))
        remove_rule(network.train())
    if settings.constrain_norm:
        NormConstraint(network)


def _advice(size: tuple[int, ...], required: Preprocessing) -> str:
    """Return how to resize images to the size that a network requires."""
    if required.size is None or required.size == size:
        return ""
    value = "imagenet" if required == IMAGENET else "weights"
    return f": use -trf {value}, which brings every image to {required.size[0]}×{required.size[1]}"
