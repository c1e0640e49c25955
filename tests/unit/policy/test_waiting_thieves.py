"""A step stays until somebody takes it back, and who rides the limits gets no home: neither is ended by waiting."""

from dataclasses import replace

import pytest
from engine_parts import AT_HOME, SETTLED, facts_of, new, profile_of, strange
from sqlalchemy import Engine, select

from policy import rulebook as rulebooks
from policy.brain import Brain
from policy.budgets.driving import run_here
from policy.budgets.memory import MemoryBudgets
from policy.contract import Action, LoginOutcome, LoginStep
from policy.delegation.handed import Handed
from policy.engine.entering import Newcomer, enter
from policy.engine.judging import judge
from policy.engine.ladder import Signal, SignalKind, Standing, Step
from policy.engine.places import Gained, Trust, area_in_doubt
from policy.engine.profile import Place
from policy.engine.rulebook import Rulebook
from policy.store.identities import IdentityStore, NewCredential
from policy.store.models import Areas, Networks
from policy.store.standings import Cause
from service.spans import DAY_S

T = 1_799_658_000.0
BOOK = rulebooks.shipped()
AT_HOME_ADDRESS, AT_ABROAD = "192.0.2.7", "198.51.100.9"
HELD = Standing(Step.HOLD, since=T)


@pytest.fixture
def rulebook() -> Rulebook:
    """The shipped policy."""
    return BOOK


LOGINS = [
    # what it shows, place, standing, whether the day counts
    ("nobody speaks against him", strange(), Standing(), True),
    ("slow ends by itself", strange(), Standing(Step.SLOW, since=T), True),
    ("held, from abroad", strange(), HELD, False),
    ("held, from a network of the owner's provider", SETTLED, HELD, False),
    ("held abroad, and he is at home", AT_HOME, HELD, True),
    ("restricted", SETTLED, Standing(Step.RESTRICT, since=T), False),
    # who is refused has no day that could be taken back: it would be one of the owner's
    ("locked, and refused", SETTLED, Standing(Step.LOCK, since=T), True),
]


@pytest.mark.parametrize(("place", "standing", "counts"), [c[1:] for c in LOGINS], ids=[c[0] for c in LOGINS])
def test_days_of_whom_a_step_holds_do_not_count(place: Place, standing: Standing, counts: bool) -> None:
    """Or seven logins would make a home of the network in which he was found."""
    newcomer = Newcomer(identity="ada", kind="person", place=place, standing=standing, gains=Gained(Trust.HOME, 7))
    entry = run_here(enter(newcomer, BOOK, T), MemoryBudgets(), "e1", T)
    assert entry.is_doubted is not counts
    told = [SignalKind.TRUSTED_NETWORK] if counts and entry.is_granted else []
    assert [one.kind for one in entry.signals] == told


def test_a_ladder_that_only_observes_takes_no_days() -> None:
    book = rulebooks.parse('[modes]\nladder = "observe"\n', "test")
    newcomer = Newcomer(identity="ada", kind="person", place=SETTLED, standing=HELD)
    assert not run_here(enter(newcomer, book, T), MemoryBudgets(), "e1", T).is_doubted


MESSAGES = [
    # what it shows, place, new recipients before it today, whether the day is in doubt
    ("fourteen are ordinary", SETTLED, 13, False),
    ("fifteen are not", SETTLED, 14, True),
    ("and go on not to be, when it has been said", SETTLED, 20, True),
    ("at home there is nothing to win", AT_HOME, 20, False),
    ("a strange network has its small budget", strange(), 20, False),
]


@pytest.mark.parametrize(("place", "before", "is_doubted"), [c[1:] for c in MESSAGES], ids=[c[0] for c in MESSAGES])
def test_a_day_that_the_past_does_not_explain_is_in_doubt(place: Place, before: int, is_doubted: bool) -> None:
    """In the owner's provider there is no small budget whose half would say so."""
    signals = (Signal(kind=SignalKind.VOLUME, at=T - 60),) if before > 14 else ()
    profile = profile_of(new(1), place, new_today=before, signals=signals)
    decision = run_here(judge(facts_of(profile), profile, BOOK, T), MemoryBudgets(), "m1", T)
    assert (decision.action, decision.is_doubted) == (Action.ACCEPT, is_doubted)


