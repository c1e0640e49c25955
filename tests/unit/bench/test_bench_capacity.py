"""The capacity model: what it makes of costs that anybody can check by hand, and of the points that were measured."""

import json
import math
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest
from valkey_server import is_possible as has_valkey

from bench.capacity import front, keeping, measuring
from bench.capacity.__main__ import POINTS, checks, costs_from, take_front
from bench.capacity.measuring import WAYS, Point
from bench.capacity.model import Costs, Demand, cells, most_per_s, needs
from bench.errors import BenchError
from postgresql import is_possible as has_postgresql

COSTS = Costs(
    gateway_session_ms=2.0, gateway_message_ms=1.0, gateway_mb_ms=4.0,
    postfix_session_ms=0.0, postfix_message_ms=2.0, postfix_mb_ms=0.0,
    scan_ms=4.0, policy_session_ms=1.0, policy_message_ms=1.0, database_message_ms=0.5, lock_ms=2.0,
    valkey_message_ms=0.25, wal_kib=2.0, submission_kib=1.0, identity_kib=0.5, known_recipient_kib=0.1,
    valkey_identity_kib=2.0, valkey_message_kib=0.5, idle_session_kib=32.0,
)  # fmt: skip
DEMAND = Demand(
    identities=1_048_576, messages_per_s=600.0, messages_per_session=2.0, octets_per_message=500_000,
    idle_sessions=32_768, known_recipients=10, active_share=0.5, mean_share=0.5, kept_days=1, headroom=0.5,
)  # fmt: skip


def _amounts(costs: Costs, demand: Demand) -> dict[str, float]:
    return {need.part: need.amount for need in needs(costs, demand)}


def test_what_a_demand_takes() -> None:
    """Cores: 600 messages times their cost, at half of a core's time. One at a time: the share of its time."""
    assert _amounts(COSTS, DEMAND) == pytest.approx(
        {
            "gateway": 600 * (1 + 2 / 2 + 4 / 2) / 1000 / 0.5,
            "policy": 600 * (1 + 1 / 2) / 1000 / 0.5,
            "rspamd": 600 * 4 / 1000 / 0.5,
            "Postfix": 600 * 2 / 1000 / 0.5,
            "PostgreSQL": 600 * 0.5 / 1000 / 0.5,
            "Valkey": 600 * 0.25 / 1000 / 0.5,
            "PostgreSQL's writer": 600 * 2 / 1000,
            "Valkey's thread": 600 * 0.25 / 1000,
            "gateway, idle sessions": 1.0,
            "Valkey, budgets": 1.0 + 600 * 0.5 * 86400 * 0.5 / 1024**2,
            "PostgreSQL, submissions": 600 * 0.5 * 86400 / 1024**2,
            "PostgreSQL, identities": 0.5,
            "PostgreSQL, history": 1.0,
            "PostgreSQL, log": 600 * 2 / 1024,
        }
    )


def test_what_is_at_its_end_first() -> None:
    """The writer: 500 messages a second at most, half of it used; so 600 take three."""
    assert most_per_s(COSTS) == {"PostgreSQL's writer": 500.0, "Valkey's thread": 4000.0}
    assert cells(COSTS, DEMAND) == math.ceil(600 / 500 / 0.5)
    assert cells(COSTS, replace(DEMAND, messages_per_s=250.0)) == 1
    assert cells(replace(COSTS, lock_ms=0.1), replace(DEMAND, messages_per_s=4001.0)) == 3


def _result(folder: Path, failed_row: str = "") -> Path:
    """One of `make bench`: 3 ms for a session and 1 for a message in the gateway, 2 more for each megabyte."""
    cpu = {"a": (100, 0.4), "c": (600, 0.6 + 0.03), "d": (10, 0.01 + 0.1)}
    rates = {"sessions/s": 250.0, "messages/s": 400.0}
    samples = [
        {
            "row": row, "contender": "sallyport",
            "measured": {"messages": count, "failed": int(row == failed_row), "figures": rates},
            "cpu_s": {"gateway": seconds, "postfix": seconds, "policy": seconds},
        }
        for row, (count, seconds) in cpu.items()
    ]  # fmt: skip
    samples.append(
        {"row": "f", "contender": "sallyport", "measured": {"failed": 0, "figures": {"KiB a session": 27.5}}}
    )
    path = folder / "result.json"
    path.write_text(json.dumps({"machine": {"cores": "2"}, "samples": samples}))
    return path


def test_costs_from_a_result_of_the_bench(tmp_path: Path) -> None:
    """Three rows, three unknowns."""
    found = front.costs_of(_result(tmp_path))
    assert found["gateway_session_ms"] == pytest.approx(3.0)
    assert found["gateway_message_ms"] == pytest.approx(1.0)
    assert found["postfix_mb_ms"] == pytest.approx(2.0)
    assert found["idle_session_kib"] == 27.5
    assert front.throughput(_result(tmp_path))["a"] == pytest.approx((250.0, 2000 / 12))


def test_a_result_that_says_too_little(tmp_path: Path) -> None:
    """Rounds with failures are cheaper than they should be; without all rows the equations have no answer."""
    with pytest.raises(BenchError, match="row c every round"):
        front.costs_of(_result(tmp_path, failed_row="c"))
    path = _result(tmp_path)
    document = json.loads(path.read_text())
    document["samples"].pop()
    path.write_text(json.dumps(document))
    with pytest.raises(BenchError, match="lacks row f"):
        front.costs_of(path)
    with pytest.raises(BenchError, match="is no result file"):
        front.costs_of(tmp_path / "none.json")


def test_the_points_of_the_documentation() -> None:
    """They are whole; and what is foretold from one process is near what was measured with the others."""
    document = json.loads(POINTS.read_bytes())
    points = [Point(**one) for one in document["points"]]
    costs = costs_from(document, points)
    assert {point.way for point in points} == set(WAYS)
    assert costs.lock_ms > 0
    assert all(0.5 < foretold / measured < 2 for _, foretold, measured in checks(document, points))


@pytest.mark.skipif(not (has_postgresql() and has_valkey()), reason="needs PostgreSQL and Valkey or Redis")
def test_a_small_run(tmp_path: Path) -> None:
    """The numbers say nothing, but that all parts were asked and looked at."""
    tmp_path.chmod(0o755)
    options = Namespace(identities=20, known=5, seconds=0.3, connections=2)
    point = measuring.measure(tmp_path, options, WAYS[-1], 1)
    assert point.messages_per_s > 0
    assert min(point.lock_ms, point.wal_kib) > 0


@pytest.mark.skipif(not has_valkey(), reason="no Valkey or Redis is installed")
def test_what_valkey_keeps_of_a_message_is_measured() -> None:
    """Two days of people who write 25 times a day: a few hundred octets to a few thousand for each message."""
    assert 0.2 < keeping.message_kib(4, 25) < 10.0


def test_a_newer_front_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    """And of nothing else."""
    points, result = tmp_path / "points.json", _result(tmp_path)
    points.write_text(json.dumps({"cores": 2, "points": [], "front": {"idle_session_kib": 55.0}}))
    take_front(Namespace(points=points, front=result))
    found = json.loads(points.read_text())
    assert (found["cores"], found["points"], found["front_of"]) == (2, [], result.name)
    assert found["front"]["idle_session_kib"] == 27.5
