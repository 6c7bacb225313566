"""The names of numbers: every rule that is not the default stands in them, and can be read back."""

from itertools import product

import pytest

from biodeephashing.eval import Measure
from biodeephashing.eval._numbers import ALWAYS, asked_measures, compatible_key, key_of, measure_of
from biodeephashing.eval.average_precision import DENOMINATORS, TIES


def test_every_key_can_be_read_back():
    cuts = [{}, {"k": 1}, {"k": 1000}, {"radius": 0}, {"radius": 12}]
    measures = [Measure(ties, denominator=denominator, **cut) for ties, denominator, cut in product(TIES, DENOMINATORS, cuts)]
    assert [measure_of(key_of(measure)) for measure in measures] == measures
    assert len(set(map(key_of, measures))) == len(measures)


@pytest.mark.parametrize("key", ["mAP", "mAP_at_k=1000", "mAP_expected_", "mAP_expected_at_k=", "mAP_expected_at_k=0", "hparams", ""])
def test_other_keys_are_no_measures(key):
    assert measure_of(key) is None
    assert compatible_key(1000) not in map(key_of, ALWAYS)


@pytest.mark.parametrize(
    ("asked", "keys"),
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
def test_what_options_ask_for(asked, keys):
    assert list(map(key_of, asked_measures(**asked))) == keys
