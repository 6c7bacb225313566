"""The compiled engine against the NumPy one, at sizes of several tiles, and what it must not depend on."""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from itertools import product

import numpy as np
import numpy_engine
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from many_cases import each_case
from ranking_oracle import Sample
from threadpoolctl import threadpool_info

from biodeephashing.codes import hamming, pack
from biodeephashing.eval import APSpec, RetrievalTask, average_precision_per_query, leave_one_out_average_precision, retrieval
from biodeephashing.eval.metrics import DENOMINATORS, TIES, _expected, _group_kernels
from biodeephashing.eval.ranking import _kernels as kernels
from biodeephashing.eval.ranking import feature_distances
from biodeephashing.eval.ranking.threads import TOGETHER, in_threads, one_blas_thread, threads

CUTS = [{}, {"k": 1}, {"k": 777}, {"k": 10**6}, {"radius": 3}, {"radius": 10**4}]
RANKED = [APSpec(ties, denominator=rule, **cut) for ties in ("index", "feature") for cut in CUTS for rule in DENOMINATORS]
EVERY = [APSpec(ties, denominator=rule, **cut) for ties in TIES for cut in CUTS for rule in DENOMINATORS]
MANY = kernels.SPAN + kernels.TILE + 7  # items: a whole span, a whole tile and a rest


def agree(arrays, features, measures=RANKED) -> None:
    got = average_precision_per_query(RetrievalTask(*arrays, features=features), measures)
    for measure, want in numpy_engine.values(arrays, measures, features).items():
        np.testing.assert_allclose(got[measure].values, want, rtol=1e-11, atol=1e-13, err_msg=str(measure))


@pytest.mark.parametrize(("bits", "classes", "single"), [(12, 10, True), (64, 100, True), (70, 80, False), (32, 3, False)])
def test_rankings_of_several_tiles(bits, classes, single):
    sample = Sample(1, queries=TOGETHER + 3, database=MANY, bits=bits, classes=classes, single=single)
    agree(sample.arrays, sample.features)


@each_case("bits, classes", product([1, 5, 8, 63, 64, 65, 127, 128, 129, 500, 1023, 1024], [1, 7, 8, 9, 64, 65, 130]))
def test_histograms_of_any_width(bits, classes):
    sample = Sample(2, queries=5, database=70, bits=bits, classes=classes)
    pairs = RetrievalTask(*sample.arrays)
    assert (pairs.histograms(slice(0, 5)) == numpy_engine.histograms(*sample.arrays)).all()
    assert (pairs.histograms(slice(2, 4)) == numpy_engine.histograms(*sample.arrays)[2:4]).all()
    for query in range(5):
        assert (pairs.distances(query) == hamming(sample.query_codes, sample.database_codes)[query]).all()
        assert (pairs.relevance(query) == (sample.database_labels[:, sample.query_labels[query] == 1] == 1).any(axis=1)).all()


@pytest.mark.parametrize(("bits", "database"), [(8, 323), (8, 324), (8, 325), (1, MANY), (64, MANY), (127, MANY), (128, MANY)])
@pytest.mark.parametrize("equal", [False, True])
def test_histograms_of_many_items_and_few_keys(bits, database, equal):
    # from (2 · 9)² = 324 items on, codes of 8 bits are counted two at a time; equal items all fall into one entry of the table
    sample = Sample(8, queries=3, database=database, bits=bits, classes=3)
    if equal:
        sample.database_codes[:], sample.database_labels[:] = sample.database_codes[0], 1
    assert (RetrievalTask(*sample.arrays).histograms(slice(0, 3)) == numpy_engine.histograms(*sample.arrays)).all()


@pytest.mark.parametrize("share", [0.0, 0.01, 1.0])
@pytest.mark.parametrize("distinct", [1, 2, 40, 10**6])
def test_features_that_crowd_together(share, distinct):
    # One distance group; a far item makes all others fall into one slot, where they must be merged in row order.
    rng = np.random.default_rng(4)
    angles = rng.integers(0, distinct, 3_000) * 1e-6
    angles[17] = 1.5
    features = np.array([[1.0, 0.0]]), np.stack([np.cos(angles), np.sin(angles)], axis=1)
    labels = (rng.random((3_000, 1)) < share).astype(np.uint8)
    codes = np.zeros((3_000, 1), dtype=np.uint8)
    agree((codes[:1], codes, np.ones((1, 1), dtype=np.uint8), labels), features)


