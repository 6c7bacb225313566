"""What a learning rule is: a small object that says which matrix carries the error down."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ..registry import Registry


@dataclass(frozen=True)
class Rule(ABC):
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
        name: what the rule is registered and reported under.
        draws_matrix: whether a fixed random matrix of W's shape is drawn for each layer.
        scaled: whether ``scale`` has a meaning, in the drawing or in :meth:`feedback`.
        ready_made: whether :meth:`feedback` returns a tensor that exists already, so that nothing is gained by asking for it in blocks.
        exact: whether B is W, so that a layer which cannot be converted may keep its ordinary gradients.

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

    name: ClassVar[str]
    draws_matrix: ClassVar[bool] = False
    scaled: ClassVar[bool] = True
    ready_made: ClassVar[bool] = False
    exact: ClassVar[bool] = False

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


RULES: Registry[type[Rule]] = Registry("learning rule")
