"""Finishing batches on the processor: one pass over the pixels, in threads, into memory that is used again."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import torch

from ._enlarge import length_of, taps

_PART = 1 << 20  # numbers that are worth a thread
_free: list[torch.Tensor] = []  # blocks of float32 that nobody looks into any longer
_KEPT = 2  # of them: a training step still holds a batch while the next one is made


def look_up(images: torch.Tensor, tables: torch.Tensor) -> torch.Tensor:
    """Return what a table has for each byte: the same bits as computing it, in a fraction of the time.

    Args:
        images: uint8 (B, C, H, W), on the processor.
        tables: what each byte of a channel becomes, float32 (C, 256).

    Returns:
        float32 (B, C, H, W).

    Example:
        >>> look_up(torch.tensor([[[[3, 0]]]], dtype=torch.uint8), torch.arange(256).float()[None] / 2).tolist()
        [[[[1.5, 0.0]]]]
    """
    from . import _kernels

    finished = block(*images.shape)
    planes, targets = images.contiguous().flatten(0, 1).flatten(1).numpy(), finished.flatten(0, 1).flatten(1).numpy()
    _in_threads(lambda part: _kernels.look_up(planes[part], tables.numpy(), targets[part]), len(images), images.shape[1], targets.shape[1])
    return finished


def enlarge_and_look_up(images: torch.Tensor, scaled: int, cropped: int, tables: torch.Tensor) -> torch.Tensor:
    """Return what a table has for each byte of enlarged images, see :func:`~biodeephashing.data._enlarge.enlarge`.

    Args:
        images: uint8 (B, C, H, W), on the processor, neither side above ``scaled``.
        scaled: length of the shorter side afterwards [pixels].
        cropped: side of the square that is kept [pixels], at most ``scaled``.
        tables: what each byte of a channel becomes, float32 (C, 256).

    Returns:
        float32 (B, C, ``cropped``, ``cropped``).

    Example:
        >>> step = torch.tensor([0, 160], dtype=torch.uint8).expand(1, 1, 2, 2)
        >>> enlarge_and_look_up(step, 8, 8, torch.arange(256).float()[None] / 2)[0, 0, 0].tolist()
        [0.0, 0.0, 10.0, 30.0, 50.0, 70.0, 80.0, 80.0]
    """
    from . import _kernels

    height, width = images.shape[-2:]
    across, down = (taps(side, length_of(side, min(height, width), scaled), cropped) for side in (width, height))
    finished = block(*images.shape[:2], cropped, cropped)
    planes, targets = images.contiguous().flatten(0, 1).numpy(), finished.flatten(0, 1).numpy()
    _in_threads(
        lambda part: _kernels.enlarge_and_look_up(planes[part], across, down, tables.numpy(), targets[part]),
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
        >>> place, view = first.data_ptr(), second[0]
        >>> del first, second
        >>> block(3, 2).data_ptr() == place  # that of the second is still looked into
        True
    """
    size = math.prod(shape)
    memory = torch.empty(0)
    with suppress(IndexError):  # none is left; another thread may have taken it
        while memory.numel() < size:
            memory = _free.pop()
    if memory.numel() < size:
        memory = torch.empty(size, device="cpu", dtype=torch.float32)
    # The array dies with the last tensor that shares its memory, however that one was made from the one given here.
    array = memory.numpy()[:size].reshape(shape)
    weakref.finalize(array, _give_back, memory).atexit = False
    return torch.from_numpy(array)


def _give_back(memory: torch.Tensor) -> None:
    if len(_free) < _KEPT:
        _free.append(memory)


def _in_threads(work: Callable[[slice], None], images: int, channels: int, pixels: int) -> None:
    """Do work, which releases the interpreter's lock, on the planes of all images, in as many threads as PyTorch may have."""
    together = channels * max(1, _PART // (channels * pixels))
    parts = [slice(start, min(start + together, channels * images)) for start in range(0, channels * images, together)]
    workers = min(torch.get_num_threads(), len(parts))
    if workers < 2:
        for part in parts:
            work(part)
        return
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, parts))  # the list raises what a thread raised
