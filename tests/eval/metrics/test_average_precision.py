"""The engine against slow definitions, hand-computed cases and outside authorities."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from many_cases import each_case
from ranking_oracle import Sample, ap_of_ranking

from biodeephashing.codes import pack
from biodeephashing.errors import BioDeepHashingError, UnknownNameError, UsageError
from biodeephashing.eval import (
    APSpec,
    RetrievalTask,
    average_precision_per_query,
    leave_one_out_average_precision,
    mean_average_precision,
    retrieval,
)
from biodeephashing.eval.metrics import DENOMINATORS, TIES
from biodeephashing.eval.ranking import WIDEST
from biodeephashing.eval.ranking.task import ROWS

CUTS = [{}, {"k": 1}, {"k": 4}, {"k": 17}, {"k": 10_000}, {"radius": 0}, {"radius": 2}, {"radius": 99}]
SORTED = [ties for ties in TIES if ties != "expected"]


def line(ranking: str) -> tuple[np.ndarray, ...]:
    """A query of 8 bits whose database items lie at distances 0, 1, 2, ... and are relevant (+) or not (-)."""
    database = np.array([[2**i - 1] for i in range(len(ranking))], dtype=np.uint8)
    labels = np.array([[mark == "+"] for mark in ranking], dtype=np.uint8)
    return np.zeros((1, 1), dtype=np.uint8), database, np.ones((1, 1), dtype=np.uint8), labels


@pytest.mark.parametrize("ties", SORTED)
@each_case("cut, denominator, empty", itertools.product(CUTS, DENOMINATORS, ["zero", "skip"]))
def test_rankings_match_the_double_loop(ties, cut, denominator, empty):
    sample = Sample(1, queries=7, database=40, bits=5)
    got = mean_average_precision(
        sample.task,
        APSpec(ties=ties, denominator=denominator, empty=empty, **cut),
    )
    assert got == pytest.approx(sample.mean_ap(ties, denominator=denominator, empty=empty, **cut), abs=1e-13)


@each_case("cut, denominator, empty", itertools.product(CUTS, DENOMINATORS, ["zero", "skip"]))
def test_expected_is_the_mean_over_all_permutations(cut, denominator, empty):
    sample = Sample(2, queries=5, database=9, bits=3)
    got = mean_average_precision(RetrievalTask(*sample.arrays), APSpec(denominator=denominator, empty=empty, **cut))
    assert got == pytest.approx(sample.mean_ap("expected", denominator=denominator, empty=empty, **cut), abs=1e-13)


@each_case("k, denominator", itertools.product(range(1, 8), DENOMINATORS))
def test_expected_when_all_items_are_tied(k, denominator):
    codes = np.zeros((4, 1), dtype=np.uint8)
    for marks in itertools.product("+-", repeat=4):
        _, _, query_labels, labels = line("".join(marks))
        orders = list(itertools.permutations([mark == "+" for mark in marks]))
        want = sum(ap_of_ranking(list(order), k, denominator) for order in orders) / len(orders)
        assert mean_average_precision(
            RetrievalTask(codes[:1], codes, query_labels, labels), APSpec(k=k, denominator=denominator)
        ) == pytest.approx(want, abs=1e-14)


@pytest.mark.parametrize("k", [None, 50, 777])
@pytest.mark.parametrize("denominator", DENOMINATORS)
def test_expected_is_the_monte_carlo_mean_over_shuffled_databases(k, denominator):
    sample = Sample(3, queries=4, database=1500, bits=6, single=True)
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(200):
        order = rng.permutation(1500)
        shuffled = sample.query_codes, sample.database_codes[order], sample.query_labels, sample.database_labels[order]
        draws.append(mean_average_precision(RetrievalTask(*shuffled), APSpec(k=k, denominator=denominator, ties="index")))
    got = mean_average_precision(RetrievalTask(*sample.arrays), APSpec(k=k, denominator=denominator))
    assert got == pytest.approx(np.mean(draws), abs=5 * np.std(draws) / np.sqrt(len(draws)))


def test_expected_stays_exact_for_large_groups():
    # One group of n items, r relevant, whole ranking: E[AP] = (1/n) sum_j (1 + (j-1) b) / j with b = (r-1)/(n-1).
    n, r = 60_000, 6_000
    labels = np.zeros((n, 1), dtype=np.uint8)
    labels[:r] = 1
    codes = np.zeros((n, 1), dtype=np.uint8)
    want = sum((1 + (j - 1) * (r - 1) / (n - 1)) / j for j in range(1, n + 1)) / n
    assert mean_average_precision(RetrievalTask(codes[:1], codes, labels[:1], labels)) == pytest.approx(want, rel=1e-12)


def test_expected_cut_inside_a_large_group_against_scipy():
    from scipy.stats import hypergeom

    n, r, k = 50_000, 5_000, 1_000
    labels = np.zeros((n, 1), dtype=np.uint8)
    labels[:r] = 1
    codes = np.zeros((n, 1), dtype=np.uint8)
    want = 0.0
    for m in range(1, k + 1):  # m/t sum_j (1 + (j-1)(m-1)/(t-1))/j / m
        want += hypergeom.pmf(m, n, r, k) * np.mean([(1 + (j - 1) * (m - 1) / (k - 1)) / j for j in range(1, k + 1)])
    assert mean_average_precision(RetrievalTask(codes[:1], codes, labels[:1], labels), APSpec(k=k)) == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize("ties", TIES)
@each_case(
    "ranking, rules, want",
    [
        ("+-+", {"k": 3}, 5 / 6),  # (1/1 + 2/3) / 2
        ("+--", {"k": 3}, 1.0),  # (1/1) / 1: one hit fewer, a higher score: "retrieved" is not monotone
        ("+--+", {"k": 3}, 1.0),  # (1/1) / 1
        ("+--+", {"k": 3, "denominator": "min"}, 1 / 2),  # (1/1) / min(2, 3)
        ("+-+++", {"k": 3, "denominator": "min"}, 5 / 9),  # (1 + 2/3) / min(4, 3)
        ("+-+++", {"k": 3, "denominator": "all"}, 5 / 12),  # (1 + 2/3) / 4
        ("-+-+", {}, 1 / 2),  # (1/2 + 2/4) / 2
        ("--+", {"radius": 1}, 0.0),  # nothing relevant within one bit
        ("-++", {"radius": 1}, 1 / 2),  # (1/2) / 1
        ("---", {}, 0.0),
    ],
)
def test_hand_computed_rankings(ties, ranking, rules, want):
    arrays = line(ranking)
    features = np.ones((1, 8)), np.ones((len(ranking), 8))
    assert mean_average_precision(RetrievalTask(*arrays, features=features), APSpec(ties=ties, **rules)) == pytest.approx(want, abs=1e-15)


def test_no_tie_makes_all_rules_equal():
    rng = np.random.default_rng(4)
    codes = np.tril(np.ones((257, 256), dtype=np.int8), -1)[rng.permutation(257)] * 2 - 1  # distances 0..256 from the zero code
    query = -np.ones((1, 256), dtype=np.int8)
    labels = (rng.random((257, 2)) < 0.4).astype(np.uint8)
    features = query * 1.0, codes + rng.normal(size=codes.shape) / 10
    for rules in ({}, {"k": 30}, {"radius": 20}):
        arrays = pack(query), pack(codes), np.ones((1, 2), dtype=np.uint8), labels
        values = [mean_average_precision(RetrievalTask(*arrays, features=features), APSpec(ties=ties, **rules)) for ties in TIES]
        assert values == pytest.approx([values[0]] * len(TIES), abs=1e-13)


MONOTONE = [(cut, rule) for cut in CUTS for rule in DENOMINATORS if rule != "retrieved" or cut.get("k", 60) >= 60]


@each_case("cut, denominator", MONOTONE)
def test_worst_and_best_are_bounds(cut, denominator):
    sample = Sample(5, queries=20, database=60, bits=4)
    measures = {ties: APSpec(ties, denominator=denominator, **cut) for ties in TIES}
    values = average_precision_per_query(sample.task, list(measures.values()))
    for ties in TIES:
        assert (values[measures["worst"]].values <= values[measures[ties]].values + 1e-13).all()
        assert (values[measures[ties]].values <= values[measures["best"]].values + 1e-13).all()


@pytest.mark.parametrize("ties", ["expected", "worst", "best"])
def test_order_of_the_database_does_not_matter(ties):
    sample = Sample(7, queries=10, database=50, bits=4)
    order = np.random.default_rng(1).permutation(50)
    query_codes, database_codes, query_labels, database_labels = sample.arrays
    moved = query_codes, database_codes[order], query_labels, database_labels[order]
    for cut in ({}, {"k": 7}):
        assert mean_average_precision(RetrievalTask(*moved), APSpec(ties=ties, **cut)) == mean_average_precision(
            RetrievalTask(*sample.arrays), APSpec(ties=ties, **cut)
        )


@pytest.mark.parametrize("memory", [1, 5_000, 2**30])
def test_memory_changes_nothing(memory):
    sample = Sample(8, queries=23, database=70, bits=10)
    measures = [APSpec(ties, k=k) for ties in TIES for k in (None, 5)]
    bounded = average_precision_per_query(sample.task, measures, memory=memory)
    for measure, free in average_precision_per_query(sample.task, measures).items():
        assert (bounded[measure].values == free.values).all()
        assert (bounded[measure].found == free.found).all()
    everything = leave_one_out_average_precision(*sample.arrays[1::2])
    assert leave_one_out_average_precision(*sample.arrays[1::2], memory=memory) == everything


def test_memory_stays_bounded():
    import tracemalloc

    sample = Sample(9, queries=400, database=4_000, bits=16, single=True)
    limit, measures = 2**21, [APSpec(ties) for ties in TIES]
    average_precision_per_query(sample.task, measures)  # what is compiled and imported does not count
    task = sample.task
    tracemalloc.start()
    average_precision_per_query(task, measures, memory=limit)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    units = 8 * (400 + 4_000) * 16
    assert peak < limit + 4 * units  # far below 400 × 4,000 × 8 = 12.8 MB


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    queries=st.integers(1, 4),
    database=st.integers(1, 25),
    bits=st.sampled_from([1, 3, 7, 8, 9, 16, 31, 65, 260]),
    classes=st.sampled_from([1, 2, 9, 17, 70]),
    ties=st.sampled_from(SORTED),
    denominator=st.sampled_from(DENOMINATORS),
    cut=st.one_of(st.just({}), st.integers(1, 60).map(lambda k: {"k": k}), st.integers(0, 300).map(lambda radius: {"radius": radius})),
    empty=st.sampled_from(["zero", "skip"]),
)
def test_any_size(seed, queries, database, bits, classes, ties, denominator, cut, empty):
    sample = Sample(seed, queries, database, bits, classes)
    got = mean_average_precision(
        sample.task,
        APSpec(ties=ties, denominator=denominator, empty=empty, **cut),
    )
    assert got == pytest.approx(sample.mean_ap(ties, denominator=denominator, empty=empty, **cut), abs=1e-13)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    database=st.integers(1, 6),
    bits=st.sampled_from([1, 2, 9]),
    denominator=st.sampled_from(DENOMINATORS),
    cut=st.one_of(st.just({}), st.integers(1, 8).map(lambda k: {"k": k}), st.integers(0, 9).map(lambda radius: {"radius": radius})),
    collapsed=st.booleans(),
)
def test_expected_of_any_size(seed, database, bits, denominator, cut, collapsed):
    sample = Sample(seed, 2, database, bits)
    if collapsed:
        sample.query_features[:] = sample.database_features[:] = 1
    got = mean_average_precision(RetrievalTask(*sample.arrays), APSpec(denominator=denominator, **cut))
    assert got == pytest.approx(sample.mean_ap("expected", denominator=denominator, **cut), abs=1e-13)


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("empty", ["zero", "skip"])
def test_queries_without_relevant_items(ties, empty):
    sample = Sample(10, queries=3, database=20, bits=8)
    sample.query_labels[:] = 0
    assert mean_average_precision(sample.task, APSpec(ties=ties, empty=empty)) == 0.0
    sample.query_labels[0] = sample.database_labels[:] = 1
    one = mean_average_precision(sample.task, APSpec(ties=ties, empty=empty))
    assert one == pytest.approx(1.0 if empty == "skip" else 1 / 3)


@pytest.mark.parametrize("largest", [1.0, 1e30, 1e-30])
def test_features_of_any_length_and_zero_rows_give_numbers(largest):
    sample = Sample(11, queries=4, database=30, bits=6)
    sample.query_features[0] = sample.database_features[3] = 0
    scaled = tuple(array * np.float32(largest) for array in sample.features)
    got = mean_average_precision(RetrievalTask(*sample.arrays, features=scaled), APSpec(ties="feature"))
    assert got == pytest.approx(sample.mean_ap("feature"), abs=1e-13)


def test_leave_one_out_is_every_query_against_the_database_without_its_row():
    sample = Sample(12, queries=1, database=40, bits=5)
    codes, labels, features = sample.database_codes, sample.database_labels, sample.database_features
    measures = [APSpec(ties, k=k, denominator="min") for ties in TIES for k in (None, 7, 39)] + [APSpec(t, radius=1) for t in TIES]
    task = RetrievalTask(codes, codes, labels, labels, features=(features, features), bits=5, leave_one_out=True)
    got = retrieval(task, measures, ndcg=[None, 9])
    one_by_one = []
    for row in range(40):
        own, rest = slice(row, row + 1), np.arange(40) != row
        task = RetrievalTask(codes[own], codes[rest], labels[own], labels[rest], features=(features[own], features[rest]), bits=5)
        one_by_one.append(retrieval(task, measures, ndcg=[None, 9]))
    for measure in measures:
        for name in ("values", "found"):
            want = np.concatenate([getattr(one.average_precision[measure], name) for one in one_by_one])
            assert getattr(got.average_precision[measure], name) == pytest.approx(want, abs=1e-12), (measure, name)
    for k in (None, 9):
        assert got.ndcg[k] == pytest.approx(np.concatenate([one.ndcg[k] for one in one_by_one]), abs=1e-12)
    for name in ("items", "nonempty", "precision", "recall", "depths", "precision_at", "recall_at"):
        want = np.mean([getattr(one.curves, name) for one in one_by_one], axis=0)
        assert getattr(got.curves, name) == pytest.approx(want, abs=1e-12), name
    alone = [
        mean_average_precision(RetrievalTask(codes[[i]], np.delete(codes, i, 0), labels[[i]], np.delete(labels, i, 0))) for i in range(40)
    ]
    assert leave_one_out_average_precision(codes, labels) == pytest.approx(np.mean(alone), abs=1e-14)
    assert leave_one_out_average_precision(codes, labels, queries=7) == pytest.approx(np.mean(alone[:7]), abs=1e-14)


@pytest.mark.parametrize("k", [None, 20])
def test_agrees_with_torchmetrics(k):
    import torch
    from torchmetrics.functional.retrieval import retrieval_average_precision

    rng = np.random.default_rng(13)
    codes = np.tril(np.ones((64, 64), dtype=np.int8))[rng.permutation(64)] * 2 - 1  # 64 different distances, no tie
    query = -np.ones((1, 64), dtype=np.int8)
    labels = (rng.random((64, 1)) < 0.3).astype(np.uint8)
    got = mean_average_precision(RetrievalTask(pack(query), pack(codes), np.ones((1, 1), dtype=np.uint8), labels), APSpec(k=k))
    scores = torch.tensor(64 + 1 - (codes > 0).sum(axis=1), dtype=torch.float32)  # scores of 0 or less would be dropped
    want = retrieval_average_precision(scores, torch.tensor(labels[:, 0], dtype=torch.bool), top_k=k)
    assert got == pytest.approx(float(want), abs=1e-6)


def test_agrees_with_scikit_learn():
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(14)
    codes = np.tril(np.ones((128, 128), dtype=np.int8))[rng.permutation(128)] * 2 - 1
    query = -np.ones((1, 128), dtype=np.int8)
    labels = (rng.random((128, 1)) < 0.3).astype(np.uint8)
    got = mean_average_precision(RetrievalTask(pack(query), pack(codes), np.ones((1, 1), dtype=np.uint8), labels))
    assert got == pytest.approx(average_precision_score(labels[:, 0], -(codes > 0).sum(axis=1)), abs=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query_codes": np.zeros((3, 2), dtype=np.uint8)}, r"queries \(3, 2\), database \(9, 1\)"),
        ({"query_codes": [[1], [2], [3]]}, "the query codes must be a NumPy array or a tensor, not a list: numpy.asarray makes one"),
        ({"database_labels": [[1], [1], [1]]}, "the database labels must be a NumPy array or a tensor, not a list"),
        ({"query_codes": np.zeros((3, 1), dtype=np.int8)}, r"int8 \(3, 1\) and uint8 \(9, 1\)"),
        ({"query_codes": np.zeros(3, dtype=np.uint8)}, r"query codes .* not \(3,\)"),
        ({"query_codes": np.zeros((3, 4096), dtype=np.uint8)}, r"query codes \(3, 4096\) .* too long: 4,095 bytes"),
        ({"query_codes": np.zeros((0, 1), dtype=np.uint8), "query_labels": np.zeros((0, 3))}, "query is empty"),
        ({"database_codes": np.zeros((0, 1), dtype=np.uint8), "database_labels": np.zeros((0, 3))}, "database is empty"),
        ({"query_labels": np.zeros((3, 4), dtype=np.uint8)}, r"queries \(3, 4\), database \(9, 3\)"),
        ({"query_labels": np.zeros((2, 3), dtype=np.uint8)}, "3 codes but 2 rows"),
        ({"database_labels": np.full((9, 3), 2, dtype=np.uint8)}, "other than 0 and 1"),
    ],
)
def test_bad_arrays(change, message):
    sample = Sample(15, queries=3, database=9, bits=8)
    arrays = dict(zip(("query_codes", "database_codes", "query_labels", "database_labels"), sample.arrays, strict=True)) | change
    with pytest.raises(BioDeepHashingError, match=message):
        RetrievalTask(*arrays.values())


def test_the_longest_codes():
    codes = np.zeros((3, WIDEST), dtype=np.uint8)
    codes[1:] = 255  # as far from the query as can be
    labels = np.array([[0], [1], [1]], dtype=np.uint8)
    for ties, want in (("index", 7 / 12), ("best", 7 / 12), ("expected", 7 / 12)):  # (1/2 + 2/3) / 2
        assert mean_average_precision(RetrievalTask(codes[:1], codes, labels[1:2], labels), APSpec(ties=ties)) == pytest.approx(want)


@pytest.mark.parametrize("wrong", [2, -1, 0.5, np.nan])
def test_a_bad_label_is_found_wherever_it_is(wrong):
    labels = np.zeros((ROWS + 5, 3), dtype=np.float32)
    labels[-1, 2] = wrong
    codes = np.zeros((len(labels), 1), dtype=np.uint8)
    with pytest.raises(BioDeepHashingError, match=r"the database labels \(\d+, 3\) hold values other than 0 and 1"):
        RetrievalTask(codes[:1], codes, labels[:1], labels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query_features": None}, "the query features must be a NumPy array or a tensor, not a NoneType"),
        ({"database_features": [[0.0] * 8] * 9}, "the database features must be a NumPy array or a tensor, not a list"),
        ({"query_features": np.zeros((2, 8))}, r"\(2, 8\)"),
        ({"query_features": np.zeros((3, 7))}, "different width"),
        ({"query_features": np.full((3, 8), np.nan)}, "row 0 .* NaN"),
    ],
)
def test_bad_features(change, message):
    sample = Sample(15, queries=3, database=9, bits=8)
    features = dict(zip(("query_features", "database_features"), sample.features, strict=True)) | change
    with pytest.raises(BioDeepHashingError, match=message):
        mean_average_precision(RetrievalTask(*sample.arrays, features=tuple(features.values())), APSpec(ties="feature"))


@pytest.mark.parametrize("order", [np.asfortranarray, lambda array: np.repeat(array, 2, axis=0)[::2], lambda array: array[::-1][::-1]])
@each_case("ties", TIES)
def test_the_layout_of_arrays_does_not_matter(order, ties):
    sample = Sample(6, queries=5, database=30, bits=24)
    given = [order(array) for array in sample.arrays]
    features = tuple(order(array) for array in sample.features)
    want = mean_average_precision(sample.task, APSpec(ties=ties))
    assert mean_average_precision(RetrievalTask(*given, features=features), APSpec(ties=ties)) == want


@each_case("whole, name", itertools.product([np.int8, np.uint8, np.uint64, np.int64], ["k", "radius"]))
def test_cuts_may_be_whole_numbers_of_numpy(name, whole):
    sample, most = Sample(23, queries=3, database=300, bits=300), min(np.iinfo(whole).max, 299)
    for ties in TIES:
        for cut in (2, most):  # one more than the greatest int8 is the least one
            want = mean_average_precision(sample.task, APSpec(ties=ties, **{name: cut}))
            assert mean_average_precision(sample.task, APSpec(ties=ties, **{name: whole(cut)})) == want


@each_case("cut, ties", itertools.product([{"k": 2**63}, {"k": 10**30}, {"radius": 2**63}, {"radius": np.int64(2**63 - 1)}], TIES))
def test_cuts_beyond_every_integer_of_the_machine_are_none(ties, cut):
    sample = Sample(24, queries=3, database=20, bits=8)
    want = mean_average_precision(sample.task, APSpec(ties=ties))
    assert mean_average_precision(sample.task, APSpec(ties=ties, **cut)) == want


@pytest.mark.parametrize("denominator", DENOMINATORS)
@pytest.mark.parametrize("k", [1, 3])
def test_a_chance_in_a_million_keeps_its_digits(k, denominator):
    codes, labels = np.zeros((10**6, 1), dtype=np.uint8), np.zeros((10**6, 1), dtype=np.uint8)
    labels[5] = 1
    got = mean_average_precision(RetrievalTask(codes[:1], codes, labels[5:6], labels), APSpec(k=k, denominator=denominator, empty="skip"))
    want = sum(1 / place for place in range(1, k + 1)) / k  # once found, it is at every place of the cut with the same chance
    assert got == pytest.approx(want, rel=1e-14)


@pytest.mark.parametrize(
    "rules", [{"k": 0}, {"radius": -1}, {"k": 3, "radius": 1}, {"k": 2.5}, {"k": True}, {"k": "3"}, {"radius": 0.5}, {"radius": np.nan}]
)
def test_impossible_cuts(rules):
    with pytest.raises(UsageError):
        APSpec(**rules)


@pytest.mark.parametrize(
    ("rules", "guess"), [({"ties": "expcted"}, "expected"), ({"denominator": "retreived"}, "retrieved"), ({"empty": "skp"}, "skip")]
)
def test_misspelt_rules_name_the_nearest(rules, guess):
    with pytest.raises(UnknownNameError, match=f"did you mean '{guess}'"):
        mean_average_precision(RetrievalTask(*line("+-+")), APSpec(**rules))


def test_one_item_alone_cannot_be_validated():
    with pytest.raises(BioDeepHashingError, match="alone"):
        leave_one_out_average_precision(np.zeros((1, 1), dtype=np.uint8), np.ones((1, 1), dtype=np.uint8))


def test_evaluation_does_not_load_torch():
    code = (
        "import sys, numpy as np; from biodeephashing.eval import APSpec, RetrievalTask, mean_average_precision as f;"
        "f(RetrievalTask(np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.uint8), np.ones((1, 1)), np.ones((1, 1))), APSpec('index'));"
        "print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
