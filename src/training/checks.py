"""Whether network, images and rules fit together: tried on one image before a run's directory is touched."""

from __future__ import annotations

import copy

import torch

from ..backbones import preprocessing_of
from ..bio import RULES, NormConstraint, check_reach, remove_rule
from ..errors import UsageError
from ..preprocessing import IMAGENET, Preprocessing
from ..settings import TrainingSettings
from ..settings.rule_maps import rules_named
from .module import HashingModule, convert


def check_input(module: HashingModule, settings: TrainingSettings) -> None:
    """Give the network one image of the run.

    Raises:
        UsageError: when it cannot take images of that size, or makes no vector of an image.
    """
    image, network = module.example, module.network.eval()
    try:
        with torch.no_grad():
            output = network(image.unsqueeze(0))
    except Exception as error:  # a network that is not ours says in its own way what it cannot take
        size, reason = tuple(image.shape[1:]), next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
        complaint = f"{settings.backbone} cannot take images of {size[0]}×{size[1]} pixels ({reason})"
        raise UsageError(complaint + _way_out(size, preprocessing_of(settings.backbone))) from error
    if output.shape != (1, settings.number_of_bits):
        raise UsageError(
            f"{settings.backbone} makes no vector of features of an image, but {output.shape[1:-1].numel()} of them: it lacks the pooling "
            f"of a classifier, so take another one"
        )
    network.train()


def check_precision(settings: TrainingSettings) -> None:
    """Refuse to scale a loss whose gradient is not all that goes down.

    Raises:
        UsageError: for a rule that sends the target down, in half precision with a scaled loss.
    """
    named = rules_named(settings.mode)
    if settings.precision == "16-mixed" and (rule := next((rule for rule in named if RULES[rule].needs_target), None)):
        raise UsageError(
            f"-mode {rule} sends the target down, which the loss scaling of -precision 16-mixed would not reach: use bf16-mixed"
        )


def check_batches(module: HashingModule, settings: TrainingSettings) -> None:
    """Train a copy of the network on one image where that is all a device gets: batch norm has no deviation of one value.

    Raises:
        UsageError: when the network cannot be trained that way.
    """
    if settings.batch_size > settings.devices:
        return
    try:
        with torch.no_grad():
            copy.deepcopy(module.network).train()(module.example.unsqueeze(0))
    except ValueError as error:
        raise UsageError(
            f"-bs {settings.batch_size} gives each device one image at a time, and batch norm in {settings.backbone} needs more "
            f"({error}): give at least -bs {2 * settings.devices}"
        ) from error


def check_rules(module: HashingModule, settings: TrainingSettings) -> None:
    """Give the network its rules and take them away again: what does not fit shows here, not in a training process later.

    Raises:
        RuleError: when a rule cannot be applied, or the network multiplies by a weight past its rule.
    """
    if settings.is_bio:
        convert(module.network, settings)
        check_reach(module.network.eval(), module.example.unsqueeze(0))
        remove_rule(module.network.train())
    if settings.constrain_norm:
        NormConstraint(module.network)


def _way_out(size: tuple[int, ...], wanted: Preprocessing) -> str:
    """Return what brings images of another size to the one that a network wants."""
    if wanted.size is None or wanted.size == size:
        return ""
    value = "imagenet" if wanted == IMAGENET else "weights"
    return f": use -trf {value}, which brings every image to {wanted.size[0]}×{wanted.size[1]}"
