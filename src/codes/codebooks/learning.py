"""What LLC minimises: a codebook by classification, then codes of images by regression of their class's code."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from ...errors import UsageError
from ..signs import straight_through


def draw_codebook(classes: int, bits: int, generator: torch.Generator, scale: float = 0.01) -> Tensor:
    """Return random weights of a codebook, normally distributed.

    The scale changes no value and no gradient, but how soon a sign flips: it must lie well below learning rate times steps, or
    the codebook stays the random one it began as.

    Args:
        classes: C.
        bits: K.
        generator: draws; on the CPU.
        scale: standard deviation of the entries.

    Returns:
        W, (C, K), real; its signs are the codes.

    Raises:
        UsageError: where there are fewer codes than classes.

    Example:
        >>> draw_codebook(3, 2, torch.Generator().manual_seed(0)).shape
        torch.Size([3, 2])
    """
    if classes > 2**bits:
        raise UsageError(f"{bits} bits make {2**bits} codes: too few for {classes} classes")
    return scale * torch.randn(classes, bits, generator=generator)


def codebook_loss(outputs: Tensor, weights: Tensor, classes: Tensor, smoothing: float = 0.1) -> Tensor:
    r"""Return the cross-entropy of classes whose logits are inner products with their codes; both outputs and codes learn.

    .. math:: -\frac1B \sum_{ic} \left[ (1 - \epsilon)\, [c = y_i] + \frac{\epsilon}{C} \right]
        \log \operatorname{softmax}_c \langle z_i, b(W_c) \rangle

    References:
        LLC: Accurate, Multi-purpose Learnt Low-dimensional Binary Codes (Kusupati, Wallingford, Ramanujan, Somani, Park, Pillutla,
        Jain, Kakade, Farhadi; NeurIPS 2021).

    Args:
        outputs: z, of a hash layer without bias, (B, K).
        weights: W, (C, K), real; the gradient passes through their signs.
        classes: y, class numbers (B,).
        smoothing: ε of the label smoothing.

    Example:
        >>> outputs = torch.tensor([[1.0, -1.0]])
        >>> round(codebook_loss(outputs, torch.tensor([[0.1, -0.1], [0.1, 0.1]]), torch.tensor([0]), smoothing=0.0).item(), 4)
        0.1269
    """
    return cross_entropy(outputs @ straight_through(weights).T, classes, label_smoothing=smoothing)


def instance_loss(outputs: Tensor, codebook: Tensor, classes: Tensor) -> Tensor:
    r"""Return how far the bits of images, as probabilities, are from those of their class's code.

    .. math:: \frac{1}{BK} \sum_{ik} \left[ \log(1 + e^{z_{ik}}) - t_{ik} z_{ik} \right], \quad t_i = (G_{y_i} + 1) / 2

    Args:
        outputs: z, without tanh, (B, K).
        codebook: G, ±1, (C, K); it does not learn.
        classes: y, class numbers (B,).

    Example:
        >>> round(instance_loss(torch.zeros(1, 2), torch.tensor([[1.0, -1.0]]), torch.tensor([0])).item(), 4)  # log 2
        0.6931
    """
    return binary_cross_entropy_with_logits(outputs, (codebook[classes].to(outputs.dtype) + 1) / 2)


def count_flips(before: Tensor, after: Tensor) -> int:
    """Return how many bits of a codebook changed; where it is few, the codebook is hardly learnt.

    Example:
        >>> count_flips(torch.tensor([[0.1, -0.1]]), torch.tensor([[0.0, 0.1]]))
        1
    """
    return int(((before >= 0) != (after >= 0)).sum())
