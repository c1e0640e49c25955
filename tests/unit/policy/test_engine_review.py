"""What a thief who knows the code tries, and what the owner must not notice: holes that were found, each closed."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from engine_parts import ABROAD as ORIGIN_ABROAD
from engine_parts import AT_HOME, SETTLED, abroad, facts_of, internal, known, new, profile_of, strange
from judge_parts import judging_with
from sqlalchemy import Engine, select
from test_judge import ABROAD, DAY, GRANTED, HOME, HOUR, T, World, facts, people, signals, step_of

from policy.brain import Brain
from policy.budgets.driving import run_here
from policy.budgets.memory import MemoryBudgets
from policy.contract import Action, Reason
from policy.engine import charges
from policy.engine.baseline import usual_limit
from policy.engine.bounces import UPPER
from policy.engine.budget import Window
from policy.engine.feedback import Report, weigh
from policy.engine.judging import Decision, judge
from policy.engine.ladder import Signal, SignalKind, Standing, Step
from policy.engine.profile import Place, Recipient
from policy.engine.rulebook import Rulebook
from policy.engine.sources import network_of
from policy.queue_contract import DeliveryOutcome
from policy.rulebook import parse, shipped
from policy.store.identities import IdentityStore, NewCredential
from policy.store.models import Days, KnownRecipients, Networks, Signals, Standings, Submissions
from policy.store.rows import Profile
from policy.store.standings import Cause, StandingBook, standing_of
from policy.store.transactions import Transactions
from policy.store.uses import Uses

BOOK = shipped()


@pytest.fixture
def rulebook() -> Rulebook:
    """The shipped policy."""
    return BOOK


@pytest.fixture
async def world(brain: Brain, ada: NewCredential) -> World:
    """Ada has used her laptop once, at home."""
    made = World(brain, ada)
    assert await made.log_in() is GRANTED
    return made


@pytest.mark.parametrize("mean", [500, 740, 1000, 50_000])
def test_any_past_has_a_limit(mean: int) -> None:
    """A newsletter has written to a thousand new readers yesterday: today's limit takes no time, and is near that."""
    deviation = mean**0.5
    assert mean + 4.5 * deviation < usual_limit(mean) < mean + 5.5 * deviation


class Budgets:
    """Messages one after the other, of whom nothing is remembered but what they cost."""

    def __init__(self) -> None:
        self.budgets, self.number = MemoryBudgets(), 0

    def hand_in(
        self, recipients: tuple[Recipient, ...], place: Place, *, size: int = 2000, identity: str = "ada"
    ) -> Decision:
        self.number += 1
        profile = profile_of(recipients, place, identity=identity)
        return run_here(judge(facts_of(profile, size), profile, BOOK, T), self.budgets, f"m{self.number}", T)


def test_a_thief_cannot_spend_the_owners_octets() -> None:
    """Forty letters of 25 MB from a strange network, to a recipient that is known, are a whole hour's octets."""
    desk = Budgets()
    for _ in range(40):
        desk.hand_in(known(1), strange(), size=25_000_000)
    assert desk.hand_in(known(1), strange(), size=25_000_000).action is not Action.ACCEPT
    assert desk.hand_in(known(1), AT_HOME).action is Action.ACCEPT


@pytest.mark.parametrize("whom", [internal, known, new], ids=["our own people", "known ones", "new ones"])
@pytest.mark.parametrize("places", [[SETTLED], [SETTLED, strange()]], ids=["his provider", "and from abroad"])
def test_a_thief_in_the_owners_provider_leaves_room_at_home(
    whom: Callable[[int], tuple[Recipient, ...]], places: list[Place]
) -> None:
    """He sends from a network that counts as the owner's, until nothing goes any more; the owner at home goes on."""
    desk = Budgets()
    for place in places:
        while (decision := desk.hand_in(whom(desk.number), place)).action is Action.ACCEPT:
            assert not decision.held
    assert desk.hand_in(known(1), AT_HOME).action is Action.ACCEPT
    assert desk.hand_in(new(-1), AT_HOME).action is Action.ACCEPT
    assert desk.hand_in(internal(1), AT_HOME).action is Action.ACCEPT


