"""What a learning rule is: mathematics that says what carries the error down, and knows no layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Generator, Tensor

from ..registry import Registry


@dataclass(frozen=True)
class LearningRule:
    """What both kinds of learning rules share: :class:`Rule` and :class:`BroadcastRule`.

    Attributes:
        name: what the rule is registered and reported under.
        scaled: whether ``scale`` has a meaning.
        exact: whether the gradients are backpropagation's: the products are then PyTorch's own, and a layer which cannot be converted
            may keep its ordinary ones.
        changes: whether something happens after each step of the optimizer, so that training needs :func:`track_optimizer`.
        seeded: whether a random matrix is drawn.
        needs_target: whether the error that goes down is made of the target: :func:`give_target`.
    """

    name: ClassVar[str]
    scaled: ClassVar[bool] = True
    exact: ClassVar[bool] = False
    changes: ClassVar[bool] = False
    seeded: ClassVar[bool] = False
    needs_target: ClassVar[bool] = False


@dataclass(frozen=True)
class Rule(LearningRule, ABC):
    r"""A learning rule, given by the matrix :math:`B` that carries the error down through a layer.

    .. math::
        \delta_x = g B, \qquad
        \frac{\partial L}{\partial W} = g^\top x, \qquad
        \frac{\partial L}{\partial b} = \sum g

    for :math:`y = x W^\top + b` and the error :math:`g` that arrives from above; for a convolution the products are (transposed)
    convolutions. Weight and bias gradients are always backpropagation's, given :math:`g`: a rule replaces :math:`B` and nothing else.

    A new rule is a frozen dataclass in a file of its own with a ``name`` and a :meth:`feedback`; its settings, where it has any,
    are the dataclass's fields.

    Attributes:
        draws_matrix: whether a random matrix of W's shape is drawn for each layer.
        fresh: whether that matrix is another one in each step.
        ready_made: whether :meth:`feedback` returns a tensor that exists already, so that nothing is gained by asking for it in blocks.
        copies_updates: whether the matrix takes the optimizer's steps for W: the same gradient, but state and decay of its own.
        mirrors: whether the rule defines a mirror phase, :meth:`mirror`; found by itself.

    Example:
        >>> import torch
        >>> class Negated(Rule):
        ...     name = "negated"
        ...     def feedback(self, weight, matrix, scale):
        ...         return -weight
        >>> from biodeephashing.bio import apply_rule
        >>> layer = apply_rule(torch.nn.Linear(1, 1), Negated())
        >>> x = torch.ones(1, 1, requires_grad=True)
        >>> bool(torch.autograd.grad(layer(x).sum(), x)[0] == -layer.weight)
        True
    """

    draws_matrix: ClassVar[bool] = False
    fresh: ClassVar[bool] = False
    ready_made: ClassVar[bool] = False
    copies_updates: ClassVar[bool] = False
    mirrors: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        cls.seeded, cls.mirrors = cls.draws_matrix, cls.mirror is not Rule.mirror
        cls.changes = cls.fresh or cls.learned()

    @classmethod
    def learned(cls) -> bool:
        """Whether B is learned, and so belongs into a state dict."""
        return cls.copies_updates or cls.mirrors

    def prepare(self, matrix: Tensor) -> Tensor:
        """Return what is kept of a freshly drawn matrix M; only called where ``draws_matrix``.

        Args:
            matrix: M, of W's shape, uniform with mean 0 and standard deviation ``scale``.
        """
        return matrix

    @abstractmethod
    def feedback(self, weight: Tensor, matrix: Tensor | None, scale: float) -> Tensor:
        """Return B for a block of W, entry by entry.

        Args:
            weight: W or a rectangular block of it.
            matrix: the same block of what :meth:`prepare` kept, in W's dtype; None unless ``draws_matrix``.
            scale: the layer's scale, a positive number.

        Returns:
            B, of the shape of ``weight``.
        """

    def write(self, out: Tensor, weight: Tensor, matrix: Tensor | None, scale: float) -> float:
        """Write B, up to a factor, into a tensor that exists, and return the factor; worth defining where it saves a pass over memory."""
        out.copy_(self.feedback(weight, matrix, scale))
        return 1.0

    def mirror(self, weight: Tensor, matrix: Tensor, transposed: bool, groups: int, generator: Generator) -> None:
        """Let the matrix learn from W in place, after each step; a rule that defines it has a mirror phase.

        Args:
            weight: W.
            matrix: what :meth:`prepare` kept.
            transposed: whether W belongs to a transposed convolution: (in, out / groups, kernel ...).
            groups: the layer's groups.
            generator: for the noise; the same numbers in every process.
        """


@dataclass(frozen=True)
class BroadcastRule(LearningRule, ABC):
    r"""A learning rule that sends one signal from the end of the network straight to the input of every layer.

    .. math:: \delta_{x_\ell} = r B_\ell

    with a signal :math:`r` (batch, K), an error or a target, and one fixed random matrix :math:`B_\ell` (K, features) per layer. Each
    position of an image or sequence gets the same: the features of a convolution are its channels. Nothing is sent down
    through the layers themselves; their weights learn as ever from the error that arrives at their output.
    """

    seeded: ClassVar[bool] = True

    @abstractmethod
    def signal(self, error: Tensor, target: Tensor | None) -> Tensor:
        """Return r, (batch, K).

        Args:
            error: the loss's gradient with respect to the network's output, (batch, outputs).
            target: what :func:`give_target` was given, (batch, classes); None unless ``needs_target``.
        """


RULES: Registry[type[LearningRule]] = Registry("learning rule")
