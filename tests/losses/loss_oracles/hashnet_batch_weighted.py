from . import dot, softplus

NAME = "HashNetBatchWeighted"
CONSTANTS = {"alpha": 0.3, "period": 7}
IMPOSSIBLE = [{"period": 0}, {"alpha": 0.0}]
STATE = ["steps"]
# n = 9 with 5 similar and 4 dissimilar pairs: the mean over the similar and that over the dissimilar. t = product/2:
# (2 * softplus(-1) + softplus(-2) + 2 * log 2)/5 = (2 * 0.3132617 + 0.1269280 + 2 * 0.6931472)/5 = 0.4279492; softplus(1) = 1.3132617
BY_HAND = ({"alpha": 0.5}, 0.4279492 + 1.3132617)


def oracle(given, alpha=0.1, period=200):
    sides = {True: [], False: []}
    for a, y in zip(given.codes, given.labels, strict=True):
        for b, v in zip(given.codes, given.labels, strict=True):
            s, t = dot(y, v) > 0, alpha * dot(a, b)
            sides[s].append(softplus(t) - s * t)
    return sum(sum(side) / len(side) for side in sides.values() if side)
