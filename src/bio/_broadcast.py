"""Carrying one signal from the end of a network to the input of every layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from ..errors import RuleError
from ._rule import BroadcastRule


class Listener(Protocol):
    """What a bus asks of a weight to whose input its signal goes."""

    key: str
    batch_axis: int
    probe: Any

    def in_words(self) -> str:
        """Return the layer's name and class for a message."""

    def broadcast_matrix(self, width: int) -> Tensor:
        """Return B for a signal of some width."""


class FeedbackBus:
    """Where the layers of one network that share a broadcasting rule leave their inputs during a forward pass.

    Args:
        rule: the rule.
        width: units of the signal, as far as known when the rule is applied.
    """

    def __init__(self, rule: BroadcastRule, width: int) -> None:
        self.rule = rule
        self.width = width
        self.target: Tensor | None = None
        self.latest: Tensor | None = None
        self.listening: list[tuple[Listener, Tensor, int, Any]] | None = None
        self.heard: frozenset[str] = frozenset()

    def cut_off(self, listener: Listener, input: Tensor, features: int) -> Tensor:
        """Return a layer's input cut off from what is below, and note what is below for the signal.

        Args:
            listener: the layer's weight.
            input: the layer's input.
            features: the axis of the features.

        Raises:
            RuleError: when the layer is called outside a forward pass of the network that its rule was applied to.
        """
        if self.listening is not None:
            self.listening.append((listener, input, features, _maker(input)))
        elif listener.key not in self.heard or not _within_backward():  # activation checkpointing computes the layer once more
            raise RuleError(
                f"rule {self.rule.name!r} carries a signal from the network's output to {listener.in_words()}, which was called on its "
                f"own: call the module that the rule was applied to (and checkpoint activations with use_reentrant=False)"
            )
        return input.detach()


def _maker(tensor: Tensor) -> Any:
    """Return the operation that a tensor comes from; another one when it is changed in place. A compiler does not say."""
    return None if torch.compiler.is_compiling() else tensor.grad_fn


def _within_backward() -> bool:
    return not torch.compiler.is_compiling() and torch._C._current_graph_task_id() != -1


def start_listening(module: nn.Module, _: Any) -> None:
    """Begin a forward pass; a hook of the module that a broadcasting rule was applied to.

    Raises:
        RuleError: in one of the copies that ``nn.DataParallel`` makes, whose output belongs to a part of the batch only.
    """
    for bus in module._buses:  # type: ignore[union-attr]
        if torch.is_grad_enabled() and getattr(module, "_is_replica", False):
            raise RuleError(
                f"rule {bus.rule.name!r} starts from one output for the whole batch, but nn.DataParallel gives each GPU a copy of the "
                f"network and a part of the batch: train with one process per GPU (-devices, or DistributedDataParallel)"
            )
        bus.listening = [] if torch.is_grad_enabled() else None


def send(module: nn.Module, _: Any, output: Any) -> Any:
    """End a forward pass: tie the noted inputs to the network's output; a hook like :func:`start_listening`.

    Raises:
        RuleError: when the output is not one tensor (batch, units), the rule needs a target that was not given, or an input was changed
            in place since it was noted.
    """
    for bus in module._buses:  # type: ignore[union-attr]
        noted, bus.listening, target = bus.listening, None, bus.target
        if not _within_backward():  # activation checkpointing computes the pass once more, with the same target
            bus.target, bus.latest = None, target
        elif target is None:
            target = bus.latest
        if noted is None or any(listener.probe is not None for listener, *_ in noted):
            continue
        bus.heard = frozenset(listener.key for listener, *_ in noted)
        if not noted:
            continue
        output = _tie(module, bus, output, target, noted)
    return output


