from . import dot, greedyhash, pair_mean, squared_distance

NAME = "DSHSD"
CONSTANTS = {"margin": 3.0, "contrast": 0.5}
IMPOSSIBLE = [{"margin": 0}, {"contrast": -0.05}]
STATE = ["head.weight"]
ROTATES = False
# W = 1, so the logits are the codes: log 2, softplus(-2), softplus(2): (0.6931472 + 0.1269280 + 2.1269280)/3;
# margin 4: similar 2 * 4/2, dissimilar 4 * (4 - 2)/2, so 8/9, times 0.05
BY_HAND = ({}, 2.9470032 / 3 + 0.05 * 8 / 9)

prepare_hand = greedyhash.prepare_hand


def oracle(given, margin=None, contrast=0.05):
    rows = [[dot(w, z) for w in given.loss.head.weight.tolist()] for z in given.codes]
    losses = [greedyhash.classified(row, y, given.loss.multi_label) for row, y in zip(rows, given.labels, strict=True)]
    m = 2 * len(given.codes[0]) if margin is None else margin

    def term(a, b, s):
        d = squared_distance(a, b)
        return d / 2 if s else max(0, m - d) / 2

    return sum(losses) / len(losses) + contrast * pair_mean(given.codes, given.labels, term)
