"""Settings with entries or a grammar of their own: constants of a loss, and schedules."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from biodeephashing.errors import UsageError
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.settings.constants import parse_constants, tidy_constants
from biodeephashing.settings.schedule import Schedule, parse_schedule

NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
WORDS = st.from_regex(r"[a-z][a-z.]{0,8}", fullmatch=True).filter(lambda word: word not in ("true", "false", "inf", "infinity", "nan"))
VALUES = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False), WORDS)


def written(constants):
    return ",".join(f"{name}={value}" for name, value in constants.items())


@given(st.dictionaries(NAMES, VALUES, max_size=5))
def test_what_is_written_is_read(constants):
    found = parse_constants(written(constants))
    assert found == constants
    assert [type(value) for value in found.values()] == [type(value) for value in constants.values()]
    assert parse_constants(tidy_constants(written(constants))) == constants


@given(st.dictionaries(NAMES, VALUES, max_size=5), st.randoms())
def test_order_and_blanks_mean_nothing(constants, random):
    entries = list(constants.items())
    random.shuffle(entries)
    loose = " , ".join(f" {name} =  {value}" for name, value in entries)
    assert tidy_constants(loose) == tidy_constants(written(constants)) == tidy_constants(tidy_constants(loose))


def test_the_simplest_meaning_is_taken():
    found = parse_constants("a=1,b=1.0,c=1e3,d=TRUE,e=False,f=word")
    assert found == {"a": 1, "b": 1.0, "c": 1000.0, "d": True, "e": False, "f": "word"}
    assert [type(value) for value in found.values()] == [int, float, float, bool, bool, str]
    assert tidy_constants("b=0,a=1,c=TRUE") == "a=1,b=0,c=true"
    assert parse_constants("") == parse_constants("  ") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gamma", "'gamma' is not of the form name=value"),
        ("gamma=", "'gamma=' is not of the form name=value"),
        ("=3", "'=3' is not of the form"),
        ("2x=3", "'2x=3' is not of the form"),
        ("a b=3", "'a b=3' is not of the form"),
        ("a=1,", "'' is not of the form"),
        (",", "'' is not of the form"),
        ("a=1;b=2,c", "'c' is not of the form"),
        ("a=1,b=2,a=1", "'a' comes twice"),
    ],
)
def test_constants_that_cannot_be_read(text, message):
    with pytest.raises(UsageError) as caught:
        parse_constants(text)
    assert message in str(caught.value)
    with pytest.raises(UsageError):
        Settings(constants=text)


@given(st.dictionaries(NAMES, VALUES.filter(lambda value: len(str(value)) < 20), min_size=1, max_size=2))
def test_the_name_of_a_run_carries_constants_legally_and_once(constants):
    entries = [f"{name}={value}" for name, value in constants.items()]
    one, other = Settings(constants=",".join(entries)), Settings(constants=" , ".join(reversed(entries)))
    assert one == other
    assert one.name == other.name != Settings().name
    assert not set(one.name) & set('<>:"/\\|?*')


# ---------------------------------------------------------------- schedules

FACTORS = st.floats(1e-6, 1.0, exclude_min=True)


@given(st.builds(Schedule, st.just("step"), st.integers(1, 10**6), st.sampled_from(["epoch", "step"]), FACTORS))
def test_a_schedule_is_read_as_it_is_written(schedule):
    assert parse_schedule(str(schedule)) == schedule


@pytest.mark.parametrize("text", ["constant", "cosine", "step:30:0.1", "steps:2000:0.5"])
def test_schedules_are_written_as_they_are_read(text):
    assert str(parse_schedule(text)) == text


def test_two_ways_to_write_a_schedule_make_one_run():
    assert Settings(schedule="step: 030:.10") == Settings(schedule="step:30:0.1")
    assert Settings(schedule="step:30:0.1").name.endswith("-schedule=step%3A30%3A0.1")
    assert Settings(schedule="constant").name == Settings().name


@pytest.mark.parametrize(
    "text",
    ["", "linear", "Constant", "constant:1", "cosine:10", "step", "step:30", "step:0:0.1", "step:-1:0.1", "step:1.5:0.1", "step:30:0",
     "step:30:-0.1", "step:30:nan", "step:30:inf", "step:30:x", "step:30:0.1:2", "steps:x:0.1"],
)  # fmt: skip
def test_schedules_that_cannot_be(text):
    with pytest.raises(UsageError, match=r"is none of constant, cosine, step:N:FACTOR"):
        parse_schedule(text)
    with pytest.raises(UsageError):
        Settings(schedule=text)
