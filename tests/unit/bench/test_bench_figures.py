"""Medians, ratios and targets of the bench."""

import pytest

from bench.figures import Spread, Target, Verdict, judge, ratios

AT_LEAST_ONE_TENTH_MORE = Target(1.1, at_least=True, against="direct")
AT_MOST_THREE = Target(3, at_least=False)
BELOW_TWO = Target(2, at_least=False, strict=True)

HOLDS = [
    # what it shows, target, value, expected
    ("more than enough", AT_LEAST_ONE_TENTH_MORE, 1.2, True),
    ("just enough", AT_LEAST_ONE_TENTH_MORE, 1.1, True),
    ("too little", AT_LEAST_ONE_TENTH_MORE, 1.09, False),
    ("little enough", AT_MOST_THREE, 2.9, True),
    ("just little enough", AT_MOST_THREE, 3.0, True),
    ("too much", AT_MOST_THREE, 3.1, False),
    ("below is not equal", BELOW_TWO, 2.0, False),
    ("below", BELOW_TWO, 1.99, True),
]


@pytest.mark.parametrize(("target", "value", "expected"), [case[1:] for case in HOLDS], ids=[case[0] for case in HOLDS])
def test_target_holds(target: Target, value: float, expected: bool) -> None:
    assert target.holds(value) is expected


@pytest.mark.parametrize(
    ("target", "text"), [(AT_LEAST_ONE_TENTH_MORE, ">= 1.1 x"), (AT_MOST_THREE, "<= 3"), (BELOW_TWO, "< 2")]
)
def test_target_reads_like_the_issue(target: Target, text: str) -> None:
    assert str(target) == text


def test_spread_of_rounds() -> None:
    assert Spread.of([5.0, 1.0, 2.0, 9.0, 3.0]) == Spread(3.0, 1.0, 9.0)


def test_spread_of_an_even_number_of_rounds_has_its_median_between_the_middle_ones() -> None:
    assert Spread.of([1.0, 2.0, 4.0, 9.0]).median == 3.0


def test_ratio_is_that_of_the_medians_and_its_spread_that_of_the_rounds() -> None:
    """A machine that was slow for both in one round does not widen the spread."""
    assert ratios([10.0, 20.0, 30.0], [20.0, 40.0, 50.0]) == Spread(0.5, 0.5, 0.6)


def test_ratio_needs_as_many_rounds_of_both() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratios([1.0, 2.0], [1.0])


VERDICTS = [
    # what it shows, target, ours, theirs, failed, expected
    ("ratio met", AT_LEAST_ONE_TENTH_MORE, [12.0], [10.0], 0, Verdict.MET),
    ("ratio not met", AT_LEAST_ONE_TENTH_MORE, [10.0], [10.0], 0, Verdict.NOT_MET),
    ("limit met", AT_MOST_THREE, [2.0, 4.0, 3.0], None, 0, Verdict.MET),
    ("limit not met by the median", AT_MOST_THREE, [2.0, 4.0, 3.5], None, 0, Verdict.NOT_MET),
    ("the other one was left out", AT_LEAST_ONE_TENTH_MORE, [12.0], [], 0, Verdict.NOT_MEASURED),
    ("we were left out", AT_MOST_THREE, [], None, 0, Verdict.NOT_MEASURED),
    ("a session failed", AT_LEAST_ONE_TENTH_MORE, [12.0], [10.0], 1, Verdict.INVALID),
]


@pytest.mark.parametrize(
    ("target", "ours", "theirs", "failed", "expected"),
    [case[1:] for case in VERDICTS],
    ids=[case[0] for case in VERDICTS],
)
def test_judge(target: Target, ours: list[float], theirs: list[float] | None, failed: int, expected: Verdict) -> None:
    assert judge(target, ours, theirs, failed).verdict is expected
