"""What policy tells Prometheus: what was decided, what the store holds, and that it does not answer."""

import re

import httpx
import pytest
from sqlalchemy import Engine, insert

from policy.app import App, Tokens
from policy.brain import Brain
from policy.store.incident_models import HeldMessages, Incidents, Measures, Notices
from policy.store.operation_models import Tallies
from policy.tally import Stage, What
from service.shared_token import SharedToken

T = 1_000_000.0  # the clock of the brain
DAY_S = 86400.0


async def numbers(brain: Brain) -> dict[str, float]:
    """`name{labels}` -> value, without what all have in common."""
    app = App(brain, Tokens(gateway=SharedToken("g"), dovecot=SharedToken("d"), queue=SharedToken("q")))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://policy.test") as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    return {
        name: float(value) for name, value in re.findall(r"^sallyport_policy_(\S+) (\S+)$", answer.text, re.MULTILINE)
    }


def _fill(engine: Engine) -> None:
    held = {"submission": "m", "identity": "ada", "login": "l", "reason": "r", "recipients": 1, "message_bytes": 1}
    notice = {
        "kind": "k",
        "thread": "t",
        "channel": "c",
        "subject": "s",
        "content": "{}",
        "count": 1,
        "due_at": T,
        "tries": 1,
    }
    incident = {"identity": "ada", "step": 1, "opened_by": "sallyport", "opened_at": T, "since": T, "changed_at": T}
    measure = {"kind": "k", "arguments": "{}", "created_at": T, "tries": 0, "incident_id": 1}
    with engine.begin() as connection:
        connection.execute(insert(Incidents).values(state="open", **incident))
        connection.execute(insert(Incidents).values(state="released", **incident))
        for number, state in enumerate(("held", "held", "released")):
            row = {"queue_id": f"q{number}", "state": state, "at": T - 100 + number, "state_at": T}
            connection.execute(insert(HeldMessages).values(**held, **row))
        # Waiting, sent, given up, and given up long ago.
        for at, sent, given_up in ((T, None, None), (T, T, None), (T, None, T), (T - 8 * DAY_S, None, T - 8 * DAY_S)):
            moments = {"at": at, "sent_at": sent, "given_up_at": given_up, "claimed_until": 0.0}
            connection.execute(insert(Notices).values(**notice, **moments))
        # Due, done, and due later.
        for due, done in ((T, None), (T, T), (T + 1, None)):
            connection.execute(insert(Measures).values(due_at=due, done_at=done, **measure))
        for at in (600, 900):
            row = {"at": at, "stage": "connect", "outcome": "accepted", "reason": "", "number": 1, "recipients": 0}
            connection.execute(insert(Tallies).values(**row))


async def test_what_the_store_holds(brain: Brain, engine: Engine) -> None:
    """Of each the ones that are open and no others."""
    empty = await numbers(brain)
    assert (empty["incidents_open"], empty["held_messages"], empty["store_up"]) == (0, 0, 1)
    assert "held_oldest_timestamp_seconds" not in empty
    assert "figures_timestamp_seconds" not in empty
    _fill(engine)
    found = await numbers(brain)
    names = ("incidents_open", "held_messages", "notices_waiting", "notices_given_up", "measures_due")
    assert [found[name] for name in names] == [1, 2, 1, 1, 1]
    assert found["held_oldest_timestamp_seconds"] == T - 100
    assert found["figures_timestamp_seconds"] == 900


async def test_what_was_decided(brain: Brain) -> None:
    """Words that have not come yet are there with nothing; a reason is a series of its own."""
    for reason in ("secret", "secret", "gate"):
        brain.tally.note(What(Stage.LOGIN, "refused", reason), T)
    brain.tally.note(What(Stage.SIGNAL, "spread", "restrict"), T)
    found = await numbers(brain)
    assert found['logins_total{outcome="refused",reason="secret"}'] == 2
    assert found['logins_total{outcome="refused",reason="gate"}'] == 1
    assert found['logins_total{outcome="granted",reason=""}'] == 0
    assert found['signals_total{kind="spread",step="restrict"}'] == 1
    assert found['deliveries_total{outcome="blocklisted"}'] == 0


async def test_a_store_that_is_away(brain: Brain, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said; what is in memory is told all the same."""

    async def fail(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(type(brain.reader), "rows", fail)
    found = await numbers(brain)
    assert found["store_up"] == 0
    assert "held_messages" not in found
    assert found['connects_total{outcome="refused"}'] == 0
    assert found["budgets_up"] == 1
