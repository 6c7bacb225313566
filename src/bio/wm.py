"""Weight mirrors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ..errors import RuleError
from ._draw import rows_of_block
from ._rule import RULES, Rule


@RULES.register("wm")
@dataclass(frozen=True)
class WeightMirror(Rule):
    r"""Send the error down through a matrix that learns W from noise.

    .. math:: B \leftarrow (1 - \rho)\, B + \frac{\rho}{n} \sum_{i=1}^{n} y_i\, \xi_i^\top, \qquad y_i = W \xi_i, \quad
        \xi_i \sim \mathcal{N}(0, 1)

    After each step of the optimizer the layers enter a mirror phase: noise goes through the forward weights (without bias), and B learns
    from what comes out beside what went in, :math:`\mathbb{E}[y\, \xi^\top] = W`. A convolution sees noise of the size of its kernel.
    No weight is ever copied, and no error is needed. The noise of the estimate grows with a layer's inputs: its angle to W settles
    where :math:`\tan^2 = \rho\, \text{inputs} / (2 - \rho)\, n`. Use it beside ``kp``. B knows W only through the noise, so a
    pruned weight sends down what is left of its estimate.

    :func:`track_optimizer` does the mirror phases; B belongs to the state dict.

    Args:
        rate: ρ, the share of B that one mirror phase replaces, above 0, up to 1.
        samples: n, noise patterns of a mirror phase.

    Reference:
        *Deep learning without weight transport*, M. Akrout, C. Wilson, P. C. Humphreys, T. Lillicrap, D. Tweed, NeurIPS 2019,
        arXiv:1904.05391.

    Raises:
        RuleError: for a rate outside (0, 1] or no samples.

    Example:
        >>> weight, matrix = torch.tensor([[1.0, -2.0]]), torch.zeros(1, 2)
        >>> WeightMirror(rate=1.0, samples=100_000).mirror(weight, matrix, False, 1, torch.Generator().manual_seed(0))
        >>> [round(entry, 1) for entry in matrix[0].tolist()]
        [1.0, -2.0]
    """

    rate: float = 0.05
    samples: int = 128

    name = "wm"
    draws_matrix = True
    ready_made = True

    def __post_init__(self) -> None:
        numbers = isinstance(self.rate, (int, float)) and isinstance(self.samples, int)
        if not numbers or not 0 < self.rate <= 1 or self.samples < 1:
            raise RuleError(
                f"rule 'wm' wants 0 < rate <= 1 and a whole number samples >= 1, not rate={self.rate!r}, samples={self.samples!r}"
            )

    def feedback(self, weight: Tensor, matrix: Tensor | None, scale: float) -> Tensor:
        """Return the matrix as it has become."""
        assert matrix is not None
        return matrix

    def mirror(self, weight: Tensor, matrix: Tensor, transposed: bool, groups: int, generator: Generator) -> None:
        """Move the matrix towards W by one mirror phase."""
        if transposed:  # W (in, out · kernel) of each group takes noise in at its rows
            noise = self._noise(weight, groups, len(weight) // groups, generator)
            for sent, part, mirrored in zip(noise, weight.chunk(groups), matrix.chunk(groups), strict=True):
                self._approach(mirrored, sent, sent @ _as_rows(part))
            return
        noise = self._noise(weight, 1, weight.shape[1:].numel(), generator)[0]
        height = rows_of_block(weight.shape)  # in blocks, so that no estimate of the size of a large W is ever written
        for part, mirrored in zip(weight.split(height), matrix.split(height), strict=True):
            self._approach(mirrored, noise @ _as_rows(part).t(), noise)

    def _noise(self, weight: Tensor, groups: int, width: int, generator: Generator) -> Tensor:
        """Return standard normal numbers, (groups, samples, width)."""
        dtype = weight.dtype if weight.element_size() >= 4 else torch.float32
        return torch.randn(groups, self.samples, width, generator=generator, device=weight.device, dtype=dtype)

    def _approach(self, mirrored: Tensor, rows: Tensor, columns: Tensor) -> None:
        """Move some rows of the matrix towards what the patterns at both ends of the weights have in common."""
        estimate = (rows.t() @ columns).div_(self.samples)
        mirrored.lerp_(estimate.reshape(mirrored.shape).to(mirrored.dtype), self.rate)


def _as_rows(weight: Tensor) -> Tensor:
    """Return W as a matrix, at least in single precision."""
    rows = weight.flatten(1)
    return rows if rows.element_size() >= 4 else rows.float()