def test_nor_where_the_rule_is_off() -> None:
    book = rulebooks.parse('[modes]\nvolume = "off"\n', "test")
    profile = profile_of(new(1), SETTLED, new_today=20)
    assert not run_here(judge(facts_of(profile), profile, book, T), MemoryBudgets(), "m1", T).is_doubted


def test_one_network_of_the_owners_provider_takes_no_days_from_the_others() -> None:
    """A thief could end what the owner's area is by riding there."""
    assert area_in_doubt(SETTLED) == ""
    assert area_in_doubt(strange()) == strange().origin.area


# In the services


async def log_in(brain: Brain, ada: NewCredential, address: str, now: float) -> LoginOutcome:
    brain = replace(brain, clock=lambda: now)
    response = f"\0{ada.login}\0{ada.secret}".encode()
    step = {"session": "s1", "exchange": "e1", "client_address": address, "listener": "submission"}
    answer = await brain.login(LoginStep.model_validate(step | {"mechanism": "PLAIN", "responses": (response,)}))
    await brain.writer.make(lambda: None)
    return answer.outcome


async def stands_at(brain: Brain, standing: Standing) -> None:
    notes = brain.judging.notes.standings
    signal = Signal(kind=SignalKind.NEW_RECIPIENTS, at=standing.since)
    await brain.writer.make(lambda: notes.note(1, standing, (signal,), Cause(1, "", AT_ABROAD)))


def days_of(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {row.network: row.days for row in connection.execute(select(Networks.network, Networks.days))}


async def test_seven_quiet_days_make_no_home_of_where_he_is_held(
    brain: Brain, ada: NewCredential, engine: Engine, store: IdentityStore
) -> None:
    """Until somebody takes it back: then days begin to count."""
    await log_in(brain, ada, AT_HOME_ADDRESS, T - DAY_S)
    await log_in(brain, ada, AT_ABROAD, T)
    await stands_at(brain, Standing(Step.HOLD, since=T))
    for day in range(1, 10):
        for second in (0, 7200):
            assert await log_in(brain, ada, AT_ABROAD, T + day * DAY_S + second) is LoginOutcome.GRANTED
    assert days_of(engine) == {"192.0.2.0/24": 1, "198.51.100.0/24": 1}
    store.clear_standing("ada", "it was her", T + 10 * DAY_S)
    for day in range(10, 12):
        await log_in(brain, ada, AT_ABROAD, T + day * DAY_S + 60)
    assert days_of(engine) == {"192.0.2.0/24": 1, "198.51.100.0/24": 3}


async def test_nor_do_messages_where_nobody_asks_about_logins(brain: Brain, ada: NewCredential, engine: Engine) -> None:
    async def hand_in(day: int) -> None:
        message = Handed(
            submission=f"d{day}",
            session="s1",
            client_address=AT_ABROAD,
            client_name="laptop.example",
            mechanism="PLAIN",
            tls="",
            identity="ada",
            credential=0,
            login="ada@example.org",
            reverse_path="ada@example.org",
            recipients=("bob@example.org",),
            strangers=0,
            message_bytes=1000,
        )
        assert (await brain.judging.judge_handed(message, T + day * DAY_S)).action is Action.ACCEPT
        await brain.writer.make(lambda: None)

    await log_in(brain, ada, AT_HOME_ADDRESS, T - DAY_S)
    await hand_in(0)
    await stands_at(brain, Standing(Step.HOLD, since=T))
    for day in range(1, 10):
        await hand_in(day)
    assert days_of(engine)["198.51.100.0/24"] == 1
    with engine.connect() as connection:
        assert max(connection.scalars(select(Areas.days))) == 1
