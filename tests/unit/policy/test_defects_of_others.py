"""Each defect that was seen in other policy daemons, as a test of ours. The numbers are those in the list of them."""

import sqlite3
from collections.abc import Awaitable, Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from budget_backends import BACK_ENDS, opened
from delegation_parts import fronts_on, on_the_wire
from engine_parts import new, profile_of, strange
from sqlalchemy import Engine, text

from policy.brain import Brain
from policy.budgets import Budgets
from policy.budgets.driving import run_here, run_there
from policy.budgets.location import server_at
from policy.budgets.memory import MemoryBudgets
from policy.budgets.stored import StoredBudgets
from policy.budgets.valkey import BudgetsAway, ValkeyBudgets
from policy.delegation.protocol import Requests
from policy.engine import charges
from policy.engine.budget import Sum, Take, Taken, Window
from policy.engine.entering import Newcomer, enter
from policy.engine.places import place_of
from policy.geo.atlas import Atlas
from policy.geo.opened import atlas_at
from policy.rulebook import shipped
from policy.store.database import open_database
from policy.store.identities import IdentityStore, NewCredential
from policy.store.migrating import migrate
from policy.store.statements import prepared
from policy.store.transactions import Transactions, open_transactions

Postfix = Callable[[bytes], Awaitable[list[str]]]

T = 1_750_000_000.0

WHERE_NO_DATABASE_KNOWS = ["9.9.9.9", "192.168.7.1", "100.64.0.1", "2001:db8::1", "fd00:7::1", "127.0.0.1", "rubbish"]


@pytest.mark.parametrize("database", ["none", "shipped", "broken"])
def test_addresses_that_no_database_knows_are_counted(tmp_path: Path, database: str) -> None:
    """3.8 #7, the GeoIP plugin of Vnet: unknown, private, malformed, or a database that fails, and nothing is counted.

    Here each is a network of the country `??`, and the fourth system that was never seen is a signal.
    """
    (tmp_path / "broken.mmdb").write_bytes(b"rubbish")
    atlas = {
        "none": Atlas(None, None),
        "shipped": atlas_at("", ""),
        "broken": Atlas(tmp_path / "broken.mmdb", tmp_path / "broken.mmdb"),
    }[database]
    budgets, rulebook, signals = MemoryBudgets(), shipped(), list[str]()
    for number, address in enumerate(WHERE_NO_DATABASE_KNOWS[1:] if database == "shipped" else WHERE_NO_DATABASE_KNOWS):
        place = place_of(atlas.origin(address), {}, None, rulebook, T + number)
        assert (place.origin.country, place.is_settled, place.is_unseen_country) == ("??", False, True)
        newcomer = Newcomer(identity="ada", kind="person", place=place)
        entry = run_here(enter(newcomer, rulebook, T + number), budgets, f"r{number}", T + number)
        signals.append(" ".join(signal.kind for signal in entry.signals))
    assert signals[:4] == ["", "", "", "unseen"]
    assert all(signals[3:])
    spread = tuple(charges.spread_charges("ada", place, rulebook.limits_of("person"), rulebook))
    before = budgets.peek(spread, T + 60).before
    counted = {charge.name: taken[0] for charge, taken in zip(spread, before, strict=True)}
    assert counted["networks"] == len(signals)
    assert counted["countries"] == 1


@pytest.fixture
def postfix(brain: Brain, statements: Transactions) -> Postfix:
    """Asks over policy delegation: octets in, actions out, as many as requests."""
    answers, requests = fronts_on(brain, statements).answers(), Requests()

    async def asked(octets: bytes) -> list[str]:
        requests.receive(octets)
        actions = list[str]()
        while request := requests.next_request():
            actions.append((await answers.to(request)).action)
        return actions

    return asked


def counted(engine: Engine, question: str) -> list[object]:
    with engine.connect() as connection:
        return list(connection.scalars(text(question)))


async def test_values_with_equals_signs_and_pipelined_requests(
    postfix: Postfix, engine: Engine, ada: NewCredential
) -> None:
    """3.8 #3, modoboa: `line.split("=")` drops addresses of BATV and SRS; nitmir: two requests in one read merge.

    Two messages in one piece are two answers and two charges, and what was written down is the whole address.
    """
    senders = ("prvs=2906b8dc5f=ada@example.org", "SRS0=HHH=TT=example.net=ada@example.org")
    both = b"".join(on_the_wire("END-OF-MESSAGE", sender=one, recipient_count=1, instance=one[:4]) for one in senders)
    assert await postfix(both) == ["DUNNO", "DUNNO"]
    assert sorted(counted(engine, "SELECT reverse_path FROM submission")) == sorted(senders)
    assert counted(engine, "SELECT sum(cost) FROM charge WHERE key = 'ada\\:recipients'") == [2]


