import math

from . import cosine, pair_mean, row_mean, weight

NAME = "DCH"
CONSTANTS = {"gamma": 2.5}
IMPOSSIBLE = [{"gamma": 0.0}]
SCALE_FREE = True
# D = 2 (e + (1-2e)(1-cos)/2): 0.00002 on the diagonal, 1 for (1,2), 0.2929074 with z3. gamma = 1:
# similar: (3 * 0.00002 + 2 * log 2)/5 = 0.2772709; dissimilar: log(1 + 1/0.2929074) = 1.4847923;
# penalty: D(|z|,1) = 0.00002, 0.00002, 0.2929074, log(1+D) mean = (0.00004 + 0.2568935)/3 = 0.0856445, times 0.3
BY_HAND = ({"gamma": 1.0}, 0.2772709 + 1.4847923 + 0.0256933)


def oracle(given, gamma=10.0):
    bits, e = len(given.codes[0]), 1e-5

    def distance(a, b):
        return bits * (e + (1 - 2 * e) * (1 - cosine(a, b)) / 2)

    def term(a, b, s):
        d = distance(a, b)
        return weight(s, given.p) * (s * math.log(d / gamma) + math.log(1 + gamma / d))

    def to_corner(row):
        return math.log(1 + distance([abs(z) for z in row], [1.0] * bits) / gamma)

    return pair_mean(given.codes, given.labels, term) + given.penalty * row_mean(given.codes, to_corner)
