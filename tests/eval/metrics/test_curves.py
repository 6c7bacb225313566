"""Precision and recall by radius and depth against slow definitions, by hand and against scikit-learn; and the pass that makes them."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_oracle import Sample, all_rankings

from biodeephashing.errors import BioDeepHashingError, UsageError
from biodeephashing.eval import APSpec, Curves, RetrievalTask, average_precision_per_query, retrieval
from biodeephashing.eval.metrics import DENOMINATORS, TIES, ranking_depths

EVERY = [APSpec(ties, denominator=rule, **cut) for ties in TIES for cut in ({}, {"k": 5}, {"radius": 2}) for rule in DENOMINATORS]


def curves_of(sample: Sample, **options) -> Curves:
    return retrieval(RetrievalTask(*sample.arrays, bits=sample.bits), [], **options).curves


def bits_of(curves: Curves) -> list[bytes]:
    return [getattr(curves, field.name).tobytes() for field in fields(curves)]


def check_radii(curves: Curves, sample: Sample) -> None:
    """The double loop, radius by radius."""
    rows = [(np.array(distances), np.array(relevance, dtype=bool)) for distances, relevance, _ in sample.per_query()]
    for radius in range(sample.bits + 1):
        inside = [(int((d <= radius).sum()), int(r[d <= radius].sum()), int(r.sum())) for d, r in rows]
        assert curves.items[radius] == pytest.approx(np.mean([n for n, _, _ in inside]), abs=1e-13)
        assert curves.nonempty[radius] == pytest.approx(np.mean([n > 0 for n, _, _ in inside]), abs=1e-13)
        assert curves.precision[radius] == pytest.approx(np.mean([m / n if n else 0 for n, m, _ in inside]), abs=1e-13)
        assert curves.recall[radius] == pytest.approx(np.mean([m / total if total else 0 for _, m, total in inside]), abs=1e-13)
        at = [sum(int(((d == radius) & (r == mark)).sum()) for d, r in rows) for mark in (False, True)]
        assert curves.distances[radius].tolist() == at
    assert curves.relevant.tolist() == [r.sum() for _, r in rows]


def check_depths(curves: Curves, sample: Sample) -> None:
    """Every relevant item is among the first N with the share of its group's places that are."""
    found = np.zeros((len(sample.query_labels), len(curves.depths)))
    totals = np.zeros(len(found))
    for query, (distances, relevance, _) in enumerate(sample.per_query()):
        totals[query] = sum(relevance)
        for distance, relevant in zip(distances, relevance, strict=True):
            if relevant:
                nearer, tied = sum(d < distance for d in distances), distances.count(distance)
                found[query] += np.clip((curves.depths - nearer) / tied, 0, 1)
    np.testing.assert_allclose(curves.precision_at, (found / curves.depths).mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(curves.recall_at, (found / np.maximum(totals, 1)[:, None]).mean(axis=0), atol=1e-12)


def test_depths_are_the_mean_over_all_permutations():
    sample = Sample(1, queries=5, database=8, bits=3)
    curves = curves_of(sample)
    precision, recall = np.zeros((2, 8))
    for distances, relevance, _ in sample.per_query():
        rankings = np.array(all_rankings(distances, relevance))
        hits = np.cumsum(rankings, axis=1).mean(axis=0)
        precision += hits / np.arange(1, 9) / 5
        recall += hits / max(sum(relevance), 1) / 5
    assert curves.depths.tolist() == list(range(1, 9))
    np.testing.assert_allclose(curves.precision_at, precision, atol=1e-14)
    np.testing.assert_allclose(curves.recall_at, recall, atol=1e-14)


def test_by_hand():
    # Distances 0, 1, 1, 3 from a query of 4 bits; the first, the second and the last item are relevant. A second query finds nothing.
    database = np.array([[0b0000], [0b0001], [0b1000], [0b0111]], dtype=np.uint8) << 4
    labels, query_labels = np.array([[1], [1], [0], [1]], dtype=np.uint8), np.array([[1], [0]], dtype=np.uint8)
    curves = retrieval(RetrievalTask(database[[0, 0]], database, query_labels, labels, bits=4), []).curves
    assert curves.items.tolist() == [1, 3, 3, 4, 4]
    assert curves.nonempty.tolist() == [1, 1, 1, 1, 1]
    assert curves.precision == pytest.approx(np.array([1, 2 / 3, 2 / 3, 3 / 4, 3 / 4]) / 2)
    assert curves.recall == pytest.approx(np.array([1 / 3, 2 / 3, 2 / 3, 1, 1]) / 2)
    assert curves.distances.tolist() == [[1, 1], [3, 1], [0, 0], [1, 1], [0, 0]]
    assert curves.relevant.tolist() == [3, 0]
    assert curves.depths.tolist() == [1, 2, 3, 4]
    assert curves.precision_at == pytest.approx(np.array([1, 1.5 / 2, 2 / 3, 3 / 4]) / 2)  # of two tied items one is relevant
    assert curves.recall_at == pytest.approx(np.array([1, 1.5, 2, 3]) / 3 / 2)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    queries=st.integers(1, 4),
    database=st.integers(1, 40),
    bits=st.one_of(st.integers(1, 40), st.sampled_from([63, 64, 65, 500, 1023, 1024])),
    classes=st.sampled_from([1, 2, 9, 70]),
    graded=st.booleans(),
    collapsed=st.booleans(),
    unlabelled=st.booleans(),
)
def test_any_shape(seed, queries, database, bits, classes, graded, collapsed, unlabelled):
    sample = Sample(seed, queries, database, bits, classes)
    if collapsed:
        sample.query_features[:] = sample.database_features[:] = 1
    if unlabelled:
        sample.query_labels[0] = 0
    curves = curves_of(sample, ndcg=[None] if graded else [])
    check_radii(curves, sample)
    check_depths(curves, sample)


