"""Modules that multiply by a weight in code of their own: by a child's, or by what they compute of their own one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode

from ._converted import ConvertedModule
from ._functional import Geometry
from ._layers import RuledLayer, pad_to_same


class WeightInterceptor(ConvertedModule):
    """A module within which products of the weight of a converted child go by the child's rule."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return super().forward(*args, **kwargs)
        layers = [child for child in self._modules.values() if isinstance(child, RuledLayer) and "weight" in child._bindings]
        if any(map(parametrize.is_parametrized, layers)):
            # a computed weight is known by being one tensor for as long as this module runs
            with parametrize.cached(), _ByRule(layers, computed=False):
                return super().forward(*args, **kwargs)
        with _ByRule(layers, computed=False):
            return super().forward(*args, **kwargs)


class RuledOwnForward(RuledLayer):
    """A layer whose own forward pass pads, standardises or otherwise prepares, and then calls the ordinary linear map or convolution.

    The rule acts where the layer multiplies, and takes the place of what is multiplied: the weight, or what is computed of it.
    """

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return super().forward(*args, **kwargs)
        if parametrize.is_parametrized(self):
            with parametrize.cached(), _ByRule([self], computed=True):
                return super().forward(*args, **kwargs)
        with _ByRule([self], computed=True):
            return super().forward(*args, **kwargs)

    def multiplied(self, parameter: str) -> Tensor:
        """Return what the layer multiplies by now."""
        weight = multiplied_weight(self, self._plain)
        return self.weight if weight is None else weight


class _Products(TorchFunctionMode):
    """Meets every product of some layers' weights within a forward pass; with ``computed``, of what is computed of them too."""

    def __init__(self, layers: Sequence[nn.Module], computed: bool) -> None:
        super().__init__()
        self.layers = layers
        self.weights = [cast("Tensor", layer.weight) for layer in layers]
        self.computed = computed
        self.known = [(weight, number) for number, weight in enumerate(self.weights)]

    def product(self, number: int, function: Callable[..., Tensor], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """Return the product of one of the weights."""
        raise NotImplementedError

    def __torch_function__(self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function not in _PRODUCTS:
            result = function(*args, **kwargs)
            if self.computed and isinstance(result, Tensor):
                number = self._number((*args, *kwargs.values()))
                if number is not None:
                    self.known.append((result, number))
            return result
        weight = args[1] if len(args) > 1 else kwargs.get("weight")
        number = self._number((weight,))
        if number is None or weight.shape != self.weights[number].shape:
            return function(*args, **kwargs)
        if (_PRODUCTS[function] is _transposed_convolution) != getattr(self.layers[number], "transposed", False):
            return function(*args, **kwargs)  # runs the layer backwards
        return self.product(number, function, args, kwargs)

    def _number(self, values: Sequence[Any]) -> int | None:
        """Return of which weight one of some values is, or is computed."""
        for value in values:
            for known, number in self.known:
                if value is known:
                    return number
        return None


class _ByRule(_Products):
    def product(self, number: int, function: Callable[..., Tensor], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        if not torch.is_grad_enabled():  # within the rule's own functions, among others
            return function(*args, **kwargs)
        return _PRODUCTS[function](cast("RuledLayer", self.layers[number]), *args, **kwargs)


class _Met(Exception):  # noqa: N818 - not an error: it ends a trial at the first product
    """Carries what a layer multiplies by."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight


class _Trial(_Products):
    def product(self, number: int, function: Callable[..., Tensor], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        raise _Met(args[1] if len(args) > 1 else kwargs["weight"])


_FAILURES = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


@torch.no_grad()
def multiplied_weight(layer: nn.Module, kind: type[nn.Module]) -> Tensor | None:
    """Return what a linear layer or convolution with a forward pass of its own multiplies by, or None.

    A copy of the layer that shares its parameters runs on zeros up to its first product.

    Args:
        layer: the layer, converted or not.
        kind: its plain class.
    """
    twin = kind.__new__(kind)
    state = vars(layer)
    vars(twin).update(state, _parameters=dict(state["_parameters"]), _modules=copy.deepcopy(state["_modules"]))
    vars(twin)["_buffers"] = {name: None if value is None else value.clone() for name, value in state["_buffers"].items()}
    with parametrize.cached():
        weight = cast("Tensor", twin.weight)
        devices = [weight.device] if weight.device.type == "cuda" else []
        for shape in _input_shapes(layer, weight):
            try:
                with torch.random.fork_rng(devices), _Trial([twin], computed=True):
                    kind.forward(twin, weight.new_zeros(shape))
            except _Met as met:
                return met.weight
            except _FAILURES:
                continue  # an input of another shape may be what the layer takes
    return None


def _input_shapes(layer: nn.Module, weight: Tensor) -> Iterator[tuple[int, ...]]:
    """Yield the shapes of the least inputs that a layer may take."""
    if isinstance(layer, nn.Linear):
        width = weight.shape[1]
        yield from ((1, width), (1, 1, width), (1, width, 1, 1), (1, 1, 1, width))
    else:
        convolution = cast("nn.Conv2d", layer)
        yield 1, convolution.in_channels, *(d * (k - 1) + 1 for d, k in zip(convolution.dilation, weight.shape[2:], strict=True))


def _linear(layer: RuledLayer, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return layer.binding("weight").linear(input, weight, bias)


Each = int | Sequence[int]


def _convolution(
    layer: RuledLayer,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Each = 1,
    padding: str | Each = 0,
    dilation: Each = 1,
    groups: int = 1,
) -> Tensor:
    axes, binding = weight.dim() - 2, layer.binding("weight")
    batch = binding.prepare_input(input if input.dim() == weight.dim() else input.unsqueeze(0), 1)
    if padding == "same":
        batch, padding = pad_to_same(batch, weight.shape[2:], _each(dilation, axes))
    padding = 0 if isinstance(padding, str) else padding
    geometry = Geometry(_each(stride, axes), _each(padding, axes), _each(dilation, axes), False, (0,) * axes, groups)
    output = binding.convolution(batch, weight, bias, geometry)
    return output if input.dim() == weight.dim() else output.squeeze(0)


def _transposed_convolution(
    layer: RuledLayer,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Each = 1,
    padding: Each = 0,
    output_padding: Each = 0,
    groups: int = 1,
    dilation: Each = 1,
) -> Tensor:
    axes, binding = weight.dim() - 2, layer.binding("weight")
    batch = binding.prepare_input(input if input.dim() == weight.dim() else input.unsqueeze(0), 1)
    geometry = Geometry(_each(stride, axes), _each(padding, axes), _each(dilation, axes), True, _each(output_padding, axes), groups)
    output = binding.convolution(batch, weight, bias, geometry)
    return output if input.dim() == weight.dim() else output.squeeze(0)


def _each(value: Each, axes: int) -> tuple[int, ...]:
    """Return a number for each axis."""
    numbers = (value,) if isinstance(value, int) else tuple(value)
    return numbers * axes if len(numbers) == 1 else numbers


_PRODUCTS: dict[Any, Callable[..., Tensor]] = {
    F.linear: _linear,
    **dict.fromkeys((F.conv1d, F.conv2d, F.conv3d), _convolution),
    **dict.fromkeys((F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d), _transposed_convolution),
}
