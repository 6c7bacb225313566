import torch

from . import cosine, row_mean

NAME = "GreedyHashUnsupervised"
CONSTANTS = {}
IMPOSSIBLE = []
SCALE_FREE = True
SMOOTH = False
STATE = ["reference"]
# z1 and z2 are partners, z3 has none: codes at cosine 0, features (1, 0, ...) and (3, 4, ...) at 0.6, so 0.36;
# penalty: z3 has |2-1|^3 + |0-1|^3 = 2, over 6 entries 1/3, times 0.3
BY_HAND = ({}, 0.36 + 0.1)


def prepare(loss):
    loss.reference.copy_(loss.reference.half())  # a change of type must not round


def prepare_hand(loss):
    loss.reference.zero_()
    loss.reference[:2, :2] = torch.tensor([[1.0, 0.0], [3.0, 4.0]])


def reorder(rows):
    half = rows // 2
    order = torch.arange(half).roll(1)  # of the pairs
    return torch.cat([order, half + order, torch.arange(2 * half, rows)])


def mismatch(given):
    half = len(given.codes) // 2
    features = [given.loss.reference[i].tolist() for i in given.index]
    total = 0.0
    for i in range(half):
        total += (cosine(given.codes[i], given.codes[i + half]) - cosine(features[i], features[i + half])) ** 2
    return total / half if half else 0.0


def oracle(given):
    to_corner = row_mean(given.outputs, lambda row: sum(abs(abs(f) - 1) ** 3 for f in row) / len(row))
    return mismatch(given) + given.penalty * to_corner
