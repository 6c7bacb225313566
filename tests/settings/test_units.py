"""Units of work: the parts cover all units once, and flags that have no effect are refused."""

import pytest

from biodeephashing.errors import UsageError
from biodeephashing.runs import METHODS, settings_of
from biodeephashing.settings.parsers import study_parser
from biodeephashing.settings.units import HERE, Part, Placement, given_placement

STUDIES = [method for method in METHODS if method not in ("H2Q", "ITQ")]  # which rotate the codes of other runs


@pytest.mark.parametrize("of", [1, 2, 3, 7, 16])
def test_the_parts_cover_all_units_once_and_in_order(of):
    units = list(range(7))
    parts = [Part(number, of).take(units) for number in range(of)]
    assert sorted(unit for part in parts for unit in part) == units
    for number, part in enumerate(parts):
        assert part == [unit for unit in units if unit % of == number]


@pytest.mark.parametrize("method", STUDIES)
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("-part 16/16", "0/16 to 15/16"),
        ("-part 0/0", "at least one part"),
        ("-part a/b", "not a part I/N"),
        ("-part -1/4", "unknown flag|expected one argument"),
        ("-part 0/2 -on ray", "-on ray hands out all units"),
        ("-on rya", "did you mean 'ray'"),
        ("-jobs -1", "not a whole number"),
        ("-on ray -address 6379", "HOST:PORT"),
        ("-on ray -address head:0", "HOST:PORT"),
        ("-on ray -unit_cpus 0", "at least 1"),
        ("-address local", "give -on ray too"),
        ("-unit_cpus 2", "give -on ray too"),
        ("-on local -retries 1", "give -on ray too"),
    ],
)
def test_what_has_no_effect_is_refused(method, words, message):
    with pytest.raises(UsageError, match=message):
        given_placement(study_parser(settings_of(method)).parse_args(words.split()))


def test_flags_become_a_placement():
    parser = study_parser(settings_of("PenaltyStrategies"))
    assert given_placement(parser.parse_args([])) == HERE
    words = "-on ray -address head:6379 -jobs 3 -unit_cpus 2 -retries 0"
    assert given_placement(parser.parse_args(words.split())) == Placement("ray", 3, Part(), "head:6379", 2, 0)
    assert str(given_placement(parser.parse_args(["-part", "3/16"])).part) == "3/16"
