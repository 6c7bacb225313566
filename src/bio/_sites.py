"""One weight that learns by a rule: what it was given, and what is kept for its feedback."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from ..errors import RuleError
from ._broadcast import Hub
from ._draw import draw, taken, xavier_std
from ._rule import LearningRule

if TYPE_CHECKING:
    from ._layers import RuledLayer


@dataclass(eq=False)
class Site:
    """One weight that learns by a rule: what it was given, and everything its feedback is drawn again from.

    Args:
        layer: the module that holds the weight.
        parameter: the weight's name in the module.
        rule: the learning rule.
        seed: seed of the drawing.
        key: the name that seeded the drawing: the site's at conversion.
        asked: the scale as it was asked for, a word or a number.
        scale: the number it stands for.
        batch_axis: the axis of the batch in inputs of more than two axes; matters to broadcasting rules only.
        hub: what the layers of a network with a broadcasting rule share.
        followed: whether the rule is told of each step.
        piece: the rows of the weight that are used alone, None for all.
        is_turned: whether the layer multiplies by the transpose of what it keeps.
        direct: whether the whole weight is used, by a rule that replaces B and nothing else.
    """

    layer: RuledLayer
    parameter: str
    rule: LearningRule
    seed: int
    key: str
    asked: str | float
    scale: float
    batch_axis: int = 0
    hub: Hub | None = None
    followed: bool = False
    piece: slice | None = None
    is_turned: bool = False
    direct: bool = field(init=False)

    def __post_init__(self) -> None:
        self.direct = self.piece is None and self.rule.direct

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "followed": False}  # a copy is told of no step

    @property
    def weight(self) -> Tensor:
        """The weight that the layer keeps."""
        return cast("Tensor", getattr(self.layer, self.parameter))

    @property
    def multiplied(self) -> Tensor:
        """W, what the layer multiplies by: the weight, or what a forward pass of its own computes of it."""
        return self.layer.multiplied(self.parameter)

    @property
    def current(self) -> bool:
        """Whether the layer still learns by this: no rule was given to it since, and none taken from it."""
        return vars(self.layer).get("_sites", {}).get(self.parameter) is self

    def buffer(self, ending: str) -> Tensor | None:
        """Return what is kept for the feedback under a name's ending, or None."""
        return self.layer._buffers.get(f"{self.parameter}_{ending}")

    def kept(self) -> tuple[Tensor | None, Tensor | None]:
        """Return the matrix that the rule keeps, and where a step takes its numbers from it; None for what there is not."""
        matrix, starts = self.buffer("feedback"), self.buffer("feedback_starts")
        if matrix is None or (self.piece is None and not self.is_turned):
            return matrix, starts
        whole = matrix if starts is None else taken(matrix, starts, self.weight.shape)
        return whole.t() if self.is_turned else whole[self.piece], None

    def rows(self, first: int, last: int) -> Site:
        """Return the same site for some rows of its weight only."""
        return replace(self, piece=slice(first, last))

    def turned(self) -> Site:
        """Return the same site for the transpose of its weight; a broadcasting rule does not look at it."""
        return replace(self, is_turned=True) if self.hub is None else self

    def draw(self) -> None:
        """Draw everything that is kept anew from the seed."""
        self.clear()
        weight = whole(self.weight)
        for ending, tensor in self.rule.buffers(self, weight).items():
            self.layer.register_buffer(f"{self.parameter}_{ending}", tensor, persistent=self.learned)

    def clear(self) -> None:
        """Drop everything that is kept."""
        for ending in ("feedback", "feedback_starts"):
            name = f"{self.parameter}_{ending}"
            if name in self.layer._buffers:
                del self.layer._buffers[name]
                self.layer._non_persistent_buffers_set.discard(name)

    @property
    def learned(self) -> bool:
        """Whether B is learned, and so belongs into a state dict."""
        return getattr(self.rule, "learned", bool)()

    def draw_broadcast(self, weight: Tensor) -> Tensor:
        """Draw B of a broadcasting rule, (width of the signal, features of the layer's input)."""
        assert self.hub is not None
        shape = torch.Size((self.hub.width, self.layer.features(weight)))
        if self.asked == "init":
            self.scale = xavier_std(shape)
        return draw(weight, self.scale, self.seed, self.key, self.rule.name, shape)

    def broadcast_matrix(self, width: int) -> Tensor:
        """Return B of a broadcasting rule, drawn again where the signal turns out to have another width."""
        matrix = self.buffer("feedback")
        if matrix is None or len(matrix) != width:
            if torch.compiler.is_compiling():
                raise RuleError(
                    f"rule {self.rule.name!r} does not know yet that its signal has {width} units: run one batch before compiling"
                )
            self.draw()
            matrix = self.buffer("feedback")
        return cast("Tensor", matrix)

    def in_words(self) -> str:
        """Return the layer's name and class for a message."""
        kind = self.layer.plain_name()
        return f"layer {self.key!r} ({kind})" if self.key else f"the module itself ({kind})"


def whole(tensor: Tensor) -> Tensor:
    """Return all of a tensor that ``fully_shard`` has spread over the processes, gathered by all of them; any other as it is."""
    return cast("Tensor", tensor.full_tensor()) if hasattr(tensor, "full_tensor") else tensor
