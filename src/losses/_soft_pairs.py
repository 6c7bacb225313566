"""What losses share that grade the similarity of images with several classes."""

from __future__ import annotations

from torch import Tensor

from ._bank import BankLoss


class SoftsignLoss(BankLoss):
    """A loss whose codes are :math:`z = f / (1 + |f|)`, with the mean distance of their entries to ±1 for a penalty."""

    own_relaxation = "f / (1 + |f|)"
    fixed_axes = "it bends every entry by f / (1 + |f|)"

    def relax(self, outputs: Tensor) -> Tensor:
        """Return the codes F / (1 + |F|) of raw outputs F (B, K)."""
        return outputs / (1 + outputs.abs())

    def corner_distance(self, codes: Tensor) -> Tensor:
        """Return the penalty of codes (B, K), a scalar."""
        return self.penalty * (codes.abs() - 1).abs().mean()