async def test_a_login_in_capitals_has_no_budget_of_its_own(
    postfix: Postfix, engine: Engine, ada: NewCredential
) -> None:
    """3.8 #4: user names verbatim as key, so that Joe@x and joe@x have a budget each."""
    for number, login in enumerate(("ada", "ADA", "Ada@example.org", "ada@EXAMPLE.ORG", ada.login.upper())):
        await postfix(on_the_wire("END-OF-MESSAGE", sasl_username=login, recipient_count=1, instance=str(number)))
    assert counted(engine, "SELECT DISTINCT key FROM charge WHERE key LIKE '%\\:recipients'") == ["ada:recipients"]
    assert counted(engine, "SELECT sum(cost) FROM charge WHERE key = 'ada\\:recipients'") == [5]


async def test_the_recipient_that_does_not_fit_is_refused_by_itself(
    postfix: Postfix, engine: Engine, ada: NewCredential
) -> None:
    """3.8 #6: the whole message is refused at DATA when only a part fits, and the client cannot tell which."""
    asked = [on_the_wire("RCPT", recipient=f"r{number}@example.net") for number in range(7)]
    actions = await postfix(b"".join(asked))
    assert actions[:5] == ["DUNNO"] * 5
    assert [one.split()[0] for one in actions[5:]] == ["550", "550"]
    assert await postfix(on_the_wire("END-OF-MESSAGE", recipient_count=5)) == ["DUNNO"]
    assert counted(engine, "SELECT sum(cost) FROM charge WHERE key = 'ada\\:recipients'") == [5]


async def test_clients_of_postfix_that_no_database_knows_are_counted(
    postfix: Postfix, engine: Engine, store: IdentityStore, ada: NewCredential
) -> None:
    """3.8 #7 by way of Postfix, which also says "unknown" for an address."""
    store.confirm_network("ada", "9.9.8.1", T)  # or the first one would be taken for hers
    for number, address in enumerate(WHERE_NO_DATABASE_KNOWS):
        await postfix(on_the_wire("RCPT", recipient="b@example.org", client_address=address, instance=str(number)))
    networks = counted(engine, "SELECT count(*) FROM member WHERE key = 'ada\\:networks'")
    assert networks == [len(WHERE_NO_DATABASE_KNOWS)]
    assert counted(engine, "SELECT count(*) FROM member WHERE key = 'ada\\:countries'") == [1]


@pytest.mark.parametrize("state", ["RCPT", "END-OF-MESSAGE"])
async def test_a_store_that_fails_is_no_yes(postfix: Postfix, engine: Engine, ada: NewCredential, state: str) -> None:
    """3.8 #8: nitmir says DUNNO when its database is away, and everybody sends without a limit.

    Here there is no answer at all, nothing of the message stays, and when the store is back it is judged once.
    """
    message = on_the_wire(state, recipient="b@example.net", recipient_count=1)
    for table, away in (("charge", "charge_away"), ("charge_away", "charge")):
        with engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE {table} RENAME TO {away}"))
        if away != "charge":
            with pytest.raises(Exception, match="charge"):
                await postfix(message)
            assert counted(engine, "SELECT count(*) FROM submission") == [0]
    assert await postfix(message) == ["DUNNO"]
    is_message = state == "END-OF-MESSAGE"
    assert counted(engine, "SELECT count(*) FROM submission") == [int(is_message)]
    assert counted(engine, "SELECT count(*) FROM charge WHERE key = 'ada\\:recipients'") == [int(is_message)]


# Budgets: each on every back end.


@pytest.fixture(params=BACK_ENDS)
def budgets(request: pytest.FixtureRequest) -> Iterator[Budgets]:
    with opened(request.param, request) as one:
        yield one


def recipients(cost: int, *windows: Window) -> Take:
    return Take((Sum("recipients", "recipients:ada", cost, windows or (Window(20, 60.0),)),))


def test_parallel_sessions_cannot_overshoot(budgets: Budgets) -> None:
    """3.8 #1, nitmir and modoboa: one statement sums, another one inserts, and between them others have summed, too.

    Here asking is taking: there is no answer after which there still were room. Many sessions at once race for it in
    test_budgets_parallel.py.
    """
    asked = [budgets.reserve(f"session-{number}", recipients(1), T).fits for number in range(50)]
    assert asked == [True] * 20 + [False] * 30


