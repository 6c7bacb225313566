from . import squared_distance
from .greedyhash_unsupervised import mismatch, prepare, prepare_hand, reorder

__all__ = ["prepare", "prepare_hand", "reorder"]

NAME = "BiHalf"
CONSTANTS = {"gamma": 2.0}
IMPOSSIBLE = [{"gamma": -1.0}]
SMOOTH = False
STATE = ["reference"]
# z1 and z2 are partners, z3 has none: codes at cosine 0, features (1, 0, ...) and (3, 4, ...) at 0.6, so 0.36. One of three is the
# upper half: z3 in the first bit, z1 in the second, so the halves are (-1, 1), (-1, -1), (1, -1): squared distances 4 + 4 + 2 = 10,
# over 6 entries, times 6/2
BY_HAND = ({}, 0.36 + 5.0)


def halves(column):
    upper = sorted(range(len(column)), key=lambda i: -column[i])[: len(column) // 2]
    return [1.0 if i in upper else -1.0 for i in range(len(column))]


def oracle(given, gamma=6.0):
    wanted = zip(*(halves(column) for column in zip(*given.outputs, strict=True)), strict=True)
    distance = sum(squared_distance(row, codes) for row, codes in zip(given.outputs, wanted, strict=True))
    return mismatch(given) + gamma / 2 * distance / (len(given.outputs) * len(given.outputs[0]))
