from . import cosine, dot, row_mean, softplus

NAME = "IDHN"
CONSTANTS = {"alpha": 0.8, "beta": 1.0, "gamma": 0.3}
IMPOSSIBLE = [{"alpha": 0.0}, {"beta": 0.0}, {"gamma": -1.0}]
# the labels leave hard pairs alone; similarity as DPSH; penalty: z3 has |2-1| + |0-1| = 2, over 6 entries 1/3, times 0.3
BY_HAND = ({}, 0.8214214 + 0.1)


def oracle(given, alpha=0.5, beta=None, gamma=0.1):
    bits, total = len(given.codes[0]), 0.0
    for a, y in zip(given.codes, given.labels, strict=True):
        for b, v in zip(given.codes, given.labels, strict=True):
            s, product = cosine(y, v), dot(a, b)
            if s > 0.99 or s < 0.01:
                total += softplus(alpha * product) - s * alpha * product
            else:
                total += gamma * ((alpha if beta is None else beta) * product + bits - 2 * s * bits) ** 2
    to_corner = row_mean(given.codes, lambda row: sum(abs(abs(z) - 1) for z in row) / len(row))
    return total / len(given.codes) ** 2 + given.penalty * to_corner
