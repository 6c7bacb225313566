"""GreedyHashUnsupervised: signs in the forward pass, which the gradient passes unchanged, without labels."""

from __future__ import annotations

from torch import Tensor

from ..codes.signs import straight_through
from ._base import LOSSES
from ._unsupervised import Unsupervised


@LOSSES.register("GreedyHashUnsupervised")
class GreedyHashUnsupervised(Unsupervised):
    r"""The codes are signs from the start, and their cosines should be those of features that do not learn.

    .. math:: L = \frac{1}{h} \sum_{i \le h} \left[ \cos(b_i, b_{i+h}) - \cos(x_i, x_{i+h}) \right]^2
        + \frac{\lambda}{BK} \sum_{ik} \bigl|\, |f_{ik}| - 1 \bigr|^3, \quad h = \lfloor B/2 \rfloor

    .. math:: b = \operatorname{sgn} f, \quad \frac{\partial b}{\partial f} := 1

    where x are the reference features. A zero has sign +1, as in the codes that are kept. The last image of an odd batch has
    no partner. Additive penalties see the signs: L2 is 0 there.

    References:
        Greedy Hash: Towards Fast Optimization for Accurate Hash Coding in CNN (Su, Zhang, Han, Tian; NeurIPS 2018).

    Args:
        **shared: see :class:`HashingLoss`; ``penalty`` is 0.1 in published code; ``cube=False`` is refused.

    Raises:
        UsageError: if a value is unknown or impossible, and for a batch before :meth:`set_reference`.

    Example:
        >>> import torch
        >>> loss = GreedyHashUnsupervised(bits=2, classes=1, train_size=2, similar_probability=1.0, penalty=0.3)
        >>> loss.set_reference(torch.tensor([[1.0, 0.0, 0.0], [3.0, 4.0, 0.0]]))
        >>> outputs = torch.tensor([[2.0, 1.0], [1.0, -1.0]])
        >>> round(loss(outputs, torch.zeros(2, 1), torch.arange(2)).item(), 4)  # (0 - 0.6)² + 0.3 * 1³ / 4
        0.435
    """

    own_relaxation = "the sign"
    fixed_axes = "it learns by the signs themselves"

    def relax(self, outputs: Tensor) -> Tensor:
        """Return the signs of raw outputs (B, K); the gradient passes as if they were the outputs."""
        return straight_through(outputs)

    def output_term(self, outputs: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the penalty, which keeps raw outputs (B, K) near ±1, where the sign is close to what the gradient takes it for."""
        return self.penalty * (outputs.abs() - 1).abs().pow(3).mean()
