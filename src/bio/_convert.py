"""Giving a network its rules, taking them away, and keeping what is needed to give them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TypeVar, cast

from torch import Tensor, nn

from ..errors import RuleError, UnknownNameError, nearest
from ._broadcast import Hub, listen, stop_listening
from ._draw import check_scale, check_seed, resolve_scale
from ._kinds import Place, check_removable, forget_exact, hosts, keep_exact, multiplied, others, places, plain_name, release, sites, swap
from ._layers import RuledLayer, Swapped
from ._maps import RuleOrMap, assign_rules
from ._rule import RULES, BroadcastRule, LearningRule
from ._sites import Site

Network = TypeVar("Network", bound=nn.Module)


def rule_names(module: nn.Module) -> list[str]:
    """Return the dotted names of all weights that a rule map may name.

    Args:
        module: any network.

    Example:
        >>> rule_names(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.MultiheadAttention(4, 2)))
        ['0', '2.in_proj_weight', '2.out_proj']
    """
    return [place.name for place in places(module)]


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
    hubs: dict[LearningRule, Hub] = {}
    for place, given, number in plan:
        hub = _hub(hubs, given, plan)
        _assign(
            place, Site(cast("RuledLayer", place.layer), place.parameter, given, seed, place.name, scale, number, place.batch_axis, hub)
        )
    _finish(module, list(hubs.values()))
    return module


def _plan(
    module: nn.Module, rule: RuleOrMap, scale: str | float, names: Mapping[str, str]
) -> tuple[list[tuple[Place, LearningRule, float]], list[tuple[nn.Module, str]]]:
    """Return every weight to convert with its rule and the size of its feedback, and what keeps its exact gradients; nothing is changed."""
    found = list(places(module))
    beside = list(others(module, found))
    known = [place.name for place in found], [name for name, _, _ in beside]
    rules, exact = assign_rules(rule, *({name: names.get(name, name) for name in some} for some in known))
    kept = [(part, parameter) for name, part, parameter in beside if name in exact]
    plan = []
    for place in found:
        given = rules[place.name]
        if not place.obstacle:
            weight = multiplied(place.layer, place.parameter)
            _check_steps(place, given, weight)
            plan.append((place, given, resolve_scale(scale, weight, place.in_words()) if given.scaled else 1.0))
        elif given.exact:
            kept += [(place.layer, parameter) for parameter, _ in place.layer.named_parameters(recurse=False)]
        else:
            raise RuleError(
                f"rule {given.name!r} cannot reach {place.in_words()}: it {place.obstacle}. "
                f"Apply the rule to the parts of the network around it, give this part to 'bp' in a rule map, "
                f"or build it of Linear and convolution layers"
            )
    if not plan:
        raise RuleError(f"{plain_name(module)} holds no Linear or convolution layer that rule {_in_words(rule)} could be applied to")
    return plan, kept


def _check_steps(place: Place, rule: LearningRule, weight: Tensor) -> None:
    """Raise where a rule copies the steps of a weight that is not what the layer multiplies by."""
    kept = place.layer._parameters.get(place.parameter)
    if getattr(rule, "copies_updates", False) and kept is not None and weight is not kept:
        raise RuleError(
            f"rule {rule.name!r} cannot reach {place.in_words()}: it multiplies by what it computes of its weight, and B would take the "
            f"steps of the weight itself. Give this layer another rule in a rule map"
        )


def _in_words(rule: RuleOrMap) -> str:
    return repr(rule if isinstance(rule, str) else getattr(rule, "name", rule))


def _hub(hubs: dict[LearningRule, Hub], rule: LearningRule, plan: list[tuple[Place, LearningRule, float]]) -> Hub | None:
    """Return what the layers of one broadcasting rule share; the last layer tells, most of the time, how wide its signal is."""
    if not isinstance(rule, BroadcastRule):
        return None
    last = plan[-1][0]
    return hubs.setdefault(rule, Hub(rule, getattr(last.layer, last.parameter).shape[0]))


def _assign(place: Place, site: Site) -> None:
    """Convert a weight, or give a converted one another rule."""
    swap(place.layer)
    layer = cast("RuledLayer", place.layer)
    if place.parameter in layer._sites:
        layer._sites[place.parameter].clear()
    layer._sites[place.parameter] = site
    site.draw()


def _finish(module: nn.Module, hubs: list[Hub]) -> None:
    for host in list(hosts(module)):
        swap(host)
    listen(module, hubs)
    ignore_in_ddp(module)


def ignore_in_ddp(module: nn.Module) -> None:
    """Keep PyTorch's DistributedDataParallel from sending the feedback around: every process draws the same.

    Args:
        module: the module that is going to be wrapped.
    """
    nn.parallel.DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(module, sorted(_feedback_names(module)))


def _feedback_names(module: nn.Module) -> set[str]:
    """Return the dotted names of all buffers that hold feedback."""
    return {
        f"{name}.{parameter}_{ending}".lstrip(".")
        for name, part in module.named_modules()
        if isinstance(part, RuledLayer)
        for parameter, site in part._sites.items()
        for ending in ("feedback", "feedback_starts")
        if site.buffer(ending) is not None
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
    converted = {name: part for name, part in module.named_modules() if isinstance(part, Swapped)}
    for name, part in converted.items():
        check_removable(part, name)
    for part in converted.values():
        release(part)
    forget_exact(module)
    for any_part in module.modules():
        stop_listening(any_part)
        vars(any_part).pop("_ddp_params_and_buffers_to_ignore", None)
    return module


def plain_state_dict(module: nn.Module) -> dict[str, Tensor]:
    """Return a network's state dict without learned feedback: what its plain twin loads, strictly.

    Args:
        module: any network.

    Example:
        >>> from torch import nn
        >>> list(plain_state_dict(apply_rule(nn.Linear(3, 5), "kp")))
        ['weight', 'bias']
    """
    feedback = _feedback_names(module)
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
        >>> rule_state(apply_rule(nn.Sequential(nn.Linear(3, 5)), "usf"))["0"]["scale"]
        0.5
    """
    roots = {hub: name for name, part in module.named_modules() for hub in getattr(part, "_hubs", ())}
    return {
        name: {
            "rule": site.rule.name,
            "options": asdict(site.rule),
            "seed": site.seed,
            "key": site.key,
            "asked": site.asked,
            "scale": site.scale,
            "shape": list(site.weight.shape),
            **({} if site.hub is None else {"width": site.hub.width, "root": roots.get(site.hub, "")}),
        }
        for name, site in sites(module).items()
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
    found = {place.name: place for place in places(module)}
    modules = dict(module.named_modules())
    plan = [_restored(name, entry, found, modules) for name, entry in state.items()]
    named = {place.layer for place, _, _ in plan}
    rest = {name: part for name, part in module.named_modules() if isinstance(part, RuledLayer) and part not in named}
    for name, part in rest.items():
        check_removable(part, name)
    for part in rest.values():
        release(part)
    for any_part in module.modules():
        stop_listening(any_part)
    hubs: dict[str, dict[LearningRule, Hub]] = {}
    for place, site, entry in plan:
        if isinstance(site.rule, BroadcastRule):
            site.hub = hubs.setdefault(str(entry["root"]), {}).setdefault(site.rule, Hub(site.rule, int(entry["width"])))
        _assign(place, site)
    _finish(module, [])
    for root, shared in hubs.items():
        listen(module.get_submodule(root), list(shared.values()))
    return module


def _check_hub(name: str, width: Any, root: Any, modules: Mapping[str, nn.Module]) -> None:
    if isinstance(width, bool) or not isinstance(width, int) or width < 1:
        raise RuleError(f"the rule state of layer {name!r} is damaged: the width {width!r} of its signal is no positive integer")
    if root not in modules:
        raise RuleError(f"the rule state of layer {name!r} starts its signal from module {root!r}, which the network does not have")


def _restored(
    name: str, entry: Mapping[str, Any], found: Mapping[str, Place], modules: Mapping[str, nn.Module]
) -> tuple[Place, Site, Mapping[str, Any]]:
    if not isinstance(entry, Mapping):
        raise RuleError(f"the rule state of layer {name!r} is damaged: {entry!r} is no mapping of its settings")
    try:
        rule_name, options, shape = entry["rule"], entry["options"], tuple(entry["shape"])
        seed, key, asked, scale = entry["seed"], entry["key"], entry["asked"], entry["scale"]
        if issubclass(RULES[rule_name], BroadcastRule):
            _check_hub(name, entry["width"], entry["root"], modules)
    except (KeyError, TypeError) as error:
        if isinstance(error, UnknownNameError):
            raise
        raise RuleError(f"the rule state of layer {name!r} is damaged: {error!s} is missing or malformed") from error
    if name not in found:
        guess = nearest(name, found)
        hint = f"; the nearest is {guess!r}" if guess else ""
        raise RuleError(f"the rule state gives {rule_name!r} to layer {name!r} {shape}, which the network does not have{hint}")
    place = found[name]
    if place.obstacle:
        raise RuleError(f"the rule state gives {rule_name!r} to {place.in_words()}, which cannot be converted: {place.obstacle}")
    weight = cast("Tensor", getattr(place.layer, place.parameter))
    if tuple(weight.shape) != shape:
        raise RuleError(
            f"the rule state gives {rule_name!r} to {place.in_words()} with feedback of shape {shape}, "
            f"but its weight is {tuple(weight.shape)}: the state belongs to another network"
        )
    number = check_scale(scale, f" of layer {name!r} in the rule state")
    if isinstance(number, str):
        raise RuleError(f"the rule state of layer {name!r} is damaged: its scale {scale!r} is no number")
    try:
        rule = RULES[rule_name](**options)
    except TypeError as error:
        raise RuleError(f"the rule state of layer {name!r} has settings that {rule_name!r} does not take: {options}") from error
    layer = cast("RuledLayer", place.layer)
    _check_steps(place, rule, multiplied(layer, place.parameter))
    return place, Site(layer, place.parameter, rule, check_seed(seed), str(key), check_scale(asked), number, place.batch_axis), entry