def test_what_is_left_for_home_is_an_eighth() -> None:
    """Not one recipient more or less goes out from elsewhere, and from everywhere together no more than before."""
    desk = Budgets()
    assert desk.hand_in(known(*range(100)), SETTLED).action is Action.ACCEPT
    assert desk.hand_in(known(*range(6)), SETTLED).action is Action.DEFER
    assert desk.hand_in(known(*range(5)), SETTLED).action is Action.ACCEPT
    assert desk.hand_in(known(1), SETTLED).action is Action.DEFER
    assert desk.hand_in(known(*range(16)), AT_HOME).action is Action.DEFER
    assert desk.hand_in(known(*range(15)), AT_HOME).action is Action.ACCEPT
    assert desk.hand_in(known(1), AT_HOME).action is Action.DEFER


def test_one_message_that_is_larger_than_seven_eighths_goes() -> None:
    """It would never fit, and its sender would try for ever."""
    octets = BOOK.limits_of("person").message_bytes[0].limit
    desk = Budgets()
    assert desk.hand_in(known(1), SETTLED, size=octets).action is Action.ACCEPT
    assert desk.hand_in(known(1), SETTLED, size=octets + 1).reason is Reason.BUDGET_TOO_SMALL
    other = Budgets()
    assert other.hand_in(known(1), SETTLED, size=octets // 2).action is Action.ACCEPT
    assert other.hand_in(known(1), SETTLED, size=octets // 2).action is Action.DEFER


@pytest.mark.parametrize(
    "origin",
    [
        replace(ORIGIN_ABROAD, is_mobile=True),
        replace(ORIGIN_ABROAD, pool="a webmail provider"),
    ],
    ids=["a carrier", "a provider"],
)
def test_customers_of_one_carrier_are_not_linked(origin: object) -> None:
    """Thousands stand behind one address there: three colleagues with telephones of one carrier are no botnet."""
    desk = Budgets()
    place = replace(strange(), origin=origin)
    decisions = [desk.hand_in(new(1), place, identity=name) for name in ("ada", "bob", "cecil", "dora")]
    assert [one.action for one in decisions] == [Action.ACCEPT] * 4
    assert not any(one.kind is SignalKind.LINKED for decision in decisions for one in decision.signals)


def test_what_shares_a_strange_network_is_linked() -> None:
    """The same where one household stands behind the network."""
    desk = Budgets()
    decisions = [desk.hand_in(new(1), abroad(1), identity=name) for name in ("ada", "bob", "cecil")]
    assert SignalKind.LINKED in {one.kind for one in decisions[2].signals}


@pytest.mark.parametrize("kind", ["app", "newsletter"])
async def test_a_program_is_not_settled_abroad_by_logins(world: World, store: IdentityStore, kind: str) -> None:
    """A thief logs in and waits. All of a program's mail is held there until somebody confirms the network."""
    store.change_identity("ada", T, profile=Profile(kind))
    for _ in range(8):
        world.now += DAY
        assert await world.log_in(ABROAD) is GRANTED
        await world.log_in(ABROAD)
    assert (await world.hand_in(*people(0, 1), address=ABROAD)).reason is Reason.PROBATION
    store.confirm_network("ada", ABROAD, world.now)
    assert (await world.hand_in(*people(1, 1), address=ABROAD)).action is Action.ACCEPT


async def test_signals_are_remembered_after_a_thousand_refusals(
    world: World, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not written down any more is the message; what speaks against its sender is."""
    monkeypatch.setattr(charges, "REFUSALS_KEPT", (Window(0, DAY),))
    book = parse('[traps]\nrecipients = ["trap@example.net"]\n', "test")
    world.brain = replace(world.brain, judging=judging_with(world.brain.judging, rulebook=lambda: book))
    world.now += HOUR
    assert await world.log_in(ABROAD) is GRANTED
    assert (await world.hand_in("trap@example.net", address=ABROAD)).reason is Reason.LOCKED
    assert (step_of(engine), signals(engine)) == (Step.LOCK, ["trap"])
    assert (await world.hand_in(*people(0, 1), address=ABROAD)).reason is Reason.LOCKED


async def test_what_cannot_be_relayed_leaves_little_behind(
    world: World, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given back, so it could be repeated for ever: with a record each, and new recipients of a day each."""
    monkeypatch.setattr("policy.judge.REFUSALS_KEPT", (Window(2, DAY),))
    for first in range(0, 400, 40):
        verdict = await world.hand_in(*people(first, 40), "bob@example.org", relayed=False)
        assert verdict.action is Action.ACCEPT
    with engine.connect() as connection:
        assert len(connection.execute(select(Submissions.id)).all()) == 2
        done = connection.execute(select(Days.messages, Days.recipients, Days.new_recipients, Days.held)).all()
    assert done == [(0, 0, 0, 0)]


PASTS = [
    # what it shows, days at home before, from where, whether it was relayed, a day's new ones; the mean a day later
    ("at home", 8, HOME, True, 8.0),
    ("a thief's days are not the owner's", 8, ABROAD, True, 0.0),
    ("who has no home yet has no other past", 2, ABROAD, True, 8.0),
    ("what failed is taken back at home", 8, HOME, False, 0.0),
    ("and elsewhere", 8, ABROAD, False, 0.0),
]


@pytest.mark.parametrize(("at_home", "where", "relayed", "usual"), [c[1:] for c in PASTS], ids=[c[0] for c in PASTS])
async def test_a_day_is_compared_with_what_was_usual_at_home(
    world: World, at_home: int, where: str, *, relayed: bool, usual: float
) -> None:
    """Or whoever writes to a few more each week would explain himself."""
    for _ in range(at_home - 1):
        world.now += DAY
        await world.log_in()
    verdict = await world.hand_in(*people(0, 8), address=where, relayed=relayed)
    assert verdict.action is Action.ACCEPT
    days = world.brain.judging.profiles.recall.days
    assert await days.baseline(1, world.now) == (0.0, 8 if relayed else 0)
    assert await days.baseline(1, world.now + DAY) == (usual, 0)


async def test_whom_the_policy_puts_under_a_profile_has_its_recipients(world: World) -> None:
    """Of one message, too: the login says so many, and the message is not refused for them."""
    book = parse('[profiles.newsletter]\nidentities = ["ada"]\n', "test")
    judging = judging_with(world.brain.judging, rulebook=lambda: book)
    decision, _ = await judging.judge(facts("m1", people(0, 300), HOME), "m1.x", T)
    assert decision.reason is not Reason.TOO_MANY_RECIPIENTS


CAUSE = Cause(1, "m1", ABROAD)


def test_two_signals_at_the_same_time_lock(store: IdentityStore, statements: Transactions, engine: Engine) -> None:
    """Two messages are decided beside each other, and neither knows of the other's signal: together they lock."""
    store.add_identity("ada", ("ada@example.org",), T)
    book = StandingBook(statements)
    for kind in (SignalKind.UNSEEN, SignalKind.NEW_RECIPIENTS):
        book.note(1, Standing(Step.HOLD, Step.FREE, T), [Signal(kind=kind, at=T)], CAUSE)
    assert step_of(engine) is Step.LOCK


def test_what_holds_at_home_goes_on_to(store: IdentityStore, statements: Transactions, engine: Engine) -> None:
    """A signal from home is not forgotten because one from elsewhere was raised beside it."""
    store.add_identity("ada", ("ada@example.org",), T)
    book = StandingBook(statements)
    at_home = Signal(kind=SignalKind.UNKNOWN_RECIPIENTS, at=T, at_home=True)
    book.note(1, Standing(Step.RESTRICT, Step.RESTRICT, T), [at_home], CAUSE)
    book.note(1, Standing(Step.RESTRICT, Step.FREE, T), [Signal(kind=SignalKind.SPREAD, at=T)], CAUSE)
    assert _standing(engine) == Standing(Step.LOCK, Step.RESTRICT, T)


def test_one_signal_of_a_kind_is_kept(store: IdentityStore, statements: Transactions, engine: Engine) -> None:
    """However many messages raise it beside each other; a day later it is another one."""
    store.add_identity("ada", ("ada@example.org",), T)
    book = StandingBook(statements)
    for at in (T, T, T + 1, T + DAY + 1):
        one = Signal(kind=SignalKind.NEW_RECIPIENTS, at=at)
        book.note(1, Standing(Step.HOLD, Step.FREE, at), [one], CAUSE)
    with engine.connect() as connection:
        assert connection.execute(select(Signals.at).order_by(Signals.at)).scalars().all() == [T, T + DAY + 1]
    assert _standing(engine) == Standing(Step.HOLD, Step.FREE, T)


def _standing(engine: Engine) -> Standing:
    with engine.connect() as connection:
        return standing_of(*connection.execute(select(Standings.step, Standings.home_step, Standings.since)).one())


def test_a_thief_cannot_fill_the_table_of_networks(
    store: IdentityStore, statements: Transactions, engine: Engine
) -> None:
    """One IPv6 /32 of the owner's provider has 65536 of them; those that were used on the fewest days go."""
    store.add_identity("ada", ("ada@example.org",), T)
    store.confirm_network("ada", "203.0.113.1", T)
    uses = Uses(statements)
    for day in range(2):
        uses.note_network(1, network_of(HOME), T + day * DAY, forgotten=T)
    for number in range(1100):
        uses.note_network(1, network_of(f"2001:db8:{number:x}::1"), T + 2 * DAY + number, forgotten=T)
    with engine.connect() as connection:
        kept = set(connection.execute(select(Networks.network)).scalars())
    assert len(kept) <= 1001
    assert {"203.0.113.0/24", network_of(HOME), network_of("2001:db8:44b::1")} <= kept


def test_the_sequential_test_begins_anew_where_it_is_only_watched() -> None:
    """Or the first dead address after a month would restrict, when the rule is enforced."""
    book = parse('[modes]\nunknown-recipients = "observe"\n', "test")
    report = Report(
        identity="ada", kind="person", place=AT_HOME, outcomes=(DeliveryOutcome.UNKNOWN_RECIPIENT,), likelihood=UPPER
    )
    weighed = run_here(weigh(report, book, T), MemoryBudgets(), "r1", T)
    assert (weighed.signals, weighed.likelihood) == ((), 0.0)


async def test_whom_a_thief_makes_known_he_has_paid_for(world: World, engine: Engine) -> None:
    """Whom nothing went to is as new as before: held and deleted, refused, failed, held beside others.

    A held message that is delivered was let go by somebody: test_judge.py.
    """

    def known_ones() -> int:
        with engine.connect() as connection:
            return len(connection.execute(select(KnownRecipients.mark)).all())

    world.now += HOUR
    assert await world.log_in(ABROAD) is GRANTED
    assert (await world.hand_in(*people(0, 11), address=ABROAD)).action is Action.HOLD
    await world.deliver("m1", DeliveryOutcome.OTHER, *people(0, 11), status="deleted")
    assert (await world.hand_in(*people(20, 101), address=ABROAD)).action is Action.REJECT
    await world.hand_in(*people(200, 5), relayed=False)
    assert known_ones() == 0
    assert len((await world.hand_in("bob@example.org", *people(300, 60))).held) == 60
    await world.deliver("m4", DeliveryOutcome.OTHER, *people(300, 60), status="deleted")
    assert known_ones() == 0
