import math

from . import cosine, pair_mean, row_mean, sign_distance, weight

NAME = "WGLHH"
CONSTANTS = {"alpha": 0.7}
IMPOSSIBLE = [{"alpha": 0.0}, {"alpha": "0.1"}]
SCALE_FREE = True
# d = 2 (1-cos)/2 = 1-cos, alpha = 1. Similar, cos 1: x = 0, g = 1, a = 1: -2 log 2 = -1.3862944, three times; cos 0: x = 1,
# g = 0.3678794, a = exp 0.5 = 1.6487213: -(1.3678794 * 0.3132617 + 0.3678794) a = -0.7963837 a = -1.3130147, twice:
# -(4.1588831 + 2.6260294)/5 = -1.3569825. Dissimilar, cos r: d = 0.2928932, x = 0.0857864, g = 0.9177902,
# a = exp((1+r)/2) = exp 0.8535534 = 2.3479753: g a = 2.1549488. Penalty: z3 has (2-1)^2 = 1, mean 1/3, times 0.3
BY_HAND = ({"alpha": 1.0}, -1.3569825 + 2.1549488 + 0.1)


def oracle(given, alpha=0.1):
    bits = len(given.codes[0])

    def term(a, b, s):
        c = cosine(a, b)
        x = alpha * (bits * (1 - c) / 2) ** 2
        g = math.exp(-x)
        attention = math.exp(abs((1 + c) / 2 - s))
        return weight(s, given.p) * attention * ((1 - s) * g + s * (-(1 + g) * math.log(1 + g) - x * g))

    return pair_mean(given.codes, given.labels, term) + given.penalty * row_mean(given.codes, sign_distance)
