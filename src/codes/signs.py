"""The sign of a tensor, where zero counts as +1 as it does in codes, and the sign as if it had a slope."""

from __future__ import annotations

import torch
from torch import Tensor


def signs(values: Tensor) -> Tensor:
    """Return +1 where a value is at least 0, else -1, in the type of the values.

    Example:
        >>> signs(torch.tensor([-2.0, 0.0])).tolist()
        [-1.0, 1.0]
    """
    return torch.where(values >= 0, 1.0, -1.0).to(values.dtype)


def straight_through(values: Tensor) -> Tensor:
    r"""Return the signs, through which the gradient passes as if they were the values themselves.

    .. math:: b = +1 \text{ if } f \ge 0 \text{ else } -1, \qquad \frac{\partial b}{\partial f} := 1

    Args:
        values: f, of any shape.

    Example:
        >>> values = torch.tensor([0.3, 0.0, -2.0], requires_grad=True)
        >>> codes = straight_through(values)
        >>> codes.tolist()
        [1.0, 1.0, -1.0]
        >>> (codes * torch.tensor([5.0, 6.0, 7.0])).sum().backward()
        >>> values.grad.tolist()
        [5.0, 6.0, 7.0]
    """
    return signs(values.detach()) + (values - values.detach())  # in this order the value is exact: what is added is 0
