from . import cosine, dot, row_mean, sigmoid, softplus

NAME = "ISDH"
CONSTANTS = {"alpha": 0.8, "gamma": 3.0}
IMPOSSIBLE = [{"alpha": 0.0}, {"gamma": -1.0}]
# the labels leave hard pairs alone; similarity as DPSH, 0.8214214, times gamma;
# penalty: z3 has |2-1| + |0-1| = 2, over 6 entries 1/3, times 0.3
BY_HAND = ({"gamma": 2.0}, 2 * 0.8214214 + 0.1)


def oracle(given, alpha=0.5, gamma=10.0):
    total = 0.0
    for a, y in zip(given.codes, given.labels, strict=True):
        for b, v in zip(given.codes, given.labels, strict=True):
            s, t = cosine(y, v), alpha * dot(a, b)
            total += gamma * (softplus(t) - s * t) if s > 0.99 or s < 0.01 else (s - sigmoid(t)) ** 2
    to_corner = row_mean(given.codes, lambda row: sum(abs(abs(z) - 1) for z in row) / len(row))
    return total / len(given.codes) ** 2 + given.penalty * to_corner
