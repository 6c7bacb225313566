"""Modules that multiply by the weight of a child themselves, as the attention of torchvision's Swin and timm's BEiT does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode

from ._layers import RuledLayer, Swapped


class RuledHost(Swapped):
    """A module within which ``F.linear`` with the weight of a converted child goes by the child's rule."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return super().forward(*args, **kwargs)
        layers = [child for child in self._modules.values() if isinstance(child, RuledLayer) and "weight" in child._sites]
        if any(map(parametrize.is_parametrized, layers)):
            with parametrize.cached():  # a computed weight is known by being one tensor for as long as the host runs
                return self._by_rule(layers, args, kwargs)
        return self._by_rule(layers, args, kwargs)

    def _by_rule(self, layers: Sequence[RuledLayer], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with _ByRule([(child.weight, child) for child in layers]):
            return super().forward(*args, **kwargs)


class _ByRule(TorchFunctionMode):
    def __init__(self, layers: Sequence[tuple[Tensor, RuledLayer]]) -> None:
        super().__init__()
        self.layers = layers

    def __torch_function__(self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function is F.linear and torch.is_grad_enabled():
            input, weight, bias = _arguments(*args, **kwargs)
            for known, layer in self.layers:
                if weight is known:
                    site = layer.site("weight")
                    return site.rule.linear(site, input, weight, bias)
        return function(*args, **kwargs)


def _arguments(input: Any, weight: Any, bias: Any = None) -> tuple[Any, Any, Any]:
    return input, weight, bias