def test_a_database_deeper_than_the_grid():
    sample = Sample(2, queries=3, database=700, bits=9, single=True)
    curves = curves_of(sample)
    assert len(curves.depths) < 60
    assert curves.depths[-1] == 700
    check_depths(curves, sample)


@pytest.mark.parametrize("database", [1, 2, 9, 10, 11, 99, 100, 12_345, 10**6])
def test_depths_ascend_to_the_whole_database(database):
    depths = ranking_depths(database)
    assert (np.diff(depths) > 0).all()
    assert depths[: min(10, database)].tolist() == list(range(1, min(10, database) + 1))
    assert depths[-1] == database
    assert len(depths) <= 136
    assert np.diff(np.log(depths[(depths >= 100) & (depths < database)])).max(initial=0) < 0.1


def test_agrees_with_scikit_learn():
    from sklearn.metrics import precision_recall_curve

    sample = Sample(3, queries=1, database=300, bits=20, single=True)
    ((distances, relevance, _),) = sample.per_query()
    curves = curves_of(sample)
    precision, recall, thresholds = precision_recall_curve(relevance, -np.array(distances))
    radii = (-thresholds).astype(int)
    np.testing.assert_allclose(curves.precision[radii], precision[:-1], atol=1e-14)
    np.testing.assert_allclose(curves.recall[radii], recall[:-1], atol=1e-14)


def test_codes_without_a_stated_length_have_all_bits_of_their_bytes():
    sample = Sample(4, queries=3, database=20, bits=11)
    stated, unstated = curves_of(sample), retrieval(RetrievalTask(*sample.arrays), []).curves
    assert (len(stated.items), len(unstated.items)) == (12, 17)
    for name in ("items", "nonempty", "precision", "recall", "distances"):
        assert (getattr(unstated, name)[:12] == getattr(stated, name)).all()
    assert (unstated.items[12:] == 20).all()
    assert (unstated.distances[12:] == 0).all()


@pytest.mark.parametrize("bits", [0, 8, 17, -1])
def test_a_length_that_codes_cannot_have(bits):
    with pytest.raises(BioDeepHashingError, match=rf"codes of {bits} bits are not 2 bytes wide, as the query codes \(3, 2\) are"):
        RetrievalTask(*Sample(5, queries=3, database=20, bits=11).arrays, bits=bits)


def test_ones_beyond_the_length_are_refused():
    sample = Sample(6, queries=3, database=20, bits=11)
    sample.query_features[:, 10] = -1
    sample.database_features[4, 10] = 1
    with pytest.raises(BioDeepHashingError, match=r"database codes \(20, 2\) have ones beyond 10 bits"):
        RetrievalTask(*sample.arrays, bits=10)


