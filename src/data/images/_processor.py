"""Finishing batches on the CPU: one pass over the pixels, in threads, into memory that is used again."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from contextlib import suppress

import torch

from ..._compiled import chunked
from ._enlarge import length_of, taps

_PART = 1 << 20  # numbers that are worth a thread
_free: list[torch.Tensor] = []  # blocks of float32 that nobody looks into any longer
_MOST = 2  # of them: a training step still holds a batch while the next one is made


def normalise_on_cpu(images: torch.Tensor, means: torch.Tensor, deviations: torch.Tensor) -> torch.Tensor:
    r"""Return :math:`(x / 255 - \mu_c) / \sigma_c`, the same bits as PyTorch's operations in a fraction of their time.

    Args:
        images: uint8 (B, C, H, W), on the CPU.
        means: of each channel, float32 (C,).
        deviations: of each channel, float32 (C,).

    Returns:
        float32 (B, C, H, W).

    Example:
        >>> normalise_on_cpu(torch.tensor([[[[255, 0]]]], dtype=torch.uint8), torch.tensor([0.5]), torch.tensor([0.25])).tolist()
        [[[[2.0, -2.0]]]]
    """
    from . import _kernels

    finished = block(*images.shape)
    planes, targets = images.contiguous().flatten(0, 1).flatten(1).numpy(), finished.flatten(0, 1).flatten(1).numpy()
    _in_threads(
        lambda part: _kernels.normalise(planes[part], means.numpy(), deviations.numpy(), targets[part]),
        len(images), images.shape[1], targets.shape[1],
    )  # fmt: skip
    return finished


def enlarge_and_normalise_on_cpu(
    images: torch.Tensor, scaled: int, cropped: int, means: torch.Tensor, deviations: torch.Tensor
) -> torch.Tensor:
    """Return enlarged images, see :func:`~biodeephashing.data.images._enlarge.enlarge`, normalised as by :func:`normalise_on_cpu`.

    Args:
        images: uint8 (B, C, H, W), on the CPU, neither side above ``scaled``.
        scaled: length of the shorter side afterwards [pixels].
        cropped: side of the square in the middle [pixels], at most ``scaled``.
        means: of each channel, float32 (C,).
        deviations: of each channel, float32 (C,).

    Returns:
        float32 (B, C, ``cropped``, ``cropped``).

    Example:
        >>> step, zero, one = torch.tensor([0, 160], dtype=torch.uint8).expand(1, 1, 2, 2), torch.zeros(1), torch.ones(1)
        >>> enlarge_and_normalise_on_cpu(step, 8, 8, zero, one)[0, 0, 0].mul(255).round().tolist()
        [0.0, 0.0, 20.0, 60.0, 100.0, 140.0, 160.0, 160.0]
    """
    from . import _kernels

    height, width = images.shape[-2:]
    across, down = (taps(side, length_of(side, min(height, width), scaled), cropped) for side in (width, height))
    finished = block(*images.shape[:2], cropped, cropped)
    planes, targets = images.contiguous().flatten(0, 1).numpy(), finished.flatten(0, 1).numpy()
    _in_threads(
        lambda part: _kernels.enlarge_and_normalise(planes[part], across, down, means.numpy(), deviations.numpy(), targets[part]),
        len(images), images.shape[1], cropped**2,
    )  # fmt: skip
    return finished


def block(*shape: int) -> torch.Tensor:
    """Return a float32 tensor with anything in it, where possible in memory of an earlier one that nobody looks into any longer.

    Fresh memory costs as much as the numbers that are written into it: the system clears each of its pages first.

    Args:
        shape: of the tensor.

    Example:
        >>> first, second = block(2, 3), block(2, 3)
        >>> address, view = first.data_ptr(), second[0]
        >>> del first, second
        >>> block(3, 2).data_ptr() == address  # that of the second is still looked into
        True
    """
    size = math.prod(shape)
    memory = torch.empty(0)
    with suppress(IndexError):  # none is left; another thread may have taken it
        while memory.numel() < size:
            memory = _free.pop()
    if memory.numel() < size:
        memory = torch.empty(size, device="cpu", dtype=torch.float32)
    # The array dies with the last tensor that shares its memory, however that one was made from this one.
    array = memory.numpy()[:size].reshape(shape)
    weakref.finalize(array, _give_back, memory).atexit = False
    return torch.from_numpy(array)


def _give_back(memory: torch.Tensor) -> None:
    if len(_free) < _MOST:
        _free.append(memory)


def _in_threads(work: Callable[[slice], None], images: int, channels: int, pixels: int) -> None:
    """Do work, which releases the interpreter's lock, on the planes of all images, in as many threads as PyTorch may have."""
    together = channels * max(1, _PART // (channels * pixels))
    chunked(work, channels * images, together, torch.get_num_threads())
