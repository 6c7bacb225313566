"""Every cross-modal loss once more in slow and obvious Python numbers, and the constants that the tests try.

An oracle returns the loss of a batch from raw outputs. Those of alternating methods are given a :class:`Memory`, which stays as it is
while outputs are varied: what is remembered is constant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class Memory:
    """What is remembered when the loss of a batch is taken; own is the modality that learns."""

    labels: list[list[int]]
    own: list[list[float]]
    oth: list[list[float]]
    own_present: list[bool]
    oth_present: list[bool]
    target: list[list[float]]
    index: list[int]

    def others(self):
        return [(m, y) for m, y, there in zip(self.oth, self.labels, self.oth_present, strict=True) if there]

    def selves(self):
        return [(m, y) for m, y, there in zip(self.own, self.labels, self.own_present, strict=True) if there]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def length(a):
    return math.sqrt(dot(a, a))


def cosine(a, b):
    return dot(a, b) / (length(a) * length(b))


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else 0.0


def tanh(rows):
    return [[math.tanh(x) for x in row] for row in rows]


def shared(y, v):
    return 1 if dot(y, v) > 0 else 0


def nll(h, y, m, v):
    theta = dot(h, m) / 2
    return math.log(1 + math.exp(theta)) - shared(y, v) * theta


def quantisation(outputs, memory):
    return sum((b - x) ** 2 for h, i in zip(outputs, memory.index, strict=True) for b, x in zip(memory.target[i], h, strict=True))


def balance(outputs, memory):
    total = 0.0
    for k in range(len(outputs[0])):
        rest = sum(row[k] for i, row in enumerate(memory.own) if i not in memory.index and memory.own_present[i])
        total += (sum(h[k] for h in outputs) + rest) ** 2
    return total


def dcmh(outputs, labels, memory, gamma=1.0, eta=0.0):
    others = memory.others()
    value = sum(nll(h, y, m, v) for h, y in zip(outputs, labels, strict=True) for m, v in others)
    return (value + gamma * quantisation(outputs, memory) + eta * balance(outputs, memory)) / (len(outputs) * len(others))


def prdh(outputs, labels, memory, decorrelation=1.0, gamma=1.0, eta=0.0):
    rows, bits = len(outputs), len(outputs[0])
    batch = list(zip(outputs, labels, strict=True))
    across = mean(nll(h, y, m, v) for h, y in batch for m, v in memory.others())
    within = mean(nll(h, y, m, v) for h, y in batch for m, v in memory.selves())
    centre = [mean(h[k] for h in outputs) for k in range(bits)]
    squares = sum(mean((h[k] - centre[k]) * (h[j] - centre[j]) for h in outputs) ** 2 for k in range(bits) for j in range(bits) if j != k)
    regular = gamma * quantisation(outputs, memory) + eta * balance(outputs, memory)
    return across + within + decorrelation * squares / 2 + regular / (rows * len(memory.selves()))


def chn(outputs, labels, memory, margin=0.8, quantisation=0.01):
    codes = tanh(outputs)
    pairs = [max(0, margin - (2 * shared(y, v) - 1) * cosine(h, m)) for h, y in zip(codes, labels, strict=True) for m, v in memory.others()]
    corners = [max(0, margin - cosine([abs(x) for x in h], [1.0] * len(h))) for h in codes]
    return mean(pairs) + quantisation * mean(corners)


def cmhh(outputs, labels, memory, alpha=0.5, focus=0.0, beta=None, quantisation=0.0):
    codes = tanh(outputs)
    beta = 8 / len(codes[0]) if beta is None else beta
    pairs = []
    for h, y in zip(codes, labels, strict=True):
        for m, v in memory.others():
            p = math.exp(-beta * max(0, (len(h) - dot(h, m)) / 2))
            if shared(y, v):
                pairs.append(-alpha * (1 - p) ** focus * math.log(p + 1e-5))
            else:
                pairs.append(-(1 - alpha) * p**focus * math.log(1 - p + 1e-5))
    return mean(pairs) + quantisation * mean(length([(1 if x >= 0 else -1) - x for x in h]) for h in codes)


def dnph(images, texts, labels, loss):
    def information(a, b):
        share = mean(shared(y, v) for y in labels for v in labels)
        terms = []
        for x, y in zip(a, labels, strict=True):
            for z, v in zip(b, labels, strict=True):
                g = (1 + cosine(x, z)) / 2
                terms.append((shared(y, v) * g - 1) ** 2 + share * g**2)
        return mean(terms)

    x, y = tanh(images), tanh(texts)
    return information(x, x) + information(y, y) + information(x, y)


def dsph(images, texts, labels, loss, alpha=0.8, separation=0.125, proxy_rate=10.0):
    proxies = loss.proxies.tolist()

    def to_proxies(codes):
        rows = list(zip(codes, labels, strict=True))
        own = [1 - cosine(h, p) for h, y in rows for p, there in zip(proxies, y, strict=True) if there]
        rest = [max(0, cosine(h, p) - separation) for h, y in rows for p, there in zip(proxies, y, strict=True) if not there]
        return mean(own) + mean(rest)

    def apart(a, b):
        return mean(
            max(0, cosine(g, h) - separation)
            for g, y in zip(a, labels, strict=True)
            for h, v in zip(b, labels, strict=True)
            if sum(y) > 1 and sum(v) > 1 and not shared(y, v)
        )

    x, y = tanh(images), tanh(texts)
    return to_proxies(x) + to_proxies(y) + alpha * (apart(x, x) + apart(y, y) + apart(x, y))


def contrastive(images, texts, labels, loss, temperature=0.2, quantisation=0.1):
    x, y = tanh(images), tanh(texts)
    likeness = [[math.exp(cosine(a, b) / temperature) for b in y] for a in x]
    finds = [-math.log(row[i] / sum(row)) for i, row in enumerate(likeness)]
    found = [-math.log(row[i] / sum(column[i] for column in likeness)) for i, row in enumerate(likeness)]
    corners = sum(mean(abs(abs(v) - 1) for row in codes for v in row) for codes in (x, y))
    return (mean(finds) + mean(found)) / 2 + quantisation * corners


ORACLES = {
    "CHN": chn,
    "CMHH": cmhh,
    "Contrastive": contrastive,
    "DCMH": dcmh,
    "DNpH": dnph,
    "DSPH": dsph,
    "PRDH": prdh,
}
#: For every constant another value than its default.
CONSTANTS = {
    "CHN": {"margin": 0.5, "quantisation": 0.3},
    "CMHH": {"alpha": 0.3, "focus": 2.0, "beta": 0.5, "quantisation": 0.2},
    "Contrastive": {"temperature": 0.7, "quantisation": 0.4},
    "DCMH": {"gamma": 0.3, "eta": 0.7},
    "DNpH": {},
    "DSPH": {"alpha": 0.5, "separation": -0.2, "proxy_rate": 3.0},
    "PRDH": {"decorrelation": 0.4, "gamma": 0.3, "eta": 0.7},
}
IMPOSSIBLE = {
    "CHN": [{"margin": 1.5}, {"margin": -0.1}, {"quantisation": -1.0}],
    "CMHH": [{"alpha": 1.5}, {"focus": 0.5}, {"focus": -1.0}, {"beta": 0.0}, {"quantisation": -1.0}],
    "Contrastive": [{"temperature": 0.0}, {"quantisation": -1.0}],
    "DCMH": [{"gamma": -1.0}, {"eta": -1.0}],
    "DNpH": [],
    "DSPH": [{"alpha": -1.0}, {"separation": 2.0}, {"proxy_rate": 0.0}],
    "PRDH": [{"decorrelation": -1.0}, {"gamma": -1.0}, {"eta": -1.0}],
}
