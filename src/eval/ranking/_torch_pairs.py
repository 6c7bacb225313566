"""Every query against every database item by PyTorch, on a graphics card or on the processor, with the results of the compiled loops."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import UsageError, unknown_name
from .groups import Counts, Groups, Reals
from .pairs import Pairs
from .rankings import Order, separation_factors

DEVICES = ("cpu", "cuda")
_BYTES_PER_COUNT = 8
_MOST = 2**34  # bytes: of 2^31 counts or more in a part, the places would not fit 32 bits
_COUNTING, _RANKING, _ORDERING = 24, 64, 112  # bytes per pair, all arrays and sorting included: to count; to rank by rows; by features


class TorchPairs(Pairs):
    r"""Pairs that are compared on a torch device, as products of codes of ±1 and of labels of 0 and 1.

    .. math::
        d(q, x) = \tfrac12 (K - \langle b_q, b_x \rangle), \qquad
        \mathrm{rel}(q, x) = 1 \text{ iff } \langle l_q, l_x \rangle > 0

    All sums are whole numbers below :math:`2^{24}`, so that these are exact in float32, and in TensorFloat-32, which holds 0 and ±1 as
    well. Codes and labels lie on the device unpacked, 4 bytes per bit and class.

    Results are the same bits on every device and with any memory. Counts, and so the tie rules "expected", "worst" and "best", are the
    same bits as those of :class:`Pairs`; rankings are the same, their sums of precisions up to rounding (see :meth:`precision_sums`).

    Args:
        pairs: queries and database.
        device: "cpu", "cuda", "cuda:1", or a torch.device.
        memory: working memory on the device, in bytes, beside codes, labels and features; at least one query is taken at a time. More
            than 16 GiB are not taken.

    Raises:
        UsageError: for a device that does not exist or cannot be used.

    Example:
        >>> codes, labels = np.array([[0], [7]], dtype=np.uint8), np.ones((2, 1), dtype=np.uint8)
        >>> pairs = TorchPairs(Pairs(codes, codes, labels, labels), "cpu", memory=2**20)
        >>> pairs.histograms(slice(0, 1))[0, :4].tolist()
        [[0, 1], [0, 0], [0, 0], [0, 1]]
    """

    bytes_per_separation = 0  # a block is ranked in parts that fit the memory, and separations are not kept

    def __init__(self, pairs: Pairs, device: str | torch.device, memory: int) -> None:
        self.queries, self.database, self.bins, self.columns = pairs.queries, pairs.database, pairs.bins, pairs.columns
        self.alone = pairs.alone
        self._device, self._memory = usable(device), min(memory, _MOST)
        query_codes, codes, query_labels, labels = (_bits(side, self._device) for side in pairs.columns)
        self._codes, self._labels = (2 * query_codes.T - 1, 2 * codes - 1), (query_labels.T, labels)

    def histograms(self, queries: slice) -> Counts:
        """Count the items at every distance from some queries, (queries, bins, 2): irrelevant ones, relevant ones."""
        return self._without_self(queries, self._counts(queries, 2))

    def shared_histograms(self, queries: slice) -> Counts:
        """Count the items at every distance from some queries by the classes they share, (queries, bins, levels): 0, 1, 2, ..."""
        return self._without_self(queries, self._counts(queries, self.levels))

    def separations(self, queries: NDArray[np.generic], database: NDArray[np.generic], block: int) -> Order:
        """Return the order of tied items by their features; arguments as in :class:`Separations`."""
        return TorchSeparations(queries, database, self._device)

    def precision_sums(self, queries: slice, groups: Groups, cuts: Counts, order: Order | None = None) -> tuple[Reals, Counts]:
        r"""Return what :meth:`Pairs.precision_sums` returns.

        Precisions are rounded to multiples of :math:`2^{-s}`, with :math:`s = 52`, or the largest s for which the sum of so many fits
        64 bits: 45 for up to 131,071 items. Then their sums are exact, whatever order a device adds them in, and an average precision is
        off by at most :math:`2^{-s-1}`, 1.5e-14.
        """
        sums, retrieved = np.zeros(cuts.shape), np.zeros(cuts.shape, dtype=np.int64)
        for part in self._parts(queries, _RANKING if order is None else _ORDERING):
            own = slice(part.start - queries.start, part.stop - queries.start)
            sums[own], retrieved[own] = _precision_sums(self._ranked(part, order), torch.from_numpy(cuts[own]).to(self._device))
        return sums, retrieved

    def _ranked(self, queries: slice, order: Order | None) -> torch.Tensor:
        """Return which items are relevant, from the nearest to the farthest, bool (queries, database)."""
        keys = self._pair_keys(queries, 2)
        if self.alone:
            keys.diagonal(queries.start).fill_(2 * self.bins)  # behind all others, where no cut reaches
        if order is not None:
            keys = keys.gather(1, order.of(queries).argsort(dim=1, stable=True))
        ranking = (keys >> 1).short().argsort(dim=1, stable=True)
        return (keys & 1).bool().gather(1, ranking)

    def _counts(self, queries: slice, levels: int) -> Counts:
        """Count the items at every distance by the classes they share, of which ``levels - 1`` and more are the same."""
        found, width = [], self.bins * levels
        for part in self._parts(queries, _COUNTING, _BYTES_PER_COUNT * width):
            keys = self._pair_keys(part, levels)
            keys += width * torch.arange(len(keys), dtype=keys.dtype, device=self._device)[:, None]
            found.append(torch.bincount(keys.flatten(), minlength=width * len(keys)).view(len(keys), self.bins, levels).cpu())
        return torch.cat(found).numpy()

    def _pair_keys(self, queries: slice, levels: int) -> torch.Tensor:
        """Return levels · d + min(shared classes, levels - 1) of some queries and every item, int32 (queries, database)."""
        with torch.autocast(self._device.type, enabled=False):  # in half precision neither product would be exact
            distances = (len(self._codes[1]) - self._codes[0][queries] @ self._codes[1]).div_(2)
            shared = self._labels[0][queries] @ self._labels[1]
        return distances.int().mul_(levels).add_(shared.clamp_(max=levels - 1).int())

    def _parts(self, queries: slice, bytes_per_pair: int, bytes_per_query: int = 0) -> Iterator[slice]:
        """Split queries so that what a part needs stays within the memory."""
        step = max(1, self._memory // (bytes_per_pair * self.database + bytes_per_query))
        for start in range(queries.start, queries.stop, step):
            yield slice(start, min(start + step, queries.stop))


class TorchSeparations:
    """The separations of :class:`Separations`, number for number, on a torch device: their products and sums are exact in float64.

    Args:
        queries: raw features, (queries, bits).
        database: raw features, (database, bits).
        device: a device that has float64.

    Raises:
        BioDeepHashingError: when a feature is not a finite number.

    Example:
        >>> features = np.array([[2.0, 0.0]]), np.array([[3.0, 0.0], [0.0, 1.0]])
        >>> TorchSeparations(*features, torch.device("cpu")).of(slice(0, 1)).argsort().tolist()
        [[0, 1]]
    """

    def __init__(self, queries: NDArray[np.generic], database: NDArray[np.generic], device: torch.device) -> None:
        self._rows, self._columns = (torch.from_numpy(factor).to(device) for factor in separation_factors(queries, database))

    def of(self, queries: slice) -> torch.Tensor:
        """Return the separations of some queries, int64 (queries, database)."""
        return (self._rows[queries] @ self._columns).long()


def usable(device: str | torch.device) -> torch.device:
    """Return a device that evaluation can run on.

    Args:
        device: "cpu", "cuda", "cuda:1", or a torch.device.

    Raises:
        UsageError: for a device that does not exist, that this machine does not have, or that has no float64.

    Example:
        >>> usable("cpu")
        device(type='cpu')
    """
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise unknown_name("device", str(device), DEVICES) from None
    if chosen.type not in DEVICES:
        raise UsageError(f"device {str(chosen)!r}: evaluation needs float64, as on 'cpu' and 'cuda'; or leave the device out")
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"device {str(chosen)!r}: PyTorch sees no CUDA device on this machine; leave the device out, or use 'cpu'")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"device {str(chosen)!r}: this machine has {torch.cuda.device_count()} CUDA devices, counted from 0")
    return chosen


def _bits(columns: NDArray[np.unsignedinteger], device: torch.device) -> torch.Tensor:
    """Return columns of words or bytes as columns of 0 and 1, float32 (8 times the bytes, n)."""
    words, items = columns.shape
    octets = columns.view(np.uint8).reshape(words, items, -1).swapaxes(1, 2).reshape(-1, 1, items)
    shifts = torch.arange(8, dtype=torch.uint8, device=device)[:, None]
    return ((torch.from_numpy(octets).to(device) >> shifts) & 1).flatten(0, 1).float()


def _precision_sums(relevant: torch.Tensor, cuts: torch.Tensor) -> tuple[Reals, Counts]:
    """Return sum of precisions and number of relevant items within each cut, of rankings bool (queries, items), cuts (queries, cuts)."""
    items = relevant.shape[1]
    scale = 2.0 ** min(52, 62 - items.bit_length())
    hits = relevant.cumsum(dim=1)
    precisions = hits.double() / torch.arange(1, items + 1, dtype=torch.float64, device=relevant.device)
    totals = (precisions * scale).round().long().mul_(relevant).cumsum(dim=1)
    last, inside = (cuts - 1).clamp(min=0), cuts > 0
    sums, retrieved = ((running.gather(1, last) * inside).cpu().numpy() for running in (totals, hits))
    return sums / scale, retrieved
