"""What every objective of two modalities is: the base classes, their buffers and their registry."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...codes.pairs import label_overlap, similarity
from ...codes.signs import signs
from ...errors import RunError, UsageError, unknown_name
from ...modalities import MODALITIES, Modality
from ...registry import Registry
from .._objective import Objective, widen

SIMILARITIES = {"shared": similarity, "jaccard": label_overlap}  # what -similarity offers


class CrossModalLoss(Objective):
    r"""An objective of images and texts that are described together: raw outputs of both towers in, a scalar out.

    A method alternates between the towers (:class:`AlternatingLoss`) or takes both at once (:class:`JointLoss`). Towers share no
    weights, and what a method remembers of the other tower is constant, so the error at each hash layer is exact whatever
    rule carries it further down.

    Args:
        similarity: what s of two items is, where a formula has it: "shared", 1 where they share a class and else 0; or "jaccard", the
            share of their classes that they have in common, for methods that are :attr:`graded`.
        **shared: bits, classes, train_size, similar_probability and multi_label, see :class:`Objective`; the constants of the method.

    Raises:
        UsageError: if a value is unknown or impossible.
    """

    #: Whether the towers learn in turn.
    alternates: ClassVar[bool]
    #: Whether its formula holds for degrees of similarity between 0 and 1, from :attr:`similar`.
    graded: ClassVar[bool] = False
    #: Whether labels are learned from; without, they only evaluate.
    needs_labels: ClassVar[bool] = True
    #: Whether towers give codes of several levels, the last of them fused: (B, levels, K) wherever others have (B, K).
    levels: ClassVar[bool] = False
    #: Whether every second item of a batch is drawn at random for the item before it.
    pairwise: ClassVar[bool] = False
    #: Returns s, within [0, 1], of items with labels (B, C) and others (N, C), as (B, N) of a type.
    similar: Callable[[Tensor, Tensor, torch.dtype], Tensor]
    #: Parts of the last value by name, as they enter the sum, without gradient.
    terms: dict[str, Tensor]

    def __init__(self, *, similarity: str = "shared", **shared: Any) -> None:
        super().__init__(**shared)
        self.terms = {}
        if similarity not in SIMILARITIES:
            raise unknown_name("similarity", similarity, SIMILARITIES)
        if similarity != "shared" and not self.graded:
            able = ", ".join(name for name, kind in CROSSMODAL_LOSSES.items() if kind.graded)
            raise UsageError(f"similarity {similarity}: {type(self).__name__} has no degrees of similarity in its formula; {able} have")
        self.similar = SIMILARITIES[similarity]

    def relax(self, outputs: Tensor) -> Tensor:
        """Return the codes (B, K) that stand for raw outputs (B, K) while training: their tanh, unless the method says otherwise."""
        return outputs.tanh()

    def warnings_for(self, optimizer: str) -> list[str]:
        """Return what a person should know before training with an optimizer, in sentences: nothing, usually.

        Args:
            optimizer: its name as a setting ("adam", "sgd", ...).
        """
        return []

    def total(self, **terms: Tensor) -> Tensor:
        """Return the sum of scalar terms and keep each of them in :attr:`terms`."""
        self.terms = {name: term.detach() for name, term in terms.items()}
        return torch.stack(tuple(terms.values())).sum()

    def extra_repr(self) -> str:
        """Return what ``print`` shows of the loss."""
        return f"bits={self.bits}"

    def fused(self, codes: Tensor) -> Tensor:
        """Return the codes (B, K) among those of all levels."""
        return codes[:, -1] if self.levels else codes

    def _check_shapes(self, outputs: Tensor, labels: Tensor, index: Tensor) -> None:
        if self.levels and outputs.ndim != 3:
            raise UsageError(f"{type(self).__name__} takes outputs of several levels, (B, levels, {self.bits}), not {tuple(outputs.shape)}")
        super()._check_shapes(self.fused(outputs), labels, index)


class JointLoss(CrossModalLoss):
    """An objective of the pairs of one batch: both towers learn in one step."""

    alternates: ClassVar[bool] = False

    def forward(self, image_outputs: Tensor, text_outputs: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of a batch of pairs, computed in float32 or wider whatever surrounds it.

        Args:
            image_outputs: raw outputs of the image tower, (B, K).
            text_outputs: raw outputs of the text tower for the same items, (B, K).
            labels: classes of each item, 0 or 1 of any type, (B, C).
            index: position of each item in the train fold, (B,).

        Raises:
            UsageError: for shapes that do not fit.
        """
        for outputs in (image_outputs, text_outputs):
            self._check_shapes(outputs, labels, index)
        with torch.autocast(image_outputs.device.type, enabled=False):
            return self.objective(self.relax(widen(image_outputs)), self.relax(widen(text_outputs)), labels, index)

    @abstractmethod
    def objective(self, image_codes: Tensor, text_codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K) of both modalities, labels (B, C) and indices (B,) as a scalar, by :meth:`total`."""


class AlternatingLoss(CrossModalLoss):
    r"""An objective of one batch against the whole train fold: the towers learn in turn, an epoch each.

    The latest codes of all items are remembered, F of images and G of texts (N, K), with the codes to aim at,
    :math:`B = \operatorname{sgn}(F + G)` with sgn 0 = 1, renewed once an epoch. A batch is written before its loss is taken,
    and all three are constants to the gradient. Items that lack a modality have a row of zeros there, which no sum counts.

    :meth:`start` fills F and G before the first step; until then everything is 0.

    Args:
        **shared: see :class:`CrossModalLoss`.
    """

    alternates: ClassVar[bool] = True
    #: Whether F and G begin as what the untrained towers give; else they are drawn from N(0, 1).
    starts_from_towers: ClassVar[bool] = True

    #: F, G and B, (N, K).
    image: Tensor
    text: Tensor
    target: Tensor
    #: Which items have the modality, (N,).
    image_present: Tensor
    text_present: Tensor
    #: Labels of the train fold, (N, C); empty before :meth:`on_fit_start`.
    labels: Tensor

    def __init__(self, **shared: Any) -> None:
        super().__init__(**shared)
        for modality in MODALITIES:
            self.register_buffer(modality, torch.zeros(self.train_size, self.bits))
            self.register_buffer(f"{modality}_present", torch.ones(self.train_size, dtype=torch.bool))
        self.register_buffer("target", torch.zeros(self.train_size, self.bits))
        self.register_buffer("labels", torch.empty(0, self.classes), persistent=False)  # the pipeline hands them over at each start

    def start(self, image_outputs: Tensor | None, text_outputs: Tensor | None, seed: int = 0) -> None:
        """Fill F and G with the outputs of the untrained towers, relaxed, and B with the signs of their sum.

        Args:
            image_outputs: raw outputs by dataset index, (N, K); None draws them from N(0, 1), see :attr:`starts_from_towers`.
            text_outputs: the same of the text tower.
            seed: of the draw.

        Raises:
            UsageError: for another shape.
            RunError: for an output that is not finite.
        """
        generator = torch.Generator().manual_seed(seed)
        for modality, outputs in zip(MODALITIES, (image_outputs, text_outputs), strict=True):
            if outputs is None:
                outputs = torch.randn(self.train_size, self.bits, generator=generator)
            if outputs.shape != (self.train_size, self.bits):
                raise UsageError(
                    f"{type(self).__name__} starts from {modality} outputs ({self.train_size}, {self.bits}), not {tuple(outputs.shape)}"
                )
            codes = self.relax(widen(outputs.detach()))
            self._check_finite(codes, modality)
            getattr(self, modality).copy_(codes * self._present(modality)[:, None])
        self.refresh()

    def set_present(self, image_mask: Tensor, text_mask: Tensor) -> None:
        """Take note of the items that lack a modality, before :meth:`start`; each must have one.

        Args:
            image_mask: True for an item with an image, (N,).
            text_mask: True for an item with a text, (N,).

        Raises:
            UsageError: for another shape, or an item without both.
        """
        if image_mask.shape != (self.train_size,) or text_mask.shape != (self.train_size,):
            raise UsageError(f"the masks of {self.train_size} items are {tuple(image_mask.shape)} and {tuple(text_mask.shape)}")
        if not (image_mask | text_mask).all():
            raise UsageError(f"item {int((image_mask | text_mask).int().argmin())} has neither an image nor a text: leave it out")
        for modality, mask in zip(MODALITIES, (image_mask, text_mask), strict=True):
            self._present(modality).copy_(mask)
            getattr(self, modality).mul_(self._present(modality)[:, None])

    def on_fit_start(self, labels: Tensor) -> None:
        """Take the labels of the whole train fold, by dataset index, before the first step.

        Args:
            labels: 0 or 1 of any type, (N, C).

        Raises:
            UsageError: for another shape.
        """
        if labels.shape != (self.train_size, self.classes):
            raise UsageError(
                f"{type(self).__name__} of {self.train_size} training items and {self.classes} classes takes labels "
                f"({self.train_size}, {self.classes}), not {tuple(labels.shape)}"
            )
        self.labels = labels.to(self.image.device, self.image.dtype)

    def forward(self, outputs: Tensor, labels: Tensor, index: Tensor, modality: Modality) -> Tensor:
        """Return the loss of a batch of one modality, computed in float32 or wider, after the batch was remembered.

        Args:
            outputs: raw outputs of the tower of this modality, (B, K).
            labels: classes of each item, 0 or 1 of any type, (B, C).
            index: position of each item in the train fold, (B,).
            modality: the tower that learns.

        Raises:
            UsageError: for shapes that do not fit, an index that no item of this modality has, or before :meth:`on_fit_start`
                and :meth:`start`.
            RunError: for an output that is not finite.
        """
        self._check_shapes(outputs, labels, index)
        if not len(self.labels):
            raise UsageError(f"{type(self).__name__} compares with the labels of the whole train fold: call on_fit_start first")
        if not self.target[0].any():  # signs, once there are any
            raise UsageError(f"{type(self).__name__} compares with codes of the whole train fold: call start first")
        with torch.autocast(outputs.device.type, enabled=False):
            codes = self.relax(widen(outputs))
            self.remember(self.fused(codes), index, modality)
            return self.phase(codes, labels, index, modality)

    @abstractmethod
    def phase(self, codes: Tensor, labels: Tensor, index: Tensor, modality: Modality) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,) of a modality as a scalar, by :meth:`total`."""

    def remember(self, codes: Tensor, index: Tensor, modality: Modality) -> None:
        """Write the codes of a batch (B, K) over those that their items had, without their gradient."""
        if not 0 <= int(index.min()) <= int(index.max()) < self.train_size:  # a negative one would count from the end
            raise UsageError(f"indices from {index.min()} to {index.max()}: the train fold has 0 to {self.train_size - 1}")
        if not self._present(modality)[index].all():
            raise UsageError(f"an item of the batch has no {modality}: leave it out of the pass of {modality}s")
        self._check_finite(codes, modality)
        buffer = getattr(self, modality)
        buffer[index] = codes.detach().to(buffer.dtype)

    def refresh(self) -> None:
        """Renew the codes to aim at, :math:`B = \\operatorname{sgn}(F + G)`; the sign of 0 is 1."""
        self.target.copy_(signs(self.image + self.text))

    def on_epoch_end(self) -> None:
        """Renew the codes to aim at."""
        self.refresh()

    def remembered(self, modality: Modality, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return the remembered codes (n, K) and the labels (n, C) of all items that have a modality."""
        present, codes = self._present(modality), getattr(self, modality).to(dtype)
        return (codes, self.labels) if present.all() else (codes[present], self.labels[present])

    def rest(self, index: Tensor, modality: Modality, dtype: torch.dtype) -> Tensor:
        """Return the sum (K,) of the remembered codes of all items but those of a batch, each counted once."""
        codes = getattr(self, modality).to(dtype)
        weights = codes.new_ones(self.train_size)
        weights[index] = 0
        return weights @ codes

    def _present(self, modality: Modality) -> Tensor:
        present: Tensor = getattr(self, f"{modality}_present")
        return present

    def _check_finite(self, codes: Tensor, modality: Modality) -> None:
        if not codes.isfinite().all():
            raise RunError(
                f"the {modality} tower gave outputs that are not finite: training diverged. "
                f"A lower learning rate, clipped gradients or less momentum helps"
            )


CROSSMODAL_LOSSES: Registry[type[CrossModalLoss]] = Registry("cross-modal loss")
