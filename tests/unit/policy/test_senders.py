"""Who hands a message in is asked for once, and anew as soon as the answer may be another: nothing old decides."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from judge_parts import judging_with
from sqlalchemy import Engine, delete, insert, update

from policy import senders
from policy.brain import Brain
from policy.contract import Action, MessageFacts, MessageVerdict, Reason
from policy.engine.rulebook import Rulebook
from policy.engine.sources import Sources
from policy.profiles import Case
from policy.rulebook import shipped
from policy.store import areas, directory
from policy.store.identities import IdentityStore, NewCredential
from policy.store.models import Addresses, Areas, Credentials, Identities, Networks
from policy.store.reader import Values
from policy.store.statements import APART, Prepared, prepared
from policy.store.transactions import SqliteTransactions, Transactions, at_once

T, DAY = 1_000_000.0, 86400.0
SUSPEND = prepared("UPDATE identity SET suspended_at = 1")
ASKED_OF_SENDERS = (directory._BY_ID, directory._OWNED, areas._ALL)


@pytest.fixture
def rulebook() -> Rulebook:
    return shipped()


def facts(submission: str) -> MessageFacts:
    return MessageFacts(
        submission=submission,
        session="s1",
        listener="submission",
        client_address="192.0.2.7",
        client_name="laptop.example",
        credential=1,
        reverse_path="ada@example.org",
        recipients=("bob@example.org",),
        authors=("ada@example.org",),
        senders=(),
        names=(),
        message_bytes=1000,
    )


class Desk:
    """Messages of ada's, one after the other. `now` is a clock that tests move."""

    def __init__(self, brain: Brain) -> None:
        self.now, self.number = T, 0
        self.brain = replace(brain, clock=lambda: self.now)

    async def hand_in(self, **other: object) -> MessageVerdict:
        self.number += 1
        return await self.brain.judge(facts(f"m{self.number}").model_copy(update=other))

    async def look(self, now: float) -> Case:
        """What is read for a message, as the judge reads it."""
        judge = self.brain.judging
        if within := judge.within:
            return await self.brain.writer.make(lambda: at_once(within.of_message(facts("m0"), now)))
        return await judge.profiles.of_message(facts("m0"), now)


@pytest.fixture
async def desk(brain: Brain, ada: NewCredential) -> Desk:
    """One message of ada's was accepted, so that she is remembered where that is possible."""
    made = Desk(brain)
    assert (await made.hand_in()).action is Action.ACCEPT
    return made


def revoked(store: IdentityStore, ada: NewCredential, _: Engine) -> None:
    store.revoke(ada.login, T)


def suspended(store: IdentityStore, _: NewCredential, __: Engine) -> None:
    store.suspend("ada", T)


