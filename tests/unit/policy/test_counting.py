"""Figures: what is counted where, and how it comes to disk, on both databases."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from child_processes import FORKING, count
from sqlalchemy import Engine
from structlog.testing import capture_logs

from policy.brain import Brain
from policy.contract import ConnectFacts, LoginStep, MessageFacts
from policy.counting import Counting
from policy.engine.gates import GATES
from policy.engine.guessing import Wall
from policy.engine.rulebook import Mode, Rulebook
from policy.logins import _WALLS
from policy.queue_contract import Deliveries, Delivery, DeliveryOutcome
from policy.rulebook import shipped
from policy.store.database import Location
from policy.store.identities import IdentityStore, NewCredential
from policy.store.statements import Prepared
from policy.store.tallies import KEPT_S, TallyNotes, figures_by, sums_since
from policy.store.transactions import NotBegun, Transactions
from policy.store.writer import Writer
from policy.tally import GRAIN_S, OUTCOMES, Count, LoginReason, Stage, Tally, What

T = 1_000_000.0
AT = int(T) // GRAIN_S * GRAIN_S
ACCEPTED = What(Stage.MESSAGE, "accept")
HELD = What(Stage.MESSAGE, "hold", "held")


# What is counted


@pytest.fixture
def rulebook() -> Rulebook:
    """The shipped policy, but that a new recipient too many is only watched."""
    return replace(shipped(), modes={"new-recipients": Mode.OBSERVE})


async def login(brain: Brain, login: str, secret: str, address: str = "192.0.2.1") -> str:
    response = f"\0{login}\0{secret}".encode()
    step = {"session": "s", "exchange": "e", "client_address": address, "listener": "submission"}
    asked = LoginStep.model_validate(step | {"mechanism": "PLAIN", "responses": (response,)})
    return (await brain.login(asked)).outcome.value


def message(submission: str, *recipients: str, address: str = "192.0.2.1", sender: str = "ada") -> MessageFacts:
    return MessageFacts(
        submission=submission,
        session="s",
        listener="submission",
        client_address=address,
        client_name="laptop.example",
        credential=1,
        reverse_path=f"{sender}@example.org",
        recipients=recipients,
        authors=("ada@example.org",),
        senders=(),
        names=(),
        message_bytes=1000,
    )


def people(number: int) -> list[str]:
    return [f"p{one}@example.net" for one in range(number)]


async def test_connections_are_counted(brain: Brain) -> None:
    await brain.connect(ConnectFacts(listener="submission", client_address="192.0.2.1"))
    brain.connects.walls.penalise("198.51.100.0/24", T)
    await brain.connect(ConnectFacts(listener="submission", client_address="198.51.100.1"))
    assert brain.tally.totals == {What(Stage.CONNECT, "accepted"): 1, What(Stage.CONNECT, "later"): 1}


async def test_logins_are_counted(brain: Brain, store: IdentityStore, ada: NewCredential) -> None:
    """Each with one word, whatever the log says: who guesses can make no new one."""
    assert await login(brain, ada.login, ada.secret) == "granted"
    assert await login(brain, "nobody-here", "x") == "refused"
    await brain.login(
        LoginStep(
            session="s", exchange="e", client_address="192.0.2.1", listener="l", mechanism="PLAIN", responses=(b"",)
        )
    )
    await brain.pick_up(ada.login, ada.secret, "s", "192.0.2.1", "imap")
    store.revoke(ada.login, T)
    assert await login(brain, ada.login, ada.secret) == "refused"
    brain.logins.walls.penalise("198.51.100.0/24", T)
    assert await login(brain, ada.login, "x", "198.51.100.1") == "later"
    assert {(what.stage.value, what.outcome, what.reason): count for what, count in brain.tally.totals.items()} == {
        ("login", "granted", ""): 1,
        ("login", "refused", "secret"): 1,
        ("login", "malformed", ""): 1,
        ("pickup", "granted", ""): 1,
        ("login", "refused", "revoked"): 1,
        ("login", "later", "walled-network"): 1,
    }


async def test_messages_are_counted(brain: Brain, ada: NewCredential) -> None:
    """With those recipients that their outcome is about."""
    await login(brain, ada.login, ada.secret)
    await brain.judge(message("m1", *people(3)))
    await brain.judge(message("m2", "p1@example.net", sender="bob"))
    await brain.judge(message("m3", "p1@example.net", address="203.0.113.200").model_copy(update={"credential": 99}))
    counts = {what: count for what, count in brain.tally.take()[AT].items() if what.stage is Stage.MESSAGE}
    assert counts == {
        ACCEPTED: Count(1, 3),
        What(Stage.MESSAGE, "reject", "sender-not-owned"): Count(1, 1),
        What(Stage.MESSAGE, "reject", "credential-revoked"): Count(1, 1),
    }


async def test_what_is_only_watched_is_counted(brain: Brain, ada: NewCredential) -> None:
    await login(brain, ada.login, ada.secret)
    limit = brain.judging.profiles.rulebook().limits["person"].new_recipients[0].limit
    for number in range(limit // 40 + 1):
        await brain.judge(message(f"m{number}", *[f"{number}.{one}@example.net" for one in range(40)]))
    counts = brain.tally.take()[AT]
    assert counts[What(Stage.OBSERVED, "new-recipients")] == Count(1, 40)
    assert [what for what in counts if what.stage is Stage.MESSAGE] == [ACCEPTED]


async def test_the_part_that_goes_is_counted_of_a_message_that_is_split(
    brain: Brain, ada: NewCredential, rulebook: Rulebook
) -> None:
    rulebook.modes["new-recipients"] = Mode.ENFORCE  # type: ignore[index]  # a dict, see above
    await login(brain, ada.login, ada.secret)
    limit = rulebook.limits["person"].new_recipients[0].limit
    verdict = await brain.judge(message("m", *people(limit + 5)))
    assert verdict.held
    counts = brain.tally.take()[AT]
    assert counts[What(Stage.MESSAGE, "accept", "new-recipients")] == Count(1, limit)
    assert counts[What(Stage.SIGNAL, "new-recipients", "hold")] == Count(1, 0)


async def test_deliveries_are_counted_once(brain: Brain, ada: NewCredential) -> None:
    """However often they are reported; a delay is no last word."""
    await login(brain, ada.login, ada.secret)
    await brain.judge(message("m", *people(3)))
    told = [
        Delivery(submission="m", recipient="p0@example.net", outcome=DeliveryOutcome.DELIVERED, status="sent"),
        Delivery(submission="m", recipient="p1@example.net", outcome=DeliveryOutcome.SPAM, status="bounced"),
        Delivery(submission="m", recipient="p2@example.net", outcome=DeliveryOutcome.OTHER, status="deferred"),
    ]
    for _ in range(2):
        await brain.deliver(Deliveries(deliveries=tuple(told)))
    found = {what.outcome: count for what, count in brain.tally.totals.items() if what.stage is Stage.DELIVERY}
    assert found == {"delivered": 1, "spam": 1}


def test_there_is_a_word_for_every_gate_and_wall() -> None:
    assert set(GATES) <= set(LoginReason)
    assert set(_WALLS) == set(Wall)
    assert set(OUTCOMES) == set(Stage) - {Stage.OBSERVED}


# How it comes to disk


def rows(engine: Engine, since: float = 0.0) -> dict[tuple[int, What], tuple[int, int]]:
    return {(one.at, one.what): (one.number, one.recipients) for one in figures_by(engine, since, GRAIN_S)}


def counting(tally: Tally, transactions: Transactions, writer: Writer, now: float = T) -> Counting:
    return Counting(tally=tally, notes=TallyNotes(transactions), writer=writer, clock=lambda: now)


async def test_figures_are_added_up(engine: Engine, statements: Transactions) -> None:
    """Over rounds and five minutes; sums are over all of them."""
    tally, writer = Tally(), Writer(statements, patience_s=0)
    one = counting(tally, statements, writer)
    for _ in range(2):
        tally.note(ACCEPTED, T, 3)
        tally.note(HELD, T, 1)
        await one.round()
    tally.note(ACCEPTED, T + GRAIN_S, 2)
    await one.round()
    await writer.close()
    assert rows(engine) == {(AT, ACCEPTED): (2, 6), (AT, HELD): (2, 2), (AT + GRAIN_S, ACCEPTED): (1, 2)}
    assert {one.what: one.number for one in sums_since(engine, 0)} == {ACCEPTED: 3, HELD: 2}
    assert {one.what: one.number for one in sums_since(engine, AT + GRAIN_S + 1)} == {ACCEPTED: 1}


async def test_figures_over_time(engine: Engine, statements: Transactions) -> None:
    """Summed up by the hour, those hours first that `since` cuts."""
    tally, writer = Tally(), Writer(statements, patience_s=0)
    hour = AT // 3600 * 3600
    for after in (0, 3599, 3600, 7200):
        tally.note(ACCEPTED, hour + after, 2)
    tally.note(HELD, hour, 1)
    await counting(tally, statements, writer).round()
    await writer.close()
    found = [(one.at - hour, one.what, one.number, one.recipients) for one in figures_by(engine, hour + 3300, 3600)]
    assert found == [(0, ACCEPTED, 1, 2), (3600, ACCEPTED, 1, 2), (7200, ACCEPTED, 1, 2)]
    assert sum(one.number for one in figures_by(engine, hour, 3600)) == 5


async def test_old_figures_are_forgotten(engine: Engine, statements: Transactions) -> None:
    tally, writer = Tally(), Writer(statements, patience_s=0)
    tally.note(ACCEPTED, T)
    await counting(tally, statements, writer).round()
    now = AT + KEPT_S
    await counting(tally, statements, writer, now).round()
    assert rows(engine) == {(AT, ACCEPTED): (1, 0)}
    later = counting(tally, statements, writer, now + 1)
    await later.round()
    assert rows(engine) == {}
    tally.note(ACCEPTED, T)
    await later.round()  # not looked for again within the hour
    assert rows(engine) == {(AT, ACCEPTED): (1, 0)}
    await writer.close()


class Broken:
    """Transactions that cannot be begun while `is_away`."""

    reader = None
    is_lost = False

    def __init__(self, real: Transactions) -> None:
        self.real, self.is_away, self.has_committed = real, True, asyncio.Event()

    def execute(self, statement: Prepared, values: Any) -> Any:
        return self.real.execute(statement, values)

    async def commit(self, changes: Sequence[Callable[[], Any]]) -> list[Any]:
        if self.is_away:
            raise NotBegun("the disk is gone")
        values = await self.real.commit(changes)
        self.has_committed.set()
        return values

    def close(self) -> None:
        self.real.close()


async def test_nothing_is_lost_while_the_database_is_away(engine: Engine, statements: Transactions) -> None:
    """What is counted meanwhile is added, and what can be written at the end is."""
    broken = Broken(statements)
    tally, writer = Tally(), Writer(broken, patience_s=0)
    one = counting(tally, broken, writer)
    tally.note(ACCEPTED, T, 3)
    with pytest.raises(NotBegun):
        await one.round()
    tally.note(ACCEPTED, T, 4)
    with capture_logs() as lines:
        await one.close()
    assert [line["event"] for line in lines] == ["question-failed"]
    assert rows(engine) == {}
    broken.is_away = False
    await one.close()
    await writer.close()
    assert rows(engine) == {(AT, ACCEPTED): (2, 7)}


async def test_it_works_by_itself_until_it_is_closed(engine: Engine, statements: Transactions) -> None:
    """What was counted last is written, too."""
    watched = Broken(statements)
    watched.is_away = False
    tally, writer = Tally(), Writer(watched, patience_s=0)
    one = counting(tally, watched, writer)
    one.period_s = 0.001
    tally.note(ACCEPTED, T)
    one.start()
    async with asyncio.timeout(60):
        await watched.has_committed.wait()
    tally.note(ACCEPTED, T)
    await one.close()
    tally.note(ACCEPTED, T)
    await one.close()
    await writer.close()
    assert rows(engine) == {(AT, ACCEPTED): (3, 0)}


ROUNDS = 100


def test_two_processes_add_to_the_same_rows(engine: Engine, database: Location) -> None:
    """In opposite orders."""
    orders = ((ACCEPTED, HELD), (HELD, ACCEPTED))
    both = [FORKING.Process(target=count, args=(database, order, ROUNDS)) for order in orders]
    for one in both:
        one.start()
    for one in both:
        one.join()
        assert one.exitcode == 0
    both_rounds = 2 * ROUNDS
    assert rows(engine) == {(AT, ACCEPTED): (both_rounds, 2 * both_rounds), (AT, HELD): (both_rounds, 2 * both_rounds)}
