"""Which turns are kept, and how often one is repeated."""

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bench import rounds
from bench.contenders.scene import Scene
from bench.load import Generator
from bench.rounds import Plan, measure, quietest
from bench.rows import Figure, Row
from bench.samples import Measured, Sample, Turn

ROW = Row("x", "work", (Figure("messages/s"),), lambda _: Measured(figures={}))
PLAN = Plan(rounds=2, tries=3, scale=1.0)
SCENE = cast("Scene", SimpleNamespace(contenders={"direct": "one", "sallyport": "two"}))
GENERATOR = cast("Generator", None)


def sample(turn: Any, others_share: float, rate: float) -> Sample:
    return Sample(
        row="x",
        round=turn.round,
        contender=turn.contender,
        measured=Measured(figures={"messages/s": rate}),
        cpu_s={},
        others_share=others_share,
    )


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[Turn]:
    """The turns that were taken, in a quiet machine."""
    taken: list[Turn] = []

    def take(_: Row, turn: Turn) -> Sample:
        taken.append(turn)
        return sample(turn, 0.01, 100)

    monkeypatch.setattr(rounds, "take", take)
    return taken


def test_contenders_take_turns_after_a_warm_up(turns: list[Turn]) -> None:
    said: list[str] = []
    kept = measure(ROW, SCENE, GENERATOR, PLAN, said.append)
    assert [(turn.round, str(turn.contender)) for turn in turns] == [
        (number, name) for number in (0, 1, 2) for name in ("one", "two")
    ]
    assert [one.round for one in kept] == [1, 1, 2, 2]
    assert len(said) == 6


def test_a_single_round_has_no_warm_up(turns: list[Turn]) -> None:
    assert len(measure(ROW, SCENE, GENERATOR, replace(PLAN, rounds=1), lambda _: None)) == len(turns) == 2


def test_a_row_of_ours_alone_visits_nobody_else(turns: list[Turn]) -> None:
    measure(replace(ROW, ours_alone=True), SCENE, GENERATOR, PLAN, lambda _: None)
    assert {str(turn.contender) for turn in turns} == {"two"}


CASES = [
    # what it shows, what others used in each try, which try is kept
    ("quiet at once", [0.05], 0),
    ("quiet the second time", [0.5, 0.05], 1),
    ("never quiet: the least disturbed", [0.5, 0.3, 0.4], 1),
]


@pytest.mark.parametrize(("shares", "kept"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_disturbed_turn_is_repeated(monkeypatch: pytest.MonkeyPatch, shares: list[float], kept: int) -> None:
    """The rates fall from try to try: a choice by result would be seen."""
    coming: Iterator[tuple[int, float]] = iter(enumerate(shares))

    def take(_: Row, turn: Turn) -> Sample:
        number, share = next(coming)
        return sample(turn, share, 100 - number)

    monkeypatch.setattr(rounds, "take", take)
    found = quietest(ROW, Turn(SCENE, GENERATOR, cast("Any", "one"), 1), PLAN, lambda _: None)
    assert found.measured.figures["messages/s"] == 100 - kept
    assert next(coming, None) is None
