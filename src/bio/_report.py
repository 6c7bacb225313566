"""What is converted, what is not, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import nn
from torch.nn.parameter import is_lazy

from ._binding import WeightBinding
from ._conversions import candidates, kept_exact
from ._converted import plain_name
from ._interception import RuledOwnForward
from ._layers import RuledLayer


@dataclass(frozen=True)
class Row:
    """One weight of a network.

    Args:
        name: dotted name of the layer, "" for the module itself.
        layer: the layer's class.
        parameter: name of the weight within the layer.
        shape: shape of the weight, () where it has none yet.
        rule: the layer's rule, None where the layer keeps its exact gradients.
        asked: the scale as it was asked for, a word or a number; None where there is nothing to scale.
        scale: the number it stands for.
        seed: seed of the layer's random matrix; None where none is drawn.
        reason: why the layer keeps its exact gradients, "" for a converted layer.
    """

    name: str
    layer: str
    parameter: str
    shape: tuple[int, ...]
    rule: str | None = None
    asked: str | float | None = None
    scale: float | None = None
    seed: int | None = None
    reason: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        number = "-" if self.scale is None else f"{self.scale:.4g}"
        scale = f"{number} ({self.asked})" if isinstance(self.asked, str) else number
        seed = "-" if self.seed is None else str(self.seed)
        return self.weight or "(itself)", self.layer, self.size, self.rule or f"exact: {self.reason}", scale, seed

    @property
    def weight(self) -> str:
        """Dotted name of the weight: the layer's, and for any other parameter than ``weight`` its own."""
        return self.name if self.parameter == "weight" else f"{self.name}.{self.parameter}".lstrip(".")

    @property
    def size(self) -> str:
        """The weight's shape as text."""
        return "×".join(map(str, self.shape)) or "-"


class Report(tuple[Row, ...]):
    """The rows of every weight of a network, in its order; as text, a table.

    Example:
        >>> Report([Row("fc", "Linear", "weight", (4, 8), "usf", 0.5, 0.5)]).converted[0].name
        'fc'
    """

    __slots__ = ()

    @property
    def converted(self) -> Report:
        """The rows of the layers that learn by a rule."""
        return Report(row for row in self if row.rule is not None)

    @property
    def exact(self) -> Report:
        """The rows of the weights that keep their exact gradients."""
        return Report(row for row in self if row.rule is None)

    @property
    def reasons(self) -> str:
        """Why weights keep their exact gradients, each reason once: with the names where they are few, or how many they are.

        Example:
            >>> scales = [Row("norm", "LayerNorm", "weight", (8,), reason="scale")] * 5
            >>> Report([Row("", "ViT", "token", (1, 1, 8), reason="added"), *scales]).reasons
            'token 1×1×8: added; 5 weights: scale'
        """
        rows: dict[str, list[Row]] = {}
        for row in self.exact:
            rows.setdefault(row.reason, []).append(row)
        return "; ".join(f"{_few(alike)}: {reason}" for reason, alike in rows.items())

    def __str__(self) -> str:
        table = [("layer", "kind", "weight", "rule", "scale", "seed"), *(row.cells for row in self)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table)


_FEW = 3


def _few(rows: list[Row]) -> str:
    return f"{len(rows)} weights" if len(rows) > _FEW else ", ".join(f"{row.weight or '(itself)'} {row.size}" for row in rows)


def describe(module: nn.Module) -> Report:
    """Return which weights of a module learn by which rule, and which keep their exact gradients and why.

    Every weight is listed: a converted layer once, any other parameter by itself. Biases have no feedback and are left out.

    Args:
        module: any network, converted or not.

    Example:
        >>> from biodeephashing.bio import apply_rule
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(32, 4))
        >>> print(describe(apply_rule(network, "usf", scale=0.1)))
        layer  kind         weight   rule                        scale  seed
        0      Conv2d       8×3×3×3  usf                         0.1    -
        1      BatchNorm2d  8        exact: normalisation scale  -      -
        3      Linear       4×32     usf                         0.1    -
    """
    return Report(_rows(module))


def _rows(module: nn.Module) -> Iterator[Row]:
    obstacles = {(candidate.layer, candidate.parameter): candidate.obstacle for candidate in candidates(module)}
    covered: set[nn.Module] = set()
    for name, part in module.named_modules():
        if part in covered:
            continue
        converted = part._bindings if isinstance(part, RuledLayer) else {}
        for binding in converted.values():
            yield _converted_row(name, binding)
        if "weight" in converted:
            covered.update(part.modules())  # the parts of a parametrised weight
            if not isinstance(part, RuledOwnForward):
                continue
        for parameter, value in part.named_parameters(recurse=False):
            shape = () if is_lazy(value) else tuple(value.shape)
            if parameter not in converted and (len(shape) > 1 or "bias" not in parameter):
                yield Row(name, plain_name(part), parameter, shape, reason=_reason(part, parameter, obstacles))


def _converted_row(name: str, binding: WeightBinding) -> Row:
    asked, scale = (binding.asked, binding.scale) if binding.rule.scaled else (None, None)
    seed = binding.seed if binding.rule.seeded else None
    return Row(name, plain_name(binding.layer), binding.parameter, tuple(binding.weight.shape), binding.rule.name, asked, scale, seed)


def _reason(part: nn.Module, parameter: str, obstacles: Mapping[tuple[nn.Module, str], str]) -> str:
    obstacle = obstacles.get((part, parameter)) or obstacles.get((part, "weight"))
    if obstacle:
        return obstacle
    if (part, parameter) in obstacles:
        return "no rule applied"
    return _nature(part, parameter)


def _nature(part: nn.Module, parameter: str) -> str:
    """Return in words why a parameter that no rule can be given to keeps its exact gradients."""
    if "norm" in plain_name(part).lower() or isinstance(part, nn.modules.batchnorm._NormBase):
        return "normalisation scale"
    if isinstance(part, nn.Embedding | nn.EmbeddingBag):
        return "embedding, which sends nothing down"
    to_bp = ", given to 'bp'" if parameter in kept_exact(part) else ""
    return f"parameter of {plain_name(part)} outside Linear, convolution and attention layers{to_bp}"
