"""Modules that were given another class, and what a weight's binding asks of the layer that holds the weight."""

from __future__ import annotations

import copyreg
from collections.abc import Callable
from typing import Any, ClassVar, SupportsIndex, cast

from torch import Tensor, nn


class ConvertedModule(nn.Module):
    """A module that keeps everything it has but its class, and can be given its own class back."""

    _plain: type[nn.Module]
    _empty: ClassVar[Callable[[type[nn.Module]], nn.Module]]  # makes an object of the converted class of a plain one

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        reduced = super().__reduce_ex__(protocol)
        if "_plain" not in vars(type(self)) or reduced[0] is not copyreg.__newobj__:  # type: ignore[attr-defined]
            return reduced
        return type(self)._empty, (self._plain,), *reduced[2:]  # the class is made on demand: pickle finds it through the plain one


class ConvertedLayer(ConvertedModule):
    """A converted module with weights of its own that learn by rules."""

    def features(self, weight: Tensor) -> int:
        """Return how many features the layer's input has."""
        return weight.shape[1]

    def multiplied(self, parameter: str) -> Tensor:
        """Return W, what the layer multiplies by."""
        return cast("Tensor", getattr(self, parameter))


def plain_name(module: nn.Module) -> str:
    """Return the name of a module's class without its rule."""
    return (module._plain if isinstance(module, ConvertedModule) else type(module)).__name__


def in_words(name: str, module: nn.Module) -> str:
    """Return a module's name and class for a message."""
    return f"layer {name!r} ({plain_name(module)})" if name else f"the module itself ({plain_name(module)})"