def contained(_: IdentityStore, __: NewCredential, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(update(Credentials).values(contained_by=1))


def without_address(_: IdentityStore, __: NewCredential, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(delete(Addresses))


CHANGES = [
    ("revoked", revoked, Reason.CREDENTIAL_REVOKED),
    ("suspended", suspended, Reason.CREDENTIAL_REVOKED),
    ("contained", contained, Reason.CREDENTIAL_REVOKED),
    ("the address is not ada's any more", without_address, Reason.SENDER_NOT_OWNED),
]


@pytest.mark.parametrize(("change", "reason"), [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES])
async def test_what_another_process_has_changed_holds_from_the_next_message_on(
    desk: Desk, store: IdentityStore, ada: NewCredential, engine: Engine, change: Callable[..., None], reason: Reason
) -> None:
    change(store, ada, engine)
    assert (await desk.hand_in()).reason is reason


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_what_this_process_has_changed_holds_within_the_same_commit(desk: Desk, statements: Transactions) -> None:
    change = desk.brain.writer.make(lambda: statements.execute(SUSPEND, {}).rowcount)
    before, _, after = await asyncio.gather(desk.hand_in(), change, desk.hand_in())
    assert (before.action, after.reason) == (Action.ACCEPT, Reason.CREDENTIAL_REVOKED)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_what_was_found_in_a_transaction_that_failed_was_never_so(desk: Desk, statements: Transactions) -> None:
    found = list[bool]()

    def suspend_and_look() -> None:
        statements.execute(SUSPEND, {})
        assert desk.brain.judging.within
        case = at_once(desk.brain.judging.within.of_message(facts("m0"), T))
        found.append(case.profile is not None and case.profile.active)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await desk.brain.writer.make(suspend_and_look)
    assert found == [False]
    assert (await desk.hand_in()).action is Action.ACCEPT


async def test_a_credential_expires_while_its_holder_is_remembered(desk: Desk, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(update(Credentials).values(expires_at=T + 10))
    assert (await desk.hand_in()).action is Action.ACCEPT
    desk.now = T + 9.9
    assert (await desk.hand_in()).action is Action.ACCEPT
    desk.now = T + 10
    assert (await desk.hand_in()).reason is Reason.CREDENTIAL_REVOKED
    desk.now = T  # the clock was set back
    assert (await desk.hand_in()).action is Action.ACCEPT


async def test_a_network_is_forgotten_while_its_user_is_remembered(
    desk: Desk, engine: Engine, rulebook: Rulebook
) -> None:
    used = {"first_used_at": T - 30 * DAY, "last_used_at": T, "days": 30}
    with engine.begin() as connection:
        connection.execute(delete(Areas))
        connection.execute(delete(Networks))
        connection.execute(insert(Networks).values(identity_id=1, network="192.0.2.0/24", **used))
    seen = list[bool]()
    for days in (0.0, rulebook.forgotten_after_days - 0.1, rulebook.forgotten_after_days + 0.1):
        case = await desk.look(T + days * DAY)
        assert case.profile
        seen.append(case.profile.place.is_home)
    assert seen == [True, True, False]


async def test_another_policy_holds_from_the_next_message_on(desk: Desk, rulebook: Rulebook) -> None:
    in_force = [rulebook]
    desk.brain = replace(desk.brain, judging=judging_with(desk.brain.judging, rulebook=lambda: in_force[0]))
    recipients = ("bob@example.org", "eve@example.org")
    assert (await desk.hand_in(recipients=recipients)).action is Action.ACCEPT
    person = replace(rulebook.limits["person"], recipients_per_message=1)
    in_force[0] = replace(rulebook, limits={**rulebook.limits, "person": person})
    assert (await desk.hand_in(recipients=recipients)).reason is Reason.TOO_MANY_RECIPIENTS


async def test_what_the_databases_of_addresses_say_anew_holds_from_the_next_message_on(desk: Desk) -> None:
    desk.brain.connects.atlas.extend(Sources(hosting_asns=frozenset((64500,))))
    case = await desk.look(T)
    assert case.profile
    assert case.profile.place.origin is desk.brain.connects.atlas.origin("192.0.2.7")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("address", ["192.0.2.8", "203.0.113.9"], ids=["anywhere", "a network of the administrator's"])
async def test_between_two_messages_nobody_is_asked_who_hands_them_in(
    desk: Desk, statements: Transactions, address: str
) -> None:
    assert isinstance(statements, SqliteTransactions)
    said = list[str]()
    statements._connection.set_trace_callback(said.append)
    await desk.hand_in()
    await desk.hand_in(client_address=address)  # somewhere else
    await desk.hand_in(client_address=address)
    assert len([one for one in said if "FROM credential" in one]) == 1


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_no_more_are_remembered_than_the_limit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "_KEPT", 2)
    for number in range(5):
        await desk.hand_in(client_address=f"192.0.2.{number}")
    assert desk.brain.judging.within
    assert len(desk.brain.judging.within.senders._remembered) == 2


def test_nothing_that_is_asked_about_a_sender_is_apart() -> None:
    for question in ASKED_OF_SENDERS:
        assert not [table for table in APART if table in question.sqlite.replace(".", " ").split()]


WRITTEN = [
    ("a charge", "INSERT INTO charge (key) VALUES (:key)", False),
    ("a question", "SELECT name FROM identity WHERE id = :id", False),
    ("an identity", "UPDATE identity SET name = :name", True),
    ("one of two", "INSERT INTO area (area) VALUES (:area) ON CONFLICT (area) DO UPDATE SET days = 1", True),
    ("a row that goes", "DELETE FROM network WHERE id = :id", True),
    ("a table of which nothing is known", "INSERT INTO elsewhere (key) VALUES (:key)", True),
]


@pytest.mark.parametrize(("statement", "expected"), [case[1:] for case in WRITTEN], ids=[case[0] for case in WRITTEN])
def test_which_statements_may_change_a_sender(statement: str, expected: bool) -> None:
    assert prepared(statement).is_of_senders is expected


def test_a_statement_that_is_apart_says_so() -> None:
    assert not prepared("UPDATE credential SET last_used_at = :now", is_apart=True).is_of_senders


NUMBERED = [
    ("none", "SELECT 1", {}, "SELECT 1", ()),
    ("one", "SELECT :one", {"one": 1}, "SELECT ?1", (1,)),
    ("twice", "SELECT :b, :a, :b", {"a": 1, "b": 2, "c": 3}, "SELECT ?1, ?2, ?1", (2, 1)),
]


@pytest.mark.parametrize(
    ("statement", "values", "text", "given"), [case[1:] for case in NUMBERED], ids=[case[0] for case in NUMBERED]
)
def test_values_are_numbered_for_sqlite(statement: str, values: Values, text: str, given: tuple[object, ...]) -> None:
    made = Prepared(sqlite=statement, postgresql="")
    assert (made.numbered, made.in_order(values)) == (text, given)


def test_what_is_suspended_is_an_identity() -> None:
    """The table that the tests above change is one that senders are made of."""
    assert Identities.__tablename__ in SUSPEND.sqlite
    assert SUSPEND.is_of_senders
