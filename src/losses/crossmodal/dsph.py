"""DSPH: learnt class proxies that both modalities share, and a hinge between items that share no class."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .._averages import weighted_mean
from .._keywords import number
from .._pairs import similarity, unit_rows
from .._separation import separation as table
from ._base import CROSSMODAL_LOSSES, JointLoss

LEAST_SEPARATION = 0.125  # below it codes of 32 bits and 25 classes ranked worse


@CROSSMODAL_LOSSES.register("DSPH")
class DSPH(JointLoss):
    r"""Images and texts are drawn to the proxies of their classes and kept off the others, and off items that share no class with them.

    .. math:: L = P(x) + P(y) + \alpha\, [R(x, x) + R(y, y) + R(x, y)]

    .. math:: P(h) = \operatorname{mean}_{y_{ic} = 1} (1 - \cos(h_i, P_c)) + \operatorname{mean}_{y_{ic} = 0} \max(0, \cos(h_i, P_c) - t)

    .. math:: R(a, b) = \operatorname{mean}_{ij} \max(0, \cos(a_i, b_j) - t)

    Here x and y are the tanh of the outputs of the image and the text tower; R runs over pairs of items with two or more classes each
    that share none. A mean over nothing is 0. The proxies P, one row per class for both modalities, are parameters drawn from N(0, 1).

    References:
        Deep Semantic-aware Proxy Hashing for Multi-label Cross-modal Retrieval (Huo, Qin, Dai, Wang, Zhang, Huang, Wang; IEEE
        Transactions on Circuits and Systems for Video Technology 2024).

    Args:
        alpha: α, weight of the pairs.
        separation: t, the cosine that need not be undercut; None takes that of the nearest words of a good linear code with a word
            for each class, as published, and at least 0.125.
        proxy_rate: learning rate of the proxies as a multiple of that of the towers: 0.01 beside 0.001. Published are 0.02 by SGD with
            momentum 0.9 and weight decay 5e-4, beside 0.001 of the hash layers by Adam.
        **shared: see :class:`CrossModalLoss`.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = DSPH(bits=4, classes=2, train_size=2, similar_probability=0.5)
        >>> with torch.no_grad():
        ...     loss.proxies.copy_(torch.tensor([[1.0, 1, 1, 1], [-1, -1, -1, -1]])) is loss.proxies
        True
        >>> round(loss(3 * loss.proxies, loss.proxies, torch.eye(2), torch.arange(2)).item(), 6)  # all at their proxies
        0.0
    """

    def __init__(self, *, alpha: float = 0.8, separation: float | None = None, proxy_rate: float = 10.0, **shared: Any) -> None:
        super().__init__(**shared)
        self.alpha = number("alpha", alpha, least=0.0)
        if separation is None:
            separation = max(table(self.bits, self.classes), LEAST_SEPARATION)
        self.separation = number("separation", separation, least=-1.0, most=1.0)
        self.proxy_rate = number("proxy_rate", proxy_rate, above=0.0)
        self.proxies = nn.Parameter(torch.randn(self.classes, self.bits))

    def objective(self, image_codes: Tensor, text_codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K) of both modalities, labels (B, C) and indices (B,)."""
        present = labels.to(image_codes.dtype)
        several = (present.sum(1) > 1).to(present.dtype)
        apart = (1 - similarity(labels, present.dtype)) * several[:, None] * several[None, :]
        images, texts = unit_rows(image_codes)[0], unit_rows(text_codes)[0]
        proxies = unit_rows(self.proxies.to(present.dtype))[0]

        def near(units: Tensor, others: Tensor, pairs: Tensor) -> Tensor:
            return weighted_mean((units @ others.T - self.separation).clamp_min(0), pairs)

        own = [weighted_mean(1 - units @ proxies.T, present) for units in (images, texts)]
        foreign = [near(units, proxies, 1 - present) for units in (images, texts)]
        pairs = near(images, images, apart) + near(texts, texts, apart) + near(images, texts, apart)
        return self.total(own_proxies=own[0] + own[1], other_proxies=foreign[0] + foreign[1], pairs=self.alpha * pairs)

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return the group of the proxies: a rate of their own, that of the towers times ``proxy_rate``."""
        return [{"params": [self.proxies], "lr": self.proxy_rate * learning_rate}]
