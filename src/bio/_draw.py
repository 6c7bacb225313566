"""Drawing of feedback matrices: the same numbers for any device, process, order or subset of layers."""

from __future__ import annotations

import hashlib
import math
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


def check_scale(scale: str | float) -> str | float:
    """Return a scale as one of the two words or a float, or raise where it is neither.

    Raises:
        RuleError: for any other word, and for a number that is not positive and finite.
    """
    if isinstance(scale, str):
        if scale not in SCALES:
            guess = nearest(scale, SCALES)
            hint = f"did you mean {guess!r}? " if guess else ""
            raise RuleError(f"scale={scale!r}: {hint}the scale is 'init', 'weight' or a positive number")
        return scale
    if isinstance(scale, bool) or not isinstance(scale, Real) or not (math.isfinite(scale) and scale > 0):
        raise RuleError(f"scale={scale!r}: the scale is 'init', 'weight' or a positive number")
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


def draw(weight: Tensor, scale: float, seed: int, key: str, purpose: str) -> Tensor:
    r"""Draw the random matrix of a layer.

    .. math:: M_{ij} \sim \mathcal{U}(-\sqrt{3}\, s, \sqrt{3}\, s)

    The numbers are drawn on the CPU in float32 by a generator of their own, seeded from ``seed``, ``key`` and ``purpose`` alone.

    Args:
        weight: gives shape, dtype, device and memory layout.
        scale: s, the standard deviation.
        seed: the seed of all layers.
        key: the layer's dotted name.
        purpose: what the matrix is for: the rule's name.
    """
    digest = hashlib.sha256(f"{seed}/{purpose}/{key}".encode()).digest()
    generator = torch.Generator("cpu").manual_seed(int.from_bytes(digest[:8], "big"))
    bound = math.sqrt(3.0) * scale
    numbers = torch.empty(weight.shape, dtype=torch.float32, device="cpu").uniform_(-bound, bound, generator=generator)
    return torch.empty_like(weight, requires_grad=False).detach().copy_(numbers)
