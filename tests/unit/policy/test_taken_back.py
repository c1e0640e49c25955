"""Somebody has said that it was nothing: the next strange network is the first again, and not one too many."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine

from policy import rulebook as rulebooks
from policy.brain import Brain
from policy.budgets.looking import budgets_now
from policy.contract import LoginOutcome, LoginStep
from policy.engine.rulebook import Rulebook
from policy.store.identities import IdentityStore, NewCredential

T = 1_799_658_000.0
BOOK = rulebooks.shipped()


@pytest.fixture
def rulebook() -> Rulebook:
    """The shipped policy: six strange networks in an hour."""
    return BOOK


async def log_in(brain: Brain, ada: NewCredential, address: str, now: float) -> LoginOutcome:
    brain = replace(brain, clock=lambda: now)
    response = f"\0{ada.login}\0{ada.secret}".encode()
    step = {"session": "s1", "exchange": "e1", "client_address": address, "listener": "submission"}
    answer = await brain.login(LoginStep.model_validate(step | {"mechanism": "PLAIN", "responses": (response,)}))
    await brain.writer.make(lambda: None)
    return answer.outcome


def networks_counted(engine: Engine, now: float) -> int:
    return max(one.after for one in budgets_now(engine, "ada", BOOK, now) if one.rule == "networks")


async def test_one_more_network_after_it_was_taken_back_is_no_signal(
    brain: Brain, ada: NewCredential, engine: Engine, store: IdentityStore
) -> None:
    """A traveller whose standing was cleared was held again by his very next network, all day long."""
    await log_in(brain, ada, "192.0.2.7", T - 60)
    for number in range(8):
        await log_in(brain, ada, f"198.51.{number}.9", T + number)
    assert store.standing("ada").step != "free"
    assert networks_counted(engine, T + 8) > 6
    store.clear_standing("ada", "on a journey", T + 10)
    assert networks_counted(engine, T + 10) == 0

    assert await log_in(brain, ada, "198.51.100.9", T + 20) is LoginOutcome.GRANTED
    assert store.standing("ada").step == "free"
    assert networks_counted(engine, T + 20) == 1

    for number in range(8):
        await log_in(brain, ada, f"203.0.{number}.9", T + 30 + number)
    assert store.standing("ada").step != "free"
