"""Optimizers within optimizers: which of them steps, and whether something else moves the weights as well."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from ..errors import RuleError

_ROUNDING = 1e-5  # of the norm: weights that go up and come down again (SAM) are back where they were
_PATIENCE = 100  # steps between two looks at a GPU, each of which waits for it


def innermost(optimizer: Any) -> torch.optim.Optimizer:
    """Return the optimizer whose steps move the weights: this one, or the one that wrappers such as SAM and Lookahead hold.

    Args:
        optimizer: an optimizer, or an object of any class around one.

    Raises:
        RuleError: when there is none, when there are several, or when it does not call the hooks of its steps.

    Example:
        >>> from types import SimpleNamespace
        >>> sgd = torch.optim.SGD([torch.zeros(1)])
        >>> innermost(SimpleNamespace(base_optimizer=sgd)) is sgd
        True
    """
    held = _held(optimizer)
    if len(held) > 1:
        kinds = ", ".join(type(one).__name__ for one in held)
        raise RuleError(f"{type(optimizer).__name__} holds several optimizers ({kinds}): hand over the one that has the weights")
    if held:
        return innermost(held[0])
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise RuleError(f"a {type(optimizer).__name__} is no optimizer and holds none: hand over the optimizer of the network's weights")
    if not getattr(type(optimizer).step, "hooked", False):
        raise RuleError(
            f"{type(optimizer).__name__} calls no hooks after its steps, so that nothing can follow them: "
            f"its __init__ must call super().__init__(params, defaults)"
        )
    return optimizer


def _held(optimizer: Any) -> list[Any]:
    """Return the optimizers among the attributes of an object, each once."""
    values = [value for attribute in getattr(optimizer, "__dict__", {}).values() for value in _items(attribute)]
    return list({id(value): value for value in values if value is not optimizer and _steps(value)}.values())


def _items(attribute: Any) -> Iterable[Any]:
    if isinstance(attribute, dict):
        return attribute.values()
    return attribute if isinstance(attribute, (list, tuple)) else [attribute]


def _steps(value: Any) -> bool:
    return isinstance(value, torch.optim.Optimizer) or (hasattr(value, "param_groups") and hasattr(value, "step"))


class Watch:
    """Notices when weights move between two steps of an optimizer: what copies its steps would miss that.

    Args:
        optimizer: the optimizer.
        wrapper: what the optimizer was found in, or the optimizer itself.
        rows: returns some numbers of each weight.

    Raises:
        RuleError: before the next step, when weights have moved and a wrapper may have done it. Without a wrapper, for a program may
            change weights by itself, it is a warning.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, wrapper: Any, rows: Callable[[], Tensor]) -> None:
        self._optimizer, self._wrapper, self._rows = optimizer, wrapper, rows
        self._left: Tensor | None = None
        self._moved: Tensor | None = None
        self._checks = 0
        self._told = False
        self._handle: RemovableHandle | None = None

    def before_step(self) -> None:
        """Compare the weights with what the last step left."""
        if self._left is not None:
            now = self._rows()
            if now.numel() == self._left.numel():  # no layer was given another rule
                self._compare(now, self._left.to(now))
        self.forget()
        # Registered anew for each step it is the last of the hooks after it: what the others do (NormConstraint) belongs to the step.
        self._handle = self._optimizer.register_step_post_hook(lambda *_: self._note())

    def forget(self) -> None:
        """Compare with nothing until after the next step."""
        self._left = None
        if self._handle is not None:
            self._handle.remove()

    def _note(self) -> None:
        self._left = self._rows()

    def _compare(self, now: Tensor, left: Tensor) -> None:
        if self._told:
            return
        moved = (now - left).norm() > _ROUNDING * left.norm()
        self._moved = moved if self._moved is None else self._moved.to(moved.device) | moved
        self._checks += 1
        wrapped = self._wrapper is not self._optimizer
        if (wrapped or moved.device.type == "cpu" or self._checks % _PATIENCE == 0) and bool(self._moved):
            self._tell(wrapped)

    def _tell(self, wrapped: bool) -> None:
        kind, around = type(self._optimizer).__name__, type(self._wrapper).__name__
        if wrapped:
            raise RuleError(
                f"{around} moves the weights between two steps of its {kind}, which a rule that copies the steps of {kind} ('kp') cannot "
                f"follow: train with {kind} alone, or by a rule that does not copy steps. If your program changed the weights by itself, "
                f"remove() the FeedbackUpdater and track_optimizer() again"
            )
        self._told = True
        warnings.warn(
            f"something other than {kind} moves the weights between two of its steps: the matrices of 'kp' copy the steps of {kind} alone "
            f"and keep their distance. Where this is a wrapper such as Lookahead, 'kp' cannot follow it",
            stacklevel=2,
        )
