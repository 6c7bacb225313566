"""The loop over cases runs them all and names every one that fails."""

import pytest
from many_cases import each_case


def test_every_case_runs_and_each_that_fails_is_named():
    seen = []

    @each_case("number, word", [(1, "one"), (2, "two"), (3, "three")])
    def check(number, word, kept):
        kept.append(number)
        assert number == 2, word

    with pytest.raises(AssertionError) as caught:
        check(kept=seen)
    assert seen == [1, 2, 3]
    assert "2 of 3 cases failed" in str(caught.value)
    assert "number=1, word=one: " in str(caught.value)
    assert "number=3, word=three: " in str(caught.value)
    assert "word=two" not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_what_does_not_raise_counts_as_failed():
    @each_case("key", ["here", "gone"])
    def check(key):
        with pytest.raises(KeyError):
            {"here": 1}[key]

    with pytest.raises(AssertionError, match=r"1 of 2 cases failed:\nkey=here: .*DID NOT RAISE"):
        check()


def test_no_case_at_all_is_an_error():
    with pytest.raises(ValueError, match="no case of number"):
        each_case("number", [])
