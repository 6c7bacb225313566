"""What happens to the feedback after each step of the optimizer."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..errors import RuleError
from ._binding import WeightBinding, whole
from ._layers import bindings
from ._rule import Rule
from ._wrappers import Watch, innermost


class FeedbackUpdater:
    """Counts the steps of an optimizer and lets the feedback of a network follow them; made by :func:`track_optimizer`.

    Args:
        network: the network.
        optimizer: the optimizer of its weights, or a wrapper around it.

    Attributes:
        step: steps so far.
    """

    def __init__(self, network: nn.Module, optimizer: Any) -> None:
        self.step = 0
        self._optimizer = innermost(optimizer)
        changing = {name: binding for name, binding in bindings(network).items() if binding.rule.changes}
        for name, binding in changing.items():
            if binding.followed:
                raise RuleError(f"layer {name!r} is updated by another FeedbackUpdater: remove() that one before track_optimizer()")
        self._rules = {name: (binding, cast("Rule", binding.rule)) for name, binding in changing.items()}
        self._groups = self._shared_steps()
        self._mirror_optimizer = self._second_optimizer() if any(self._groups) else None
        self._settings: list[dict[str, Any]] = []
        self._watch = Watch(self._optimizer, optimizer, self._some_numbers)
        for binding in changing.values():
            binding.followed = True
        self._handles = (
            self._optimizer.register_step_pre_hook(lambda *_: self._before_step()),
            self._optimizer.register_step_post_hook(lambda *_: self._after_step()),
        )

    def state_dict(self) -> dict[str, Any]:
        """Return what a resume needs beside the network's and the optimizer's own state."""
        return {"step": self.step, "optimizer": None if self._mirror_optimizer is None else self._mirror_optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where another training stopped.

        Raises:
            RuleError: when the state is damaged, or belongs to another network or to one with other rules.
        """
        if not isinstance(state, Mapping) or not {"step", "optimizer"} <= set(state):
            raise RuleError("the state of the feedback is damaged: a FeedbackUpdater's state_dict() has 'step' and 'optimizer'")
        if (state["optimizer"] is None) != (self._mirror_optimizer is None):
            raise RuleError("the state of the feedback belongs to a network with other rules: only one of the two copies updates ('kp')")
        if self._mirror_optimizer is not None:
            ours, theirs = _sizes(self._mirror_optimizer.param_groups), _sizes(state["optimizer"]["param_groups"])
            if ours != theirs:
                raise RuleError(
                    f"the state of the feedback belongs to another network: in its optimizer's groups {theirs} matrices follow, here {ours}"
                )
        self.step = state["step"]
        if self._mirror_optimizer is not None:
            self._renew()
            self._mirror_optimizer.load_state_dict(state["optimizer"])
        self._watch.forget()
        self._draw_afresh()

    def remove(self) -> None:
        """Stop following."""
        for handle in self._handles:
            handle.remove()
        self._watch.forget()
        for binding, _ in self._rules.values():
            binding.followed = False

    @torch.no_grad()
    def _before_step(self) -> None:
        if self._mirror_optimizer is not None:
            self._watch.before_step()
            # As the step begins, and copies: some optimizers count their steps in the settings of a group.
            self._settings = [
                {key: value.clone() if isinstance(value, Tensor) else copy.copy(value) for key, value in group.items() if key != "params"}
                for group in self._optimizer.param_groups
            ]

    def _some_numbers(self) -> Tensor:
        """Return the first rows of a few of the weights whose steps are copied: what moves the weights moves them all."""
        copying = [binding for group in self._groups for binding in group]
        few = copying[:: -max(len(copying) // 4, 1)]  # the last layer is among them, which learns where others are frozen
        rows = [_here(binding.weight.detach())[:1].flatten().float() for binding in few if binding.current]
        return torch.cat([row.to(rows[0].device) for row in rows]) if rows else torch.empty(0)

    @torch.no_grad()
    def _after_step(self) -> None:
        self.step += 1
        if self._mirror_optimizer is not None:
            self._take_the_same_step(self._mirror_optimizer)
        for binding, rule in self._rules.values():
            if rule.mirrors and binding.rule is rule and binding.current:
                binding.mirror(self.step)
        self._draw_afresh()

    def _draw_afresh(self) -> None:
        changing = [binding for binding, rule in self._rules.values() if rule.fresh and binding.current]
        fresh = {binding: starts for binding in changing if (starts := binding.buffer("feedback_starts")) is not None}
        for device in {starts.device for starts in fresh.values()}:
            there = {binding: starts for binding, starts in fresh.items() if starts.device == device}
            drawn = [offset for binding, starts in there.items() for offset in binding.offsets(len(starts), self.step)]
            # One transfer and one call for all layers: on a CPU one each took four times as long, and a GPU would be waited for each time.
            numbers = torch.tensor(drawn, device="cpu", pin_memory=device.type == "cuda").to(device, non_blocking=True)
            torch._foreach_copy_(list(there.values()), numbers.split([len(starts) for starts in there.values()]))

    def _shared_steps(self) -> list[list[WeightBinding]]:
        """Return for each group of the optimizer the weights whose feedback takes the same steps."""
        copying = [(name, binding, binding.weight) for name, (binding, rule) in self._rules.items() if rule.copies_updates]
        groups = [
            [binding for weight in group["params"] for _, binding, own in copying if own is weight]
            for group in self._optimizer.param_groups
        ]
        known = {weight for group in self._optimizer.param_groups for weight in group["params"]}
        for name, binding, weight in copying:
            if weight in known:
                continue
            if not isinstance(weight, nn.Parameter):
                raise RuleError(
                    f"rule {binding.rule.name!r} copies the steps of a weight, but that of layer {name!r} is computed (a parametrisation)"
                )
            if weight.requires_grad:
                raise RuleError(
                    f"rule {binding.rule.name!r} copies the optimizer's steps, but the optimizer does not have the weight of layer {name!r}"
                )
        return groups

    def _second_optimizer(self) -> torch.optim.Optimizer:
        """Return another optimizer of the same class with the same settings, for the matrices."""
        kind, held = type(self._optimizer), vars(self._optimizer)
        known = inspect.signature(kind.__init__).parameters
        settings = {key: value for key, value in {**held, **self._optimizer.defaults}.items() if key in known}
        groups = [{"params": [cast("Tensor", binding.buffer("feedback")) for binding in group]} for group in self._groups]
        matrix = next(matrix for group in groups for matrix in group["params"])
        example = nn.Parameter(matrix.new_zeros(2, 2))
        example.grad = torch.zeros_like(example)
        try:
            kind([example], **settings).step()
        except Exception as error:
            raise RuleError(
                f"a rule that copies updates ('kp') needs an optimizer that can be made a second time and takes a step from gradients "
                f"alone, not {kind.__name__}: {error}"
            ) from error
        return kind(groups, **settings)

    def _take_the_same_step(self, mirror: torch.optim.Optimizer) -> None:
        self._renew()
        if len(self._optimizer.param_groups) != len(self._groups):
            raise RuleError("the optimizer got another group of parameters: remove() the FeedbackUpdater and call track_optimizer() again")
        for own, settings, members in zip(mirror.param_groups, self._settings, self._groups, strict=True):
            own.update(settings)
            for matrix, binding in zip(own["params"], members, strict=True):
                gradient = binding.weight.grad if binding.current else None
                matrix.grad = None if gradient is None else whole(gradient)  # no gradient, no step
        # A fused optimizer receives found_inf from the scaler and skips an overflowed step on its device, so the mirror needs it too.
        mirror.found_inf = getattr(self._optimizer, "found_inf", None)  # type: ignore[attr-defined]
        mirror.step()
        mirror.zero_grad()

    def _renew(self) -> None:
        """Find the matrices again: moving a module to another device replaces its buffers."""
        mirror = cast("torch.optim.Optimizer", self._mirror_optimizer)
        for own, members in zip(mirror.param_groups, self._groups, strict=True):
            for number, binding in enumerate(members):
                if not binding.current:
                    continue
                old, new = own["params"][number], cast("Tensor", binding.buffer("feedback"))
                if old is not new:
                    own["params"][number] = new
                    if old in mirror.state:
                        mirror.state[new] = {
                            key: value.to(new) if isinstance(value, Tensor) and value.shape == new.shape else value
                            for key, value in mirror.state.pop(old).items()
                        }


def _here(weight: Tensor) -> Tensor:
    """Return the part of a weight that ``fully_shard`` has left this process; any other weight as it is."""
    return cast("Tensor", weight.to_local()) if hasattr(weight, "to_local") else weight


def _sizes(groups: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return how many matrices each group of an optimizer has."""
    return [len(group["params"]) for group in groups]


def track_optimizer(network: nn.Module, optimizer: Any) -> FeedbackUpdater:
    """Let the feedback of a network follow its optimizer: fresh magnitudes (brsf), copied steps (kp), mirror phases (wm).

    Needed once, before training, where a rule changes with the steps; without it such a rule refuses to train. For all other
    rules it only counts. Everything follows from the seed and the number of the step, so that several processes stay alike
    (``wm``, whose noise is drawn where the weights are, on GPUs of one model).
    A layer that is given another rule, or loses its own, is ignored afterwards.

    Args:
        network: a network with rules.
        optimizer: the optimizer that has its weights; its class is made a second time where steps are copied. Or a wrapper around it
            (SAM), of any class: the steps of the optimizer within are followed. Where steps are copied, a wrapper that moves the weights
            between them (Lookahead) is an error the first time it does so.

    Returns:
        The updater: its ``state_dict`` belongs beside the optimizer's, its ``remove`` ends it.

    Raises:
        RuleError: for other arguments, when a rule copies the steps of a weight that the optimizer does not have, and when the optimizer
            cannot be made a second time or takes no step from gradients alone (LBFGS).

    Example:
        >>> from biodeephashing.bio import apply_rule
        >>> network = apply_rule(nn.Linear(4, 2), "wm")
        >>> following = track_optimizer(network, torch.optim.SGD(network.parameters(), lr=0.1))
        >>> following.state_dict()
        {'step': 0, 'optimizer': None}
    """
    if not isinstance(network, nn.Module):
        raise RuleError(f"track_optimizer takes a network and its optimizer, in this order, not a {type(network).__name__} as its network")
    return FeedbackUpdater(network, optimizer)
