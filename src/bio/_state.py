"""Keeping what the rules of a network are made again from, and making them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

from torch import Tensor, nn

from ..errors import RuleError, UnknownNameError, nearest
from ._binding import WeightBinding
from ._broadcast import FeedbackBus, listen, stop_listening
from ._conversions import Candidate, candidates, check_removable, multiplied, release
from ._convert import Network, assign, check_steps, feedback_names, finish
from ._draw import check_scale, check_seed
from ._layers import RuledLayer, bindings
from ._rule import RULES, BroadcastRule, LearningRule


def plain_state_dict(module: nn.Module) -> dict[str, Tensor]:
    """Return a network's state dict without learned feedback: what its plain twin loads, strictly.

    Args:
        module: any network.

    Example:
        >>> from torch import nn
        >>> from biodeephashing.bio import apply_rule
        >>> list(plain_state_dict(apply_rule(nn.Linear(3, 5), "kp")))
        ['weight', 'bias']
    """
    feedback = feedback_names(module)
    return {name: value for name, value in module.state_dict().items() if name not in feedback}


def rule_state(module: nn.Module) -> dict[str, dict[str, Any]]:
    """Return all that the rules of a module are restored from: numbers and text, no matrix.

    Feedback matrices are not part of a state dict, and the scale ``"weight"`` cannot be told from weights that have learned since:
    keep this beside a checkpoint and hand it to :func:`load_rule_state`.

    Args:
        module: any network.

    Returns:
        For each converted layer's dotted name its rule, the rule's own settings, seed, key and scale; fit for JSON.

    Example:
        >>> from torch import nn
        >>> from biodeephashing.bio import apply_rule
        >>> rule_state(apply_rule(nn.Sequential(nn.Linear(3, 5)), "usf"))["0"]["scale"]
        0.5
    """
    roots = {bus: name for name, part in module.named_modules() for bus in getattr(part, "_buses", ())}
    return {
        name: {
            "rule": binding.rule.name,
            "options": asdict(binding.rule),
            "seed": binding.seed,
            "key": binding.key,
            "asked": binding.asked,
            "scale": binding.scale,
            "shape": list(binding.weight.shape),
            **({} if binding.bus is None else {"width": binding.bus.width, "root": roots.get(binding.bus, "")}),
        }
        for name, binding in bindings(module).items()
    }


def load_rule_state(module: Network, state: Mapping[str, Mapping[str, Any]]) -> Network:
    """Give a module exactly the rules, and the feedback matrices, that :func:`rule_state` was taken of.

    Args:
        module: a network with the same layers, plain or converted; layers that the state does not name lose their rule.
        state: what :func:`rule_state` returned.

    Returns:
        The same module.

    Raises:
        RuleError: when the state names a layer that is missing, has another shape or cannot be converted, or is damaged;
            the module is then left as it was.
        UnknownNameError: when it names an unknown rule.

    Example:
        >>> from torch import nn
        >>> from biodeephashing.bio import apply_rule
        >>> one, two = (apply_rule(nn.Linear(8, 4), "fa", seed=seed) for seed in (1, 2))
        >>> rule_state(load_rule_state(two, rule_state(one))) == rule_state(one)
        True
    """
    if not isinstance(state, Mapping):
        raise RuleError(f"the rule state is a {type(state).__name__}, not the mapping that rule_state() returned")
    layers = {candidate.name: candidate for candidate in candidates(module)}
    modules = dict(module.named_modules())
    plan = [_restored(name, entry, layers, modules) for name, entry in state.items()]
    named = {binding.layer for binding, _ in plan}
    rest = {name: part for name, part in module.named_modules() if isinstance(part, RuledLayer) and part not in named}
    for name, part in rest.items():
        check_removable(part, name)
    for part in rest.values():
        release(part)
    for any_part in module.modules():
        stop_listening(any_part)
    buses: dict[str, dict[LearningRule, FeedbackBus]] = {}
    for binding, entry in plan:
        if isinstance(binding.rule, BroadcastRule):
            binding.bus = buses.setdefault(str(entry["root"]), {}).setdefault(binding.rule, FeedbackBus(binding.rule, int(entry["width"])))
        assign(binding)
    finish(module, [])
    for root, shared in buses.items():
        listen(module.get_submodule(root), list(shared.values()))
    return module


def _check_bus(name: str, width: Any, root: Any, modules: Mapping[str, nn.Module]) -> None:
    if isinstance(width, bool) or not isinstance(width, int) or width < 1:
        raise RuleError(f"the rule state of layer {name!r} is damaged: the width {width!r} of its signal is no positive integer")
    if root not in modules:
        raise RuleError(f"the rule state of layer {name!r} starts its signal from module {root!r}, which the network does not have")


def _restored(
    name: str, entry: Mapping[str, Any], layers: Mapping[str, Candidate], modules: Mapping[str, nn.Module]
) -> tuple[WeightBinding, Mapping[str, Any]]:
    if not isinstance(entry, Mapping):
        raise RuleError(f"the rule state of layer {name!r} is damaged: {entry!r} is no mapping of its settings")
    try:
        rule_name, options, shape = entry["rule"], entry["options"], tuple(entry["shape"])
        seed, key, asked, scale = entry["seed"], entry["key"], entry["asked"], entry["scale"]
        if issubclass(RULES[rule_name], BroadcastRule):
            _check_bus(name, entry["width"], entry["root"], modules)
    except (KeyError, TypeError) as error:
        if isinstance(error, UnknownNameError):
            raise
        raise RuleError(f"the rule state of layer {name!r} is damaged: {error!s} is missing or malformed") from error
    if name not in layers:
        guess = nearest(name, layers)
        hint = f"; the nearest is {guess!r}" if guess else ""
        raise RuleError(f"the rule state gives {rule_name!r} to layer {name!r} {shape}, which the network does not have{hint}")
    candidate = layers[name]
    if candidate.obstacle:
        raise RuleError(f"the rule state gives {rule_name!r} to {candidate.in_words()}, which cannot be converted: {candidate.obstacle}")
    weight = cast("Tensor", getattr(candidate.layer, candidate.parameter))
    if tuple(weight.shape) != shape:
        raise RuleError(
            f"the rule state gives {rule_name!r} to {candidate.in_words()} with feedback of shape {shape}, "
            f"but its weight is {tuple(weight.shape)}: the state belongs to another network"
        )
    number = check_scale(scale, f" of layer {name!r} in the rule state")
    if isinstance(number, str):
        raise RuleError(f"the rule state of layer {name!r} is damaged: its scale {scale!r} is no number")
    try:
        rule = RULES[rule_name](**options)
    except TypeError as error:
        raise RuleError(f"the rule state of layer {name!r} has settings that {rule_name!r} does not take: {options}") from error
    layer = cast("RuledLayer", candidate.layer)
    check_steps(candidate, rule, multiplied(layer, candidate.parameter))
    axis = candidate.batch_axis
    return WeightBinding(layer, candidate.parameter, rule, check_seed(seed), str(key), check_scale(asked), number, axis), entry
