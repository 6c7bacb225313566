from . import dot, log_sum_exp, row_mean, softplus

NAME = "GreedyHash"
CONSTANTS = {}
IMPOSSIBLE = []
STATE = ["head.weight"]
ROTATES = False
SMOOTH = False
# W = 1, so the logits are the codes: log 2, softplus(-2), softplus(2): (0.6931472 + 0.1269280 + 2.1269280)/3;
# penalty: |2-1| and |0-1| of six, cubed, so 1/3, times 0.3
BY_HAND = ({}, 2.9470032 / 3 + 0.1)


def prepare_hand(loss):
    loss.head.weight.data = loss.head.weight.new_tensor([[1.0, 0.0], [0.0, 1.0]])


def classified(logits, labels, multi_label):
    """Return the cross-entropy of one row, summed over the classes where there may be several."""
    if multi_label:
        return sum(softplus(o) - y * o for o, y in zip(logits, labels, strict=True))
    return sum(y * (log_sum_exp(logits) - o) for o, y in zip(logits, labels, strict=True)) / max(sum(labels), 1)


def oracle(given):
    rows = [[dot(w, b) for w in given.loss.head.weight.tolist()] for b in given.codes]
    losses = [classified(row, y, given.loss.multi_label) for row, y in zip(rows, given.labels, strict=True)]
    terms = len(given.labels[0]) if given.loss.multi_label else 1
    penalty = row_mean(given.outputs, lambda f: sum(abs(abs(x) - 1) ** 3 for x in f) / len(f))
    return sum(losses) / len(losses) / terms + given.penalty * penalty
