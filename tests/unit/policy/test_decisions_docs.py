"""docs/decisions.md names every signal, step and charge, with what the code makes of it."""

import re
from pathlib import Path

import pytest

from policy.engine import charges
from policy.engine.ladder import ALONE, COUNTS_TOWARDS_LOCK, SignalKind, Step

PAGE = (Path(__file__).parents[3] / "docs" / "decisions.md").read_text()
ROWS = {
    line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]]
    for line in PAGE.splitlines()
    if "|" in line
}


@pytest.mark.parametrize("kind", SignalKind)
def test_every_signal_has_its_row(kind: SignalKind) -> None:
    """With the step that it makes alone, and whether it counts towards the lock."""
    _, alone, towards = ROWS[f"`{kind.value}`"]
    step = Step.LOCK if kind is SignalKind.MANY_NETWORKS else ALONE[kind]
    assert alone == step.name.lower()
    assert (towards != "no") == (kind in COUNTS_TOWARDS_LOCK)


@pytest.mark.parametrize("step", [step for step in Step if step is not Step.FREE])
def test_every_step_has_its_row(step: Step) -> None:
    """In the order of the ladder."""
    assert step.name.lower() in ROWS


def test_every_charge_has_its_row() -> None:
    """By the names that the policy's modes have."""
    told = {name for first in ROWS for name in re.findall(r"`([a-z-]+)`", first)}
    groups = (charges.SPREAD, charges.RATES, charges.SERVER, charges.PROBATION, charges.NEW, charges.HOLDING)
    assert {name for group in groups for name in group} <= told
