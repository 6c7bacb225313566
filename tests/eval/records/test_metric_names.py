"""The names of numbers: every rule that is not the default stands in them, and can be read back."""

from itertools import product

import numpy as np
import pytest

from biodeephashing.errors import UsageError
from biodeephashing.eval import APSpec, RetrievalTask, retrieval
from biodeephashing.eval.metrics import DENOMINATORS, TIES
from biodeephashing.eval.records.metric_names import (
    ALWAYS,
    FOLDS,
    FURTHER,
    NDCG_CUT,
    compatible_key,
    describe_denominator,
    further_numbers,
    is_metric,
    key_of,
    measure_of,
    metric_of,
    options_of,
    parse_metric,
    requested_measures,
    words_of,
)


def test_every_key_can_be_read_back():
    cuts = [{}, {"k": 1}, {"k": 1000}, {"radius": 0}, {"radius": 12}]
    measures = [APSpec(ties, denominator=denominator, **cut) for ties, denominator, cut in product(TIES, DENOMINATORS, cuts)]
    assert [measure_of(key_of(measure)) for measure in measures] == measures
    assert len(set(map(key_of, measures))) == len(measures)


@pytest.mark.parametrize("key", ["mAP", "mAP_at_k=1000", "mAP_expected_", "mAP_expected_at_k=", "mAP_expected_at_k=0", "hparams", ""])
def test_other_keys_are_no_measures(key):
    assert measure_of(key) is None
    assert compatible_key(1000) not in map(key_of, ALWAYS)


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ({}, []),
        ({"ties": ["worst"]}, ["mAP_worst"]),
        ({"cuts": [5, 5]}, ["mAP_expected_at_k=5"]),
        ({"radii": [0]}, ["mAP_expected_at_radius=0"]),
        ({"ties": ["worst"], "radii": [2]}, ["mAP_worst_at_radius=2"]),
        ({"ties": ["best"], "cuts": [3], "denominators": ["all"]}, ["mAP_best_at_k=3_all"]),
        ({"ties": ["best"], "denominators": ["min"]}, ["mAP_best", "mAP_best_at_k=1000_min", "mAP_best_at_k=5000_min"]),
        ({"ties": ["index"], "denominators": ["retrieved"]}, ["mAP_index", "mAP_index_at_k=1000", "mAP_index_at_k=5000"]),
        ({"cuts": [3], "radii": [1], "denominators": ["all", "min"]},
         ["mAP_expected_at_k=3_all", "mAP_expected_at_radius=1_all", "mAP_expected_at_k=3_min", "mAP_expected_at_radius=1_min"]),
    ],
)  # fmt: skip
def test_what_options_ask_for(options, keys):
    assert list(map(key_of, requested_measures(**options))) == keys


def test_every_number_that_can_be_asked_for_has_a_name_in_mlflow():
    measures = [
        *ALWAYS,
        *requested_measures(TIES[:3], [1, 1000], [0, 2], DENOMINATORS),
        *requested_measures(TIES[3:], [100], [2], ["min", "all"]),
    ]
    names = {(fold, measure): metric_of(fold, measure) for fold in FOLDS for measure in measures}
    assert len(set(names.values())) == len(names) == 2 * len(set(measures))
    for place, name in names.items():
        assert parse_metric(name) == place
        assert is_metric(name)
        assert name.replace("_", "").isalnum(), "MLflow allows no more"
        assert words_of(name) != name


@pytest.mark.parametrize(
    ("metric", "guess"),
    [
        ("query_mAP_expcted", "query_mAP_expected"),
        ("train_mAP_index", "val_mAP_index"),
        ("val_mAP_feature_at_k=1000", "val_mAP_feature_at_1000"),
        ("query_mAP_expected_at_radius_02", "query_mAP_expected"),
        ("query_mAP_expected_at_1000_retrieved", "query_mAP_expected_at_1000"),
        ("query_mAP_expected_min", "query_mAP_expected"),  # over the whole ranking all denominators are the same
        ("query_mAP_worst_at_0", "query_mAP_worst"),
    ],
)
def test_an_unknown_name_proposes_the_nearest(metric, guess):
    with pytest.raises(UsageError, match=f"unknown metric '{metric}': did you mean '{guess}"):
        parse_metric(metric)
    assert not is_metric(metric)
    assert words_of(metric) == metric


def test_bounds_that_would_be_none_are_refused():
    with pytest.raises(
        UsageError, match=r"worst is no bound; write query_mAP_worst_at_10_min, query_mAP_worst_at_10_all, or query_mAP_worst "
    ):
        parse_metric("query_mAP_worst_at_10")
    for bound in ("val_mAP_best_at_10_all", "val_mAP_best_at_radius_0", "val_mAP_best"):
        assert parse_metric(bound)[1].ties == "best"


def test_a_radius_and_depths_beyond_the_longest_are_the_longest():
    """Two items of one bit, of which the nearer one is relevant: within radius 2 lie both, among the first 100 are both."""
    codes, labels = np.array([[0b10000000], [0]], dtype=np.uint8), np.array([[1], [0]], dtype=np.uint8)
    found = further_numbers(retrieval(RetrievalTask(codes[:1], codes, labels[:1], labels, bits=1), [], ndcg=[NDCG_CUT]))
    assert set(found) == set(FURTHER)
    assert (found["precision_at_radius=2"], found["recall_at_radius=2"], found["nonempty_at_radius=2"]) == (0.5, 1.0, 1.0)
    assert found["precision_expected_at_k=100"] == found["precision_expected_at_k=1000"] == 0.5
    assert found["nDCG_expected_at_k=1000"] == 1.0


def test_options_make_what_they_name():
    assert options_of(APSpec("index", k=5000)) == ""
    assert options_of(APSpec("feature", k=5000)) == ", without -no_features"
    for arguments in ({"radii": [2]}, {"ties": ["index"], "cuts": [7], "denominators": ["all"]}, {"ties": ["worst"], "radii": [0]}):
        (measure,) = requested_measures(**arguments)
        options = options_of(measure).split()
        given = dict(zip(options[::2], options[1::2], strict=True))
        again = requested_measures(
            [given["-ties"]] if "-ties" in given else (),
            [int(given["-k"])] if "-k" in given else (),
            [int(given["-radius"])] if "-radius" in given else (),
            [given["-denominator"]] if "-denominator" in given else (),
        )
        assert again == [measure]


def test_every_denominator_is_told_apart():
    measures = [APSpec(denominator=denominator, **cut) for denominator in DENOMINATORS for cut in ({"k": 5}, {"radius": 5})]
    assert len({describe_denominator(measure) for measure in measures}) == 5  # "all" asks for no cut
