"""What losses share that classify: a linear head, and the loss of its logits for images of one class and of several."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, linear, log_softmax


class Head(nn.Linear):
    """A linear classifier W without bias, computing in the type of the codes whatever its own.

    Args:
        bits: K.
        classes: C.

    Example:
        >>> import torch
        >>> Head(bits=8, classes=3)(torch.ones(2, 8, dtype=torch.float64)).dtype
        torch.float64
    """

    def __init__(self, *, bits: int, classes: int) -> None:
        super().__init__(bits, classes, bias=False)

    def forward(self, codes: Tensor) -> Tensor:
        """Return the logits (B, C) of codes (B, K)."""
        return linear(codes, self.weight.to(codes.dtype))


def classification_loss(logits: Tensor, labels: Tensor, *, multi_label: bool) -> Tensor:
    r"""Return the mean cross-entropy of logits: of a softmax where images have one class, else of a sigmoid for each class.

    .. math:: \frac{1}{B} \sum_i \ell_i \quad \text{or} \quad
        \frac{1}{BC} \sum_{ic} \left[ \log(1 + e^{o_{ic}}) - y_{ic} o_{ic} \right]

    with the rows ℓ of :func:`cross_entropy`.

    Args:
        logits: o, (B, C).
        labels: y, 0 or 1 of any type, (B, C).
        multi_label: whether images of the dataset may have several classes.

    Returns:
        A scalar.

    Example:
        >>> import torch
        >>> loss = classification_loss(torch.zeros(1, 4), torch.tensor([[0, 1, 0, 0]]), multi_label=False)
        >>> round(loss.item(), 4)  # log 4
        1.3863
    """
    if multi_label:
        return binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
    return cross_entropy(logits, labels).mean()


def probabilities(logits: Tensor, *, multi_label: bool) -> Tensor:
    """Return what :func:`classification_loss` takes logits (B, C) for: a softmax of each row, else a sigmoid of each class.

    Example:
        >>> import torch
        >>> probabilities(torch.zeros(1, 4), multi_label=False).tolist()
        [[0.25, 0.25, 0.25, 0.25]]
    """
    return logits.sigmoid() if multi_label else logits.softmax(1)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    r"""Return the cross-entropy of each row's softmax with its classes in equal shares.

    .. math:: \ell_i = -\sum_c \frac{y_{ic}}{\sum_d y_{id}} \log \frac{e^{o_{ic}}}{\sum_d e^{o_{id}}}

    A row without a class is 0.

    Args:
        logits: o, (B, C).
        labels: y, 0 or 1 of any type, (B, C).

    Returns:
        (B,).

    Example:
        >>> import torch
        >>> cross_entropy(torch.zeros(2, 2), torch.tensor([[1, 1], [0, 0]])).abs().tolist()
        [0.6931471824645996, 0.0]
    """
    present = labels.to(logits.dtype)
    shares = present / present.sum(1, keepdim=True).clamp_min(1)
    return -(shares * log_softmax(logits, dim=1)).sum(1)
