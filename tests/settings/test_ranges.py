"""Ranges that a sweep chooses from, and its rungs."""

import pytest

from biodeephashing.errors import UsageError
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.settings.parsers import study_parser
from biodeephashing.settings.ranges import Range, Rungs, given_rungs, range_of


@pytest.mark.parametrize(
    ("name", "content", "want"),
    [
        ("learning_rate", {"low": "1e-5", "high": "1e-3", "log": "true"}, Range(1e-5, 1e-3, True)),
        ("penalty", {"low": "0", "high": "1"}, Range(0.0, 1.0)),
        ("batch_size", {"low": "8", "high": "64"}, Range(8, 64)),
    ],
)
def test_a_range_is_read_as_its_setting(name, content, want):
    assert range_of(Settings, name, content, "sweep.yaml") == want


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("learning_rat", {"low": "1", "high": "2"}, "did you mean 'learning_rate'"),
        ("learning_rate", {"low": "1", "hihg": "2"}, "did you mean 'high'"),
        ("learning_rate", {"low": "1e-5"}, "needs high"),
        ("learning_rate", {"low": "1e-3", "high": "1e-5"}, "goes up from low 0.001 to high 1e-05"),
        ("learning_rate", {"low": "-1", "high": "1"}, "-lr -1.0 is not possible"),
        ("weight_decay", {"low": "0", "high": "1", "log": "true"}, "above 0 with log"),
        ("weight_decay", {"low": "0", "high": "1", "log": "maybe"}, "log is true or false"),
        ("batch_size", {"low": "1.5", "high": "8"}, "low: '1.5' is not a whole number"),
        ("loss", {"low": "1", "high": "2"}, "loss cannot have a range"),
        ("devices", {"low": "1", "high": "2"}, "devices cannot have a range"),
        ("seed", {"low": "1", "high": "2"}, "seed cannot have a range"),
        ("number_of_bits", {"low": "1", "high": "2"}, "number_of_bits cannot have a range"),
    ],
)
def test_a_range_that_cannot_be_is_refused(name, content, words):
    with pytest.raises(UsageError, match=words):
        range_of(Settings, name, content, "sweep.yaml")


@pytest.mark.parametrize(
    ("value", "want"), [(0.000123456, 0.000123), (0.0099999, 0.00999), (1.0001e-5, 1.0001e-5)]
)  # fmt: skip
def test_values_have_three_digits_and_stay_inside(value, want):
    assert Range(1.0001e-5, 0.00999).rounded(value) == want


def test_rungs():
    assert Rungs(1, 2).epochs(8) == [1, 2, 4, 8]
    assert Rungs(10, 3).epochs(10) == [10]
    assert [Rungs(1, 3).going_on(count) for count in (1, 3, 4, 9)] == [1, 1, 2, 3]


@pytest.mark.parametrize(("words", "message"), [(["-eta", "3"], "give -rung too"), (["-rung", "1", "-eta", "1"], "at least 2")])
def test_rungs_that_cannot_be_are_refused(words, message):
    with pytest.raises(UsageError, match=message):
        given_rungs(study_parser(Settings).parse_args(["-trials", "9", *words]))