@pytest.mark.parametrize("ndcg", [(), (None, 3)])
def test_one_pass_gives_the_same_average_precisions(ndcg):
    sample = Sample(7, queries=20, database=90, bits=7)
    found = retrieval(sample.task, EVERY, ndcg=ndcg)
    want = average_precision_per_query(sample.task, EVERY)
    assert found.average_precision.keys() == want.keys()
    for measure, average in want.items():
        assert (found.average_precision[measure].values == average.values).all()
        assert (found.average_precision[measure].found == average.found).all()
    assert tuple(found.ndcg) == ndcg


@pytest.mark.parametrize("single", [True, False])
def test_distances_are_counted_once(single, monkeypatch):
    sample = Sample(8, queries=20, database=90, bits=7, single=single)
    counted = []
    for name in ("histograms", "shared_histograms"):
        count = getattr(RetrievalTask, name)
        monkeypatch.setattr(
            RetrievalTask, name, lambda self, block, name=name, count=count: counted.append((name, block)) or count(self, block)
        )
    closed = [measure for measure in EVERY if measure.ties in ("expected", "worst", "best")]
    retrieval(RetrievalTask(*sample.arrays), closed)
    assert counted == [("histograms", slice(0, 20))]
    counted.clear()
    retrieval(RetrievalTask(*sample.arrays), closed, ndcg=[None, 7])
    assert counted == [
        ("shared_histograms", slice(0, 20)),
        *([("histograms", slice(0, 20))] if single else []),
    ]  # which is one by the other


@pytest.mark.parametrize("memory", [1, 5_000, 2**30])
def test_memory_changes_no_bit(memory):
    sample = Sample(9, queries=23, database=70, bits=10)
    for ndcg in ((), (None, 7)):
        bounded, free = (retrieval(RetrievalTask(*sample.arrays), [], ndcg=ndcg, **option) for option in ({"memory": memory}, {}))
        assert bits_of(bounded.curves) == bits_of(free.curves)
        assert [bounded.ndcg[k].tobytes() for k in ndcg] == [free.ndcg[k].tobytes() for k in ndcg]


def test_memory_stays_bounded():
    import tracemalloc

    sample = Sample(10, queries=2_000, database=300, bits=64, classes=20)
    pairs, limit = RetrievalTask(*sample.arrays), 2**21
    retrieval(RetrievalTask(*sample.arrays), [APSpec()], ndcg=[None])  # what is compiled and imported does not count
    tracemalloc.start()
    retrieval(pairs, [APSpec()], ndcg=[None], memory=limit)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * limit  # far below 2,000 queries × 65 distances × 10 shared classes × 8 = 10 MB


def test_order_of_the_database_changes_no_bit():
    sample = Sample(11, queries=10, database=120, bits=9)
    order = np.random.default_rng(0).permutation(120)
    query_codes, database_codes, query_labels, database_labels = sample.arrays
    moved = retrieval(RetrievalTask(query_codes, database_codes[order], query_labels, database_labels[order]), [], ndcg=[None, 9])
    straight = retrieval(RetrievalTask(*sample.arrays), [], ndcg=[None, 9])
    assert bits_of(moved.curves) == bits_of(straight.curves)
    assert all((moved.ndcg[k] == straight.ndcg[k]).all() for k in (None, 9))


def test_order_of_the_queries_does_not_matter():
    sample = Sample(12, queries=30, database=50, bits=9)
    order = np.random.default_rng(0).permutation(30)
    query_codes, database_codes, query_labels, database_labels = sample.arrays
    moved = retrieval(RetrievalTask(query_codes[order], database_codes, query_labels[order], database_labels), []).curves
    straight = retrieval(RetrievalTask(*sample.arrays), []).curves
    assert (moved.relevant == straight.relevant[order]).all()
    for name in ("items", "nonempty", "precision", "recall", "precision_at", "recall_at"):
        np.testing.assert_allclose(getattr(moved, name), getattr(straight, name), rtol=1e-13)


def test_bad_questions():
    sample = Sample(13, queries=3, database=9, bits=8)
    with pytest.raises(BioDeepHashingError, match="needs a task with features"):
        retrieval(RetrievalTask(*sample.arrays), [APSpec("feature")])
    with pytest.raises(UsageError, match="did you mean 'shared'"):
        retrieval(RetrievalTask(*sample.arrays), [], gain="shard")
    with pytest.raises(UsageError, match="k=0 is not possible"):
        retrieval(RetrievalTask(*sample.arrays), [], ndcg=[0])
