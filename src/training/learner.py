"""A network that learns by a rule: its conversion, its optimizer with what follows its steps, and what checkpoints hold of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ..backbones import HashNetwork
from ..bio import (
    FeedbackUpdater,
    NormConstraint,
    apply_rule,
    describe,
    load_rule_state,
    plain_state_dict,
    rule_names,
    rule_state,
    track_optimizer,
)
from ..errors import UsageError, unknown_name
from ..settings import TrainingSettings
from ..settings.schedule import parse_schedule
from .rules import rules_of

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "sgd": partial(torch.optim.SGD, momentum=0.9),
    "nesterov": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
    "rmsprop": torch.optim.RMSprop,
}


def convert(network: HashNetwork, settings: TrainingSettings) -> None:
    """Give a ``bio-`` network the learning rules of its settings; a plain one keeps PyTorch's own backward pass.

    The patterns of a rule map are matched with the layers' names as the backbone alone has them.
    """
    if settings.is_bio:
        scale = settings.scale if settings.scale in ("init", "weight") else float(settings.scale)
        names = rule_names(network)
        known = (*names, *dict(network.named_modules()), *dict(network.named_parameters()))
        short = {name: name.removeprefix("backbone.") for name in known}
        rules = rules_of(settings, [short[name] for name in names])
        apply_rule(network, rules, seed=settings.seed, scale=scale, names=short)


def optimizer_of(groups: Sequence[Mapping[str, Any]], settings: TrainingSettings) -> torch.optim.Optimizer:
    """Return the optimizer of a run for groups of parameters, each with its own rate."""
    return OPTIMIZERS[settings.optimizer](groups, lr=settings.learning_rate, weight_decay=settings.weight_decay)


def schedule_of(optimizer: torch.optim.Optimizer, settings: TrainingSettings) -> dict[str, Any]:
    """Return the schedule of an optimizer's rates as Lightning takes it; nothing where they are constant."""
    schedule = parse_schedule(settings.schedule)
    if schedule.kind == "constant":
        return {}
    if schedule.kind == "cosine":
        scheduler: Any = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs)
    else:
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, schedule.every, schedule.factor)
    return {"lr_scheduler": {"scheduler": scheduler, "interval": schedule.unit}}


