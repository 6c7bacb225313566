import math

import torch

from . import cosine, dot
from .cel import best_cosine, possible

__all__ = ["possible"]

NAME = "HyP2"
CONSTANTS = {"proxy_rate": 0.01, "proxy_tanh": True, "multilabel_pairs_only": True}
IMPOSSIBLE = [{"proxy_rate": 0.0}, {"proxy_tanh": 1}, {"multilabel_pairs_only": "true"}]
SCALE_FREE = True
ROTATES = False  # the proxies would have to turn as well
STATE = ["proxies"]
# Two classes, 2 bits: the best cosine is -1 (see CEL), a hinge is cos + 1. Proxies (1, 1) and (0, 1).
#        cos with P1, P2    own: z1 P1, z2 P1, z3 P2: mean of -cos = -(1 + 0 + 0)/3 = -0.3333333
#   z1:  1  r               others: z1 P2, z2 P2, z3 P1: mean of cos + 1 = (r - r + r)/3 + 1 = 1.2357023
#   z2:  0 -r               dissimilar pairs: r + 1 = 1.7071068, times 0.3 = 0.5121320
#   z3:  r  0
BY_HAND = ({}, -0.3333333 + 1.2357023 + 0.5121320)


def prepare_hand(loss):
    with torch.no_grad():
        loss.proxies.copy_(torch.tensor([[1.0, 1.0], [0.0, 1.0]]))


def additive_scale(loss):
    return loss.penalty


def mean(values):
    return sum(values) / len(values) if values else 0.0


def oracle(given, proxy_rate=0.001, proxy_tanh=False, multilabel_pairs_only=False):
    best = best_cosine(len(given.codes[0]), len(given.labels[0]))
    proxies = [[math.tanh(x) if proxy_tanh else x for x in row] for row in given.loss.proxies.tolist()]
    rows = list(zip(given.codes, given.labels, strict=True))
    own = [-cosine(z, p) for z, y in rows for p, present in zip(proxies, y, strict=True) if present]
    others = [max(0, cosine(z, p) - best) for z, y in rows for p, present in zip(proxies, y, strict=True) if not present]
    paired = [(z, y) for z, y in rows if sum(y) > 1 or not multilabel_pairs_only]
    pairs = [max(0, cosine(a, b) - best) for a, y in paired for b, v in paired if dot(y, v) == 0]
    return mean(own) + mean(others) + given.penalty * mean(pairs)
