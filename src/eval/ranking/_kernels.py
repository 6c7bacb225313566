"""Compiled loops over pairs; all in one file, because a kernel in the cache notices changes of its own file only."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from ..._compiled import kernel
from .histograms import Counts, Reals

Words = NDArray[np.uint16]
Bytes = NDArray[np.uint8]

TILE = 8192  # keys at a time: they stay in the first-level cache
RUN = 32  # items that insertion sorts faster than merging
SPAN = 8 * TILE  # database items that all queries of a block are compared with before the next ones are fetched
LARGEST = 2**16  # entries of a table of two keys: more have no place in 16 bits
GRID = 2.0**26  # a length of 1 in the units of features
HALF = 2**51  # half the square of that length
AHEAD = 12  # items by which fetching features runs ahead of multiplying them: memory takes about a hundred steps to answer
LINE = 16  # numbers of 32 bits in a cache line
PREFETCH = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, *[cgutils.int32_t] * 3])


@intrinsic
def _popcount(_context: Any, word: Any) -> Any:
    """Return the number of ones of an unsigned word, by the processor's own instruction where it has one."""
    return word(word), lambda _, builder, __, arguments: builder.ctpop(arguments[0])


@intrinsic
def _prefetch(_context: Any, matrix: Any, row: Any, column: Any) -> Any:
    """Have an element of a matrix fetched into the cache, and do not wait for it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        address = cgutils.get_item_pointer(context, builder, signature.args[0], array, arguments[1:], wraparound=False)
        address = builder.bitcast(address, cgutils.voidptr_t)
        to_read_soon_as_data = [cgutils.int32_t(number) for number in (0, 3, 1)]
        builder.call(builder.module.declare_intrinsic("llvm.prefetch", [address.type], PREFETCH), [address, *to_read_soon_as_data])
        return context.get_dummy_value()

    return types.void(matrix, types.intp, types.intp), generate


@kernel
def _fill_distances(distances: Any, query: int, start: int, query_words: Words, words: Words) -> None:
    """Write the Hamming distances of one query and the items from ``start`` on.

    Words are as wide as distances, so that a vector holds as many of either, and two rows at a time halve how often sums are written.
    """
    items = len(distances)
    distances[:] = 0
    for row in range(0, len(words), 2):
        own, own_next = query_words[row, query], query_words[row + 1, query]
        others, others_next = words[row, start : start + items], words[row + 1, start : start + items]
        for i in range(items):
            distances[i] += _popcount(np.uint16(own ^ others[i])) + _popcount(np.uint16(own_next ^ others_next[i]))


@kernel
def _fill_keys(
    keys: Any, relevant: Any, query: int, start: int, query_words: Words, words: Words, query_labels: Bytes, labels: Bytes
) -> None:
    """Write 2 d + rel of one query and the items from ``start`` on into ``keys``."""
    items = len(keys)
    _fill_distances(keys, query, start, query_words, words)
    relevant[:] = 0
    for row in range(len(labels)):
        classes, theirs = query_labels[row, query], labels[row, start : start + items]
        if classes != 0:  # few of a query's bytes hold a class: a single label costs one comparison
            for i in range(items):
                relevant[i] |= classes & theirs[i]
    for i in range(items):
        keys[i] = 2 * keys[i] + (relevant[i] != 0)


@kernel
def count_pairs(first: int, histograms: Counts, query_words: Words, words: Words, query_labels: Bytes, labels: Bytes) -> None:
    """Count the items of each distance, irrelevant and relevant ones, of the queries from ``first`` on.

    Args:
        first: the first query.
        histograms: zeros, (queries, distances, 2), in which is counted.
        query_words: codes of all queries, 16 bits a word, (words, queries); the number of words is even.
        words: codes of the database, (words, database).
        query_labels: classes of all queries, eight a byte, (bytes, queries).
        labels: classes of the database, (bytes, database).
    """
    keys, relevant = np.empty(TILE, np.uint16), np.empty(TILE, np.uint8)
    database, kinds = words.shape[1], 2 * histograms.shape[1]
    side = kinds if kinds * kinds <= min(LARGEST, database) else 0
    twos = np.zeros((side, side), np.uint16)  # an entry is at most half a span
    for near in range(0, database, SPAN):
        for query in range(len(histograms)):
            counts = histograms[query].reshape(-1)
            for start in range(near, min(near + SPAN, database), TILE):
                items = min(TILE, database - start)
                _fill_keys(keys[:items], relevant[:items], first + query, start, query_words, words, query_labels, labels)
                _count_twos(keys[:items], twos, counts)
            _empty_into(counts, twos)


@kernel
def _count_twos(keys: Any, twos: Any, counts: Any) -> None:
    """Count keys two at a time in a table by both, which takes half as many additions; one at a time what is left, or without a table.

    The keys are written over.
    """
    side, table = np.uint16(len(twos)), twos.reshape(-1)
    half = len(keys) // 2 if side else 0
    places, others = keys[:half], keys[half : 2 * half]
    for i in range(half):
        places[i] += side * others[i]
    for i in range(half):
        table[places[i]] += 1
    for i in range(2 * half, len(keys)):
        counts[keys[i]] += 1


@kernel
def _empty_into(counts: Any, twos: Any) -> None:
    """Add to the count of each key what its row and its column of a table hold, and clear the table."""
    columns = np.zeros(len(twos), np.uint32)
    for one in range(len(twos)):
        row = np.uint32(0)
        for other in range(len(twos)):
            both = np.uint32(twos[one, other])
            row = np.uint32(row + both)
            columns[other] = np.uint32(columns[other] + both)
        counts[one] += row
    for other in range(len(twos)):
        counts[other] += columns[other]
    twos[:] = 0


@kernel
def count_shared(first: int, histograms: Counts, query_words: Words, words: Words, query_labels: Bytes, labels: Bytes) -> None:
    """Count the items of each distance by the number of classes they share with a query, of the queries from ``first`` on.

    Args:
        first: the first query.
        histograms: zeros, (queries, distances, levels), in which is counted; no item may share as many classes as there are levels.
        query_words, words, query_labels, labels: as in :func:`count_pairs`.
    """
    distances, shared = np.empty(TILE, np.uint16), np.empty(TILE, np.uint16)
    database, levels = words.shape[1], histograms.shape[2]
    for near in range(0, database, SPAN):
        for query in range(len(histograms)):
            counts = histograms[query].reshape(-1)
            for start in range(near, min(near + SPAN, database), TILE):
                items = min(TILE, database - start)
                _fill_distances(distances[:items], first + query, start, query_words, words)
                _fill_shared(shared[:items], first + query, start, query_labels, labels)
                for i in range(items):
                    counts[levels * distances[i] + shared[i]] += 1


@kernel
def _fill_shared(shared: Any, query: int, start: int, query_labels: Bytes, labels: Bytes) -> None:
    """Write the number of classes that one query shares with the items from ``start`` on."""
    items = len(shared)
    shared[:] = 0
    for row in range(len(labels)):
        classes, theirs = query_labels[row, query], labels[row, start : start + items]
        if classes != 0:
            for i in range(items):
                shared[i] += np.uint16(_popcount(np.uint8(classes & theirs[i])))


@kernel
def pair_keys(query: int, query_words: Words, words: Words, query_labels: Bytes, labels: Bytes) -> NDArray[np.uint16]:
    """Return 2 d + rel of one query and every item, (database,); arguments as in :func:`count_pairs`."""
    keys, relevant = np.empty(words.shape[1], np.uint16), np.empty(TILE, np.uint8)
    for start in range(0, len(keys), TILE):
        part = keys[start : start + TILE]
        _fill_keys(part, relevant[: len(part)], query, start, query_words, words, query_labels, labels)
    return keys


@kernel
def rank_by_index(
    first: int,
    cuts: Counts,
    places: Counts,
    sums: Reals,
    retrieved: Counts,
    alone: bool,
    query_words: Words,
    words: Words,
    query_labels: Bytes,
    labels: Bytes,
) -> None:
    """Sum the precisions at the relevant items within each cut, tied items in row order, by counting in place of sorting.

    Going through the rows in order, the next item at distance d takes the next free place of its group.

    Args:
        first: the first query.
        cuts: how many items count, (queries, cuts).
        places: items and relevant items before each group, and all of them in a last row, (queries, distances + 1, 2); afterwards
            those up to the last item of each group, where the rows that follow go on.
        sums: zeros, (queries, cuts), in which precisions are summed.
        retrieved: zeros, (queries, cuts), in which the relevant items within the cut are counted.
        alone: whether each query leaves out the item of its own row.
        query_words, words, query_labels, labels: as in :func:`count_pairs`.
    """
    keys, relevant = np.empty(TILE, np.uint16), np.empty(TILE, np.uint8)
    ranks, hits = np.empty(TILE, np.int64), np.empty(TILE, np.int64)
    database = words.shape[1]
    for near in range(0, database, SPAN):
        for query in range(len(cuts)):
            for start in range(near, min(near + SPAN, database), TILE):
                items = min(TILE, database - start)
                _fill_keys(keys[:items], relevant[:items], first + query, start, query_words, words, query_labels, labels)
                if alone:
                    _move_behind(keys[:items], first + query - start, places.shape[1] - 1)
                count = 0
                for i in range(items):  # no branch on relevance: a processor could not predict it
                    group, mark = keys[i] >> 1, keys[i] & 1
                    places[query, group, 0] += 1
                    places[query, group, 1] += mark
                    ranks[count], hits[count] = places[query, group, 0], places[query, group, 1]
                    count += mark
                _sum_precisions(ranks[:count], hits[:count], cuts[query], sums[query], retrieved[query])


@kernel
def _move_behind(keys: Any, item: int, groups: int) -> None:
    """Put an item, if it is one of these, into a group behind all others, which is never ordered, as irrelevant."""
    if 0 <= item < len(keys):
        keys[item] = 2 * groups


@kernel
def _sum_precisions(ranks: Counts, hits: Counts, cuts: Counts, sums: Reals, retrieved: Counts) -> None:
    """Add the precision at relevant items, each with its rank and the relevant items up to it, to every cut that they are within."""
    for cut in range(len(cuts)):
        total, count = 0.0, 0
        for i in range(len(ranks)):
            within = ranks[i] <= cuts[cut]
            total += within * (hits[i] / ranks[i])
            count += within
        sums[cut] += total
        retrieved[cut] += count


@kernel
def scale_rows(features: Reals, units: Any) -> int:
    """Write each row, brought to length 1, in units of 2^-26, and return the first row that holds NaN or infinity, or -1.

    Args:
        features: (n, bits).
        units: receives whole numbers, int32 (n, bits); rows of zeros stay zero.
    """
    for row in range(len(features)):
        values, largest, finite = features[row], 0.0, True
        for value in values:
            finite &= np.isfinite(value)
            largest = max(largest, abs(value))
        if not finite:
            return row
        if largest == 0:
            largest = 1.0
        squares = 0.0
        for value in values:
            squares += (value / largest) * (value / largest)  # of very large or small numbers alone they would overflow or vanish
        scale = GRID / np.sqrt(squares) if squares else 0.0
        for i in range(len(values)):
            units[row, i] = np.rint(values[i] / largest * scale)
    return -1


@kernel
def rank_by_feature(
    first: int,
    cuts: Counts,
    starts: Counts,
    separations: Reals,
    query_units: Any,
    units: Any,
    alive: Bytes,
    numbers: Any,
    places: Any,
    marks: Bytes,
    sums: Reals,
    retrieved: Counts,
    alone: bool,
    query_words: Words,
    words: Words,
    query_labels: Bytes,
    labels: Bytes,
) -> None:
    """Sum the precisions at the relevant items within each cut, tied items in the order of their separation, then of their rows.

    The items are dealt out to their distance groups first, so that what follows stays in the cache. A group that holds no relevant item
    or lies beyond every cut is left out.

    Args:
        first: the first query.
        cuts: how many items count, (queries, cuts).
        starts: items and relevant items before each group, and all of them in a last row, (queries, distances + 1, 2).
        separations: whole numbers below 2^53, (queries, database); (queries, 0) where they are computed here, for near items only.
        query_units, units: features of the queries and of the database, see :func:`scale_rows`; read where separations are computed here.
        alive: 1 for each item whose units are not all zero, 0 for the others, (database,).
        numbers, places, marks: memory to work in, int64 (5, database), uint32 (3, database), uint8 (database,). Allocating it anew for
            every group would make the threads wait for each other, because the system serves one at a time.
        sums: zeros, (queries, cuts), in which precisions are summed.
        retrieved: zeros, (queries, cuts), in which the relevant items within the cut are counted.
        alone: whether each query leaves out the item of its own row.
        query_words, words, query_labels, labels: as in :func:`count_pairs`.
    """
    database, groups = words.shape[1], starts.shape[1] - 1
    keys, relevant, items = np.empty(TILE, np.uint16), np.empty(TILE, np.uint8), numbers[0]
    near, gaps = np.empty(TILE, np.int64), np.empty(TILE, np.float64)
    ordered, free = np.empty(groups, np.bool_), np.empty(groups, np.int64)
    for query in range(len(cuts)):
        before, last = starts[query], cuts[query, 0]
        for cut in range(1, cuts.shape[1]):
            last = max(last, cuts[query, cut])
        limit = 0  # of the keys of all ordered groups
        for group in range(groups):
            free[group] = before[group, 0]
            ordered[group] = before[group + 1, 1] > before[group, 1] and before[group, 0] < last
            if ordered[group]:
                limit = 2 * group + 1
        for start in range(0, database, TILE):
            size = min(TILE, database - start)
            _fill_keys(keys[:size], relevant[:size], first + query, start, query_words, words, query_labels, labels)
            if alone:
                _move_behind(keys[:size], first + query - start, groups)
            count = np.uintp(0)  # unsigned, so that an index needs no check for counting from the end
            for i in range(size):  # no branch: a processor could not predict which items are near
                near[count] = i
                count += np.uintp(keys[i] <= limit)
            if separations.shape[1]:
                part = separations[query, start : start + size]
            else:
                part = gaps[:size]
                _fill_separations(part, near[:count], start, query_units[query], units, alive)
            for i in near[:count]:
                group = keys[i] >> 1
                if ordered[group]:
                    items[free[group]] = 2 * int(part[i]) + (keys[i] & 1)
                    free[group] += 1
        for group in range(groups):
            if ordered[group]:
                start, end, known = before[group, 0], before[group + 1, 0], before[group, 1]
                count = _rank_relevant(items[start:end], start, known, last, numbers, places, marks)
                _sum_precisions(numbers[1, :count], numbers[2, :count], cuts[query], sums[query], retrieved[query])


@kernel
def _fill_separations(separations: Reals, near: Counts, start: int, query_units: Any, units: Any, alive: Bytes) -> None:
    """Write |v|^2 / 2 - <u, v> of one query and some of the items from ``start`` on: exactly, because all are whole numbers."""
    for position in range(-AHEAD, len(near)):
        if position + AHEAD < len(near):
            for bit in range(0, len(query_units), LINE):
                _prefetch(units, start + near[position + AHEAD], bit)
        if position >= 0:
            item = start + near[position]
            theirs, product = units[item], np.int64(0)
            for bit in range(len(query_units)):
                product += np.int64(query_units[bit]) * np.int64(theirs[bit])
            separations[near[position]] = alive[item] * HALF - product


@kernel
def _rank_relevant(items: Any, start: int, hit: int, last: int, numbers: Any, places: Any, marks: Bytes) -> int:
    """Write rank and number of relevant items up to it for each relevant item of a group, and return how many these are.

    The items are spread over as many slots as there are, by separation. Those that share a slot with a relevant one are sorted, the
    others only counted. Slots beyond the last cut are left out.

    Args:
        items: 2 separation + rel of each item, in row order.
        start: items before the group.
        hit: relevant items before the group.
        last: the farthest cut.
        numbers, places, marks: as in :func:`rank_by_feature`; rows 1 and 2 of the numbers receive the results.
    """
    ranks, hits, chosen, scratch = numbers[1], numbers[2], numbers[3], numbers[4]
    slots, ends, gone, marked = places[0, : len(items)], places[1, : len(items)], places[2, : len(items)], marks[: len(items)]
    ends[:] = 0
    marked[:] = 0
    low = high = items[0]
    for i in range(len(items)):
        low, high = min(low, items[i]), max(high, items[i])
    low >>= 1
    reach = (high >> 1) - low
    scale = (len(items) - 1) / reach if reach else 0.0
    for i in range(len(items)):
        slots[i] = int(((items[i] >> 1) - low) * scale)  # never smaller for a larger separation
    for i in range(len(items)):
        ends[slots[i]] += 1
        marked[slots[i]] |= items[i] & 1
    position, retained, begin, crowded = 0, np.int64(0), np.int64(0), False  # to the compiler a bare 0 has a type of its own
    for slot in range(len(ends)):
        size = ends[slot]
        marked[slot] &= start + position < last
        ends[slot], gone[slot] = retained, position - retained  # the end moves on as the slot is filled
        position += size
        retained += size * marked[slot]
        crowded |= marked[slot] * size > RUN
    for i in range(len(items)):  # no branch: a processor could not predict which slots are marked; the other items go behind the rest
        slot = slots[i]
        end = retained + marked[slot] * (ends[slot] - retained)
        chosen[end], ranks[end] = items[i], start + gone[slot] + end + 1
        ends[slot] += marked[slot]
    if crowded:
        for slot in range(len(ends)):
            _sort_slot(chosen, scratch, begin, ends[slot])
            begin = ends[slot]
    else:
        _insert(chosen, begin, retained)
    count = 0
    for i in range(retained):
        mark = chosen[i] & 1
        hit += mark
        ranks[count], hits[count] = ranks[i], hit
        count += mark
    return count


@kernel
def _insert(items: Any, start: int, stop: int) -> None:
    """Sort by insertion, by separation; what is equal keeps its order."""
    for i in range(start + 1, stop):
        item, position = items[i], i
        while position > start and items[position - 1] >> 1 > item >> 1:
            items[position] = items[position - 1]
            position -= 1
        items[position] = item


@kernel
def _sort_slot(items: Any, scratch: Any, start: int, stop: int) -> None:
    """Sort a slot by separation; what is equal keeps its order."""
    for run in range(start, stop, RUN):
        _insert(items, run, min(run + RUN, stop))
    width = RUN
    while width < stop - start:  # merging sorted runs: with insertion alone, features that crowd together would take n^2 steps
        for left in range(start, stop - width, 2 * width):
            _merge(items, scratch, left, left + width, min(left + 2 * width, stop))
        width *= 2


@kernel
def _merge(items: Any, scratch: Any, left: int, middle: int, right: int) -> None:
    """Merge two sorted runs that lie side by side; what is equal keeps its order."""
    if items[middle - 1] >> 1 <= items[middle] >> 1:
        return
    for i in range(left, middle):
        scratch[i] = items[i]
    position, other = left, middle
    while left < middle:
        if other < right and items[other] >> 1 < scratch[left] >> 1:
            items[position] = items[other]
            other += 1
        else:
            items[position] = scratch[left]
            left += 1
        position += 1
