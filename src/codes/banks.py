"""A memory of the latest code of every training image."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..errors import UsageError


class BankRows(NamedTuple):
    """Codes (N, K) and labels (N, C) of the images that a batch is compared with, and which of them count, (N,); None for all."""

    codes: Tensor
    labels: Tensor
    written: Tensor | None = None

    def mean(self, pairs: Tensor) -> Tensor:
        """Return the mean of the pairs (B, N) of a batch with the rows that count, a scalar.

        Nothing is selected, so that no shape depends on values and no device has to be waited for.

        Example:
            >>> rows = BankRows(torch.zeros(3, 1), torch.zeros(3, 1), torch.tensor([True, False, True]))
            >>> rows.mean(torch.tensor([[1.0, 5.0, 3.0]])).item()
            2.0
        """
        if self.written is None:
            return pairs.mean()
        counted = self.written.to(pairs.dtype)
        return (pairs @ counted).mean() / counted.sum().clamp_min(1)


class MemoryBank(nn.Module):
    """The latest code of each training image; a batch is written before its loss is taken.

    Codes and the record of what was written are part of the state; labels are known from the start.

    Args:
        labels: of all training images by index, 0 or 1, (N, C).
        bits: K.

    Raises:
        UsageError: for no image.

    Example:
        >>> bank = MemoryBank(torch.eye(3), bits=2)
        >>> bank.write(torch.tensor([2, 0]), torch.tensor([[0.5, -0.5], [1.0, 1.0]]))
        >>> bank.rows().codes.tolist(), bank.rows().written.tolist()
        ([[1.0, 1.0], [0.0, 0.0], [0.5, -0.5]], [True, False, True])
    """

    labels: Tensor
    codes: Tensor
    written: Tensor

    def __init__(self, labels: Tensor, bits: int) -> None:
        super().__init__()
        if not len(labels):
            raise UsageError("a memory bank needs at least one training image")
        self.register_buffer("labels", labels, persistent=False)
        self.register_buffer("codes", torch.zeros(len(labels), bits, device=labels.device))
        self.register_buffer("written", torch.zeros(len(labels), dtype=torch.bool, device=labels.device))

    def write(self, index: Tensor, codes: Tensor) -> None:
        """Keep the codes of a batch, without their gradient.

        Args:
            index: numbers of its images, (B,).
            codes: as the loss relaxes them, (B, K).

        Raises:
            UsageError: for another shape, or an index that no training image has.
        """
        size, bits = self.codes.shape
        if codes.shape != (len(index), bits):
            raise UsageError(f"a memory bank of {bits} bits takes codes ({len(index)}, {bits}), not {tuple(codes.shape)}")
        # A negative one would count from the end. On a GPU looking at them would wait for it: it checks the upper bound itself.
        if index.device.type == "cpu" and len(index) and not 0 <= int(index.min()) <= int(index.max()) < size:
            raise UsageError(f"indices from {index.min()} to {index.max()}: the memory bank has 0 to {size - 1}")
        self.codes[index] = codes.detach().to(self.codes.dtype)
        self.written[index] = True

    def clear(self) -> None:
        """Forget what was written."""
        self.written.zero_()

    def rows(self) -> BankRows:
        """Return all rows; those that were never written, or forgotten, do not count: their zeros are the code of no image."""
        return BankRows(self.codes, self.labels, self.written)
