"""Layers that learn by a rule: an object keeps everything it has and changes its class."""

from __future__ import annotations

import copyreg
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, SupportsIndex, cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from ..errors import RuleError
from ._broadcast import LOOKING_ON
from ._functional import Geometry, direct_convolution, everyday
from ._sites import Site


class Swapped(nn.Module):
    """A module that was given another class, made by :func:`ruled`, and can be given its own one back."""

    _plain: type[nn.Module]

    def plain_name(self) -> str:
        """Return the name of the class without its rule."""
        return self._plain.__name__

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        reduced = super().__reduce_ex__(protocol)
        if "_plain" not in vars(type(self)) or reduced[0] is not copyreg.__newobj__:  # type: ignore[attr-defined]
            return reduced
        return new, (self._plain,), *reduced[2:]  # the class is made on demand: pickle finds it through the plain one


class RuledLayer(Swapped):
    """What all converted layers share; only ever the first base of a class made by :func:`ruled`."""

    _sites: dict[str, Site]
    weight: Tensor
    bias: Tensor | None

    def features(self, weight: Tensor) -> int:
        """Return how many features the layer's input has."""
        return weight.shape[1]

    def multiplied(self, parameter: str) -> Tensor:
        """Return W, what the layer multiplies by."""
        return cast("Tensor", getattr(self, parameter))

    def site(self, parameter: str) -> Site:
        """Return what a weight was given, on the way through a forward pass."""
        site = self._sites[parameter]
        if LOOKING_ON:
            LOOKING_ON[-1].met.append(site)
        elif site.rule.changes and self.training and not site.followed:
            raise RuleError(
                f"rule {site.rule.name!r} of {site.in_words()} changes with every step: call follow(network, optimizer) before training"
            )
        return site

    def _replicate_for_data_parallel(self) -> RuledLayer:
        """Return the copy that ``nn.DataParallel`` puts on another GPU: it learns by the matrices that are sent there with it."""
        replica = super()._replicate_for_data_parallel()
        replica._sites = {parameter: replace(site, layer=replica) for parameter, site in self._sites.items()}
        return cast("RuledLayer", replica)

    def extra_repr(self) -> str:
        rules = ", ".join(dict.fromkeys(f"rule={site.rule.name}" for site in self._sites.values()))
        return ", ".join(filter(None, (super().extra_repr(), rules)))

    def _load_from_state_dict(self, state_dict: Any, prefix: str, metadata: Any, strict: bool, missing: list[str], *rest: Any) -> None:
        lacking: list[str] = []
        for parameter, site in self._sites.items():
            if site.learned:
                _check_learned(site, state_dict, prefix + parameter)
        super()._load_from_state_dict(state_dict, prefix, metadata, strict, lacking, *rest)
        for parameter, site in self._sites.items():
            name = f"{prefix}{parameter}_feedback"
            if name in lacking:  # the checkpoint of a plain network
                lacking.remove(name)
                site.draw()
        missing.extend(lacking)


def _check_learned(site: Site, state_dict: Mapping[str, Any], name: str) -> None:
    matrix, learned = state_dict.get(f"{name}_feedback"), site.buffer("feedback")
    if matrix is not None and learned is not None and matrix.shape != learned.shape:
        raise RuleError(
            f"the checkpoint has feedback of shape {tuple(matrix.shape)} for rule {site.rule.name!r} of {site.in_words()}, "
            f"whose feedback is {tuple(learned.shape)}: the checkpoint belongs to another network"
        )


class RuledLinear(RuledLayer):
    """``nn.Linear`` by a rule."""

    def forward(self, input: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return cast("Tensor", super().forward(input))
        site = self.site("weight")
        return site.rule.linear(site, input, self.weight, self.bias)


class RuledTransposedLinear(RuledLayer):
    """``Conv1D`` of Hugging Face's Transformers, y = x W + b, by a rule."""

    transposed = True

    def features(self, weight: Tensor) -> int:
        """Return how many features the layer's input has."""
        return weight.shape[0]

    def forward(self, input: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return cast("Tensor", super().forward(input))
        site = self.site("weight").turned()
        return site.rule.linear(site, input, self.weight.t(), self.bias)


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
        site = self._sites["weight"]
        if (
            site.direct
            and (site.followed or not site.rule.changes)
            and self.padding_mode == "zeros"
            and type(self.padding) is tuple
            and not LOOKING_ON
            and everyday()
        ):  # the same in fewer calls: each costs several times what it does alone, because the products empty the cache
            geometry = Geometry(self.stride, self.padding, self.dilation, False, nothing, self.groups)
            matrix, starts = self._buffers.get("weight_feedback"), self._buffers.get("weight_feedback_starts")
            return direct_convolution(input, self.weight, self.bias, matrix, starts, site.rule, site.scale, geometry)
        site = self.site("weight")
        input = site.rule.received(site, input, 1)  # before the padding: a pixel that is repeated hears the signal once
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode), nothing
        elif self.padding == "same":
            input, padding = pad_to_same(input, self.kernel_size, self.dilation)
        else:
            padding = nothing if isinstance(self.padding, str) else self.padding
        geometry = Geometry(self.stride, padding, self.dilation, False, nothing, self.groups)
        return site.rule.convolution(site, input, self.weight, self.bias, geometry)


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
        site = self.site("weight")
        batch = site.rule.received(site, input if input.dim() == axes + 2 else input.unsqueeze(0), 1)
        output = site.rule.convolution(site, batch, self.weight, self.bias, geometry)
        return output if input.dim() == axes + 2 else output.squeeze(0)


def new(plain: type[nn.Module]) -> nn.Module:
    """Return an empty object of the class that :func:`ruled` makes; for pickle."""
    from ._kinds import ruled

    kind = ruled(plain)  # type: ignore[arg-type]
    return kind.__new__(kind)  # type: ignore[call-overload]
