"""Giving a network its rules, and taking them away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar, cast

from torch import Tensor, nn

from ..errors import RuleError
from ._binding import WeightBinding
from ._broadcast import FeedbackBus, listen, stop_listening
from ._conversions import (
    Candidate,
    candidates,
    check_removable,
    convert,
    forget_exact,
    interceptors,
    keep_exact,
    multiplied,
    others,
    release,
)
from ._converted import ConvertedModule, plain_name
from ._draw import check_scale, check_seed, resolve_scale
from ._layers import RuledLayer
from ._maps import RuleOrMap, assign_rules
from ._rule import BroadcastRule, LearningRule

Network = TypeVar("Network", bound=nn.Module)


def rule_names(module: nn.Module) -> list[str]:
    """Return the dotted names of all weights that a rule map may name.

    Args:
        module: any network.

    Example:
        >>> rule_names(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.MultiheadAttention(4, 2)))
        ['0', '2.in_proj_weight', '2.out_proj']
    """
    return [candidate.name for candidate in candidates(module)]


def apply_rule(
    module: Network, rule: RuleOrMap, *, seed: int = 0, scale: str | float = "init", names: Mapping[str, str] | None = None
) -> Network:
    r"""Convert every linear map of a module, in place, to learn by a rule.

    Linear layers and (transposed) convolutions keep parameters, names, hooks, dtype, device, train flag and parametrisations, are still
    instances of their class, and compute the same outputs bit for bit; only the error they send down goes through the rule's B.
    Random matrices are buffers that follow the module but are no parameters, and part of the state dict only where they are learned.
    They depend on ``seed``, the rule and the layer's dotted name alone. A module used in several places has one matrix. A second rule
    replaces the first.

    Args:
        module: any network, or a single layer.
        rule: the name of a rule, a rule object, or a map from patterns of dotted names to either: ``{"features.*": "frsf", "*": "bp"}``,
            also as text, ``"features.*=frsf,*=bp"``. The first pattern that matches a layer's name decides. Patterns for ``bp`` may
            also name parameters outside the layers, whose exact gradients :func:`check_reach` then lets pass.
        seed: seed of the random matrices.
        scale: size of the entries of B: ``"init"`` for Xavier's standard deviation :math:`\sqrt{2 / (\text{fan}_\text{in} +
            \text{fan}_\text{out})}`, ``"weight"`` for the root mean square of the layer's weights as they are now (for pretrained
            networks), or a positive number. ``bp`` has nothing to scale.
        names: other names for :func:`rule_names`, and for other parameters, that the patterns of a rule map are matched with.

    Returns:
        The same module.

    Raises:
        UnknownNameError: when no rule has that name.
        RuleError: for what is no module, when a pattern has no effect or a layer no rule, when the module holds nothing to convert,
            or something a rule cannot reach; the module is then left as it was.
            Under ``bp`` such a part keeps its gradients, which are backpropagation's anyway.

    Example:
        >>> from torch import nn
        >>> network = apply_rule(nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2)), "frsf", seed=1)
        >>> network[2]
        RuledLinear(in_features=4, out_features=2, bias=True, rule=frsf)
    """
    if not isinstance(module, nn.Module):
        raise RuleError(f"apply_rule takes a network first, a torch.nn.Module, not a {type(module).__name__}")
    seed, scale = check_seed(seed), check_scale(scale, f" for rule {_in_words(rule)} of {plain_name(module)}")
    plan, exact = _plan(module, rule, scale, names or {})
    keep_exact(module, exact)
    buses: dict[LearningRule, FeedbackBus] = {}
    for candidate, own_rule, number in plan:
        layer, bus = cast("RuledLayer", candidate.layer), _bus(buses, own_rule, plan)
        assign(WeightBinding(layer, candidate.parameter, own_rule, seed, candidate.name, scale, number, candidate.batch_axis, bus))
    finish(module, list(buses.values()))
    return module


def _plan(
    module: nn.Module, rule: RuleOrMap, scale: str | float, names: Mapping[str, str]
) -> tuple[list[tuple[Candidate, LearningRule, float]], list[tuple[nn.Module, str]]]:
    """Return every weight to convert with its rule and the size of its feedback, and what keeps its exact gradients; nothing is changed."""
    layers = list(candidates(module))
    beside = list(others(module, layers))
    known = [candidate.name for candidate in layers], [name for name, _, _ in beside]
    rules, exact = assign_rules(rule, *({name: names.get(name, name) for name in some} for some in known))
    kept_exact = [(part, parameter) for name, part, parameter in beside if name in exact]
    plan = []
    for candidate in layers:
        own_rule = rules[candidate.name]
        if not candidate.obstacle:
            weight = multiplied(candidate.layer, candidate.parameter)
            check_steps(candidate, own_rule, weight)
            plan.append((candidate, own_rule, resolve_scale(scale, weight, candidate.in_words()) if own_rule.scaled else 1.0))
        elif own_rule.exact:
            kept_exact += [(candidate.layer, parameter) for parameter, _ in candidate.layer.named_parameters(recurse=False)]
        else:
            raise RuleError(
                f"rule {own_rule.name!r} cannot reach {candidate.in_words()}: it {candidate.obstacle}. "
                f"Apply the rule to the parts of the network around it, give this part to 'bp' in a rule map, "
                f"or build it of Linear and convolution layers"
            )
    if not plan:
        raise RuleError(f"{plain_name(module)} holds no Linear or convolution layer that rule {_in_words(rule)} could be applied to")
    return plan, kept_exact


def check_steps(candidate: Candidate, rule: LearningRule, weight: Tensor) -> None:
    """Raise where a rule copies the steps of a weight that is not what the layer multiplies by."""
    registered = candidate.layer._parameters.get(candidate.parameter)
    if getattr(rule, "copies_updates", False) and registered is not None and weight is not registered:
        raise RuleError(
            f"rule {rule.name!r} cannot reach {candidate.in_words()}: it multiplies by what it computes of its weight, and B would take "
            f"the steps of the weight itself. Give this layer another rule in a rule map"
        )


def _in_words(rule: RuleOrMap) -> str:
    return repr(rule if isinstance(rule, str) else getattr(rule, "name", rule))


def _bus(
    buses: dict[LearningRule, FeedbackBus], rule: LearningRule, plan: list[tuple[Candidate, LearningRule, float]]
) -> FeedbackBus | None:
    """Return what the layers of one broadcasting rule share; the last layer tells, most of the time, how wide its signal is."""
    if not isinstance(rule, BroadcastRule):
        return None
    last = plan[-1][0]
    return buses.setdefault(rule, FeedbackBus(rule, getattr(last.layer, last.parameter).shape[0]))


def assign(binding: WeightBinding) -> None:
    """Convert a weight, or give a converted one another rule."""
    convert(binding.layer)
    bound = cast("RuledLayer", binding.layer)._bindings
    if binding.parameter in bound:
        bound[binding.parameter].clear()
    bound[binding.parameter] = binding
    binding.draw()


def finish(module: nn.Module, buses: list[FeedbackBus]) -> None:
    """Convert what multiplies by the weights of converted layers, and let the buses hear of forward passes."""
    for interceptor in list(interceptors(module)):
        convert(interceptor)
    listen(module, buses)
    ignore_in_ddp(module)


def ignore_in_ddp(module: nn.Module, further: Iterable[str] = ()) -> None:
    """Keep PyTorch's DistributedDataParallel from sending the feedback around: every process draws the same.

    Args:
        module: the module that is going to be wrapped.
        further: dotted names of further buffers that are the same in every process.
    """
    nn.parallel.DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(module, sorted({*feedback_names(module), *further}))


def feedback_names(module: nn.Module) -> set[str]:
    """Return the dotted names of all buffers that hold feedback."""
    return {
        f"{name}.{parameter}_{ending}".lstrip(".")
        for name, part in module.named_modules()
        if isinstance(part, RuledLayer)
        for parameter, binding in part._bindings.items()
        for ending in ("feedback", "feedback_starts")
        if binding.buffer(ending) is not None
    }


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
    converted = {name: part for name, part in module.named_modules() if isinstance(part, ConvertedModule)}
    for name, part in converted.items():
        check_removable(part, name)
    for part in converted.values():
        release(part)
    forget_exact(module)
    for any_part in module.modules():
        stop_listening(any_part)
        vars(any_part).pop("_ddp_params_and_buffers_to_ignore", None)
    return module
