"""Giving a network its rule, taking it away, and keeping what is needed to give it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from ..errors import RuleError, nearest
from ._draw import check_scale, check_seed, resolve_scale
from ._layers import Assignment, RuledLayer, assign, check_removable, in_words, linear_maps, release
from ._rule import RULES, Rule

Network = TypeVar("Network", bound=nn.Module)


def apply_rule(module: Network, rule: str | Rule, *, seed: int = 0, scale: str | float = "init") -> Network:
    r"""Convert every linear map of a module, in place, to learn by a rule.

    Linear layers and (transposed) convolutions keep parameters, names, hooks, dtype, device, train flag and parametrisations, are still
    instances of their class, and compute the same outputs bit for bit; only the error they send down goes through the rule's B.
    Random matrices are buffers that follow the module but are neither parameters nor part of the state dict. They depend on
    ``seed``, the rule and the layer's dotted name alone. A module used in several places has one matrix. A second rule replaces the
    first.

    Args:
        module: any network, or a single layer.
        rule: the name of a rule, or a :class:`Rule`.
        seed: seed of the random matrices.
        scale: size of the entries of B: ``"init"`` for Xavier's standard deviation :math:`\sqrt{2 / (\text{fan}_\text{in} +
            \text{fan}_\text{out})}`, ``"weight"`` for the root mean square of the layer's weights as they are now (for pretrained
            networks), or a positive number. ``bp`` has nothing to scale.

    Returns:
        The same module.

    Raises:
        UnknownNameError: when no rule has that name.
        RuleError: when the module holds nothing to convert, or something a rule cannot reach; the module is then left as it was.
            Under ``bp`` such a part keeps its gradients, which are backpropagation's anyway.

    Example:
        >>> from torch import nn
        >>> network = apply_rule(nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2)), "frsf", seed=1)
        >>> network[2]
        RuledLinear(in_features=4, out_features=2, bias=True, rule=frsf)
    """
    rule, seed, scale = _rule(rule), check_seed(seed), check_scale(scale)
    plan = []
    for name, layer, obstacle in linear_maps(module):
        if not obstacle:
            number = resolve_scale(scale, cast("Tensor", layer.weight), in_words(name, layer)) if rule.scaled else 1.0
            plan.append((name, layer, Assignment(rule, seed, name, scale, number)))
        elif not rule.exact:
            raise RuleError(
                f"rule {rule.name!r} cannot reach {in_words(name, layer)}: it {obstacle}. "
                f"Apply the rule to the parts of the network around it, or build it of Linear and convolution layers"
            )
    if not plan:
        raise RuleError(f"{type(module).__name__} holds no Linear or convolution layer that rule {rule.name!r} could be applied to")
    for _, layer, assignment in plan:
        assign(layer, assignment)
    return module


def remove_rule(module: Network) -> Network:
    """Turn every converted layer of a module back into what it was, in place.

    The plain network has the same parameters and the same state dict, and computes the same outputs.

    Args:
        module: any network; layers without a rule stay as they are.

    Returns:
        The same module.

    Raises:
        RuleError: when a layer was given another class since (by a parametrisation, say); nothing is then changed.

    Example:
        >>> from torch import nn
        >>> type(remove_rule(apply_rule(nn.Linear(8, 4), "fa"))).__name__
        'Linear'
    """
    layers = _converted(module)
    for name, layer in layers.items():
        check_removable(layer, name)
    for layer in layers.values():
        release(layer)
    return module


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
        >>> rule_state(apply_rule(nn.Sequential(nn.Linear(3, 5)), "usf"))["0"]["scale"]
        0.5
    """
    return {
        name: {
            "rule": layer._assignment.rule.name,
            "options": asdict(layer._assignment.rule),
            "seed": layer._assignment.seed,
            "key": layer._assignment.key,
            "asked": layer._assignment.asked,
            "scale": layer._assignment.scale,
            "shape": list(layer.weight.shape),
        }
        for name, layer in _converted(module).items()
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
        >>> one, two = (apply_rule(nn.Linear(8, 4), "fa", seed=seed) for seed in (1, 2))
        >>> rule_state(load_rule_state(two, rule_state(one))) == rule_state(one)
        True
    """
    if not isinstance(state, Mapping):
        raise RuleError(f"the rule state is a {type(state).__name__}, not the mapping that rule_state() returned")
    found = {name: (layer, obstacle) for name, layer, obstacle in linear_maps(module)}
    plan = [_restored(name, entry, found) for name, entry in state.items()]
    rest = {name: layer for name, layer in _converted(module).items() if name not in state}
    for name, unnamed in rest.items():
        check_removable(unnamed, name)
    for unnamed in rest.values():
        release(unnamed)
    for layer, assignment in plan:
        assign(layer, assignment)
    return module


def _restored(name: str, entry: Mapping[str, Any], found: Mapping[str, tuple[nn.Module, str]]) -> tuple[nn.Module, Assignment]:
    try:
        rule_name, options, shape = entry["rule"], entry["options"], tuple(entry["shape"])
        seed, key, asked, scale = entry["seed"], entry["key"], entry["asked"], entry["scale"]
    except (KeyError, TypeError) as error:
        raise RuleError(f"the rule state of layer {name!r} is damaged: {error!s} is missing or malformed") from error
    if name not in found:
        guess = nearest(name, found)
        hint = f"; the nearest is {guess!r}" if guess else ""
        raise RuleError(f"the rule state gives {rule_name!r} to layer {name!r} {shape}, which the network does not have{hint}")
    layer, obstacle = found[name]
    if obstacle:
        raise RuleError(f"the rule state gives {rule_name!r} to {in_words(name, layer)}, which cannot be converted: {obstacle}")
    weight = cast("Tensor", layer.weight)
    if tuple(weight.shape) != shape:
        raise RuleError(
            f"the rule state gives {rule_name!r} to {in_words(name, layer)} with feedback of shape {shape}, "
            f"but its weight is {tuple(weight.shape)}: the state belongs to another network"
        )
    number = check_scale(scale)
    if isinstance(number, str):
        raise RuleError(f"the rule state of layer {name!r} is damaged: its scale {scale!r} is no number")
    try:
        rule = RULES[rule_name](**options)
    except TypeError as error:
        raise RuleError(f"the rule state of layer {name!r} has settings that {rule_name!r} does not take: {options}") from error
    return layer, Assignment(rule, check_seed(seed), str(key), check_scale(asked), number)


def _converted(module: nn.Module) -> dict[str, RuledLayer]:
    return {name: part for name, part in module.named_modules() if isinstance(part, RuledLayer)}


def _rule(rule: str | Rule) -> Rule:
    """Return a rule that is certain to answer with a matrix of the weight's shape."""
    if isinstance(rule, str):
        rule = RULES[rule]()
    if not isinstance(rule, Rule):
        raise RuleError(f"{rule!r} is no learning rule: give a name ({', '.join(RULES)}) or a Rule object")
    block = torch.ones(2, 3)
    answer = rule.feedback(block, rule.prepare(block) if rule.draws_matrix else None, 1.0)
    if not isinstance(answer, Tensor) or answer.shape != block.shape:
        shape = tuple(answer.shape) if isinstance(answer, Tensor) else repr(answer)
        raise RuleError(f"rule {rule.name!r} answers a weight of shape (2, 3) with {shape}: feedback() returns a matrix of the same shape")
    return rule