@pytest.mark.parametrize(("bits", "distinct"), [(8, 3), (70, 3), (33, 10**6)])
def test_separations_of_few_items_and_of_all_give_the_same_bits(monkeypatch, bits, distinct):
    sample = Sample(3, queries=9, database=kernels.TILE + 70, bits=bits)
    if distinct > 3:
        sample.database_features += np.random.default_rng(3).random(sample.database_features.shape, dtype=np.float32) / 3
    sample.database_features[5:9] = 0
    near, found = [APSpec("feature", k=k) for k in (1, 40)], defaultdict(set)
    for few in (0.0, 0.3, 2.0):  # the share below which they are found one by one: never, sometimes, always
        monkeypatch.setattr(feature_distances, "_FEW", few)
        for measures in (RANKED, *([measure] for measure in near)):
            for memory in (1, 2**20):
                results = average_precision_per_query(sample.task, measures, memory=memory)
                found[tuple(measures)].add(b"".join(result.values.tobytes() for result in results.values()))
    assert {len(bits) for bits in found.values()} == {1}
    agree(sample.arrays, sample.features, near)


def test_units_make_room_for_products():
    sample = Sample(3, queries=4, database=300, bits=8)
    order = feature_distances.FeatureDistances(sample.query_features, sample.database_features, 4)
    separations, own, units, alive = order.near(slice(1, 3), 0.01)
    products = own.astype(np.int64) @ units.T
    assert separations.shape == (2, 0)
    assert (order.of(slice(1, 3)) == alive.astype(np.int64) * 2**51 - products).all()
    separations, _, units, _ = order.near(slice(1, 3), 0.01)  # from now on
    assert (separations == alive.astype(np.int64) * 2**51 - products).all()
    assert len(units) == 0


@pytest.mark.parametrize("size", [1e-300, 1e-30, 1.0, 1e300])
def test_rows_of_any_size_become_units(size):
    rows = np.random.default_rng(0).normal(size=(50, 33))
    want = np.array([[float(x) / math.sqrt(sum(float(y) ** 2 for y in row)) * 2**26 for x in row] for row in rows])
    np.testing.assert_allclose(feature_distances.unit_rows(rows * size), want, atol=0.51, rtol=0)
    assert not feature_distances.unit_rows(0 * rows).any()


@pytest.mark.parametrize(("count", "workers"), [(102, 4), (1, 4), (17, 1), (5, 13), (0, 2)])
def test_threads_share_the_work_out_evenly(monkeypatch, count, workers):
    monkeypatch.setenv("OMP_NUM_THREADS", str(workers))
    seen = []
    in_threads(seen.append, count)
    seen.sort(key=lambda part: part.start)
    assert [i for part in seen for i in range(part.start, part.stop)] == list(range(count))
    sizes = [part.stop - part.start for part in seen]
    assert all(size <= TOGETHER for size in sizes)
    turns = -(-len(seen) // workers)
    assert turns * max(sizes, default=0) <= count / workers + turns  # no thread has a whole item per turn more than its share


@pytest.mark.parametrize("workers", [1, 3])
def test_queries_beyond_what_a_thread_takes_at_a_time(monkeypatch, workers):
    monkeypatch.setenv("OMP_NUM_THREADS", str(workers))
    sample = Sample(9, queries=2 * _expected.TOGETHER + 77, database=40, bits=7)
    codes, database_codes, labels, database_labels = sample.arrays
    measures = [APSpec(k=k, denominator=rule) for k in (None, 7) for rule in DENOMINATORS]
    together = average_precision_per_query(RetrievalTask(*sample.arrays), measures)
    for start in range(0, len(codes), 50):
        part = slice(start, start + 50)
        apart = average_precision_per_query(RetrievalTask(codes[part], database_codes, labels[part], database_labels), measures)
        for measure in measures:
            assert (together[measure].values[part] == apart[measure].values).all()
            assert (together[measure].found[part] == apart[measure].found).all()


def test_queries_without_classes_and_items_without_classes():
    sample = Sample(5, queries=4, database=90, bits=8)
    sample.query_labels[1] = 0
    sample.database_labels[::2] = 0
    agree(sample.arrays, sample.features)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    queries=st.integers(1, 2 * TOGETHER),
    database=st.integers(1, 400),
    bits=st.integers(1, 200),
    classes=st.integers(1, 20),
    single=st.booleans(),
    collapsed=st.booleans(),
)
def test_any_shape(seed, queries, database, bits, classes, single, collapsed):
    sample = Sample(seed, queries, database, bits, classes, single)
    if collapsed:
        sample.query_features[:] = sample.database_features[:] = 1
    agree(sample.arrays, sample.features)


