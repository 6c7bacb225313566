"""A rotation that was found, applied to features or folded into the layer that makes them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import BioDeepHashingError


@dataclass(frozen=True)
class Rotation:
    r"""An orthogonal matrix for the features of every fold, after a mean is taken off.

    .. math:: f \mapsto Q (f - \mu)

    Inner products and distances stay as they are; only signs change.

    Args:
        matrix: Q, (K, K).
        mean: μ, (K,); None for zero.
        objectives: what was minimised, after each epoch or round. That of learnt reflections is of the validation features, and the
            matrix belongs to its first least value.

    Example:
        >>> turn = Rotation(torch.tensor([[0.0, 1.0], [-1.0, 0.0]]), mean=torch.tensor([1.0, 0.0]))
        >>> turn.rotate(torch.tensor([[3.0, 4.0]])).tolist()
        [[4.0, -2.0]]
    """

    matrix: Tensor
    mean: Tensor | None = None
    objectives: tuple[float, ...] = ()

    def rotate(self, features: Tensor) -> Tensor:
        """Return features (n, K) rotated, in their own type; computed in float64, so that codes do not hang on rounding."""
        return ((features.double() - self._mean()) @ self.matrix.double().T).to(features.dtype)

    def fold(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        r"""Return weight and bias of the linear hash layer whose outputs are the rotated features.

        .. math:: W \leftarrow Q W, \qquad c \leftarrow Q (c - \mu)

        The codes of rotated rows on the sphere are the same: the sphere only scales rows.

        Args:
            weight: W, (K, D).
            bias: c, (K,); None for a layer without, which gets one only where there is a mean.

        Raises:
            BioDeepHashingError: for a layer of another number of bits.

        Example:
            >>> weight, bias = Rotation(-torch.eye(2)).fold(torch.eye(2), torch.tensor([1.0, 2.0]))
            >>> bias.tolist()
            [-1.0, -2.0]
        """
        matrix = self.matrix.double()
        if weight.shape[0] != len(matrix):
            raise BioDeepHashingError(f"a rotation of {len(matrix)} bits does not fit a hash layer of {weight.shape[0]}")
        folded = (matrix @ weight.double()).to(weight.dtype)
        if bias is None and self.mean is None:
            return folded, None
        centred = (torch.zeros_like(weight[:, 0]) if bias is None else bias).double() - self._mean()
        return folded, (matrix @ centred).to(weight.dtype)

    def _mean(self) -> Tensor:
        return torch.zeros_like(self.matrix[0]).double() if self.mean is None else self.mean.double()
