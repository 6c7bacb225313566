"""What every loss and every additive penalty is: their base classes and registries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeAlias

import torch
from torch import Tensor, nn

from ..errors import UsageError
from ..registry import Registry
from ._keywords import number
from ._objective import Objective, widen

BankUse: TypeAlias = Literal["never", "optional", "always"]


class Penalty(nn.Module, ABC):
    """A term on the codes alone, without labels, that any loss can carry: see :meth:`HashingLoss.add_penalty`."""

    def forward(self, codes: Tensor) -> Tensor:
        """Return the penalty of relaxed codes (B, K) as a scalar, computed in float32 or wider."""
        with torch.autocast(codes.device.type, enabled=False):
            return self.value(widen(codes))

    @abstractmethod
    def value(self, codes: Tensor) -> Tensor:
        """Return the penalty of codes (B, K) of float32 or float64."""


class HashingLoss(Objective):
    r"""A hashing loss: raw outputs of the hash layer, labels and dataset indices in, a scalar out.

    .. math:: L = \ell(Z, Y) + r(F, Y) + c \sum_m \lambda_m P_m(Z), \quad Z = \operatorname{relax}(F)

    A method says how outputs become codes (:meth:`relax`), what is minimised over codes (:meth:`objective`) and, where it
    has one, a term on the raw outputs (:meth:`output_term`). Proxies, heads and centres are its parameters and buffers;
    a continuation moves in :meth:`advance` and keeps its step in a buffer; a memory of the whole train fold begins in
    :meth:`on_fit_start`, what is solved between epochs goes into :meth:`on_epoch_end`, and a method that samples says which images
    in :meth:`epoch_rows`; :meth:`affine` gives the network a normalisation that belongs to the codes. The additive
    penalties P are chosen by the run and scaled by :attr:`additive_scale`.

    Args:
        penalty: λ, weight of the method's own penalty.
        cube: keep codes inside the cube by tanh; False takes the raw outputs as codes.
        bank: compare the codes of a batch with the latest ones of all training images, not with each other; see :attr:`memory_bank`.
        **shared: bits, classes, train_size, similar_probability and multi_label, see :class:`Objective`.

    Raises:
        UsageError: if a value is unknown or impossible.
    """

    #: The relaxation in words, for a method that has one of its own: such a method refuses ``cube=False``.
    own_relaxation: ClassVar[str] = ""
    #: Whether the method has a penalty that ``penalty`` weighs.
    has_penalty: ClassVar[bool] = True
    #: Whether ``penalty`` draws codes to the corners of the cube, as most do; a rotation would draw them away again.
    draws_to_corners: ClassVar[bool] = True
    #: What ties codes to the axes, in words, so that no rotation may follow; empty for a method that sees angles, inner products or
    #: distances alone.
    fixed_axes: ClassVar[str] = ""
    #: Whether codes are compared with those of a memory bank; one that may be, or always is, says so where it is registered too:
    #: ``LOSSES.register("NAME", bank="optional")``.
    memory_bank: ClassVar[BankUse] = "never"
    #: c, the factor of all additive penalties; a method that weighs them differently sets it in its constructor.
    additive_scale: float | Tensor = 1.0
    #: Features of every training image by a network that does not learn, (N, D), for methods without labels; empty before
    #: :meth:`set_reference`.
    reference: Tensor
    #: Whether the method needs them.
    needs_reference: ClassVar[bool] = False
    #: Whether it solves between epochs for something that needs a code of every training image.
    needs_all_codes: ClassVar[bool] = False

    def __init__(
        self,
        *,
        penalty: float,
        cube: bool = True,
        bank: bool = False,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.penalty = number("penalty", penalty, least=0.0)
        if self.own_relaxation and not cube:
            raise UsageError(f"{type(self).__name__} relaxes by {self.own_relaxation}: it cannot go without (leave out -no_cube)")
        self.cube = cube
        if bank and self.memory_bank == "never":
            taking = ", ".join(name for name, loss in LOSSES.items() if loss.memory_bank != "never")
            raise UsageError(f"{type(self).__name__} compares no codes with a memory bank, as these do: {taking}")
        self.has_bank = bank or self.memory_bank == "always"
        self.register_buffer("reference", torch.empty(0, 0), persistent=False)  # part of the state once it is set
        self.additive = nn.ModuleList()
        self.additive_weights: list[float] = []

    def forward(self, outputs: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of a batch, computed in float32 or wider whatever surrounds it.

        Args:
            outputs: F, raw outputs of the hash layer, (B, K).
            labels: Y, classes of each image, 0 or 1 of any type, (B, C).
            index: position of each image in the train fold, (B,).

        Raises:
            UsageError: for shapes that do not fit.
        """
        self._check_shapes(outputs, labels, index)
        with torch.autocast(outputs.device.type, enabled=False):
            outputs = widen(outputs)
            codes = self.relax(outputs)
            loss = self.objective(codes, labels, index) + self.output_term(outputs, labels, index)
            for penalty, weight in zip(self.additive, self.additive_weights, strict=True):
                loss = loss + self.additive_scale * weight * penalty(codes)
            return loss

    def relax(self, outputs: Tensor) -> Tensor:
        """Return the codes Z (B, K) that stand for raw outputs F (B, K) while training: tanh F, or F without the cube."""
        return outputs.tanh() if self.cube else outputs

    @abstractmethod
    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the method's loss of codes (B, K), labels (B, C) and indices (B,), its own penalty included, as a scalar."""

    def output_term(self, outputs: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return what the method adds on the raw outputs (B, K), before any relaxation: nothing, unless it says so."""
        return outputs.new_zeros(())

    def add_penalty(self, penalty: Penalty, weight: float) -> None:
        """Add a penalty on the relaxed codes; weight 0 adds nothing.

        Args:
            penalty: an entry of ``PENALTIES``, built.
            weight: its factor, at least 0.

        Raises:
            UsageError: for a weight that is negative or not finite.
        """
        weight = number(f"weight of {type(penalty).__name__}", weight, least=0.0)
        if weight > 0:
            self.additive.append(penalty)
            self.additive_weights.append(weight)

    def set_reference(self, features: Tensor) -> None:
        """Take the features of all training images, by dataset index, from a network that does not learn, to where the loss is.

        They are part of the state: a resumed run compares with the same ones.

        Args:
            features: (N, D).

        Raises:
            UsageError: for another number of rows.
        """
        if features.ndim != 2 or len(features) != self.train_size:
            raise UsageError(
                f"{type(self).__name__} of {self.train_size} training images takes features ({self.train_size}, D), "
                f"not {tuple(features.shape)}"
            )
        self.register_buffer("reference", features.detach().to(self.reference.device, torch.float32))

    def affine(self) -> tuple[Tensor, Tensor] | None:
        """Return scale and shift (K,) if codes are the signs of ``scale * F + shift``; None where they are the signs of F.

        A method that normalises outputs over the data learns codes of the normalised ones: the run folds scale and shift into
        the hash layer of the network it keeps.
        """
        return None

    def class_probabilities(self, features: Tensor) -> Tensor | None:
        """Return how probable each class is by the head or the centres that the method learned, (B, C); None for one without.

        A method that has them declares it where it is registered: ``LOSSES.register("NAME", classifies=True)``.

        They add up to 1 where images have one class, and are each on its own where they may have several.

        Args:
            features: outputs of the network that the run keeps, (B, K): F, or ``scale * F + shift`` after :meth:`affine`.
        """
        return None

    def epoch_rows(self, epoch: int) -> Tensor | None:
        """Return which images of the train fold an epoch learns from, by dataset index; None for all, unless the method samples.

        Args:
            epoch: its number from 0, on which alone the images depend: a resumed training draws what an uninterrupted one would.

        Returns:
            Different indices in any order, on the CPU; as many in each epoch.
        """
        return None

    def extra_repr(self) -> str:
        """Return what ``print`` shows of the loss."""
        weights = ", ".join(f"{type(p).__name__}={w:g}" for p, w in zip(self.additive, self.additive_weights, strict=True))
        return f"bits={self.bits}, penalty={self.penalty:g}" + ("" if self.cube else ", cube=False") + (f", {weights}" if weights else "")

    def _check_shapes(self, outputs: Tensor, labels: Tensor, index: Tensor) -> None:
        super()._check_shapes(outputs, labels, index)
        if self.needs_reference and not len(self.reference):
            raise UsageError(f"{type(self).__name__} compares with features of a network that does not learn: call set_reference first")

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        if self.needs_reference and not len(self.reference) and f"{prefix}reference" in state_dict:
            self.set_reference(torch.empty_like(state_dict[f"{prefix}reference"]))  # of the shape to be loaded
        super()._load_from_state_dict(state_dict, prefix, *rest)


LOSSES: Registry[type[HashingLoss]] = Registry("loss")
PENALTIES: Registry[type[Penalty]] = Registry("penalty")
