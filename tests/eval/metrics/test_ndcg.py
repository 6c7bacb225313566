"""nDCG with graded relevance against scikit-learn, every permutation of tied items, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_oracle import Sample, all_rankings, distances_of

from biodeephashing.codes import hamming, pack
from biodeephashing.errors import UnknownNameError, UsageError
from biodeephashing.eval import RetrievalTask, normalized_discounted_cumulative_gain, retrieval
from biodeephashing.eval.merging import ShardCounts
from biodeephashing.eval.metrics import GAINS
from biodeephashing.eval.metrics.bits import BitCounts
from biodeephashing.eval.metrics.ndcg import DiscountedGains
from biodeephashing.eval.ranking import DistanceHistogram
from biodeephashing.eval.ranking import _kernels as kernels

CUTS = [None, 1, 4, 17, 10_000]
FORMULA = {"shared": lambda g: g, "exponential": lambda g: 2.0**g - 1}


def shared_of(sample: Sample) -> np.ndarray:
    return sample.query_labels.astype(int) @ sample.database_labels.T.astype(int)


def by_scikit_learn(sample: Sample, k: int | None, gain: str) -> list[float]:
    """It averages over tied scores as well."""
    from sklearn.metrics import ndcg_score

    gains, scores = FORMULA[gain](shared_of(sample)), -hamming(sample.query_codes, sample.database_codes)
    return [ndcg_score(gains[i : i + 1], scores[i : i + 1], k=k) for i in range(len(gains))]


def by_permutations(sample: Sample, k: int | None, gain: str) -> list[float]:
    """The mean over every order of tied items, of sums over places."""

    def dcg(gains: list[float]) -> float:
        return sum(g / math.log2(1 + place) for place, g in enumerate(gains[:k], start=1))

    found = []
    for features, shared in zip(sample.query_features, shared_of(sample), strict=True):
        gains = [FORMULA[gain](int(g)) for g in shared]
        ideal = dcg(sorted(gains, reverse=True))
        rankings = all_rankings(distances_of(features >= 0, sample.database_features >= 0), gains)
        found.append(sum(map(dcg, rankings)) / len(rankings) / ideal if ideal else 0.0)
    return found


@pytest.mark.parametrize("k", CUTS)
@pytest.mark.parametrize("gain", GAINS)
@pytest.mark.parametrize("single", [True, False])
def test_agrees_with_scikit_learn(k, gain, single):
    sample = Sample(1, queries=9, database=400, bits=7, classes=12, single=single)
    got = retrieval(RetrievalTask(*sample.arrays), [], ndcg=[k], gain=gain).ndcg[k]
    np.testing.assert_allclose(got, by_scikit_learn(sample, k, gain), atol=1e-12)
    assert normalized_discounted_cumulative_gain(RetrievalTask(*sample.arrays), k=k, gain=gain) == pytest.approx(got.mean(), abs=1e-15)


@pytest.mark.parametrize("k", [None, 1, 2, 3, 5, 8, 20])
@pytest.mark.parametrize("gain", GAINS)
def test_is_the_mean_over_all_permutations(k, gain):
    sample = Sample(2, queries=6, database=8, bits=3, classes=5)
    got = retrieval(RetrievalTask(*sample.arrays), [], ndcg=[k], gain=gain).ndcg[k]
    np.testing.assert_allclose(got, by_permutations(sample, k, gain), atol=1e-13)


@pytest.mark.parametrize(
    ("rules", "want"),
    [
        # Distances 0, 1, 1, 2 and shared classes 1, 2, 0, 2: the places have gains 1, 1 (mean of 2 and 0), 1, 2; ideal: 2, 2, 1, 0.
        ({}, (1 + 1 / math.log2(3) + 1 / 2 + 2 / math.log2(5)) / (2 + 2 / math.log2(3) + 1 / 2)),
        ({"k": 1}, 1 / 2),
        ({"k": 2}, (1 + 1 / math.log2(3)) / (2 + 2 / math.log2(3))),  # = 1/2: of the tied pair one place counts
        ({"k": 3}, (1 + 1 / math.log2(3) + 1 / 2) / (2 + 2 / math.log2(3) + 1 / 2)),
        ({"gain": "exponential", "k": 2}, (1 + 1.5 / math.log2(3)) / (3 + 3 / math.log2(3))),  # gains 1, (3 + 0)/2, ...
    ],
)
def test_by_hand(rules, want):
    codes = np.array([[0], [1], [2], [3]], dtype=np.uint8)
    labels = np.array([[1, 0], [1, 1], [0, 0], [1, 1]], dtype=np.uint8)
    query = np.zeros((1, 1), dtype=np.uint8), np.ones((1, 2), dtype=np.uint8)
    got = normalized_discounted_cumulative_gain(RetrievalTask(query[0], codes, query[1], labels), **rules)
    assert got == pytest.approx(want, abs=1e-15)


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    queries=st.integers(1, 20),
    database=st.integers(2, 60),
    bits=st.one_of(st.integers(1, 40), st.sampled_from([63, 64, 65, 500, 1023, 1024])),
    classes=st.sampled_from([1, 2, 8, 9, 17, 70]),
    single=st.booleans(),
    k=st.one_of(st.none(), st.integers(1, 80)),
    gain=st.sampled_from(GAINS),
    collapsed=st.booleans(),
)
def test_any_shape(seed, queries, database, bits, classes, single, k, gain, collapsed):
    sample = Sample(seed, queries, database, bits, classes, single)
    if collapsed:
        sample.query_features[:] = sample.database_features[:] = 1
    got = retrieval(RetrievalTask(*sample.arrays, bits=bits), [], ndcg=[k], gain=gain).ndcg[k]
    np.testing.assert_allclose(got, by_scikit_learn(sample, k, gain), atol=1e-11)


def test_several_tiles_and_many_queries():
    sample = Sample(3, queries=20, database=kernels.SPAN + kernels.TILE + 7, bits=32, classes=80)
    got = retrieval(RetrievalTask(*sample.arrays), [], ndcg=[None, 1000]).ndcg
    for k in (None, 1000):
        np.testing.assert_allclose(got[k], by_scikit_learn(sample, k, "shared"), atol=1e-11)


def test_one_item():
    code = np.zeros((1, 1), dtype=np.uint8)
    assert normalized_discounted_cumulative_gain(RetrievalTask(code, code, np.ones((1, 2)), np.ones((1, 2)))) == 1.0


@pytest.mark.parametrize("bits", [1, 8, 65, 1023])
@pytest.mark.parametrize("classes", [2, 8, 9, 65, 300])
def test_shared_classes_are_counted(bits, classes):
    sample = Sample(4, queries=5, database=70, bits=bits, classes=classes)
    sample.query_labels[2] = sample.database_labels[9] = 1  # shares all its classes, more than a byte can count
    pairs = RetrievalTask(*sample.arrays, bits=bits)
    assert pairs.levels == classes + 1
    want = np.zeros((5, bits + 1, classes + 1), dtype=int)
    for query, (distances, shared) in enumerate(zip(hamming(sample.query_codes, sample.database_codes), shared_of(sample), strict=True)):
        np.add.at(want[query], (distances, shared), 1)
    assert (pairs.shared_histograms(slice(0, 5)) == want).all()
    assert (pairs.shared_histograms(slice(2, 4)) == want[2:4]).all()


@pytest.mark.parametrize("single_side", ["query_labels", "database_labels"])
def test_one_class_on_either_side_needs_no_count_of_classes(single_side, monkeypatch):
    sample = Sample(5, queries=6, database=50, bits=6, classes=9)
    labels = getattr(sample, single_side)
    labels[:] = np.eye(9, dtype=np.uint8)[np.arange(len(labels)) % 9]
    want = by_scikit_learn(sample, 10, "exponential")
    monkeypatch.setattr(kernels, "count_shared", None)
    assert retrieval(RetrievalTask(*sample.arrays), [], ndcg=[10], gain="exponential").ndcg[10] == pytest.approx(np.array(want), abs=1e-12)


def test_queries_without_relevant_items():
    sample = Sample(6, queries=3, database=20, bits=8)
    sample.query_labels[:] = 0
    for empty in ("zero", "skip"):
        assert normalized_discounted_cumulative_gain(RetrievalTask(*sample.arrays), empty=empty) == 0.0
    sample.query_labels[0] = sample.database_labels[:] = 1
    assert normalized_discounted_cumulative_gain(RetrievalTask(*sample.arrays), empty="zero") == pytest.approx(1 / 3)
    assert normalized_discounted_cumulative_gain(RetrievalTask(*sample.arrays), empty="skip") == pytest.approx(1.0)


def test_a_relevant_item_beyond_the_cut_is_not_skipped():
    codes, labels = np.array([[0], [1]], dtype=np.uint8), np.array([[0], [1]], dtype=np.uint8)
    arrays = codes[:1], codes, labels[1:], labels
    assert normalized_discounted_cumulative_gain(RetrievalTask(*arrays), k=1, empty="skip") == 0.0
    assert normalized_discounted_cumulative_gain(RetrievalTask(*arrays), empty="skip") == pytest.approx(1 / math.log2(3))


def test_exponential_gains_of_many_classes():
    labels = np.ones((3, 1001), dtype=np.uint8)
    codes = pack(np.array([[1, 1], [1, -1], [-1, -1]]))
    assert normalized_discounted_cumulative_gain(
        RetrievalTask(codes, codes, labels[:, :1000], labels[:, :1000]), gain="exponential"
    ) == pytest.approx(1.0)
    with pytest.raises(UsageError, match="up to 1001 shared classes"):
        normalized_discounted_cumulative_gain(RetrievalTask(codes, codes, labels, labels), gain="exponential")
    assert normalized_discounted_cumulative_gain(RetrievalTask(codes, codes, labels, labels)) == pytest.approx(1.0)


@pytest.mark.parametrize(("rules", "guess"), [({"gain": "exponental"}, "exponential"), ({"empty": "skp"}, "skip")])
def test_misspelt_rules_name_the_nearest(rules, guess):
    with pytest.raises(UnknownNameError, match=f"did you mean '{guess}'"):
        normalized_discounted_cumulative_gain(RetrievalTask(*Sample(7, queries=3, database=9, bits=8).arrays), **rules)


def test_impossible_cut():
    with pytest.raises(UsageError, match="k=0"):
        normalized_discounted_cumulative_gain(RetrievalTask(*Sample(7, queries=3, database=9, bits=8).arrays), k=0)


@pytest.mark.parametrize(("cut", "same"), [(np.uint64(4), 4), (np.int8(4), 4), (2**63, None), (10**30, None)])
def test_cuts_of_any_kind_of_whole_number(cut, same):
    arrays = Sample(8, queries=3, database=9, bits=8).arrays
    assert normalized_discounted_cumulative_gain(RetrievalTask(*arrays), k=cut) == normalized_discounted_cumulative_gain(
        RetrievalTask(*arrays), k=same
    )


def with_table(counts: np.ndarray, gains: np.ndarray, k: int | None) -> np.ndarray:
    """NDCG of histograms, (queries, distances, levels), by a table of the sums of the discounts of all places."""
    items = int(counts[0].sum())
    table = np.append(0.0, np.cumsum(1 / np.log2(np.arange(2, items + 2))))[np.minimum(np.arange(items + 1), k or items)]

    def dcg(gain: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        return (gain * np.diff(table[np.cumsum(sizes, axis=1)], axis=1, prepend=0.0)).sum(axis=1)

    means = np.einsum("qdl,l->qd", counts, gains) / np.maximum(counts.sum(axis=2), 1)
    return dcg(means, counts.sum(axis=2)) / dcg(gains[::-1], counts.sum(axis=1)[:, ::-1])


@pytest.mark.parametrize("items", [1, 100, 129, 5_000, 10**6])
def test_large_databases_need_no_table_of_their_places(items):
    rng = np.random.default_rng(9)
    shares = rng.dirichlet(np.full(17 * 4, 0.3), size=5)
    counts = rng.multinomial(items, shares).reshape(5, 17, 4)
    counts[:, 16, 3] += 1  # something relevant, which comes last
    bits = BitCounts(items + 1, np.zeros(16, dtype=np.int64), np.zeros((16, 16), dtype=np.int64))
    gains = DiscountedGains(ShardCounts(counts, bits), [None, 1, 100, 1000], "shared")
    gains.add(slice(0, 5), DistanceHistogram.of(counts))
    for k, values in gains.values.items():
        np.testing.assert_allclose(values, with_table(counts, np.arange(4.0), k), rtol=0, atol=1e-13)
