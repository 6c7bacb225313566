"""One weight that learns by a rule: where weight, rule and matrix meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
from torch import Tensor

from ..errors import RuleError
from ._broadcast import FeedbackBus
from ._converted import ConvertedLayer, in_words
from ._draw import draw, draw_table, generator, offsets, slice_table, xavier_std
from ._functional import (
    Geometry,
    convolution,
    direct_convolution,
    is_plain_eager,
    linear,
    plain_convolution,
    plain_linear,
    whole_feedback,
)
from ._rule import BroadcastRule, LearningRule, Rule


@dataclass
class Probe:
    """What is noted of a forward pass: the weights that are met, and the inputs that are cut off from what is below."""

    met: list[WeightBinding] = field(default_factory=list)
    cut_off: list[Tensor] = field(default_factory=list)


@dataclass(eq=False)
class WeightBinding:
    """One weight that learns by a rule: what it was given, and everything its feedback is drawn again from.

    Args:
        layer: the module that holds the weight.
        parameter: the weight's name in the module.
        rule: the learning rule.
        seed: seed of the drawing.
        key: the name that seeded the drawing: the weight's at conversion.
        asked: the scale as it was asked for, a word or a number.
        scale: the number it stands for.
        batch_axis: the axis of the batch in inputs of more than two axes; matters to broadcasting rules only.
        bus: what the layers of a network with a broadcasting rule share.
        followed: whether the feedback follows the steps of an optimizer.
        piece: the rows of the weight that are used alone, None for all.
        is_turned: whether the layer multiplies by the transpose of what it keeps.
        probe: notes this forward pass, None most of the time.
        direct: whether the whole weight is used, by a rule that replaces B and nothing else.
    """

    layer: ConvertedLayer
    parameter: str
    rule: LearningRule
    seed: int
    key: str
    asked: str | float
    scale: float
    batch_axis: int = 0
    bus: FeedbackBus | None = None
    followed: bool = False
    piece: slice | None = None
    is_turned: bool = False
    probe: Probe | None = None
    direct: bool = field(init=False)

    def __post_init__(self) -> None:
        self.direct = self.piece is None and isinstance(self.rule, Rule) and not self.rule.exact

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "followed": False, "probe": None}  # neither an optimizer nor a probe knows of a copy

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
        """Whether the layer still learns by this: no rule was given to it since, and none slice_table from it."""
        return vars(self.layer).get("_bindings", {}).get(self.parameter) is self

    @property
    def learned(self) -> bool:
        """Whether B is learned, and so belongs into a state dict."""
        return isinstance(self.rule, Rule) and self.rule.learned()

    def in_words(self) -> str:
        """Return the layer's name and class for a message."""
        return in_words(self.key, self.layer)

    def meet(self) -> None:
        """Note that a forward pass uses the weight.

        Raises:
            RuleError: in training, when the rule changes with the steps of an optimizer and follows none.
        """
        if self.probe is not None:
            self.probe.met.append(self)
        elif self.rule.changes and self.layer.training and not self.followed:
            raise RuleError(
                f"rule {self.rule.name!r} of {self.in_words()} changes with every step: "
                f"call track_optimizer(network, optimizer) before training"
            )

    def prepare_input(self, input: Tensor, features: int) -> Tensor:
        """Return the input as the layer takes it, before anything is padded; ``features`` is the axis of its features.

        A broadcasting rule cuts it off from what is below, which hears the signal instead.
        """
        if self.bus is None or self.rule.exact or not input.requires_grad:
            return input
        if self.probe is not None:
            self.probe.cut_off.append(input)
        return self.bus.cut_off(self, input, features)

    def is_direct(self) -> bool:
        """Tell whether :meth:`direct_convolution` does all that a forward pass has to do here."""
        return self.direct and (self.followed or not self.rule.changes) and self.probe is None and is_plain_eager()

    def direct_convolution(self, input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
        """Return the convolution of a batch in fewer calls, each of which costs more than alone: the products empty the cache."""
        buffers, name = self.layer._buffers, self.parameter
        matrix, starts = buffers.get(f"{name}_feedback"), buffers.get(f"{name}_feedback_starts")
        return direct_convolution(input, weight, bias, matrix, starts, self.rule, self.scale, geometry)

    def linear(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return x Wᵀ + b, whose error goes down by the rule."""
        if self.rule.exact:
            return plain_linear(input, weight, bias)
        if self.bus is not None:
            return plain_linear(self.prepare_input(input, input.dim() - 1), weight, bias)
        return linear(input, weight, bias, *self.matrix(), cast("Rule", self.rule), self.scale)

    def convolution(self, input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
        """Return the convolution of a batch that :meth:`prepare_input` has prepared, whose error goes down by the rule."""
        if self.rule.exact or self.bus is not None:
            return plain_convolution(input, weight, bias, geometry)
        return convolution(input, weight, bias, *self.matrix(), cast("Rule", self.rule), self.scale, geometry)

    def rows(self, first: int, last: int) -> WeightBinding:
        """Return the same binding for some rows of its weight only; a broadcasting rule does not look at it."""
        return replace(self, piece=slice(first, last)) if self.bus is None else self

    def turned(self) -> WeightBinding:
        """Return the same binding for the transpose of its weight; a broadcasting rule does not look at it."""
        return replace(self, is_turned=True) if self.bus is None else self

    def buffer(self, ending: str) -> Tensor | None:
        """Return what is kept for the feedback under a name's ending, or None."""
        return self.layer._buffers.get(f"{self.parameter}_{ending}")

    def matrix(self) -> tuple[Tensor | None, Tensor | None]:
        """Return the matrix that the rule keeps, and where a step takes its numbers from it; None for what there is not."""
        matrix, starts = self.buffer("feedback"), self.buffer("feedback_starts")
        if matrix is None or (self.piece is None and not self.is_turned):
            return matrix, starts
        whole = matrix if starts is None else slice_table(matrix, starts, self.weight.shape)
        return whole.t() if self.is_turned else whole[self.piece], None

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

    @torch.no_grad()
    def feedback(self) -> Tensor:
        """Return the B that a backward pass uses now, detached."""
        matrix, starts = self.buffer("feedback"), self.buffer("feedback_starts")
        if isinstance(self.rule, Rule):
            return whole_feedback(whole(self.multiplied).detach(), matrix, starts, self.rule, self.scale).detach()
        assert matrix is not None
        return matrix

    def mirror(self, step: int) -> None:
        """Let the matrix learn from W by the rule's mirror phase, with the noise of a step."""
        weight, rule = whole(self.multiplied), cast("Rule", self.rule)
        noise = generator(self.seed, f"{rule.name}/{step}", self.key, self.weight.device)
        transposed, groups = bool(getattr(self.layer, "transposed", False)), int(getattr(self.layer, "groups", 1))
        rule.mirror(weight, cast("Tensor", self.buffer("feedback")), transposed, groups, noise)

    def offsets(self, blocks: int, step: int) -> list[int]:
        """Return where a step reads each block of a matrix that is drawn afresh."""
        return offsets(blocks, self.seed, self.key, self.rule.name, step)

    def draw(self) -> None:
        """Draw everything that is kept anew from the seed."""
        self.clear()
        for ending, tensor in self._drawn(whole(self.weight)):
            self.layer.register_buffer(f"{self.parameter}_{ending}", tensor, persistent=self.learned)

    def clear(self) -> None:
        """Drop everything that is kept."""
        for ending in ("feedback", "feedback_starts"):
            name = f"{self.parameter}_{ending}"
            if name in self.layer._buffers:
                del self.layer._buffers[name]
                self.layer._non_persistent_buffers_set.discard(name)

    def _drawn(self, weight: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield what is kept for the feedback, by the ending of the buffer's name: a matrix, or numbers and where a step takes them."""
        rule, origin = self.rule, (self.seed, self.key, self.rule.name)
        if isinstance(rule, BroadcastRule):
            assert self.bus is not None
            shape = torch.Size((self.bus.width, self.layer.features(weight)))
            if self.asked == "init":
                self.scale = xavier_std(shape)
            yield "feedback", draw(weight, self.scale, *origin, shape)
        elif isinstance(rule, Rule) and rule.draws_matrix and rule.fresh:
            numbers, starts = draw_table(weight, self.scale, *origin)
            yield from (("feedback", rule.prepare(numbers)), ("feedback_starts", starts))
        elif isinstance(rule, Rule) and rule.draws_matrix:
            yield "feedback", rule.prepare(draw(weight, self.scale, *origin))


def whole(tensor: Tensor) -> Tensor:
    """Return all of a tensor that ``fully_shard`` has spread over the processes, gathered by all of them; any other as it is."""
    return cast("Tensor", tensor.full_tensor()) if hasattr(tensor, "full_tensor") else tensor
