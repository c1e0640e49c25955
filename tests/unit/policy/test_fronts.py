"""Other people's Postfix and Dovecot on the engine itself: real store, real budgets, a real policy in force."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from delegation_parts import fronts_on, request
from sqlalchemy import Engine, text

from policy.brain import Brain
from policy.contract import Reason
from policy.delegation import wording
from policy.delegation.answers import Answers
from policy.delegation.newcomers import Newcomers
from policy.store.audit import Actor
from policy.store.holders import Holders, name_for
from policy.store.identities import IdentityStore, NewCredential
from policy.store.transactions import Transactions

T = 1_000_000.0
Say = Callable[..., Awaitable[str]]


@pytest.fixture
def newcomers(brain: Brain, engine: Engine, key: bytes) -> Newcomers:
    """Whoever nobody here knows is added."""
    store = IdentityStore(engine, key, Actor("sallyport", "localhost"))
    return Newcomers(Holders(brain.directory._reader), store, lambda: T)


@pytest.fixture
def answers(brain: Brain, statements: Transactions) -> Answers:
    """What Postfix is told, where strangers are refused."""
    return fronts_on(brain, statements).answers()


@pytest.fixture
def say(answers: Answers) -> Say:
    """The action that a request is answered with."""

    async def asked(state: str, **attributes: object) -> str:
        return (await answers.to(request(state, **attributes))).action

    return asked


def rows(engine: Engine, sql: str) -> list[Any]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


async def test_a_message_is_charged_committed_and_written_down(say: Say, engine: Engine, ada: NewCredential) -> None:
    """Nobody reports what became of it: it counts as sent, and its recipients are known from now on."""
    for recipient in ("bob@example.net", "carol@example.net"):
        assert await say("RCPT", recipient=recipient) == "DUNNO"
    assert rows(engine, "SELECT * FROM charge") == []
    assert await say("END-OF-MESSAGE", recipient_count=2, size=99, queue_id="4bX") == "DUNNO"
    assert rows(engine, "SELECT cost, is_open FROM charge WHERE key = 'ada\\:recipients'") == [(2, False)]
    assert rows(engine, "SELECT identity, recipients, message_bytes, outcome, queue_id FROM submission") == [
        ("ada", 2, 99, "relayed", "4bX")
    ]
    assert len(rows(engine, "SELECT mark FROM known_recipient")) == 2


@pytest.mark.parametrize("login", ["ada", "ADA@example.org", "ada@EXAMPLE.org"])
async def test_one_identity_has_one_budget(say: Say, engine: Engine, ada: NewCredential, login: str) -> None:
    """By its name, by its address, by a login of its own, in any spelling."""
    for number, one in enumerate((login, ada.login)):
        action = await say("END-OF-MESSAGE", sasl_username=one, recipient_count=1, instance=str(number))
        assert action == "DUNNO"
    assert rows(engine, "SELECT sum(cost) FROM charge WHERE key = 'ada\\:recipients'") == [(2,)]


async def test_a_budget_that_is_spent(say: Say, ada: NewCredential, store: IdentityStore) -> None:
    """At RCPT it is the recipient that does not fit any more, and at the end the message."""
    store.confirm_network("ada", "192.0.2.1", T)
    for number in range(5):
        assert await say("RCPT", recipient=f"r{number}@example.net") == "DUNNO"
    assert await say("RCPT", recipient="r5@example.net") == wording.FOR_REASON[Reason.BUDGET_TOO_SMALL]
    assert await say("END-OF-MESSAGE", recipient_count=5) == "DUNNO"
    assert await say("RCPT", recipient="r6@example.net", instance="2") == wording.FOR_REASON[Reason.BUDGET_SPENT]
    told_at_end = await say("END-OF-MESSAGE", recipient_count=1, instance="3")
    assert told_at_end == wording.FOR_REASON[Reason.BUDGET_SPENT]


async def test_the_first_network_is_the_owners(say: Say, engine: Engine, ada: NewCredential) -> None:
    """On the day when a server begins to ask us everybody comes from somewhere; the second network is strange."""
    await say("END-OF-MESSAGE", recipient_count=1)
    assert rows(engine, "SELECT network, days FROM network") == [("192.0.2.0/24", 1)]
    assert rows(engine, "SELECT area, confirmed_at IS NOT NULL FROM area") == [("192.0.2.0/24 ??", True)]


async def test_a_day_at_home_counts(say: Say, engine: Engine, store: IdentityStore, ada: NewCredential) -> None:
    """Networks have their days, whoever has looked at the password."""
    store.confirm_network("ada", "192.0.2.1", T - 2 * 86400)
    for instance in ("1", "2"):
        await say("RCPT", recipient="bob@example.org", instance=instance)
    assert rows(engine, "SELECT days, last_used_at FROM network") == [(1, T)]


async def test_a_suspended_identity_sends_nothing(say: Say, store: IdentityStore, ada: NewCredential) -> None:
    store.suspend("ada", T)
    for state in ("RCPT", "END-OF-MESSAGE"):
        assert await say(state, recipient="bob@example.net") == wording.FOR_REASON[Reason.LOCKED]


async def test_a_locked_identity_sends_from_home_alone(
    say: Say, brain: Brain, engine: Engine, store: IdentityStore, ada: NewCredential
) -> None:
    """And Dovecot hears the same."""

    async def dovecot_hears(address: str) -> object:
        return (await brain.desk.allow({"login": "ada", "remote": address}))["status"]

    store.confirm_network("ada", "192.0.2.1", T)
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO standing (identity_id, step, home_step, since, likelihood) VALUES (1, 4, 0, :t, 0)"),
            {"t": T},
        )
    assert await say("RCPT", recipient="bob@example.org") == "DUNNO"
    assert (await dovecot_hears("192.0.2.9"), await dovecot_hears("198.51.100.1")) == (0, -1)
    elsewhere = {"client_address": "198.51.100.1", "instance": "2"}
    assert await say("RCPT", recipient="bob@example.org", **elsewhere) == wording.FOR_REASON[Reason.LOCKED]
    with engine.begin() as connection:
        connection.execute(text("UPDATE standing SET home_step = 4"))
    assert await dovecot_hears("192.0.2.9") == -1
    told_at_home = await say("RCPT", recipient="bob@example.org", instance="3")
    assert told_at_home == wording.FOR_REASON[Reason.LOCKED]


async def test_nobody_is_added_unless_somebody_said_so(say: Say, store: IdentityStore) -> None:
    assert await say("MAIL", sasl_username="joe@example.org") == wording.NOBODY_HERE
    assert store.identities() == []


async def test_a_newcomer(newcomers: Newcomers, store: IdentityStore) -> None:
    """Is a person with its address, the same one the next time and in every spelling; it is in the audit log."""
    first = await newcomers.of("Joe@example.org", "")
    assert first
    assert first.identity == name_for("joe@example.org")
    again = await newcomers.of("JOE@EXAMPLE.ORG", "")
    assert again == first
    (identity,) = store.identities()
    assert (identity.addresses, identity.profile) == (("joe@example.org",), "person")


@pytest.mark.parametrize("login", ["joe", "DOMAIN\\joe", "joe doe", "-joe", "jürgen", "j" * 320, "root@localhost", "@"])
async def test_a_newcomer_of_any_form(newcomers: Newcomers, store: IdentityStore, login: str) -> None:
    """Whatever the server calls its users."""
    first, again = await newcomers.of(login, ""), await newcomers.of(login.upper(), "")
    assert first
    assert first == again
    assert len(store.identities()) == 1


async def test_newcomers_do_not_become_one(newcomers: Newcomers) -> None:
    """Nor somebody who is here: what looks alike as a name is another login."""
    logins = ["joe", "joe@example.org", "joe-example.org", "joe example.org", "joe\\example.org"]
    found = [await newcomers.of(login, "") for login in logins]
    assert len({one.identity_id for one in found if one}) == len(logins)


@pytest.mark.parametrize("login", ["", "j" * 321])
async def test_what_is_no_login_is_nobodys(newcomers: Newcomers, store: IdentityStore, login: str) -> None:
    assert await newcomers.of(login, "") is None
    assert store.identities() == []
