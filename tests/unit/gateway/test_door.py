"""The question before the greeting: what is remembered, for how long and of how many; and what silence means."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from gateway import door as module
from gateway.door import Door
from gateway.errors import PolicyUnavailable
from gateway.policy_client import PolicyClient
from gateway.scoreboard import Scoreboard
from gateway.settings import ListenerSettings
from policy.contract import ConnectFacts, ConnectOutcome, ConnectVerdict

REFUSED, LATER, ACCEPTED = ConnectOutcome.REFUSED, ConnectOutcome.LATER, ConnectOutcome.ACCEPTED
HERE = ListenerSettings(name="submission", port=587, tls="starttls")
SAME_GATE = ListenerSettings(name="submissions", port=465, tls="implicit")
TRAVEL = ListenerSettings(name="travel", port=2587, tls="starttls", gate="travel")
ADDRESS = "192.0.2.7"


class Policy:
    """Answers with `verdict`, or fails as it is told; notes what it was asked."""

    def __init__(self, verdict: ConnectVerdict, failure: Callable[[], Exception] | None = None) -> None:
        self.verdict, self.failure = verdict, failure
        self.asked: list[ConnectFacts] = []

    async def connect(self, facts: ConnectFacts) -> ConnectVerdict:
        self.asked.append(facts)
        if self.failure:
            raise self.failure()
        return self.verdict


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def made(policy: Policy) -> tuple[Door, Clock, Scoreboard]:
    clock, scoreboard = Clock(), Scoreboard(1)
    return Door(cast("PolicyClient", policy), scoreboard, clock), clock, scoreboard


def counted(scoreboard: Scoreboard) -> dict[str, int]:
    told = {labels["outcome"]: total for name, labels, _, total in scoreboard.totals() if name == "admissions_total"}
    return {outcome: total for outcome, total in told.items() if total}


async def test_an_answer_is_remembered_for_as_long_as_it_says() -> None:
    """One question in ten seconds, and another one at their end."""
    policy = Policy(ConnectVerdict(outcome=REFUSED, seconds=10))
    door, clock, scoreboard = made(policy)
    assert [await door.ask(HERE, ADDRESS) for _ in range(3)] == [REFUSED] * 3
    clock.now += 9.9
    await door.ask(SAME_GATE, ADDRESS)
    assert policy.asked == [ConnectFacts(listener="submission", client_address=ADDRESS)]
    clock.now += 0.1
    policy.verdict = ConnectVerdict(outcome=ACCEPTED, seconds=10)
    assert await door.ask(HERE, ADDRESS) is ACCEPTED
    assert len(policy.asked) == 2
    assert counted(scoreboard) == {"refused": 4, "accepted": 1}


async def test_an_answer_for_no_time_is_asked_for_each_time() -> None:
    """As policy says by itself: zero seconds."""
    policy = Policy(ConnectVerdict(outcome=LATER))
    door, _, _ = made(policy)
    assert [await door.ask(HERE, ADDRESS) for _ in range(2)] == [LATER] * 2
    assert len(policy.asked) == 2


async def test_an_answer_is_for_one_gate_and_one_address() -> None:
    """Another gate, and another address, are other questions."""
    policy = Policy(ConnectVerdict(outcome=REFUSED, seconds=10))
    door, _, _ = made(policy)
    for listener, address in ((HERE, ADDRESS), (TRAVEL, ADDRESS), (HERE, "192.0.2.8")):
        await door.ask(listener, address)
    assert [(one.gate, one.client_address) for one in policy.asked] == [
        ("default", ADDRESS),
        ("travel", ADDRESS),
        ("default", "192.0.2.8"),
    ]


async def test_strangers_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest answer makes room; who asks again is asked about again."""
    monkeypatch.setattr(module, "_REMEMBERED", 3)
    policy = Policy(ConnectVerdict(outcome=ACCEPTED, seconds=1000))
    door, _, _ = made(policy)
    for number in range(4):
        await door.ask(HERE, f"192.0.2.{number}")
    assert len(door._answers) == 3
    await door.ask(HERE, "192.0.2.3")
    assert len(policy.asked) == 4
    await door.ask(HERE, "192.0.2.0")
    assert len(policy.asked) == 5


async def test_a_policy_that_fails_lets_the_client_talk() -> None:
    """And is asked again by the next one."""
    policy = Policy(ConnectVerdict(outcome=REFUSED, seconds=10), failure=lambda: PolicyUnavailable("status 500"))
    door, _, scoreboard = made(policy)
    assert await door.ask(HERE, ADDRESS) is ACCEPTED
    policy.failure = None
    assert await door.ask(HERE, ADDRESS) is REFUSED
    assert counted(scoreboard) == {"unanswered": 1, "refused": 1}


async def test_a_policy_that_is_silent_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is let in when the time for the answer is over."""
    monkeypatch.setattr(module, "_TIMEOUT_S", 0)
    policy = Policy(ConnectVerdict(outcome=REFUSED, seconds=10))
    hung = asyncio.Event()

    async def connect(_: ConnectFacts) -> ConnectVerdict:
        await hung.wait()
        return policy.verdict

    monkeypatch.setattr(policy, "connect", connect)
    door, _, scoreboard = made(policy)
    assert await door.ask(HERE, ADDRESS) is ACCEPTED
    assert counted(scoreboard) == {"unanswered": 1}
