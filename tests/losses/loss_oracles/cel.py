from . import cosine, pair_mean

NAME = "CEL"
CONSTANTS = {}
IMPOSSIBLE = []
SCALE_FREE = True
# Two classes, 2 bits: k = 1, d(2, 1) = 2, so the best cosine is 1 - 2 * 2/2 = -1. Similar: 1 - cos = 0, 0, 0, 1, 1;
# dissimilar: r + 1 = 1.7071068, four times: sum 8.8284271, over 9
BY_HAND = ({}, 0.9809363)


def possible(bits, classes):
    """Four classes do not fit into one bit."""
    return 2**bits >= classes


def best_cosine(bits, classes):
    """Return 1 - 2 d/K: two opposite words are at distance K; four words of a linear code at no more than 2K/3."""
    assert classes <= 4
    return 1 - 2 * (bits if classes <= 2 else 2 * bits // 3) / bits


def oracle(given):
    best = best_cosine(len(given.codes[0]), len(given.labels[0]))
    return pair_mean(given.codes, given.labels, lambda a, b, s: 1 - cosine(a, b) if s else max(0, cosine(a, b) - best))
