from . import pair_mean, row_mean, squared_distance, weight

NAME = "DSH"
CONSTANTS = {"margin": 3.0, "signed_penalty": True, "balance": True}
IMPOSSIBLE = [{"margin": 0}, {"signed_penalty": 1}, {"balance": 1}]
CUBE_ONLY = ["signed_penalty"]
# margin 4: similar 2 * 4/2, dissimilar 4 * (4 - 2)/2, so 8/9; penalty: z3 has |2-1| + |0-1| = 2, mean 2/3, times 0.3
BY_HAND = ({}, 8 / 9 + 0.2)


def oracle(given, margin=None, signed_penalty=False, balance=False):
    m = 2 * len(given.codes[0]) if margin is None else margin

    def term(a, b, s):
        d = squared_distance(a, b)
        return weight(s, given.p, balance) * (d if s else max(0, m - d)) / 2

    def off_corner(row):
        return sum(1 - abs(z) if signed_penalty else abs(abs(z) - 1) for z in row)

    return pair_mean(given.codes, given.labels, term) + given.penalty * row_mean(given.codes, off_corner)