def set_evaluation_of_frozen(network: HashNetwork, settings: TrainingSettings) -> None:
    """Keep a frozen backbone from training mode, and batch norm of fixed statistics: it normalises by them, and does not update them.

    A frozen backbone, or part of it, has no dropout either.
    """
    for part in network.backbone.modules():
        parameters = list(part.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            part.eval()
    if settings.fixed_norm:
        for layer in batch_norms(network.backbone):
            layer.eval()


def freeze(network: HashNetwork, settings: TrainingSettings) -> None:
    """Take all weights of the backbone from training that the settings do not let learn.

    Raises:
        UsageError: for a pattern of ``-train_only`` that names no layer with weights.
    """
    patterns = settings.train_only.split(",") if settings.train_only else []
    network.backbone.requires_grad_(not (settings.freeze or patterns))
    layers = {name: layer for name, layer in network.backbone.named_modules() if any(True for _ in layer.parameters(recurse=False))}
    for pattern in patterns:
        named = [layer for name, layer in layers.items() if fnmatchcase(name, pattern)]
        if not named:
            parts = [name for name, _ in network.backbone.named_children()]
            raise UsageError(f"-train_only (names of layers, * for any characters): {unknown_name('layer', pattern, parts, layers)}")
        for layer in named:
            layer.requires_grad_()


def batch_norms(network: nn.Module) -> list[nn.Module]:
    """Return the layers of a network that keep running statistics of their inputs."""
    return [layer for layer in network.modules() if isinstance(getattr(layer, "running_mean", None), Tensor)]


class Learner:
    """A network that learns by a rule, and the optimizer that its feedback and its norms follow.

    Args:
        network: backbone and hash layer, not yet converted.
        settings: the settings of its training.
    """

    def __init__(self, network: HashNetwork, settings: TrainingSettings) -> None:
        freeze(network, settings)
        self.network = network
        self.settings = settings
        self.follower: FeedbackUpdater | None = None
        self.constraint: NormConstraint | None = None
        self._resumed: dict[str, Any] = {}

    def convert(self, start: Mapping[str, Any]) -> None:
        """Convert the network.

        Args:
            start: the checkpoint of another run whose feedback it begins with; empty for feedback of its own.
        """
        convert(self.network, self.settings)
        if start and self.settings.is_bio:
            load_rule_state(self.network, start["learning_rule"])
            self.network.load_state_dict(start.get("feedback", {}), strict=False)

    def optimizer(self, *further: Mapping[str, Any]) -> torch.optim.Optimizer:
        """Return the optimizer: backbone at the rate of the settings, hash layer faster, then further groups of parameters."""
        rate, network = self.settings.learning_rate, self.network
        groups = [
            *(
                []
                if self.settings.freeze
                else [{"params": [part for part in network.backbone.parameters() if part.requires_grad], "lr": rate}]
            ),
            {"params": list(network.hash_layer.parameters()), "lr": self.fast_rate},
            *further,
        ]
        optimizer = optimizer_of(groups, self.settings)
        if self.settings.is_bio:
            self.follower = track_optimizer(network, optimizer)
            if "follower" in self._resumed:
                self.follower.load_state_dict(self._resumed["follower"])
        if self.settings.constrain_norm:
            self.constraint = NormConstraint(network, optimizer)
            if "norms" in self._resumed:
                self.constraint.load_state_dict(self._resumed["norms"])
        return optimizer

    @property
    def fast_rate(self) -> float:
        """Rate of the hash layer: fresh, it learns faster than a backbone that may be pretrained."""
        return self.settings.hash_rate * self.settings.learning_rate

    def set_evaluation_of_frozen(self) -> None:
        """Keep from training mode what :func:`set_evaluation_of_frozen` says."""
        set_evaluation_of_frozen(self.network, self.settings)

    def state(self) -> dict[str, Any]:
        """Return how the feedback was drawn and the state of its updates; the drawn matrices are derived from it."""
        follower = {} if self.follower is None else {"follower": self.follower.state_dict()}
        norms = {} if self.constraint is None else {"norms": self.constraint.state_dict()}
        return {"learning_rule": self.learning_rule(), **follower, **norms}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Draw the feedback again as it was, and keep the rest for the optimizer that is made next."""
        if state["learning_rule"]:
            load_rule_state(self.network, state["learning_rule"])
        self._resumed = {key: state[key] for key in ("follower", "norms") if key in state}

    def content(self, affine: tuple[Tensor, Tensor] | None = None) -> dict[str, Any]:
        """Return what the checkpoint of an epoch holds of the network: rule, plain weights, and what its feedback has learned.

        Args:
            affine: see :meth:`plain_weights`.
        """
        feedback = self.learned_feedback()
        learned = {"feedback": feedback} if feedback else {}
        return {"learning_rule": self.learning_rule(), "network": self.plain_weights(affine), **learned}

    def plain_weights(self, affine: tuple[Tensor, Tensor] | None = None) -> dict[str, Tensor]:
        """Return the state dict of the plain network, whose outputs' signs are the codes.

        Args:
            affine: scale and shift of its outputs, (bits,) each, that are folded into the hash layer; None for none.
        """
        state = plain_state_dict(self.network)
        if affine is not None:
            scale, shift = (tensor.to(state["hash_layer.weight"]) for tensor in affine)
            state["hash_layer.weight"] = state["hash_layer.weight"] * scale[:, None]
            state["hash_layer.bias"] = state["hash_layer.bias"] * scale + shift
        return state

    def learning_rule(self) -> dict[str, Any]:
        """Return how the feedback of each layer was drawn; empty for a plain network."""
        return rule_state(self.network) if self.settings.is_bio else {}

    def learned_feedback(self) -> dict[str, Tensor]:
        """Return the feedback that rules have learned, which cannot be drawn again."""
        plain = plain_state_dict(self.network)
        return {name: value for name, value in self.network.state_dict().items() if name not in plain}

    def summary(self) -> str:
        """Return one line: the number of parameters, and which rules apply to how many weights."""
        count = sum(parameter.numel() for parameter in self.network.parameters())
        if not self.settings.is_bio:
            return f"{self.settings.architecture}: {count:,} parameters, plain backpropagation"
        report = describe(self.network)
        rules = Counter(row.rule for row in report.converted)
        named = ", ".join(f"{rule} on {weights} weight{'s' if weights > 1 else ''}" for rule, weights in rules.items())
        others = f"{len(report.exact)} others on exact gradients{f' ({report.reasons})' if report.exact else ''}"
        return f"{self.settings.architecture}: {count:,} parameters, {named}, {others}"
