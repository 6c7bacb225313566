"""Drawing of feedback matrices: the same numbers for any device, process, order or subset of layers."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import cache
from numbers import Real

import torch
from torch import Tensor

from ..errors import RuleError, nearest

SCALES = ("init", "weight")


def xavier_std(shape: torch.Size) -> float:
    r"""Return the standard deviation of Xavier's initialisation for a weight.

    .. math:: \sqrt{\frac{2}{\text{fan}_\text{in} + \text{fan}_\text{out}}}

    with :math:`\text{fan}_\text{in}` = size(1) and :math:`\text{fan}_\text{out}` = size(0), each times the kernel's area.

    Reference:
        *Understanding the difficulty of training deep feedforward neural networks*, X. Glorot, Y. Bengio, AISTATS 2010.

    Args:
        shape: shape of the weight, (out, in, kernel ...).

    Example:
        >>> xavier_std(torch.Size([3, 5]))
        0.5
    """
    return math.sqrt(2.0 / ((shape[0] + shape[1]) * math.prod(shape[2:])))


def check_seed(seed: int) -> int:
    """Return a seed, or raise where it is no integer.

    Raises:
        RuleError: for anything but an integer.
    """
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise RuleError(f"seed={seed!r}: the seed of the feedback matrices is an integer")
    return seed


def check_scale(scale: str | float, of: str = "") -> str | float:
    """Return a scale as one of the two words or a float, or raise where it is neither.

    Args:
        scale: the scale.
        of: what it is the scale of, for the message.

    Raises:
        RuleError: for any other word, and for a number that is not positive and finite.
    """
    if isinstance(scale, str):
        if scale not in SCALES:
            guess = nearest(scale, SCALES)
            hint = f"did you mean {guess!r}? " if guess else ""
            raise RuleError(f"scale={scale!r}{of}: {hint}the scale is 'init', 'weight' or a positive number")
        return scale
    if isinstance(scale, bool) or not isinstance(scale, Real) or not (math.isfinite(scale) and scale > 0):
        raise RuleError(f"scale={scale!r}{of}: the scale is 'init', 'weight' or a positive number")
    return float(scale)


def resolve_scale(scale: str | float, weight: Tensor, layer: str) -> float:
    """Return the number a scale means for one layer.

    Args:
        scale: ``"init"`` (Xavier's standard deviation), ``"weight"`` (root mean square of the weights as they are now) or the number.
        weight: the layer's weight.
        layer: the layer in words, for the message.

    Raises:
        RuleError: when the weights have no positive finite root mean square.
    """
    if isinstance(scale, float):
        return scale
    if scale == "init":
        return xavier_std(weight.shape)
    size = torch.linalg.vector_norm(weight.detach().float() if weight.dtype.itemsize < 4 else weight.detach())
    rms = size.item() / math.sqrt(max(weight.numel(), 1))
    if not (math.isfinite(rms) and rms > 0):
        raise RuleError(
            f"{layer}: scale='weight' takes the root mean square of the weights, which is {rms:g} for {tuple(weight.shape)}; "
            f"initialise the layer first or use scale='init' or a number"
        )
    return rms


def generator(seed: int, purpose: str, key: str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator of its own, seeded from three things alone.

    Args:
        seed: the seed of all layers.
        purpose: what is drawn: the rule's name and, for what is drawn in every step, the step.
        key: the layer's dotted name.
        device: where the numbers are drawn.
    """
    return torch.Generator(device).manual_seed(_number(f"{seed}/{purpose}/{key}"))


def draw(weight: Tensor, scale: float, seed: int, key: str, purpose: str, shape: Sequence[int] | None = None) -> Tensor:
    r"""Draw the random matrix of a layer.

    .. math:: M_{ij} \sim \mathcal{U}(-\sqrt{3}\, s, \sqrt{3}\, s)

    The numbers are drawn on the CPU in float32, so that they are the same on any device.

    Args:
        weight: gives dtype and device, and where there is no ``shape`` also shape and memory layout.
        scale: s, the standard deviation.
        seed: the seed of all layers.
        key: the layer's dotted name.
        purpose: what the matrix is for: the rule's name.
        shape: the matrix's shape.
    """
    bound = math.sqrt(3.0) * scale
    numbers = torch.empty(weight.shape if shape is None else torch.Size(shape), dtype=torch.float32, device="cpu")
    numbers.uniform_(-bound, bound, generator=generator(seed, purpose, key))
    if shape is not None:
        return numbers.to(weight)
    return torch.empty_like(weight, requires_grad=False).detach().copy_(numbers)


BLOCK = 2**20
OFFSETS = 2**14


def rows_of_block(shape: torch.Size) -> int:
    """Return how many rows of a weight make a block: a million numbers, or one row."""
    return max(BLOCK // max(math.prod(shape[1:]), 1), 1)


def draw_table(weight: Tensor, scale: float, seed: int, key: str, purpose: str) -> tuple[Tensor, Tensor]:
    """Draw the numbers that a matrix is taken from afresh in every step, and where the first step takes them.

    Drawing a whole matrix in each step would cost more than the step. Instead each block of a million numbers is read from one table of
    random numbers, 16,384 longer than the block, from an offset drawn anew for every block and step.

    Args:
        weight: the layer's weight.
        scale: standard deviation of the numbers.
        seed: the seed of all layers.
        key: the layer's dotted name.
        purpose: the rule's name.

    Returns:
        The table, (length,), and the offsets of step 0, (blocks,).
    """
    rows = rows_of_block(weight.shape)
    length = min(rows, weight.shape[0]) * math.prod(weight.shape[1:]) + OFFSETS
    numbers = draw(weight, scale, seed, key, purpose, (length,))
    return numbers, torch.tensor(offsets(-(-weight.shape[0] // rows), seed, key, purpose, 0), device=weight.device)


def offsets(count: int, seed: int, key: str, purpose: str, step: int) -> list[int]:
    """Return where each block of a matrix is read from its table in one step: independent, uniform, the same in every process."""
    return [_number(f"{seed}/{purpose}/{key}/{step}/{block}") % OFFSETS for block in range(count)]


def channels_last_view(numbers: Tensor, shape: Sequence[int]) -> Tensor:
    """Return numbers as a weight, channels last: so they lie in memory beside a weight that is laid out for speed."""
    return numbers.view(shape[0], *shape[2:], shape[1]).movedim(-1, 1)


@cache
def _channels_last_strides(shape: torch.Size) -> tuple[int, ...]:
    """Return the strides of what :func:`channels_last_view` returns."""
    return channels_last_view(torch.empty(shape.numel(), device="meta"), shape).stride()


def slice_table(table: Tensor, starts: Tensor, shape: torch.Size) -> Tensor:
    """Return the whole matrix of a step.

    Args:
        table: the numbers, (length,).
        starts: where each block begins, (blocks,).
        shape: of the weight.
    """
    count, block = shape.numel(), rows_of_block(shape) * shape[1:].numel()
    if table.device.type == "cpu" and not torch.compiler.is_compiling() and not torch._C._are_functorch_transforms_active():
        firsts = starts.tolist()
        if len(firsts) == 1:  # nearly every convolution: a single call, because there are hundreds of them in a step
            return table.as_strided(shape, _channels_last_strides(shape), table.storage_offset() + firsts[0])
        numbers = torch.cat([table[first : first + min(block, count - number * block)] for number, first in enumerate(firsts)])
    else:  # without asking the device for the offsets, which would wait for it
        index = starts.int()[:, None] + torch.arange(min(block, count), dtype=torch.int32, device=table.device)  # half of int64's memory
        numbers = table.index_select(0, index.reshape(-1)[:count])
    return channels_last_view(numbers, shape)


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
