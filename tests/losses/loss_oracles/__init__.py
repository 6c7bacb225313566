"""One file per loss: the value once more in slow and obvious Python, a value by hand, and what the contract tests must know.

A file is named like the loss's own and holds

* ``NAME``: the loss's name in the registry.
* ``oracle(given, **constants)``: the whole loss (objective and output term) in plain Python numbers; see :class:`Given`.
* ``CONSTANTS``: for every constant of the loss another value than its default.
* ``IMPOSSIBLE``: constants that must be refused, one dictionary each.
* ``BY_HAND``: constants, and the value of the whole loss on :data:`HAND_CODES`, worked out in a comment.
* ``prepare(loss)``, ``prepare_hand(loss)`` where the loss has parameters or buffers to be set first.

What is not so by default is said by ``ROTATES = False`` (a common rotation of the codes changes the value), ``SCALE_FREE = True``
(the lengths of the codes do not matter), ``SMOOTH = False`` (the relaxation's gradient is not the derivative of its value),
``reorder(rows)`` (an order of the rows under which the value stays; any, by default), ``largest(rows, bits, classes)`` (numbers in
the largest tensor that the loss may make; by default a matrix of pairs), ``STATE`` (names in the state dict),
``possible(bits, classes)`` (whether there is such a loss), ``additive_scale(loss)`` (the factor of all additive penalties; 1, by
default), ``CUBE_ONLY`` (constants that are refused without the cube), ``MEMORY = True`` (the codes that a batch is compared with are
constants, so that the gradient is not the derivative of the value).
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from dataclasses import dataclass
from types import ModuleType
from typing import Any

# Three 2-bit codes; the first two share a class. Ordered pairs: 5 similar (diagonal included), 4 dissimilar.
# With p = 5/9 the weights are 9/5 and 9/4, so the weighted mean over 9 is (mean over similar) + (mean over dissimilar).
#        squared distances   inner products   cosines
#   z1:  0  4  2             2  0  2          1  0  r
#   z2:  4  0  2             0  2  2          0  1  r        r = 2 / (sqrt 2 * 2) = 0.7071068
#   z3:  2  2  0             2  2  4          r  r  1
# The penalty's weight is 0.3. The codes are taken as raw outputs too.
HAND_CODES = [[1.0, 1.0], [1.0, -1.0], [2.0, 0.0]]
HAND_LABELS = [[1, 0], [1, 0], [0, 1]]


@dataclass
class Given:
    """What an oracle is given: numbers and lists of them; ``loss`` for its parameters, buffers and facts."""

    loss: Any
    outputs: list[list[float]]
    codes: list[list[float]]
    labels: list[list[int]]
    index: list[int]
    p: float
    penalty: float


def sgn(x):
    return (x > 0) - (x < 0)


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def squared_distance(a, b):
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))


def cosine(a, b):
    return dot(a, b) / (max(math.sqrt(dot(a, a)), 1e-8) * max(math.sqrt(dot(b, b)), 1e-8))


def softplus(t):
    return max(t, 0.0) + math.log1p(math.exp(-abs(t)))


def sigmoid(t):
    return 1 / (1 + math.exp(-t)) if t >= 0 else math.exp(t) / (1 + math.exp(t))


def log_sum_exp(values):
    top = max(values)
    return top + math.log(sum(math.exp(v - top) for v in values))


def pair_mean(codes, labels, term):
    """Return the mean of term(a, b, s) over all ordered pairs of rows."""
    total = 0.0
    for a, y in zip(codes, labels, strict=True):
        for b, v in zip(codes, labels, strict=True):
            total += term(a, b, 1 if dot(y, v) > 0 else 0)
    return total / len(codes) ** 2


def bank_mean(given, term):
    """Return the mean of term(a, b, s) over all rows a and what a memory bank has once they are written: rows b of the same codes."""
    others, total = given.loss.memory.labels[given.index].tolist(), 0.0
    for a, y in zip(given.codes, given.labels, strict=True):
        for b, v in zip(given.codes, others, strict=True):
            total += term(a, b, 1 if dot(y, v) > 0 else 0)
    return total / len(given.codes) ** 2


def sign(x):
    return 1 if x >= 0 else -1


def row_mean(codes, term):
    return sum(term(row) for row in codes) / len(codes)


def weight(s, p, balance=True):
    return 1 if not balance else 1 / p if s else 1 / (1 - p)


def sign_distance(row):
    return sum((z - sgn(z)) ** 2 for z in row)


def cases() -> dict[str, ModuleType]:
    """Return the files by the losses' names."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    return {module.NAME: module for module in modules}
