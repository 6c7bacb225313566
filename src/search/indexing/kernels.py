"""Compiled loops over codes; all in one file, because a kernel in the cache notices changes of its own file only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import intrinsic
from numpy.typing import NDArray

from ..._compiled import kernel

Bytes = NDArray[np.uint8]
Ids = NDArray[np.int64]
Slots = NDArray[np.int32]

BLOCK = 1024  # distances at a time: they stay in the first-level cache
SPAN = 64 * BLOCK  # codes that all queries of a batch are compared with before the next ones are fetched
NARROW = 248  # bits of the longest code whose distance is summed in 8 bits
ID_BITS = 48  # of a key, which is a distance followed by an id


@intrinsic
def _popcount(_context: Any, word: Any) -> Any:
    """Return the number of ones of an unsigned word, by the processor's own instruction where it has one."""
    return word(word), lambda _, builder, __, arguments: builder.ctpop(arguments[0])


@kernel
def _mix(word: Any) -> Any:
    """Return a word whose every bit depends on all bits of another."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@kernel
def _slot_of(words: Any, slots: int) -> Any:
    """Return where a code belongs in a table of a power of two of slots."""
    mixed = np.uint64(0)
    for word in words:
        mixed = _mix(mixed ^ word)
    return np.int64(mixed & np.uint64(slots - 1))


@kernel
def _fill_words(words: Any, code: Any) -> None:
    """Write a code as words of 64 bits, its first byte lowest."""
    words[:] = 0
    for byte in range(len(code)):
        words[byte >> 3] |= np.uint64(code[byte]) << np.uint64(8 * (byte & 7))


@kernel
def _flip(words: Any, bit: int) -> None:
    """Flip a bit of a code; the first bit of a byte is its highest."""
    words[bit >> 6] ^= np.uint64(1) << np.uint64((bit & 56) + 7 - (bit & 7))


@kernel
def group_codes(codes: Bytes) -> Any:
    """Find which codes are equal.

    Args:
        codes: (n, bytes).

    Returns:
        The group of each code, (n,), in the order in which groups are met; the first code of each group, (groups,); and a table of a power
        of two of slots, at most half full, from a code to its group, -1 where there is none.
    """
    groups, firsts = np.empty(len(codes), np.int64), np.empty(len(codes), np.int64)
    table, count = np.full(16, -1, np.int32), 0
    words = np.empty((codes.shape[1] + 7) // 8, np.uint64)
    for item in range(len(codes)):
        _fill_words(words, codes[item])
        slot = _slot_of(words, len(table))
        while table[slot] >= 0 and not _same(codes[item], codes[firsts[table[slot]]]):
            slot = (slot + 1) & (len(table) - 1)
        if table[slot] < 0:
            table[slot], firsts[count] = count, item
            count += 1
            if 2 * count > len(table):
                table = _larger_table(codes, firsts[:count], 2 * len(table))
                groups[item] = count - 1
                continue
        groups[item] = table[slot]
    return groups, firsts[:count].copy(), table


@kernel
def _same(code: Any, other: Any) -> bool:
    same = True
    for byte in range(len(code)):
        same &= code[byte] == other[byte]
    return same


@kernel
def _larger_table(codes: Bytes, firsts: Ids, slots: int) -> Any:
    table, words = np.full(slots, -1, np.int32), np.empty((codes.shape[1] + 7) // 8, np.uint64)
    for group in range(len(firsts)):
        _fill_words(words, codes[firsts[group]])
        slot = _slot_of(words, slots)
        while table[slot] >= 0:
            slot = (slot + 1) & (slots - 1)
        table[slot] = group
    return table


@kernel
def living_items(starts: Ids, alive: Bytes) -> Any:
    """Return how many items of each group are alive, (groups,).

    Args:
        starts: where the items of each group begin, (groups + 1,); empty where each group is one item.
        alive: 1 or 0 for each item, (n,).
    """
    if len(starts) == 0:
        return alive.astype(np.int64)
    living = np.zeros(len(starts) - 1, np.int64)
    for group in range(len(living)):
        for position in range(starts[group], starts[group + 1]):
            living[group] += alive[position]
    return living


@kernel
def _sift_down(heap: Any, size: int) -> None:
    """Bring the first key of a heap, whose largest is to be first, to where it belongs."""
    node = 0
    while 2 * node + 1 < size:
        child = 2 * node + 1
        if child + 1 < size and heap[child + 1] > heap[child]:
            child += 1
        if heap[node] >= heap[child]:
            return
        heap[node], heap[child] = heap[child], heap[node]
        node = child


@kernel
def _push(heap: Any, size: int, key: int) -> None:
    """Add a key to a heap whose largest is first."""
    node = size
    heap[node] = key
    while node > 0 and heap[(node - 1) >> 1] < heap[node]:
        heap[node], heap[(node - 1) >> 1] = heap[(node - 1) >> 1], heap[node]
        node = (node - 1) >> 1


@kernel
def _holds(items: Ids, start: int, stop: int, number: int) -> int:
    """Return the position of an id among rising ones, or -1."""
    while start < stop:
        middle = (start + stop) >> 1
        if items[middle] < number:
            start = middle + 1
        elif items[middle] > number:
            stop = middle
        else:
            return middle
    return -1


@kernel
def _take(
    group: int,
    distance: int,
    query: int,
    starts: Ids,
    items: Ids,
    alive: Bytes,
    living: Ids,
    excluded: Ids,
    shrinks: bool,
    keys: Ids,
    filled: Ids,
    counts: Ids,
    within: Ids,
    bounds: Ids,
) -> None:
    """Count the items of a group, keep those that are among the nearest so far, and bring the bound of the query nearer if it can be."""
    start, stop = (starts[group], starts[group + 1]) if len(starts) else (np.int64(group), np.int64(group + 1))
    count = living[group] if len(living) else stop - start
    left_out = _holds(items, start, stop, excluded[query]) if excluded[query] >= 0 else -1
    if left_out >= 0 and (len(alive) == 0 or alive[left_out]):
        count -= 1
    if count == 0:
        return
    counts[query, distance] += count
    within[query] += count
    heap, most = keys[query], keys.shape[1]
    for position in range(start, stop):
        if position == left_out or (len(alive) and not alive[position]):
            continue
        key = (np.int64(distance) << ID_BITS) | items[position]
        if filled[query] < most:
            _push(heap, filled[query], key)
            filled[query] += 1
        elif key < heap[0]:
            heap[0] = key
            _sift_down(heap, most)
        else:
            break  # the ids of a group rise
    if shrinks:
        while within[query] - counts[query, bounds[query]] >= most:
            within[query] -= counts[query, bounds[query]]
            bounds[query] -= 1


@kernel
def _group_of(words: Any, codes: Bytes, table: Slots) -> int:
    """Return the group of a code, or -1."""
    slot = _slot_of(words, len(table))
    while table[slot] >= 0:
        group, same = table[slot], True
        for byte in range(len(codes)):
            if codes[byte, group] != np.uint8((words[byte >> 3] >> np.uint64(8 * (byte & 7))) & np.uint64(255)):
                same = False
                break
        if same:
            return group
        slot = (slot + 1) & (len(table) - 1)
    return -1


@kernel
def look_up(
    radius: int,
    bits: int,
    due: Any,
    queries: Bytes,
    codes: Bytes,
    starts: Ids,
    items: Ids,
    table: Slots,
    alive: Bytes,
    living: Ids,
    excluded: Ids,
    shrinks: bool,
    keys: Ids,
    filled: Ids,
    counts: Ids,
    within: Ids,
    bounds: Ids,
) -> None:
    """Take the items of one segment whose codes differ from a query's in exactly so many bits, by looking each such code up.

    Args:
        radius: 0, 1 or 2 bits.
        bits: length of a code.
        due: which queries are looked up, (q,).
        queries: packed codes, (q, bytes).
        codes, starts, items, table: the segment; see :mod:`~biodeephashing.search.indexing.segments`.
        alive: 1 for each item that may be an answer, 0 for the others, (n,); empty where all may be.
        living: how many of each group may be, (groups,); empty likewise.
        excluded: id of an item that is no answer to a query, -1 for none, (q,).
        shrinks: whether the bound of a query comes nearer when enough items are nearer; it stays for a search within a radius.
        keys: the nearest items so far, a heap of keys for each query, (q, k).
        filled: how many there are, (q,).
        counts: items at each distance, (q, bits + 1); complete up to the bound of a query.
        within: their sum up to the bound, (q,).
        bounds: distance beyond which nothing is an answer, (q,).
    """
    words = np.empty((codes.shape[0] + 7) // 8, np.uint64)
    for query in range(len(queries)):
        if not due[query]:
            continue
        _fill_words(words, queries[query])
        for first in range(bits if radius > 0 else 1):
            if radius > 0:
                _flip(words, first)
            for second in range(first + 1, bits) if radius > 1 else range(1):
                if radius > 1:
                    _flip(words, second)
                group = _group_of(words, codes, table)
                if radius > 1:
                    _flip(words, second)
                if group >= 0 and radius <= bounds[query]:
                    _take(group, radius, query, starts, items, alive, living, excluded, shrinks, keys, filled, counts, within, bounds)
            if radius > 0:
                _flip(words, first)


@kernel
def _fill_distances(distances: Any, query: Any, codes: Bytes, start: int) -> None:
    """Write the Hamming distances of a query and the codes from ``start`` on, a byte of all codes at a time."""
    size = len(distances)
    own, others = query[0], codes[0, start : start + size]
    for i in range(size):
        distances[i] = _popcount(np.uint8(own ^ others[i]))
    for byte in range(1, len(query)):
        own, others = query[byte], codes[byte, start : start + size]
        for i in range(size):
            distances[i] += _popcount(np.uint8(own ^ others[i]))


@kernel
def _least(distances: Any) -> Any:
    least = distances[0]
    for distance in distances:
        least = min(least, distance)
    return least


@kernel
def scan(
    scratch: Any,
    first: int,
    last: int,
    due: Any,
    looked: Ids,
    queries: Bytes,
    codes: Bytes,
    starts: Ids,
    items: Ids,
    alive: Bytes,
    living: Ids,
    excluded: Ids,
    shrinks: bool,
    keys: Ids,
    filled: Ids,
    counts: Ids,
    within: Ids,
    bounds: Ids,
) -> None:
    """Take the items of a part of a segment by comparing every code with every query.

    Args:
        scratch: memory for the distances of a block, (BLOCK,), 8 or 16 bits wide.
        first, last: the groups to compare with.
        due: which queries are compared, (q,).
        looked: distance up to which the items of a query were taken before, -1 for none, (q,).
        queries, codes, starts, items, alive, living, excluded, shrinks, keys, filled, counts, within, bounds: as in :func:`look_up`.
    """
    for near in range(first, last, SPAN):
        for query in range(len(queries)):
            if not due[query]:
                continue
            for start in range(near, min(near + SPAN, last), BLOCK):
                distances = scratch[: min(BLOCK, last - start)]
                _fill_distances(distances, queries[query], codes, start)
                if _least(distances) > bounds[query]:
                    continue
                for i in range(len(distances)):
                    far, group = np.int64(distances[i]), start + i
                    if looked[query] < far <= bounds[query]:
                        _take(group, far, query, starts, items, alive, living, excluded, shrinks, keys, filled, counts, within, bounds)
