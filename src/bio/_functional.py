"""The two functions that carry an error through B in the place of W: linear map and convolution."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from ._draw import channels_last_view, rows_of_block, slice_table
from ._rule import Rule

_SMALL = 2**16  # numbers up to which memory of its own costs less than the search for memory to use again

_convolution_backward = torch.ops.aten.convolution_backward.default


class Geometry(NamedTuple):
    """Everything that a convolution knows beside its weights, in the order of PyTorch's general convolution."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    transposed: bool
    output_padding: tuple[int, ...]
    groups: int


def plain_linear(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return x Wᵀ + b as PyTorch does it."""
    return F.linear(input, weight, bias)


def plain_convolution(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """Return a (transposed) convolution as PyTorch does it."""
    input, weight, bias = _as_autocast(input, weight, bias)
    return torch.convolution(input, weight, bias, *geometry)


def linear(
    input: Tensor, weight: Tensor, bias: Tensor | None, matrix: Tensor | None, starts: Tensor | None, rule: Rule, scale: float
) -> Tensor:
    """Return x Wᵀ + b, whose error goes down through the rule's B.

    Args:
        input: (..., in).
        weight: (out, in).
        bias: (out,) or None.
        matrix: what the rule keeps of its random matrix: of W's shape, or with ``starts`` the numbers it is taken from; or None.
        starts: where each block of W takes its numbers in this step, for rules that draw afresh; or None.
        rule: the learning rule.
        scale: the layer's scale.
    """
    input, weight, bias = _as_autocast(input, weight, bias)
    function = _TransformableLinear if _within_transforms() else _Linear
    return function.apply(input, weight, bias, matrix, starts, rule, scale)


def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    matrix: Tensor | None,
    starts: Tensor | None,
    rule: Rule,
    scale: float,
    geometry: Geometry,
) -> Tensor:
    """Return the (transposed) convolution of a batch, whose error goes down through the rule's B.

    Args:
        input: (batch, channels, one to three axes).
        weight: as the convolution modules of PyTorch keep it.
        bias: (out,) or None.
        matrix: as in :func:`linear`.
        starts: as in :func:`linear`.
        rule: the learning rule.
        scale: the layer's scale.
        geometry: stride, padding and the rest.
    """
    input, weight, bias = _as_autocast(input, weight, bias)
    function = _TransformableConvolution if _within_transforms() else _Convolution
    return function.apply(input, weight, bias, matrix, starts, rule, scale, geometry)


def is_plain_eager() -> bool:
    """Tell whether neither a compiler nor a function transform nor autocast is at work."""
    return not (torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active() or torch._C._is_any_autocast_enabled())


class _Linear(torch.autograd.Function):
    """The ordinary form. PyTorch takes 80 µs a call for the form that function transforms want, as much as a small layer."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None, *rest: Any) -> Tensor:
        _keep_for_linear(ctx, input, weight, *rest)
        return F.linear(input, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        input, weight, matrix, starts = ctx.saved_tensors
        for_input, for_weight, for_bias = ctx.needs_input_grad[:3]
        rows = _as_rows(grad)
        down = None
        if for_input:
            down = _through_feedback(rows, weight, matrix, starts, ctx.rule, ctx.scale).reshape(*grad.shape[:-1], weight.shape[1])
        weight_grad = rows.t() @ _as_rows(input) if for_weight else None
        bias_grad = rows.sum(0) if for_bias else None
        return down, weight_grad, bias_grad, None, None, None, None


class _TransformableLinear(_Linear):
    """The form for ``torch.func``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(input: Tensor, weight: Tensor, bias: Tensor | None, *rest: Any) -> Tensor:  # type: ignore[override]
        return F.linear(input, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        input, weight, _, *rest = inputs
        _keep_for_linear(ctx, input, weight, *rest)


class _Convolution(torch.autograd.Function):
    """The ordinary form."""

    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        matrix: Tensor | None,
        starts: Tensor | None,
        rule: Rule,
        scale: float,
        geometry: Geometry,
    ) -> Tensor:
        ctx.rule, ctx.scale, ctx.geometry = rule, scale, geometry
        ctx.bias_sizes = None if bias is None else list(bias.shape)
        ctx.save_for_backward(input, weight, matrix, starts)
        return torch.convolution(input, weight, bias, *geometry)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        input, weight, matrix, starts = ctx.saved_tensors
        rule, needed, factor = ctx.rule, ctx.needs_input_grad[:3], 1.0
        # The weight handed over is used for the error that goes down and for nothing else: with B in its place,
        # this one call returns the rule's error and the exact gradients of weight and bias.
        if not needed[0]:
            feedback = weight
        elif rule.ready_made or weight.numel() < _SMALL:
            feedback = whole_feedback(weight, matrix, starts, rule, ctx.scale)  # what the other way comes down to, in fewer calls
        else:
            feedback, factor = _passing_feedback(weight, matrix, starts, rule, ctx.scale)
        if factor != 1.0 and weight.numel() < input.numel():
            feedback, factor = feedback.mul_(factor), 1.0
        gradients = _convolution_backward(grad, input, feedback, ctx.bias_sizes, *ctx.geometry, needed)
        if factor != 1.0:
            gradients[0].mul_(factor)
        return *gradients, None, None, None, None, None


direct_convolution = _Convolution.apply
"""What :func:`convolution` comes down to where :func:`is_plain_eager` says that nothing special is going on; takes the same arguments."""


class _TransformableConvolution(_Convolution):
    """The form for ``torch.func``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(input: Tensor, weight: Tensor, bias: Tensor | None, *rest: Any) -> Tensor:  # type: ignore[override]
        return torch.convolution(input, weight, bias, *rest[-1])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        input, weight, bias, matrix, starts, ctx.rule, ctx.scale, ctx.geometry = inputs
        ctx.bias_sizes = None if bias is None else list(bias.shape)
        ctx.save_for_backward(input, weight, matrix, starts)


RULED_FUNCTIONS = frozenset((_Linear, _TransformableLinear, _Convolution, _TransformableConvolution))
"""The functions that take an input and a weight and send the error down by a rule."""


def _keep_for_linear(
    ctx: Any, input: Tensor, weight: Tensor, matrix: Tensor | None, starts: Tensor | None, rule: Rule, scale: float
) -> None:
    ctx.rule, ctx.scale = rule, scale
    ctx.save_for_backward(input if ctx.needs_input_grad[1] else None, weight, matrix, starts)


def whole_feedback(weight: Tensor, matrix: Tensor | None, starts: Tensor | None, rule: Rule, scale: float) -> Tensor:
    """Return B, of W's shape."""
    if matrix is not None and starts is not None:
        matrix = slice_table(matrix, starts, weight.shape)
    if matrix is not None and matrix.dtype != weight.dtype:
        matrix = matrix.to(weight.dtype)
    return rule.feedback(weight, matrix, scale)


def _as_rows(tensor: Tensor) -> Tensor:
    return tensor if tensor.dim() == 2 else tensor.reshape(tensor.shape[:-1].numel(), tensor.shape[-1])


def _passing_feedback(weight: Tensor, matrix: Tensor | None, starts: Tensor | None, rule: Rule, scale: float) -> tuple[Tensor, float]:
    """Return B up to a factor, of W's shape, to be used before the next B is asked for; and the factor."""
    if rule.ready_made or weight.numel() < _SMALL or not _may_overwrite(weight):
        return whole_feedback(weight, matrix, starts, rule, scale), 1.0
    feedback, factor = _scratch(weight, weight.numel()).as_strided(weight.shape, weight.stride()), 1.0
    for top, bottom, magnitudes in _blocks(weight, matrix, starts):
        factor = rule.write(feedback[top:bottom], weight[top:bottom], magnitudes, scale)
    return feedback, factor


def _through_feedback(grad: Tensor, weight: Tensor, matrix: Tensor | None, starts: Tensor | None, rule: Rule, scale: float) -> Tensor:
    """Return g B, (n, in), without ever writing a second matrix of the size of a large W."""
    height, inputs = rows_of_block(weight.shape), weight.shape[1]
    # Half precision wants the sum over all rows in one go.
    if rule.ready_made or weight.shape[0] <= height or weight.element_size() < 4 or not _may_overwrite(weight):
        feedback, factor = _passing_feedback(weight, matrix, starts, rule, scale)
        return grad @ feedback if factor == 1.0 else (grad @ feedback).mul_(factor)
    down, block = grad.new_empty(len(grad), inputs), _scratch(weight, height * inputs).as_strided((height, inputs), (inputs, 1))
    for top, bottom, magnitudes in _blocks(weight, matrix, starts):
        feedback = block[: bottom - top]
        factor = rule.write(feedback, weight[top:bottom], magnitudes, scale)
        down.addmm_(grad[:, top:bottom], feedback, beta=0.0 if top == 0 else 1.0, alpha=factor)
    return down


def _blocks(weight: Tensor, matrix: Tensor | None, starts: Tensor | None) -> Iterator[tuple[int, int, Tensor | None]]:
    """Yield the blocks of W that are written in one go: first row, row behind the last, and the same block of the rule's matrix."""
    rows, height = len(weight), rows_of_block(weight.shape)
    offsets = None if starts is None else starts.tolist()
    for number, top in enumerate(range(0, rows, height)):
        bottom = min(top + height, rows)
        if matrix is None:
            yield top, bottom, None
        elif offsets is None:
            yield top, bottom, matrix[top:bottom].to(weight.dtype)
        else:
            shape = (bottom - top, *weight.shape[1:])
            numbers = matrix[offsets[number] : offsets[number] + math.prod(shape)]
            yield top, bottom, channels_last_view(numbers, shape).to(weight.dtype)


_SCRATCH = threading.local()


def _scratch(weight: Tensor, count: int) -> Tensor:
    """Return memory for a B that is used once: memory fresh from the system would cost as much again as filling it."""
    buffers: dict[Any, Tensor] = vars(_SCRATCH)
    if weight.dtype not in buffers or buffers[weight.dtype].numel() < count:
        buffers[weight.dtype] = torch.empty(count, dtype=weight.dtype, device="cpu")
    return buffers[weight.dtype]


def _may_overwrite(weight: Tensor) -> bool:
    """Tell whether B may be written into memory that is used again: not where the backward pass is recorded or transformed.

    A GPU has an allocator that does as much, and a compiler fuses the building of B into its use.
    """
    return (
        weight.device.type == "cpu"
        and not torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and (weight.is_contiguous() or (weight.dim() == 4 and weight.is_contiguous(memory_format=torch.channels_last)))
        and type(weight) in (Tensor, nn.Parameter)
        and not _within_transforms()
    )


def _within_transforms() -> bool:
    return not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active()


def _as_autocast(input: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Any, ...]:
    """Cast as autocast would for the plain layer, where autograd sees it: gradients come back in the weights' own dtype."""
    kind = input.device.type
    if not torch.is_autocast_enabled(kind):
        return input, weight, bias
    dtype = torch.get_autocast_dtype(kind)
    return tuple(
        tensor.to(dtype) if tensor is not None and tensor.is_floating_point() and tensor.dtype != torch.float64 else tensor
        for tensor in (input, weight, bias)
    )
