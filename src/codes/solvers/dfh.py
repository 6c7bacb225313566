"""DFH: codes drawn to the centres of their classes, which a few hundred small steps move before each batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ...errors import BioDeepHashingError
from ..banks import BankRows
from ..pairs import STEEP, similarity, weigh
from ..signs import signs


@torch.no_grad()
def dfh_targets(codes: Tensor, labels: Tensor, centres: Tensor, pull: float = 0.1) -> Tensor:
    r"""Return the codes that a batch is drawn to, with a slight pull of the centres.

    .. math:: b_i = b(\mu\, C y_i + u_i), \quad C = b(V)

    Args:
        codes: U, (B, K).
        labels: 0 or 1, (B, C).
        centres: V, real, (K, C).
        pull: μ; the centre decides only the bits with :math:`|u| < \mu`, for an image of one class.

    Example:
        >>> dfh_targets(torch.tensor([[0.05, 0.5]]), torch.ones(1, 1), torch.tensor([[-1.0], [-1.0]])).tolist()
        [[-1.0, 1.0]]
    """
    return signs(pull * labels.to(codes.dtype) @ signs(centres.to(codes.dtype)).T + codes)


def check_dfh_centres(centres: Tensor) -> None:
    """Raise where centres V (K, C) have diverged.

    Raises:
        BioDeepHashingError: if an entry is not finite.
    """
    if not centres.isfinite().all():
        bits, classes = centres.shape
        raise BioDeepHashingError(f"the centres of {classes} classes in {bits} bits diverged: take a smaller rate (-constants rate=0.01)")


@torch.no_grad()
def dfh_descent(centres: Tensor, labels: Tensor, targets: Tensor, *, rate: float = 0.03, steps: int = 200) -> Tensor:
    r"""Return the centres after steps of gradient descent: near their images' codes, far from each other, with entries near ±1.

    .. math:: \operatorname{mean} (V y_i - b_i)^2 + \operatorname{mean} \bigl(V^T V - K (2 I - 1 1^T)\bigr)^2
        + \operatorname{mean} (V - \operatorname{sgn} V)^2, \quad \operatorname{sgn} 0 = 0

    More than two classes cannot have inner products of -K: the second term is least at :math:`V^T V = 2K (I - 1 1^T / C)`. The rate
    falls to a tenth before steps 149 and 179, counted from 0. Nothing is read back from the device: see :func:`check_dfh_centres`.

    Args:
        centres: V, (K, C); zero the first time.
        labels: of the batch, 0 or 1, (B, C).
        targets: b, from the centres before, (B, K).
        rate: length of a step; fixed, so the objective can rise where there are few classes and many bits.
        steps: how many.

    Example:
        >>> centres = dfh_descent(torch.zeros(1, 3), torch.eye(3), torch.tensor([[1.0], [1.0], [-1.0]]))
        >>> centres.sign().tolist()
        [[1.0, 1.0, -1.0]]
    """
    labels, targets = labels.to(centres.dtype), targets.to(centres.dtype)
    products, identity = _products(centres), torch.eye(centres.shape[1], dtype=centres.dtype, device=centres.device)
    near, apart, binary = 2 / targets.numel(), 4 / products.numel(), 2 / centres.numel()
    fixed = near * labels.T @ labels - apart * products + binary * identity  # the gradient is V (a VᵀV + fixed) - drawn - c sgn V
    drawn = near * targets.T @ labels
    for step in range(steps):
        rate = rate / 10 if step in (149, 179) else rate
        slope = centres @ torch.addmm(fixed, centres.T, centres, alpha=apart) - drawn
        centres = centres - rate * slope.sub_(centres.sign(), alpha=binary)
    return centres


def dfh_loss(
    codes: Tensor,
    labels: Tensor,
    bank: BankRows,
    targets: Tensor,
    *,
    margin: float = 3.0,
    penalty: float = 0.5,
    weights: tuple[float, float] | None = None,
) -> Tensor:
    r"""Return the loss of a batch with a memory bank; the gradient reaches its codes only.

    .. math:: \frac{1}{BN} \sum_{ij} w_{ij} \left[ s \log(1 + e^{m - t}) + (1 - s) \log(1 + e^{m + t}) \right]
        + \eta \operatorname{mean} (b - u)^2, \quad t_{ij} = \tfrac12 \langle u_i, m_j \rangle

    References:
        Push for Quantization: Deep Fisher Hashing (Li, Pei, Zhang, van Gemert; BMVC 2019).

    Args:
        codes: U, (B, K).
        labels: 0 or 1, (B, C).
        bank: rows of a memory bank in which the batch was written.
        targets: b, see :func:`dfh_targets`, (B, K).
        margin: m.
        penalty: η.
        weights: w of similar and of dissimilar pairs, see :func:`~biodeephashing.codes.pairs.side_weights`; None for 1.

    Example:
        >>> codes, labels = torch.ones(1, 2), torch.ones(1, 1)
        >>> round(dfh_loss(codes, labels, BankRows(codes, labels), codes).item(), 4)  # t = 1: log(1 + exp(2))
        2.1269
    """
    similar = similarity(labels, bank.labels, codes.dtype)
    logits = codes @ bank.codes.detach().to(codes.dtype).T / 2
    pairs = softplus(margin + (-2 * similar).add_(1) * logits, threshold=STEEP)
    pairs = pairs if weights is None else weigh(similar, weights) * pairs
    return bank.mean(pairs) + penalty * (targets.detach() - codes).square().mean()


def _products(centres: Tensor) -> Tensor:
    bits, classes = centres.shape
    return bits * (2 * torch.eye(classes, dtype=centres.dtype, device=centres.device) - 1)
