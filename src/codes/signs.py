"""The sign of a tensor, where zero counts as +1 as it does in codes."""

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
