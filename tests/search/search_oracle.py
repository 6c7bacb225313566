"""What an index must answer, computed the slow and obvious way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from biodeephashing.codes import hamming, pack


@dataclass
class Collection:
    """Items in memory: codes ±1 (n, bits), ids (n,), labels (n, C), and which are alive (n,)."""

    codes: np.ndarray
    ids: np.ndarray
    labels: np.ndarray
    alive: np.ndarray

    def nearest(self, query, k, *, radius=None, classes=None, exclude=-1):
        """Return ids, distances, how many further items are tied, and how many could be answers: a stable sort by distance."""
        may = self.alive & (self.ids != exclude)
        if classes is not None:
            may &= self.labels[:, classes].any(axis=1)
        distances = hamming(pack(query[None]), pack(self.codes))[0].astype(int)
        if radius is not None:
            may &= distances <= radius
        ids, distances = self.ids[may], distances[may]
        order = np.argsort(distances, kind="stable")
        chosen, rest = order[:k], order[k:]
        tied = int((distances[rest] == distances[chosen[-1]]).sum()) if len(chosen) else 0
        return ids[chosen].tolist(), distances[chosen].tolist(), tied, len(ids)


def random_codes(generator, count, bits, centres):
    """Return ±1 codes near few centres, so that many are equal; 0 centres for uniform ones."""
    if not centres:
        return generator.choice(np.array([-1, 1], np.int8), size=(count, bits))
    chosen = generator.choice(np.array([-1, 1], np.int8), size=(centres, bits))[generator.integers(0, centres, count)]
    flips = generator.random((count, bits)) < generator.choice([0.0, 0.02, 0.3], size=(count, 1), p=[0.7, 0.2, 0.1])
    return np.where(flips, -chosen, chosen).astype(np.int8)
