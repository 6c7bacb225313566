import torch

from . import dot, softplus

NAME = "HashNetTwoBatch"
CONSTANTS = {"class_num": 2.5, "alpha": 0.3, "period": 7}
IMPOSSIBLE = [{"class_num": 0.0}, {"period": 0}, {"alpha": -1.0}]
STATE = ["steps"]
# The first half is z1: its pairs are z1 z2, similar, t = 0: log 2 = 0.6931472, and z1 z3, dissimilar, t = 2/2: softplus(1) = 1.3132617.
# With weights 3 and 1: (3 * 0.6931472 + 1.3132617)/4 = 0.8481758; no penalty
BY_HAND = ({"alpha": 0.5, "class_num": 3.0}, 0.8481758)


def reorder(rows):
    """Turn each half around: who is in which half stays."""
    return torch.tensor([*reversed(range(rows // 2)), *reversed(range(rows // 2, rows))])


def oracle(given, class_num=1.0, alpha=None, period=200):
    alpha = 10 / len(given.codes[0]) if alpha is None else alpha
    total, weights = 0.0, 0.0
    for i in range(len(given.codes) // 2):
        for j in range(len(given.codes) // 2, len(given.codes)):
            s = dot(given.labels[i], given.labels[j]) > 0
            t = alpha * dot(given.codes[i], given.codes[j])
            weight = class_num if s else 1.0
            total += weight * (softplus(t) - s * t)
            weights += weight
    return total / weights if weights else 0.0
