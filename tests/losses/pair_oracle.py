"""Every loss once more, pair by pair in plain Python: slow, obvious, and independent of the implementation."""

import math


def sgn(x):
    return (x > 0) - (x < 0)


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def cosine(a, b):
    return dot(a, b) / (max(math.sqrt(dot(a, a)), 1e-8) * max(math.sqrt(dot(b, b)), 1e-8))


def softplus(t):
    return max(t, 0.0) + math.log1p(math.exp(-abs(t)))


def pair_mean(codes, labels, term):
    total = 0.0
    for a, y in zip(codes, labels, strict=True):
        for b, v in zip(codes, labels, strict=True):
            total += term(a, b, 1 if dot(y, v) > 0 else 0)
    return total / len(codes) ** 2


def row_mean(codes, term):
    return sum(term(row) for row in codes) / len(codes)


def weight(s, p):
    return 1 / p if s else 1 / (1 - p)


def sign_distance(row):
    return sum((z - sgn(z)) ** 2 for z in row)


def dsh(codes, labels, p, penalty, margin=None):
    m = 2 * len(codes[0]) if margin is None else margin

    def term(a, b, s):
        d = sum((x - y) ** 2 for x, y in zip(a, b, strict=True))
        return d / 2 if s else max(0, m - d) / 2

    return pair_mean(codes, labels, term) + penalty * row_mean(codes, lambda row: sum(abs(abs(z) - 1) for z in row))


def dpsh(codes, labels, p, penalty, inner_product_scale=0.5):
    def term(a, b, s):
        t = inner_product_scale * dot(a, b)
        return softplus(t) - s * t

    return pair_mean(codes, labels, term) + penalty * row_mean(codes, sign_distance)


def dch(codes, labels, p, penalty, gamma=10.0):
    bits, e = len(codes[0]), 1e-5

    def distance(a, b):
        return bits * (e + (1 - 2 * e) * (1 - cosine(a, b)) / 2)

    def term(a, b, s):
        d = distance(a, b)
        return weight(s, p) * (s * math.log(d / gamma) + math.log(1 + gamma / d))

    def to_corner(row):
        return math.log(1 + distance([abs(z) for z in row], [1.0] * bits) / gamma)

    return pair_mean(codes, labels, term) + penalty * row_mean(codes, to_corner)


def hashnet(codes, labels, p, penalty, alpha=None):
    alpha = 10 / len(codes[0]) if alpha is None else alpha

    def term(a, b, s):
        t = alpha * dot(a, b)
        return weight(s, p) * (softplus(t) - s * t)

    return pair_mean(codes, labels, term)


ORACLES = {"DSH": dsh, "DPSH": dpsh, "DCH": dch, "HashNet": hashnet}
CONSTANTS = {
    "DSH": {"margin": 3.0},
    "DPSH": {"inner_product_scale": 1.0},
    "DCH": {"gamma": 2.5},
    "HashNet": {"alpha": 0.3},
}
