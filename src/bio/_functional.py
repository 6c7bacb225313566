"""The two functions that carry an error through B in the place of W: linear map and convolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from ._rule import Rule


@dataclass(frozen=True)
class Geometry:
    """Everything that a convolution knows beside its weights."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    transposed: bool
    output_padding: tuple[int, ...]
    groups: int


def linear(input: Tensor, weight: Tensor, bias: Tensor | None, matrix: Tensor | None, rule: Rule, scale: float) -> Tensor:
    """Return x Wᵀ + b, whose error goes down through the rule's B.

    Args:
        input: (..., in).
        weight: (out, in).
        bias: (out,) or None.
        matrix: what the rule keeps of its random matrix, of W's shape, or None.
        rule: the learning rule.
        scale: the layer's scale.
    """
    input, weight, bias = _as_autocast(input, weight, bias)
    return _Linear.apply(input, weight, bias, matrix, rule, scale)


def convolution(
    input: Tensor, weight: Tensor, bias: Tensor | None, matrix: Tensor | None, rule: Rule, scale: float, geometry: Geometry
) -> Tensor:
    """Return the (transposed) convolution of a batch, whose error goes down through the rule's B.

    Args:
        input: (batch, channels, one to three axes).
        weight: as the convolution modules of PyTorch keep it.
        bias: (out,) or None.
        matrix: what the rule keeps of its random matrix, of W's shape, or None.
        rule: the learning rule.
        scale: the layer's scale.
        geometry: stride, padding and the rest.
    """
    input, weight, bias = _as_autocast(input, weight, bias)
    return _Convolution.apply(input, weight, bias, matrix, rule, scale, geometry)


class _Linear(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(input: Tensor, weight: Tensor, bias: Tensor | None, matrix: Tensor | None, rule: Rule, scale: float) -> Tensor:
        return F.linear(input, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        input, weight, _, matrix, ctx.rule, ctx.scale = inputs
        ctx.save_for_backward(input if ctx.needs_input_grad[1] else None, weight, matrix)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        input, weight, matrix = ctx.saved_tensors
        rows = _as_rows(grads[0])
        down = None
        if ctx.needs_input_grad[0]:
            down = _through_feedback(rows, weight, matrix, ctx.rule, ctx.scale).reshape(*grads[0].shape[:-1], weight.shape[1])
        weight_grad = rows.t() @ _as_rows(input) if ctx.needs_input_grad[1] else None
        bias_grad = rows.sum(0) if ctx.needs_input_grad[2] else None
        return down, weight_grad, bias_grad, None, None, None


class _Convolution(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(
        input: Tensor, weight: Tensor, bias: Tensor | None, matrix: Tensor | None, rule: Rule, scale: float, geometry: Geometry
    ) -> Tensor:
        return torch.convolution(
            input,
            weight,
            bias,
            geometry.stride,
            geometry.padding,
            geometry.dilation,
            geometry.transposed,
            geometry.output_padding,
            geometry.groups,
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        input, weight, bias, matrix, ctx.rule, ctx.scale, ctx.geometry = inputs
        ctx.bias_sizes = None if bias is None else list(bias.shape)
        ctx.save_for_backward(input, weight, matrix)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        input, weight, matrix = ctx.saved_tensors
        geometry, wanted = ctx.geometry, list(ctx.needs_input_grad[:3])
        # The weight handed over is used for the error that goes down and for nothing else: with B in its place,
        # this one call returns the rule's error and the exact gradients of weight and bias.
        feedback = _block(weight, matrix, ctx.rule, ctx.scale) if wanted[0] else weight
        gradients = torch.ops.aten.convolution_backward(
            grads[0],
            input,
            feedback,
            ctx.bias_sizes,
            geometry.stride,
            geometry.padding,
            geometry.dilation,
            geometry.transposed,
            geometry.output_padding,
            geometry.groups,
            wanted,
        )
        return *(gradient if asked else None for gradient, asked in zip(gradients, wanted, strict=True)), None, None, None, None


def _as_rows(tensor: Tensor) -> Tensor:
    return tensor.reshape(tensor.shape[:-1].numel(), tensor.shape[-1])


def _block(weight: Tensor, matrix: Tensor | None, rule: Rule, scale: float) -> Tensor:
    return rule.feedback(weight, None if matrix is None else matrix.to(weight.dtype), scale)


def _through_feedback(grad: Tensor, weight: Tensor, matrix: Tensor | None, rule: Rule, scale: float) -> Tensor:
    """Return g B, (n, in), without ever writing a second matrix of the size of a large W."""
    if rule.ready_made:
        return grad @ _block(weight, matrix, rule, scale)
    height, width = _tile(weight)
    errors = grad.split(height, dim=1)
    stripes = []
    for columns in _tiles(weight, matrix, width, dim=1):
        stripe = None
        for error, tile in zip(errors, _tiles(*columns, height, dim=0), strict=True):
            block = _block(*tile, rule, scale)
            stripe = error @ block if stripe is None else stripe.addmm_(error, block)
        stripes.append(cast("Tensor", stripe))
    return stripes[0] if len(stripes) == 1 else torch.cat(stripes, dim=1)


def _tiles(weight: Tensor, matrix: Tensor | None, size: int, dim: int) -> list[tuple[Tensor, Tensor | None]]:
    blocks = weight.split(size, dim)
    return list(zip(blocks, [None] * len(blocks) if matrix is None else matrix.split(size, dim), strict=True))


def _tile(weight: Tensor) -> tuple[int, int]:
    """Return height and width of the blocks of B.

    On a CPU a block and the stripe of g B that it is added to both stay in the cache; blocks of few long rows do not,
    and cost several times more at a large batch. A GPU wants few large products. Sums over blocks are taken in single
    precision or better only: in half precision a block spans all rows.
    """
    if weight.device.type == "cpu" and weight.element_size() >= 4:
        return 256, 1024
    return max(weight.shape[0], 1), max(2**24 // max(weight.shape[0], 1), 1)


def _as_autocast(*tensors: Tensor | None) -> tuple[Any, ...]:
    """Cast as autocast would for the plain layer, where autograd sees it: gradients come back in the weights' own dtype."""
    kind = next(tensor.device.type for tensor in tensors if tensor is not None)
    if not torch.is_autocast_enabled(kind):
        return tensors
    dtype = torch.get_autocast_dtype(kind)
    return tuple(
        tensor.to(dtype) if tensor is not None and tensor.is_floating_point() and tensor.dtype != torch.float64 else tensor
        for tensor in tensors
    )