def everything(sample: Sample) -> bytes:
    found = retrieval(sample.task, EVERY, ndcg=[None, 5])
    results, others = found.average_precision, [*vars(found.curves).values(), *found.ndcg.values()]
    alone = leave_one_out_average_precision(sample.database_codes, sample.database_labels)
    others += [array for measure in EVERY for array in (results[measure].values, results[measure].found)]
    return b"".join(array.tobytes() for array in [*others, np.float64(alone)])


def test_any_number_of_threads_gives_the_same_bits(monkeypatch):
    sample = Sample(6, queries=5 * TOGETHER + 1, database=2_500, bits=20)
    found = set()
    for count in ("1", "2", "4", "13"):
        monkeypatch.setenv("OMP_NUM_THREADS", count)
        assert threads() == int(count)
        found.add(everything(sample))
    assert len(found) == 1


def blas_threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_one_caller_at_a_time_holds_blas_back():
    before, entered = blas_threads(), threading.Event()

    def hold() -> None:
        with one_blas_thread():  # which would find 1, and leave it so, if it came in before the other is gone
            entered.set()

    other = threading.Thread(target=hold)
    with one_blas_thread():
        assert set(blas_threads()) == {1}
        other.start()
        assert not entered.wait(0.2)
    other.join()
    assert entered.is_set()
    assert blas_threads() == before


@pytest.mark.parametrize("words", ["", "0", "many", "-1"])
def test_threads_that_nobody_chose(monkeypatch, words):
    monkeypatch.setenv("OMP_NUM_THREADS", words)
    assert threads() >= 1


def test_order_of_queries_changes_no_bit():
    sample = Sample(7, queries=50, database=3_000, bits=16)
    order = np.random.default_rng(0).permutation(50)
    query_codes, database_codes, query_labels, database_labels = sample.arrays
    features = sample.query_features[order], sample.database_features
    moved = RetrievalTask(query_codes[order], database_codes, query_labels[order], database_labels, features=features)
    straight, shuffled = (average_precision_per_query(task, EVERY) for task in (sample.task, moved))
    for measure in EVERY:
        assert (shuffled[measure].values == straight[measure].values[order]).all()


def test_order_of_the_database_changes_no_bit_of_a_histogram():
    sample = Sample(8, queries=20, database=5_000, bits=33)
    order = np.random.default_rng(0).permutation(5_000)
    query_codes, database_codes, query_labels, database_labels = sample.arrays
    moved = RetrievalTask(query_codes, database_codes[order], query_labels, database_labels[order])
    assert (moved.histograms(slice(0, 20)) == RetrievalTask(*sample.arrays).histograms(slice(0, 20))).all()


def test_arrays_that_cannot_be_written_and_are_not_contiguous():
    sample = Sample(9, queries=6, database=50, bits=64)
    arrays = [np.repeat(array, 2, axis=0)[::2] for array in sample.arrays]
    for array in arrays:
        array.flags.writeable = False
    assert (RetrievalTask(*arrays).histograms(slice(0, 6)) == numpy_engine.histograms(*sample.arrays)).all()


def test_each_kernel_is_compiled_once():
    for bits, classes in ((3, 2), (1024, 90)):
        everything(Sample(10, queries=3, database=20, bits=bits, classes=classes))
    for file in (kernels, _group_kernels):
        compiled = {name: len(value.signatures) for name, value in vars(file).items() if hasattr(value, "signatures")}
        assert 1 in compiled.values()
        assert set(compiled.values()) <= {0, 1}, compiled


def test_the_units_of_features_are_the_same_in_both_files():
    assert kernels.GRID == feature_distances.GRID
    assert 2 * kernels.HALF == kernels.GRID**2


def test_a_machine_without_a_place_for_the_cache(monkeypatch):
    import numba

    compile_it = numba.njit

    def refuse(*, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return compile_it(**options)

    monkeypatch.setattr(numba, "njit", refuse)
    assert kernels.kernel(lambda x: x + 1)(2) == 3


def test_codes_of_one_bit_and_one_item():
    codes = pack(np.array([[1]]))
    pairs = RetrievalTask(codes, codes, np.ones((1, 1)), np.ones((1, 1)))
    assert pairs.histograms(slice(0, 1)).tolist() == [[[0, 1]] + 8 * [[0, 0]]]  # at distance 0, relevant