def test_attempts_that_are_refused_are_counted(budgets: Budgets) -> None:
    """3.8 #2, nitmir: a refused attempt costs nothing, so asking is free and the quota is whole in every window.

    Here an attempt costs a quarter of a message, and whoever goes on asking has spent the messages of the hour.
    """
    profile, rulebook = profile_of(), shipped()
    attempt = Take(charges.attempt_charges(profile, rulebook))
    most = charges.in_quarters(rulebook.limits_of("person").messages)
    for number in range(most[0].limit + 1):
        assert budgets.reserve(f"attempt-{number}", attempt, T).fits
    message = Take((Sum("messages", "messages:ada", charges.QUARTERS, most),))
    assert not budgets.reserve("a message that would be fine", message, T).fits


def test_no_burst_where_a_window_ends(budgets: Budgets) -> None:
    """3.8 #5, modoboa, onlime and others: a window starts over, so twice the limit passes around that moment."""
    assert budgets.reserve("just before", recipients(20), T + 59.9).fits
    for moment in (T + 60, T + 60.1, T + 119.8):
        assert not budgets.reserve(f"at {moment}", recipients(1), moment).fits
    assert budgets.reserve("a minute later", recipients(20), T + 119.9).fits


def test_a_new_budget_does_not_admit_any_first_message(budgets: Budgets) -> None:
    """rspamd 4.4: the script answers "ok" for a bucket that is not there yet, before it compares with the burst."""
    assert not budgets.reserve("the first one ever", recipients(1000), T).fits
    assert budgets.peek(recipients(1).charges, T).before == ((0,),)


def test_no_limit_grows_with_what_was_sent(budgets: Budgets) -> None:
    """rspamd 4.4, issue 2733: a dynamic burst let 203 messages through a limit of 20."""
    for minute in range(30):
        fits = [budgets.reserve(f"{minute}-{number}", recipients(1), T + 60 * minute).fits for number in range(25)]
        for number in range(20):
            assert budgets.commit(f"{minute}-{number}", T + 60 * minute)
        assert fits == [True] * 20 + [False] * 5


def test_a_storage_that_fails_lets_nothing_through(tmp_path: Path) -> None:
    """3.8 #8 and rspamd 4.4: an error of the database or of Redis is logged, and the message passes without a limit."""

    def decide() -> Generator[Take, Taken, bool]:
        return (yield recipients(1)).fits

    transactions = open_transactions(sqlite := tmp_path / "sallyport.db")
    migrate(open_database(sqlite))
    assert run_here(decide(), StoredBudgets(transactions), "one", T)
    transactions.execute(prepared("DROP TABLE charge"), {})
    with pytest.raises(sqlite3.OperationalError):
        run_here(decide(), StoredBudgets(transactions), "two", T)
    transactions.close()


async def test_a_server_that_is_not_there_lets_nothing_through(tmp_path: Path) -> None:
    """The same where the budgets are elsewhere."""

    def decide() -> Generator[Take, Taken, bool]:
        return (yield recipients(1)).fits

    budgets = ValkeyBudgets(server_at(f"unix://{tmp_path}/nobody"))
    with pytest.raises(BudgetsAway):
        await run_there(decide(), budgets, "one", T)
    await budgets.close()


def test_nobody_can_evict_his_own_bucket(budgets: Budgets) -> None:
    """An in-memory store of another library forgets its oldest keys when there are 1024 others.

    Here a key goes when it has left its longest window, and a thief has no say in which keys there are: each names an
    identity, a credential or a domain that exists, or a network from which somebody logged in.
    """
    assert budgets.reserve("all of it", recipients(20, Window(20, 3600.0)), T).fits
    for number in range(1100):
        other = Take((Sum("recipients", f"recipients:other-{number}", 1, (Window(20, 60.0),)),))
        assert budgets.reserve(f"other-{number}", other, T + 1 + number / 1000).fits
    assert not budgets.reserve("one more", recipients(1, Window(20, 3600.0)), T + 3599).fits


def test_what_strangers_choose_is_in_no_key() -> None:
    """Whatever a message says, its keys are those of the identity, credential, domain and network that it is of."""
    rulebook = shipped()
    keys = set[str]()
    for mark in (1, -(2**63), 2**63 - 1):
        profile = replace(profile_of(new(mark), strange()), domain="example.org")
        asked = [
            *charges.message_charges(profile, profile.recipients, 1000, rulebook),
            *charges.holding_charges(profile, 1000, rulebook),
            *charges.attempt_charges(profile, rulebook),
            *charges.spread_charges(profile.identity, profile.place, rulebook.limits_of("person"), rulebook),
            *charges.link_charges(profile, profile.recipients, rulebook, T),
        ]
        keys |= {one.key for one in asked}
    whose = {key.partition(":")[2] or key for key in keys}
    assert whose == {"ada", "example.org", profile.place.origin.source, "host-new", "elsewhere-host-new"}
