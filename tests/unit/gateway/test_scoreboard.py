"""What the gateway counts, over its workers, and how Prometheus is told."""

import os

import pytest

from gateway.caps import Caps
from gateway.metrics import Totals, written
from gateway.scoreboard import BOUNDS_S, Scoreboard


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
        board.count("message_bytes_total", by=2**40)
        board.set("loop_lag_seconds", 0.0079)
        os._exit(0)
    os.waitpid(child, 0)
    found = totals(board)
    assert found["connections_total", "accepted"] == 3
    assert found["message_bytes_total", ""] == 2**40
    assert found["connections_total", "capped"] == 0
    assert next(value for name, _, value in board.gauges() if name == "loop_lag_seconds") == 0.0079


def test_a_worker_that_hangs_is_seen_by_the_others() -> None:
    """The earliest moment at which one of them would have looked again; one that has not begun is not late."""
    board = Scoreboard(3)
    assert board.looks_again(1000.5) == 1000.5
    board.worker = 2
    assert board.looks_again(1000.7) == 1000.5
    assert board.looks_again(1025.5) == 1000.5
    board.worker = 1
    assert board.looks_again(1026.0) == 1025.5


def test_what_is_not_in_the_table_is_not_counted() -> None:
    """A misspelt counter is an error in our tests, and not a counter that stays at nothing."""
    with pytest.raises(KeyError):
        Scoreboard(1).count("connections_total", "acepted")


def test_durations_are_sorted_and_summed() -> None:
    """Each into the first bucket that has room for it, over all workers; one beyond all bounds is not lost."""
    board = Scoreboard(2)
    for worker, seconds in ((1, 0.005), (1, 0.0051), (2, 0.0), (2, 80.0)):
        board.worker = worker
        board.time("relay_duration_seconds", seconds)
    relay, scan = (
        next(one for one in board.durations() if one.name == f"{name}_duration_seconds") for name in ("relay", "scan")
    )
    assert (relay.counts[:3], relay.counts[-1], sum(relay.counts)) == ((2, 1, 0), 1, 4)
    assert relay.sum_s == pytest.approx(80.0101)
    assert len(relay.counts) == len(BOUNDS_S) + 1
    assert (sum(scan.counts), scan.sum_s) == (0, 0)


def test_prometheus_gets_buckets_that_grow() -> None:
    """A bucket of Prometheus' has all that is below its bound, and the last one has everything."""
    board = Scoreboard(1)
    for seconds in (0.004, 0.02, 0.02, 100.0):
        board.time("decision_duration_seconds", seconds)
    text = written(Totals(board, Caps(1, 1, 1))).decode()
    name = "sallyport_gateway_decision_duration_seconds"
    for bound, number in (("0.005", 1), ("0.01", 1), ("0.025", 3), ("75", 3), ("+Inf", 4)):
        assert f'{name}_bucket{{le="{bound}"}} {number}.0\n' in text
    assert f"{name}_count 4.0\n" in text
    assert f"{name}_sum 100.044\n" in text
