"""What is wrong with the gateway, over all its workers; and that policy is told, by one of them."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway import condition
from gateway.caps import Caps
from gateway.edge import Edge
from gateway.errors import PolicyUnavailable
from gateway.scoreboard import Scoreboard
from policy.contract import HealthTold

NOW, DAY_S = 1_764_000_000.0, 86_400


@dataclass
class PlayedPolicy:
    """Keeps what it is told; or knows no such question."""

    told: list[HealthTold] = field(default_factory=list)
    is_old: bool = False
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def tell(self, health: HealthTold) -> None:
        self.heard.set()
        if self.is_old:
            raise PolicyUnavailable("status 404")
        self.told.append(health)


def edge_of(
    *,
    scanner: object = None,
    failure: str = "",
    left_s: float = 90 * DAY_S,
    places: int = 10,
    spool: str = "/",
    size: int = 1,
) -> Edge:
    """Of two workers; ours is the first."""
    return cast(
        "Edge",
        SimpleNamespace(
            scoreboard=Scoreboard(2),
            caps=Caps(places, places, places),
            certificates=SimpleNamespace(failure=failure, expires_at=NOW + left_s),
            clock=lambda: NOW,
            settings=SimpleNamespace(shed_lag_s=0.5, spool_dir=spool, max_message_bytes=size),
            scanner=scanner,
            policy=PlayedPolicy(),
        ),
    )


def test_all_is_well() -> None:
    health = condition.health(edge_of(scanner=object()))
    assert (health.faults, health.warnings) == ((), ())


SAID = [
    # gauge, value, is a fault, the beginning of the sentence
    ("policy_silent", 1, True, "policy does not answer"),
    ("policy_contract", 2, True, "the gateway speaks contract 1 and policy 2: update the gateway"),
    ("next_hop_silent", 1, True, "the next hop does not answer"),
    ("hold_relay_silent", 1, False, "the listener for held mail does not answer"),
    ("scanner_silent", 1, False, "the scanner does not answer"),
    ("loop_lag_seconds", 0.7, False, "a worker is 0.7 s late"),
]


@pytest.mark.parametrize(("gauge", "value", "is_fault", "sentence"), SAID, ids=[case[0] for case in SAID])
@pytest.mark.parametrize("worker", [1, 2])
def test_what_a_worker_sees_all_say(gauge: str, value: float, is_fault: bool, sentence: str, worker: int) -> None:
    """Whichever worker is asked."""
    edge = edge_of(scanner=object())
    edge.scoreboard.worker = worker
    edge.scoreboard.set(gauge, value)
    edge.scoreboard.worker = 1
    health = condition.health(edge)
    (said,) = health.faults if is_fault else health.warnings
    assert said.startswith(sentence)
    assert (health.is_ready, len(health.faults) + len(health.warnings)) == (not is_fault, 1)


def test_a_policy_of_another_contract_is_not_called_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers all the time; what is wrong is which of the two is older."""
    monkeypatch.setattr(condition, "CONTRACT", 2)
    edge = edge_of(scanner=object())
    edge.scoreboard.set("policy_silent", 1)
    edge.scoreboard.set("policy_contract", 1)
    assert condition.health(edge).faults == ("the gateway speaks contract 2 and policy 1: update policy first",)


CERTIFICATES = [
    ("for three days", {"left_s": 3 * DAY_S}, None),
    ("for a day", {"left_s": DAY_S}, "the certificate expires within 24 hours"),
    ("for a minute", {"left_s": 60}, "the certificate expires within 1 hours"),
    ("no more", {"left_s": 0}, "the certificate has expired: mail programs refuse to connect"),
    ("a new one is refused", {"failure": "/tls/cert.pem is no certificate"}, "/tls/cert.pem is no certificate"),
]


@pytest.mark.parametrize(("made", "said"), [case[1:] for case in CERTIFICATES], ids=[case[0] for case in CERTIFICATES])
def test_certificates(made: dict[str, Any], said: str | None) -> None:
    """Old connections go on, so that it is a warning at most."""
    assert condition.health(edge_of(**made)).warnings == ((said,) if said else ())


def test_no_place_is_left() -> None:
    edge = edge_of(places=2)
    for _ in range(2):
        assert edge.caps.take("192.0.2.1") is not None
    assert condition.health(edge).warnings == ("all 2 places for connections are taken (GATEWAY_MAX_SESSIONS)",)


@pytest.mark.parametrize("made", [{"size": 2**62}, {"spool": "/gone"}], ids=["full", "gone"])
def test_no_room_for_a_large_message(made: dict[str, Any]) -> None:
    """Small ones never touch that disk."""
    said = "the disk of GATEWAY_SPOOL_DIR has no room for a large message: such are deferred"
    assert condition.health(edge_of(**made)).warnings == (said,)


def test_what_policy_is_told_of_the_scanner() -> None:
    """It is a part of its own there; without one there is nothing to tell."""
    edge = edge_of(scanner=object())
    edge.scoreboard.set("scanner_silent", 1)
    edge.scoreboard.count("scans_total", "spam", by=3)
    edge.scoreboard.count("scans_total", "clean")
    edge.scoreboard.time("scan_duration_seconds", 0.2)
    told = condition.told(edge)
    assert told.warnings == ()
    assert told.scanner
    assert told.scanner.faults[0].startswith("the scanner does not answer")
    assert told.scanner.figures == {"scans": 4, "spam": 3, "malware": 0, "silent": 0, "scan_ms": 50.0}
    assert condition.told(edge_of()).scanner is None


async def test_one_worker_tells_for_all() -> None:
    """A policy that does not ask is told in vain, and nothing comes of it."""
    edge = edge_of()
    policy = cast("PlayedPolicy", edge.policy)
    for policy.is_old in (False, True):
        policy.heard.clear()
        telling = asyncio.create_task(condition.tell(edge))
        await asyncio.wait_for(policy.heard.wait(), 60)
        assert not telling.done()
        telling.cancel()
    policy.is_old = False
    await condition.take_leave(edge)
    assert [one.is_leaving for one in policy.told] == [False, True]
    assert policy.told[0].figures["sessions_most"] == 10
    edge.scoreboard.worker = 2
    await asyncio.wait_for(condition.tell(edge), 60)
    await condition.take_leave(edge)
    assert len(policy.told) == 2
