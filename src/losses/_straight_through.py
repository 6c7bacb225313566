"""The sign as if it had a slope."""

from __future__ import annotations

import torch
from torch import Tensor


def straight_through_sign(outputs: Tensor) -> Tensor:
    r"""Return the signs, through which the gradient passes as if they were the outputs themselves.

    .. math:: b = +1 \text{ if } f \ge 0 \text{ else } -1, \qquad \frac{\partial b}{\partial f} := 1

    Zero counts as +1, as it does in the codes that are kept.

    Args:
        outputs: f, of any shape.

    Example:
        >>> outputs = torch.tensor([0.3, 0.0, -2.0], requires_grad=True)
        >>> signs = straight_through_sign(outputs)
        >>> signs.tolist()
        [1.0, 1.0, -1.0]
        >>> (signs * torch.tensor([5.0, 6.0, 7.0])).sum().backward()
        >>> outputs.grad.tolist()
        [5.0, 6.0, 7.0]
    """
    signs = torch.where(outputs.detach() >= 0, 1.0, -1.0).to(outputs.dtype)
    return signs + (outputs - outputs.detach())  # in this order the value is exact: what is added is 0
