"""What the gateway counts, and that docs/metrics.md names all of it."""

import os
import re
from pathlib import Path

import pytest

from gateway.scoreboard import COUNTERS, GAUGES, Scoreboard

METRICS = (Path(__file__).parent.parent.parent.parent / "docs" / "metrics.md").read_text()


def totals(board: Scoreboard) -> dict[tuple[str, str], int]:
    return {(name, labels.get("outcome", "")): total for name, labels, _, total in board.totals()}


def test_workers_count_into_one_total() -> None:
    """A child's row is summed with ours, and stays when the child is gone."""
    board = Scoreboard(2)
    board.count("connections_total", "accepted")
    child = os.fork()
    if not child:
        board.worker = 2
        board.count("connections_total", "accepted", by=2)
        board.count("message_octets_total", by=2**40)
        board.set("loop_lag_milliseconds", 7.9)
        os._exit(0)
    os.waitpid(child, 0)
    found = totals(board)
    assert found["connections_total", "accepted"] == 3
    assert found["message_octets_total", ""] == 2**40
    assert found["connections_total", "capped"] == 0
    assert next(value for name, _, value in board.gauges() if name == "loop_lag_milliseconds") == 7


def test_what_is_not_in_the_table_is_not_counted() -> None:
    """A misspelt counter is an error in our tests, and not a counter that stays at nothing."""
    with pytest.raises(KeyError):
        Scoreboard(1).count("connections_total", "acepted")


def test_every_metric_is_documented_and_no_other() -> None:
    """Names and outcomes, in both directions."""
    rows = re.findall(r"^\| `sallyport_gateway_(\w+)` \|([^|]*)\|", METRICS, re.MULTILINE)
    told = {(name, outcome) for name, cell in rows for outcome in re.findall(r"`([a-z-]+)`", cell) or [""]}
    known = {(name, labels.get("outcome", "")) for name, labels, _ in COUNTERS} | {(name, "") for name, _ in GAUGES}
    assert told == known | {("sessions_open", "")}