def _tie(
    network: nn.Module, bus: FeedbackBus, output: Any, target: Tensor | None, noted: list[tuple[Listener, Tensor, int, Any]]
) -> Tensor:
    rule = bus.rule
    if not isinstance(output, Tensor) or output.dim() not in (1, 2) or not output.is_floating_point():
        what = f"a tensor of shape {tuple(output.shape)}" if isinstance(output, Tensor) else f"a {type(output).__name__}"
        raise RuleError(
            f"rule {rule.name!r} starts from the network's output, one tensor of shape (batch, units); this network returns {what}"
        )
    rows = output.reshape(-1, output.shape[-1])
    if rule.needs_target:
        if target is None:
            raise RuleError(
                f"rule {rule.name!r} sends the target down through {type(network).__name__}, whose output is {tuple(output.shape)}: "
                f"call give_target(network, labels) before each forward pass"
            )
        if len(target) != len(rows):
            raise RuleError(f"rule {rule.name!r} was given {len(target)} targets for a batch of {len(rows)}")
    else:
        bus.width = rows.shape[1]
    for listener, input, _, maker in noted:
        if _maker(input) is not maker:
            raise RuleError(
                f"the input of {listener.in_words()} was changed in place after the layer had taken it, and the signal of rule "
                f"{rule.name!r} would go through that change: write the change out of place"
            )
    matrices = [listener.broadcast_matrix(bus.width) for listener, *_ in noted]
    plan = [_spread(rule, listener, input, len(rows), features) for listener, input, features, _ in noted]
    return cast("Tensor", _Broadcast.apply(output, target, rule, plan, *matrices, *(input for _, input, *_ in noted)))


class _Broadcast(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(output: Tensor, target: Tensor | None, rule: BroadcastRule, plan: list[Any], *tensors: Tensor) -> Tensor:
        return output.clone()  # not a view: what is done to it in place afterwards is differentiated as ever

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, target, ctx.rule, ctx.plan, *tensors = inputs
        ctx.save_for_backward(target, *tensors[: len(ctx.plan)])

    @staticmethod
    def backward(ctx: Any, error: Tensor) -> tuple[Tensor | None, ...]:
        target, *matrices = ctx.saved_tensors
        signal = ctx.rule.signal(error.reshape(-1, error.shape[-1]), None if target is None else target.to(error))
        down = [
            _spread_out(signal.to(matrix.dtype) @ matrix, *how) if needed else None
            for matrix, how, needed in zip(matrices, ctx.plan, ctx.needs_input_grad[-len(matrices) :], strict=True)
        ]
        return error, None, None, None, *(None for _ in matrices), *down


def _spread(
    rule: BroadcastRule, listener: Listener, input: Tensor, batch: int, features: int
) -> tuple[Sequence[int], int, int, torch.dtype]:
    """Return how the signal of a batch is spread over an input: its shape, its axes of batch and features, its type."""
    shape, axis = tuple(input.shape), listener.batch_axis if input.dim() > 2 else 0
    if input.dim() == 1:
        shape, axis, features = (1, *shape), 0, 1
    if shape[axis] not in (1, batch) and (batch == 0 or shape[axis] % batch):
        raise RuleError(
            f"rule {rule.name!r} cannot tell which rows of the input {tuple(input.shape)} of {listener.in_words()} belong to which of the "
            f"{batch} rows of the network's output"
        )
    return tuple(input.shape), axis, features, input.dtype


def _spread_out(rows: Tensor, shape: Sequence[int], axis: int, features: int, dtype: torch.dtype) -> Tensor:
    """Give every position of an input what its image gets; windows of one image lie side by side along the batch."""
    if len(shape) == 1:
        return rows.to(dtype).reshape(shape)
    if shape[axis] == 1:
        rows = rows.sum(0, keepdim=True)  # what all images share hears them all
    elif len(rows) and shape[axis] != len(rows):
        rows = rows.repeat_interleave(shape[axis] // len(rows), dim=0)
    view = [1] * len(shape)
    view[axis], view[features] = shape[axis], shape[features]
    return rows.to(dtype).view(view).expand(shape)


def listen(module: nn.Module, buses: list[FeedbackBus]) -> None:
    """Make a module the start and end of the forward passes of its buses."""
    stop_listening(module)
    if buses:
        module._buses = buses  # type: ignore[assignment]
        module.register_forward_pre_hook(start_listening)
        module.register_forward_hook(send)


def stop_listening(module: nn.Module) -> None:
    """Undo :func:`listen`, if it was done."""
    vars(module).pop("_buses", None)
    for hooks, ours in ((module._forward_pre_hooks, start_listening), (module._forward_hooks, send)):
        for number in [number for number, hook in hooks.items() if hook is ours]:
            del hooks[number]
