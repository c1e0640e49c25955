"""The message stage in the services, on both databases: what is remembered from one message to the next."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from judge_parts import judging_with
from sqlalchemy import Engine, select
from structlog.testing import capture_logs

from policy.brain import Brain
from policy.contract import (
    Action,
    LoginOutcome,
    LoginStep,
    MessageFacts,
    MessageVerdict,
    Outcome,
    Outcomes,
    Reason,
    RelayOutcome,
)
from policy.delegation.handed import Handed
from policy.engine.ladder import Step
from policy.engine.rulebook import Rulebook
from policy.queue_contract import Deliveries, Delivery, DeliveryOutcome
from policy.rulebook import parse, shipped
from policy.store.fates import Fared, Fate, fared, fate_of
from policy.store.identities import IdentityStore, NewCredential
from policy.store.incident_models import Notices, ReachedRecipients
from policy.store.models import Areas, Days, Signals, Standings
from policy.store.records import find_submission

T = 1_000_000.0
HOME, ABROAD = "192.0.2.7", "198.51.100.9"
HOUR, DAY = 3600.0, 86400.0
GRANTED, REFUSED = LoginOutcome.GRANTED, LoginOutcome.REFUSED


@pytest.fixture
def rulebook() -> Rulebook:
    """The shipped policy."""
    return shipped()


@dataclass
class World:
    """All of policy, with a clock that tests move."""

    brain: Brain
    credential: NewCredential
    now: float = T
    number: int = 0
    reservations: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.brain = replace(self.brain, clock=lambda: self.now)

    async def log_in(self, address: str = HOME, **more: str) -> LoginOutcome:
        response = f"\0{self.credential.login}\0{self.credential.secret}".encode()
        step = {"session": "s1", "exchange": "e1", "client_address": address, "listener": "submission"}
        asked = {"mechanism": "PLAIN", "responses": (response,)} | more
        answer = await self.brain.login(LoginStep.model_validate(step | asked))
        await self.written()
        return answer.outcome

    async def hand_in(self, *recipients: str, address: str = HOME, relayed: bool = True) -> MessageVerdict:
        self.number += 1
        verdict = await self.brain.judge(facts(f"m{self.number}", recipients, address))
        if verdict.reservation:
            await self.end(verdict, RelayOutcome.RELAYED if relayed else RelayOutcome.FAILED)
        return verdict

    async def end(self, verdict: MessageVerdict, outcome: RelayOutcome) -> None:
        await self.brain.end(Outcomes(outcomes=(Outcome(reservation=verdict.reservation, outcome=outcome),)))

    async def deliver(self, submission: str, outcome: DeliveryOutcome, *recipients: str, status: str = "") -> None:
        told = [Delivery(submission=submission, recipient=one, outcome=outcome, status=status) for one in recipients]
        await self.brain.deliver(Deliveries(deliveries=tuple(told)))

    async def written(self) -> None:
        """What was to be written later is written before this is."""
        await self.brain.writer.make(lambda: None)


def facts(submission: str, recipients: tuple[str, ...], address: str) -> MessageFacts:
    return MessageFacts(
        submission=submission,
        session="s1",
        listener="submission",
        client_address=address,
        client_name="laptop.example",
        credential=1,
        reverse_path="ada@example.org",
        recipients=recipients,
        authors=("ada@example.org",),
        senders=(),
        names=(),
        message_bytes=1000,
    )


def people(first: int, number: int) -> tuple[str, ...]:
    return tuple(f"p{one}@example.net" for one in range(first, first + number))


@pytest.fixture
async def world(brain: Brain, ada: NewCredential) -> World:
    """Ada has used her laptop once, at home."""
    made = World(brain, ada)
    assert await made.log_in() is GRANTED
    return made


def step_of(engine: Engine) -> Step:
    with engine.connect() as connection:
        return Step(connection.execute(select(Standings.step)).scalar() or 0)


def signals(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return [kind for (kind,) in connection.execute(select(Signals.kind).order_by(Signals.id))]


async def test_the_first_network_of_a_fresh_credential_is_settled(world: World) -> None:
    """Whoever has just set a device up writes to whom he wants."""
    assert (await world.hand_in(*people(0, 30))).action is Action.ACCEPT


async def test_a_message_right_behind_the_first_login_of_all_is_from_a_settled_network(
    brain: Brain, ada: NewCredential
) -> None:
    """Nothing is waited for in between: what the login says of the network is on disk when it is answered."""
    response = f"\0{ada.login}\0{ada.secret}".encode()
    step = {"session": "s1", "exchange": "e1", "client_address": HOME, "listener": "submission"}
    await brain.login(LoginStep.model_validate(step | {"mechanism": "PLAIN", "responses": (response,)}))
    verdict = await brain.judge(facts("m1", people(0, 50), HOME))
    assert (verdict.action, verdict.reason) == (Action.ACCEPT, None)


async def test_recipients_are_known_once_the_next_hop_has_the_message(world: World) -> None:
    """And not where it failed for certain: or a message that cannot be relayed would make a list known."""
    world.now += HOUR
    assert await world.log_in(ABROAD) is GRANTED
    failed = await world.hand_in(*people(0, 10), address=ABROAD, relayed=False)
    assert failed.action is Action.ACCEPT
    again = await world.hand_in(*people(0, 10), address=ABROAD)
    assert again.action is Action.ACCEPT
    assert (await world.hand_in(*people(0, 10), address=ABROAD)).action is Action.ACCEPT  # known now
    assert (await world.hand_in(*people(10, 1), address=ABROAD)).action is Action.HOLD  # the eleventh


async def test_spellings_of_one_recipient_are_one(world: World) -> None:
    """No variant of an address is new again (A11)."""
    world.now += HOUR
    await world.log_in(ABROAD)
    assert (await world.hand_in(*people(0, 10), address=ABROAD)).action is Action.ACCEPT
    for spelling in ("P0@example.net", "p0@EXAMPLE.NET.", "\uff500@example.net"):
        assert (await world.hand_in(spelling, address=ABROAD)).action is Action.ACCEPT
    assert (await world.hand_in("p0+x@example.net", address=ABROAD)).action is Action.HOLD


async def test_no_recipient_exempts_from_anything(world: World) -> None:
    """Neither postmaster (rspamd's whitelisted_rcpts) nor a colleague."""
    world.now += HOUR
    await world.log_in(ABROAD)
    crowd = (*people(0, 11), "postmaster@example.net", "bob@example.org")
    assert (await world.hand_in(*crowd, address=ABROAD)).action is Action.HOLD


async def test_a_hold_is_remembered_and_holds_there_alone(world: World, engine: Engine) -> None:
    """The signal and the step are on disk with the message; at home nothing has changed."""
    world.now += HOUR
    await world.log_in(ABROAD)
    verdict = await world.hand_in(*people(0, 11), address=ABROAD)
    assert (verdict.action, verdict.reason) == (Action.HOLD, Reason.PROBATION)
    assert (step_of(engine), signals(engine)) == (Step.HOLD, ["new-recipients"])
    assert (await world.hand_in(*people(20, 1), address=ABROAD)).reason is Reason.HELD
    assert (await world.hand_in(*people(20, 1))).action is Action.HOLD  # settled, and not home yet
    found = find_submission(engine, "m1")
    assert found
    assert (found.held, found.new_recipients, found.rule) == (11, 0, "probation-new-recipients")
    evidence = json.loads(found.evidence)
    assert ["probation-new-recipients", "probation-new:ada", 10, 3600.0, 0, 11, True] in evidence["stood"]
    assert evidence["place"] == ["198.51.100.0/24", "198.51.100.0/24 ??", "probation", False]


async def test_a_day_in_doubt_does_not_end_probation(world: World, engine: Engine, store: IdentityStore) -> None:
    """Three days of more than half of the small budget are no history; three quiet days are."""
    for _ in range(5):
        world.now += DAY
        assert await world.log_in(ABROAD) is GRANTED
        for place in range(8):
            await world.hand_in(*people(int(world.now) + place, 1), address=ABROAD)
    assert [one.days for one in _areas(engine)] == [1, 0]
    assert [one.days for one in store.networks("ada")] == [0, 1]
    for _ in range(3):
        world.now += DAY
        assert await world.log_in(ABROAD) is GRANTED
    assert [one.days for one in _areas(engine)] == [1, 3]
    assert (await world.hand_in(*people(0, 30), address=ABROAD)).action is Action.ACCEPT


def _areas(engine: Engine) -> list[Areas]:
    with engine.connect() as connection:
        return list(connection.execute(select(Areas.days, Areas.area).order_by(Areas.id)))  # type: ignore[arg-type]


async def test_many_networks_lock_everywhere_but_at_home(world: World, store: IdentityStore, engine: Engine) -> None:
    """A4 at the login: four that no database knows are unseen, seven are spread; the owner goes on at home."""
    store.confirm_network("ada", HOME, T)
    outcomes = [await world.log_in(f"10.1.{number}.1") for number in range(25)]
    assert outcomes == [GRANTED] * 6 + [REFUSED] * 19
    assert (step_of(engine), signals(engine)) == (Step.LOCK, ["unseen", "spread", "many-networks"])
    assert (await world.hand_in(*people(0, 1), address="10.1.3.1")).reason is Reason.LOCKED
    assert await world.log_in(HOME) is GRANTED
    assert (await world.hand_in(*people(0, 30))).action is Action.ACCEPT


async def test_one_identity_after_another_is_not_looked_at_alike(
    world: World, told: Callable[[], list[tuple[str, str]]]
) -> None:
    """The administrator hears of a signal once."""
    world.now += HOUR
    await world.log_in(ABROAD)
    for place in range(3):
        await world.hand_in(*people(place * 20, 11), address=ABROAD)
    assert told() == [("incident-opened", "ada: incident 1: new-recipients, now hold")]


async def test_what_weighs_most_is_in_the_subject(world: World, told: Callable[[], list[tuple[str, str]]]) -> None:
    """One message to sixty strangers is out of the ordinary as well, which holds nothing."""
    await world.hand_in(*people(0, 60))
    assert told() == [("incident-opened", "ada: incident 1: new-recipients, now hold")]


async def test_unknown_recipients_restrict(world: World, engine: Engine) -> None:
    """Four in a row that were new are a list that was bought; each is counted once, however often it is reported."""
    await world.hand_in(*people(0, 10))
    for _ in range(3):
        await world.deliver("m1", DeliveryOutcome.UNKNOWN_RECIPIENT, *people(0, 3))
    assert step_of(engine) is Step.FREE
    await world.deliver("m1", DeliveryOutcome.UNKNOWN_RECIPIENT, *people(3, 1))
    assert (step_of(engine), signals(engine)) == (Step.RESTRICT, ["unknown-recipients"])
    assert (await world.hand_in(*people(20, 1))).reason is Reason.RESTRICTED
    assert (await world.hand_in(*people(5, 1))).action is Action.ACCEPT
    with engine.connect() as connection:
        assert connection.execute(select(Days.unknown_recipients, Days.messages, Days.refused)).all() == [(4, 2, 1)]


@pytest.mark.parametrize("rulebook", [parse('[modes]\nunknown-recipients = "observe"\n', "test")], ids=["observed"])
async def test_unknown_recipients_that_are_only_observed(world: World, engine: Engine) -> None:
    """Nothing happens to the identity; the log has what would have."""
    await world.hand_in(*people(0, 10))
    with capture_logs() as logged:
        await world.deliver("m1", DeliveryOutcome.UNKNOWN_RECIPIENT, *people(0, 4))
    assert (step_of(engine), signals(engine)) == (Step.FREE, [])
    (told,) = (one for one in logged if one["event"] == "signal-not-raised")
    assert (told["identity"], told["kind"], told["network"]) == ("ada", "unknown-recipients", "192.0.2.0/24")
    assert told["evidence"].startswith("unknown new recipients, as of a list that was bought")


async def test_dead_addresses_of_an_old_address_book_restrict_nobody(world: World, engine: Engine) -> None:
    """Known recipients do not count (L12), nor what nobody has sent."""
    await world.hand_in(*people(0, 10))
    await world.hand_in(*people(0, 10))
    await world.deliver("m2", DeliveryOutcome.UNKNOWN_RECIPIENT, *people(0, 10))
    await world.deliver("m2", DeliveryOutcome.UNKNOWN_RECIPIENT, *people(50, 10))
    await world.deliver("nothing", DeliveryOutcome.UNKNOWN_RECIPIENT, *people(0, 10))
    assert (step_of(engine), signals(engine)) == (Step.FREE, [])


async def test_another_program_with_the_same_secret_is_told(world: World, engine: Engine) -> None:
    """Name, mechanism and TLS all at once; any two of them are an update."""
    await world.log_in(client_name="laptop.example", tls_fingerprint="a")
    await world.log_in(client_name="bot", tls_fingerprint="a")
    await world.log_in(client_name="laptop.example", tls_fingerprint="b", mechanism="LOGIN", responses=())
    assert signals(engine) == []
    world.brain = replace(world.brain)
    login = {"mechanism": "LOGIN", "responses": (world.credential.login.encode(), world.credential.secret.encode())}
    await world.log_in(client_name="other", tls_fingerprint="c", **login)  # type: ignore[arg-type]
    assert signals(engine) == ["strange-client"]


def handed(number: int, *recipients: str, strangers: int = 0, address: str = HOME) -> Handed:
    return Handed(
        submission=f"d{number}",
        session="s1",
        client_address=address,
        client_name="laptop.example",
        mechanism="PLAIN",
        tls="",
        identity="ada",
        credential=0,
        login="ada@example.org",
        reverse_path="ada@example.org",
        recipients=recipients,
        strangers=strangers,
        message_bytes=1000,
    )


async def test_a_front_of_its_own_has_the_same_budgets(brain: Brain, ada: NewCredential, engine: Engine) -> None:
    """Charged and committed at once; what is only asked about is not charged; strangers are new."""
    judge = brain.judging
    for _ in range(3):
        assert (await judge.foresee(handed(0, *people(0, 50)), T)).action is Action.ACCEPT
    assert (await judge.judge_handed(handed(1, *people(0, 50)), T)).action is Action.ACCEPT
    await brain.writer.make(lambda: None)
    assert (await judge.judge_handed(handed(2, *people(0, 50)), T + 1000)).action is Action.ACCEPT
    decision = await judge.judge_handed(handed(3, *people(50, 1), strangers=2), T + 2000)
    assert (decision.action, decision.reason) == (Action.HOLD, Reason.NEW_RECIPIENTS)
    abroad = await judge.judge_handed(handed(4, *people(0, 41), address=ABROAD), T + 2000)
    assert (abroad.action, abroad.reason) == (Action.HOLD, Reason.PROBATION)
    found = find_submission(engine, "d1")
    assert found
    assert (found.outcome, found.new_recipients, found.listener) == ("relayed", 50, "delegation")
    nobody = await judge.judge_handed(replace(handed(5, *people(0, 1)), identity="eve"), T)
    assert nobody.reason is Reason.CREDENTIAL_REVOKED


@pytest.mark.parametrize("reverse_path", ["ada@example.org", "", "ada@example.net"])
async def test_no_reverse_path_escapes_the_budget_of_the_domain(
    world: World, store: IdentityStore, reverse_path: str
) -> None:
    """It is that of the identity's own domain; a null reverse-path, or an address elsewhere, is no other one."""
    store.add_address("ada", "ada@example.net", T)
    book = parse("[domain]\nrecipients-per-user = 1\nrecipients-least = 2\n", "test")
    judge = judging_with(world.brain.judging, rulebook=lambda: book)
    outcomes = []
    for number in range(11):
        asked = facts(f"m{number}", people(number * 2, 2), HOME).model_copy(update={"reverse_path": reverse_path})
        decision, _ = await judge.judge(asked, f"m{number}.x", T)
        outcomes.append(decision.reason)
    assert outcomes == [None] * 10 + [Reason.SERVER_BUDGET_SPENT]


async def test_sessions_from_a_strange_network_are_counted_apart(world: World) -> None:
    """Or a thief with five of them would keep the owner's telephone out."""
    world.now += HOUR
    response = f"\0{world.credential.login}\0{world.credential.secret}".encode()
    strange = []
    for address in (HOME, ABROAD):
        step = {"session": "s1", "exchange": "e1", "client_address": address, "listener": "submission"}
        answer = await world.brain.login(
            LoginStep.model_validate(step | {"mechanism": "PLAIN", "responses": (response,)})
        )
        assert answer.grants
        strange.append(answer.grants.is_strange)
    assert strange == [False, True]


async def test_a_deferral_is_not_the_last_word(world: World, engine: Engine) -> None:
    """Greylisting comes first; that nobody has the address is said a quarter of an hour later."""
    await world.hand_in(*people(0, 4))
    await world.deliver("m1", DeliveryOutcome.OTHER, *people(0, 4), status="deferred")
    await world.deliver("m1", DeliveryOutcome.UNKNOWN_RECIPIENT, *people(0, 4), status="bounced")
    assert signals(engine) == ["unknown-recipients"]


async def test_whoever_gets_what_was_held_is_known_from_then_on(world: World) -> None:
    """Somebody has let it go. Until then nobody of those is: a thief makes nobody known by having his mail held."""
    parents = people(0, 55)
    assert (await world.hand_in(*parents)).held == tuple(range(50, 55))
    world.now += 86400.0
    assert (await world.hand_in(*people(52, 3))).action is Action.HOLD
    await world.deliver("m1", DeliveryOutcome.DELIVERED, *people(50, 3))
    await world.deliver("m1", DeliveryOutcome.UNKNOWN_RECIPIENT, *people(53, 1))
    await world.deliver("m1", DeliveryOutcome.OTHER, *people(54, 1), status="deleted")
    verdict = await world.hand_in(*parents)
    assert (verdict.action, verdict.held) == (Action.ACCEPT, (54,))


async def test_a_blocklist_that_has_us_is_told_once(world: World, engine: Engine) -> None:
    """To the administrator, with who said so and whose message it was; nothing is raised against its sender at home."""
    await world.hand_in(*people(0, 2))
    report = {"submission": "m1", "outcome": DeliveryOutcome.BLOCKLISTED, "relay": "mx.example.com"}
    told = [Delivery.model_validate(report | {"recipient": one}) for one in people(0, 2)]
    for _ in range(2):
        await world.brain.deliver(Deliveries(deliveries=tuple(told)))
    with engine.connect() as connection:
        row = Notices
        found = connection.execute(
            select(row.channel, row.subject, row.content, row.count).where(row.kind == "blocklisted")
        )
        ((channel, subject, content, count),) = found.all()
    assert (channel, subject, count) == ("administrator", "On a blocklist, says mx.example.com", 1)
    assert json.loads(content)["lines"] == ["Refused by: mx.example.com.", "Whose message: ada's (m1)."]
    assert (step_of(engine), signals(engine)) == (Step.FREE, [])


def to_warn(engine: Engine) -> list[tuple[str, str]]:
    """Submission and recipient of those whose addresses are kept."""
    row = ReachedRecipients
    with engine.connect() as connection:
        return [tuple(one) for one in connection.execute(select(row.submission, row.recipient).order_by(row.id))]


async def test_whom_a_message_from_elsewhere_reached_can_be_warned(world: World, engine: Engine) -> None:
    """All of them, colleagues, too; each once, and nobody whom it did not reach."""
    world.now += HOUR
    await world.log_in(ABROAD)
    await world.hand_in("p0@example.net", "p1@example.net", "p2@example.net", "boss@example.org", address=ABROAD)
    await world.deliver("m1", DeliveryOutcome.OTHER, "p0@example.net", status="deferred")
    assert to_warn(engine) == []
    await world.deliver("m1", DeliveryOutcome.DELIVERED, "p0@example.net", "boss@example.org")
    await world.deliver("m1", DeliveryOutcome.UNKNOWN_RECIPIENT, "p1@example.net")
    await world.deliver("m1", DeliveryOutcome.DELIVERED, "p0@example.net", "boss@example.org")
    assert to_warn(engine) == [("m1", "p0@example.net"), ("m1", "boss@example.org")]


async def test_of_messages_from_home_only_strangers_addresses_are_kept(world: World, engine: Engine) -> None:
    """Whom ada writes to anyway, and her colleagues, are nobody's business."""
    await world.hand_in(*people(0, 2), "boss@example.org")
    await world.deliver("m1", DeliveryOutcome.DELIVERED, *people(0, 2), "boss@example.org")
    assert to_warn(engine) == [("m1", "p0@example.net"), ("m1", "p1@example.net")]
    await world.hand_in(*people(0, 2), "boss@example.org")
    await world.deliver("m2", DeliveryOutcome.DELIVERED, *people(0, 2), "boss@example.org")
    assert len(to_warn(engine)) == 2


async def test_what_became_of_each_recipient_is_kept_for_the_sender(world: World, engine: Engine) -> None:
    """The last word on each, once: in any order, however often it is told; colleagues, who have no mark, too."""

    def became() -> Fared:
        with engine.connect() as connection:
            return fared(connection, ["m1"])["m1"]

    await world.hand_in(*people(0, 4), "boss@example.org", "tom@example.org")
    assert became() == Fared()
    for _ in range(2):
        await world.deliver("m1", DeliveryOutcome.OTHER, "p0@example.net", "p1@example.net", status="deferred")
        await world.deliver("m1", DeliveryOutcome.DELIVERED, "p2@example.net", "boss@example.org", status="sent")
    assert became() == Fared(2, 2)
    await world.deliver("m1", DeliveryOutcome.DELIVERED, "p0@example.net", status="sent")
    await world.deliver("m1", DeliveryOutcome.OTHER, "p1@example.net", status="expired")
    await world.deliver("m1", DeliveryOutcome.UNKNOWN_RECIPIENT, "p3@example.net", "tom@example.org", status="bounced")
    last = Fared(3, 0, {Fate.UNKNOWN: 2, Fate.EXPIRED: 1})
    assert became() == last
    await world.deliver("m1", DeliveryOutcome.OTHER, "p0@example.net", "tom@example.org", status="deferred")  # late
    assert became() == last


@pytest.mark.parametrize(
    ("outcome", "status", "dsn", "fate"),
    [
        ("delivered", "sent", "2.0.0", Fate.DELIVERED),
        ("other", "deferred", "4.2.2", Fate.WAITING),
        ("unknown-recipient", "bounced", "5.1.1", Fate.UNKNOWN),
        ("spam", "bounced", "5.7.1", Fate.SPAM),
        ("blocklisted", "bounced", "5.7.1", Fate.BLOCKLISTED),
        ("other", "bounced", "5.2.2", Fate.FULL),
        ("other", "bounced", "5.3.4", Fate.TOO_LARGE),
        ("other", "bounced", "5.2.3", Fate.TOO_LARGE),
        ("other", "bounced", "", Fate.REFUSED),
        ("other", "expired", "4.4.1", Fate.EXPIRED),
        ("other", "deleted", "", Fate.DELETED),
    ],
)
def test_what_a_report_means_to_the_sender(outcome: str, status: str, dsn: str, fate: Fate) -> None:
    told = Delivery(submission="m1", recipient="p0@example.net", outcome=DeliveryOutcome(outcome), status=status)
    assert fate_of(told.model_copy(update={"dsn": dsn})) is fate
