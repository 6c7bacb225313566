"""HyP2: learnt class proxies on the hypersphere, and a hinge between dissimilar images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ._averages import weighted_mean
from ._base import LOSSES, HashingLoss
from ._keywords import number, truth
from ._pairs import cosine_distances, similarity, unit_rows
from ._separation import separation


@LOSSES.register("HyP2")
class HyP2(HashingLoss):
    r"""Each image is drawn to the proxies of its classes and kept off the others, and off images that share no class with it.

    .. math:: L = - \operatorname{mean}_{y_{ic} = 1} \cos(z_i, P_c) + \operatorname{mean}_{y_{ic} = 0} \max(0, \cos(z_i, P_c) - \sigma)
        + \lambda \operatorname{mean}_{s_{ij} = 0} \max(0, \cos(z_i, z_j) - \sigma)

    .. math:: \sigma = 1 - \frac{2\, d(K, k)}{K}, \quad k = \max(1, \lceil \log_2 C \rceil)

    Here d(K, k) is the least distance between the words of a good linear code of K bits that has a word for each class: what is
    dissimilar need not be farther apart. A mean over nothing is 0. The proxies P are parameters, one row per class, drawn by
    Kaiming's normal rule. The additive penalties are multiplied by λ as well. The value depends on the directions of the codes
    alone, not on their lengths.

    References:
        HyP² Loss: Beyond Hypersphere Metric Space for Multi-label Image Retrieval (Xu, Chai, Xu, Yuan, Fan, Wang; ACM MM 2022).

    Args:
        proxy_rate: learning rate of the proxies.
        proxy_tanh: take tanh P for P, for results of code that keeps the proxies inside the cube.
        multilabel_pairs_only: take the mean over dissimilar images among those of two or more classes alone, as the authors'
            code does: with one class per image only the proxies are left.
        **shared: see :class:`HashingLoss`; the bits must give every class a code of its own. ``penalty`` is the paper's β:
            values from 0.5 to 1.25 were used, and at 0.01 the pairs hardly matter.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = HyP2(bits=4, classes=2, train_size=2, similar_probability=0.5, penalty=0.75)
        >>> with torch.no_grad():
        ...     loss.proxies.copy_(torch.tensor([[1.0, 1, 1, 1], [-1, -1, -1, -1]])) is loss.proxies
        True
        >>> loss(3 * loss.proxies, torch.eye(2), torch.arange(2)).item()  # each image at its proxy, opposite to the other
        -1.0
    """

    draws_to_corners = False  # its penalty weighs pairs

    def __init__(self, *, proxy_rate: float = 0.001, proxy_tanh: bool = False, multilabel_pairs_only: bool = False, **shared: Any) -> None:
        super().__init__(**shared)
        self.proxy_rate = number("proxy_rate", proxy_rate, above=0.0)
        self.proxy_tanh = truth("proxy_tanh", proxy_tanh)
        self.multilabel_pairs_only = truth("multilabel_pairs_only", multilabel_pairs_only)
        self.separation = separation(self.bits, self.classes)
        self.additive_scale = self.penalty
        self.proxies = nn.Parameter(torch.empty(self.classes, self.bits))
        nn.init.kaiming_normal_(self.proxies, mode="fan_out")

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K), labels (B, C) and indices (B,)."""
        present = labels.to(codes.dtype)
        units, alive = unit_rows(codes)
        proxies = self.proxies.to(codes.dtype)
        cosines = units @ unit_rows(proxies.tanh() if self.proxy_tanh else proxies)[0].T
        to_proxies = weighted_mean((cosines - self.separation).clamp_min(0), 1 - present) - weighted_mean(cosines, present)

        dissimilar = 1 - similarity(labels, codes.dtype)
        if self.multilabel_pairs_only:
            several = (present.sum(1) > 1).to(codes.dtype)
            dissimilar = dissimilar * several[:, None] * several[None, :]
        hinges = (1 - self.separation - cosine_distances(units, alive)).clamp_min(0)
        return to_proxies + self.penalty * weighted_mean(hinges, dissimilar)

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return the group of the proxies: a rate of their own, whatever that of the hash layer."""
        return [{"params": [self.proxies], "lr": self.proxy_rate}]
