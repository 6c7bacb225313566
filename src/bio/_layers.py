"""Layers that learn by a rule: an object keeps everything it has and changes its class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from ..errors import RuleError
from ._binding import WeightBinding
from ._converted import ConvertedLayer
from ._functional import Geometry


class RuledLayer(ConvertedLayer):
    """What all converted layers share; only ever the first base of the class that a layer is given."""

    _bindings: dict[str, WeightBinding]
    weight: Tensor
    bias: Tensor | None

    def binding(self, parameter: str) -> WeightBinding:
        """Return what a weight was given, on the way through a forward pass."""
        binding = self._bindings[parameter]
        binding.meet()
        return binding

    def _replicate_for_data_parallel(self) -> RuledLayer:
        """Return the copy that ``nn.DataParallel`` puts on another GPU: it learns by the matrices that are sent there with it."""
        replica = super()._replicate_for_data_parallel()
        replica._bindings = {parameter: replace(binding, layer=replica) for parameter, binding in self._bindings.items()}
        return cast("RuledLayer", replica)

    def extra_repr(self) -> str:
        rules = ", ".join(dict.fromkeys(f"rule={binding.rule.name}" for binding in self._bindings.values()))
        return ", ".join(filter(None, (super().extra_repr(), rules)))

    def _load_from_state_dict(self, state_dict: Any, prefix: str, metadata: Any, strict: bool, missing: list[str], *rest: Any) -> None:
        lacking: list[str] = []
        for parameter, binding in self._bindings.items():
            if binding.learned:
                _check_learned(binding, state_dict, prefix + parameter)
        super()._load_from_state_dict(state_dict, prefix, metadata, strict, lacking, *rest)
        for parameter, binding in self._bindings.items():
            name = f"{prefix}{parameter}_feedback"
            if name in lacking:  # the checkpoint of a plain network
                lacking.remove(name)
                binding.draw()
        missing.extend(lacking)


def _check_learned(binding: WeightBinding, state_dict: Mapping[str, Any], name: str) -> None:
    matrix, learned = state_dict.get(f"{name}_feedback"), binding.buffer("feedback")
    if matrix is not None and learned is not None and matrix.shape != learned.shape:
        raise RuleError(
            f"the checkpoint has feedback of shape {tuple(matrix.shape)} for rule {binding.rule.name!r} of {binding.in_words()}, "
            f"whose feedback is {tuple(learned.shape)}: the checkpoint belongs to another network"
        )


class RuledLinear(RuledLayer):
    """``nn.Linear`` by a rule."""

    def forward(self, input: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return cast("Tensor", super().forward(input))
        return self.binding("weight").linear(input, self.weight, self.bias)


class RuledTransposedLinear(RuledLayer):
    """``Conv1D`` of Hugging Face's Transformers, y = x W + b, by a rule."""

    transposed = True

    def features(self, weight: Tensor) -> int:
        """Return how many features the layer's input has."""
        return weight.shape[0]

    def forward(self, input: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return cast("Tensor", super().forward(input))
        return self.binding("weight").turned().linear(input, self.weight.t(), self.bias)


class RuledConvolution(RuledLayer):
    """``nn.Conv1d``, ``2d`` and ``3d`` by a rule."""

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str | tuple[int, ...]
    padding_mode: str
    dilation: tuple[int, ...]
    groups: int
    _reversed_padding_repeated_twice: list[int]

    def features(self, weight: Tensor) -> int:
        """Return the channels of the layer's input."""
        return weight.shape[1] * self.groups

    def forward(self, input: Tensor) -> Tensor:
        axes = len(self.kernel_size)
        if not torch.is_grad_enabled() or input.dim() not in (axes + 1, axes + 2):
            return cast("Tensor", super().forward(input))
        if input.dim() == axes + 1:
            return self._convolve(input.unsqueeze(0)).squeeze(0)
        return self._convolve(input)

    def _convolve(self, input: Tensor) -> Tensor:
        nothing = (0,) * len(self.kernel_size)
        binding = self._bindings["weight"]
        if self.padding_mode == "zeros" and type(self.padding) is tuple and binding.is_direct():
            geometry = Geometry(self.stride, self.padding, self.dilation, False, nothing, self.groups)
            return binding.direct_convolution(input, self.weight, self.bias, geometry)
        binding.meet()
        input = binding.prepare_input(input, 1)  # before the padding: a pixel that is repeated hears the signal once
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode), nothing
        elif self.padding == "same":
            input, padding = pad_to_same(input, self.kernel_size, self.dilation)
        else:
            padding = nothing if isinstance(self.padding, str) else self.padding
        geometry = Geometry(self.stride, padding, self.dilation, False, nothing, self.groups)
        return binding.convolution(input, self.weight, self.bias, geometry)


def pad_to_same(input: Tensor, kernel: Sequence[int], dilation: Sequence[int]) -> tuple[Tensor, tuple[int, ...]]:
    """Add the odd row or column that an even reach wants on the far side; the rest is ordinary, symmetric padding."""
    reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if any(r % 2 for r in reach):
        input = F.pad(input, [amount for r in reversed(reach) for amount in (0, r % 2)])
    return input, tuple(r // 2 for r in reach)


class RuledTransposedConvolution(RuledLayer):
    """``nn.ConvTranspose1d``, ``2d`` and ``3d`` by a rule."""

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    _output_padding: Any

    def features(self, weight: Tensor) -> int:
        """Return the channels of the layer's input."""
        return weight.shape[0]

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        axes = len(self.kernel_size)
        if not torch.is_grad_enabled() or input.dim() not in (axes + 1, axes + 2):
            return cast("Tensor", super().forward(input, output_size))
        extra = self._output_padding(input, output_size, self.stride, self.padding, self.kernel_size, axes, self.dilation)
        geometry = Geometry(self.stride, self.padding, self.dilation, True, tuple(extra), self.groups)
        binding = self.binding("weight")
        batch = binding.prepare_input(input if input.dim() == axes + 2 else input.unsqueeze(0), 1)
        output = binding.convolution(batch, self.weight, self.bias, geometry)
        return output if input.dim() == axes + 2 else output.squeeze(0)


def bindings(module: nn.Module) -> dict[str, WeightBinding]:
    """Return every weight of a module that learns by a rule, by its dotted name."""
    return {
        name if parameter == "weight" else f"{name}.{parameter}".lstrip("."): binding
        for name, part in module.named_modules()
        if isinstance(part, RuledLayer)
        for parameter, binding in part._bindings.items()
    }
