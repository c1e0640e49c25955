"""A secret that its owner never used, in a thief's hand: printed, in a drawer, or in the mailbox that was stolen.

The first network of a fresh credential is its owner's, who has just set it up. That is not waited for in silence, and
who is held or locked gets no network by it.
"""

from dataclasses import replace

import pytest
from sqlalchemy import Engine, select
from stolen import Thief

from policy.brain import Brain
from policy.contract import LoginAnswer, LoginOutcome, LoginStep
from policy.engine.ladder import Step
from policy.engine.sources import Origin, network_of
from policy.store.identities import IdentityStore, NewCredential
from policy.store.incident_models import Notices
from policy.store.models import Areas

T = 1_799_658_000.0
HOME, ABROAD = "192.0.2.7", "198.51.100.9"


async def log_in(brain: Brain, made: NewCredential, address: str, now: float) -> LoginAnswer:
    brain = replace(brain, clock=lambda: now)
    response = f"\0{made.login}\0{made.secret}".encode()
    step = {"session": "s1", "exchange": "e1", "client_address": address, "listener": "submission"}
    answer = await brain.login(LoginStep.model_validate(step | {"mechanism": "PLAIN", "responses": (response,)}))
    await brain.writer.make(lambda: None)
    return answer


@pytest.mark.parametrize("step", [Step.HOLD, Step.RESTRICT, Step.LOCK])
async def test_who_is_held_gets_no_network_by_a_second_device(
    brain: Brain, ada: NewCredential, store: IdentityStore, engine: Engine, step: Step
) -> None:
    """Not while it is so, and not afterwards either: that was its first use."""
    spare = store.add_credential("ada", "spare", T - 120)
    await log_in(brain, ada, HOME, T - 60)
    Thief(engine, "ada", ada.login, T).raise_signal(step, address=ABROAD)
    for turn in (60, 120):
        answer = await log_in(brain, spare, ABROAD, T + turn)
        assert answer.outcome is (LoginOutcome.REFUSED if step is Step.LOCK else LoginOutcome.GRANTED)
    store.clear_standing("ada", "", T + 180)
    answer = await log_in(brain, spare, ABROAD, T + 240)
    assert answer.grants
    assert answer.grants.is_strange
    with engine.connect() as connection:
        vouched = select(Areas.area).where(Areas.confirmed_at.is_not(None))
        assert list(connection.scalars(vouched)) == ["192.0.2.0/24 ??"]


BOTH = ["administrator", "owner:ada"]


@pytest.mark.parametrize(("days", "address", "expected"), [(7, ABROAD, BOTH), (7, HOME, []), (5, ABROAD, [])])
async def test_the_first_use_of_another_device_in_a_strange_place_is_told(
    brain: Brain, ada: NewCredential, store: IdentityStore, engine: Engine, days: int, address: str, expected: list[str]
) -> None:
    """Not what is where she was before; nor in her first week, when she sets up one device after the other."""
    spare = store.add_credential("ada", "spare", T - days * 86400)
    store.confirm_network("ada", HOME, T - days * 86400)
    for day in range(days, -1, -1):
        await log_in(brain, ada, HOME, T - 60 - day * 86400)
    answer = await log_in(brain, spare, address, T)
    assert answer.grants
    assert not answer.grants.is_strange
    with engine.connect() as connection:
        told = select(Notices.channel).where(Notices.kind == "network-trusted").order_by(Notices.channel)
        assert list(connection.scalars(told)) == expected


async def test_what_a_second_device_has_made_the_owners_can_be_taken_back(
    brain: Brain, ada: NewCredential, store: IdentityStore, engine: Engine
) -> None:
    """With the network goes its area, and the device is suspended; the other one goes on."""
    spare = store.add_credential("ada", "spare", T - 120)
    await log_in(brain, ada, HOME, T - 60)
    await log_in(brain, spare, ABROAD, T)
    store.distrust_network("ada", ABROAD, lambda address: Origin(network=network_of(address)), T + 60)
    with engine.connect() as connection:
        assert list(connection.scalars(select(Areas.area))) == ["192.0.2.0/24 ??"]
    assert (await log_in(brain, spare, ABROAD, T + 120)).outcome is LoginOutcome.REFUSED
    answer = await log_in(brain, ada, ABROAD, T + 180)
    assert answer.grants
    assert answer.grants.is_strange
