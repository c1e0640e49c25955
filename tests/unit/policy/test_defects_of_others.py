"""Each defect that was seen in other policy daemons, as a test of ours. The numbers are those in the list of them."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from delegation_parts import fronts_on, on_the_wire
from sqlalchemy import Engine, text

from policy.brain import Brain
from policy.budgets.driving import run_here
from policy.budgets.memory import MemoryBudgets
from policy.delegation.protocol import Requests
from policy.engine import charges
from policy.engine.entering import Newcomer, enter
from policy.engine.places import place_of
from policy.geo.atlas import Atlas
from policy.geo.opened import atlas_at
from policy.rulebook import shipped
from policy.store.identities import IdentityStore, NewCredential
from policy.store.transactions import Transactions

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
    assert counted(engine, "SELECT sum(cost) FROM charge WHERE key = 'recipients:ada'") == [2]


async def test_a_login_in_capitals_has_no_budget_of_its_own(
    postfix: Postfix, engine: Engine, ada: NewCredential
) -> None:
    """3.8 #4: user names verbatim as key, so that Joe@x and joe@x have a budget each."""
    for number, login in enumerate(("ada", "ADA", "Ada@example.org", "ada@EXAMPLE.ORG", ada.login.upper())):
        await postfix(on_the_wire("END-OF-MESSAGE", sasl_username=login, recipient_count=1, instance=str(number)))
    assert counted(engine, "SELECT DISTINCT key FROM charge WHERE key LIKE 'recipients:%'") == ["recipients:ada"]
    assert counted(engine, "SELECT sum(cost) FROM charge WHERE key = 'recipients:ada'") == [5]


async def test_the_recipient_that_does_not_fit_is_refused_by_itself(
    postfix: Postfix, engine: Engine, ada: NewCredential
) -> None:
    """3.8 #6: the whole message is refused at DATA when only a part fits, and the client cannot tell which."""
    asked = [on_the_wire("RCPT", recipient=f"r{number}@example.net") for number in range(7)]
    actions = await postfix(b"".join(asked))
    assert actions[:5] == ["DUNNO"] * 5
    assert [one.split()[0] for one in actions[5:]] == ["550", "550"]
    assert await postfix(on_the_wire("END-OF-MESSAGE", recipient_count=5)) == ["DUNNO"]
    assert counted(engine, "SELECT sum(cost) FROM charge WHERE key = 'recipients:ada'") == [5]


async def test_clients_of_postfix_that_no_database_knows_are_counted(
    postfix: Postfix, engine: Engine, store: IdentityStore, ada: NewCredential
) -> None:
    """3.8 #7 by way of Postfix, which also says "unknown" for an address."""
    store.confirm_network("ada", "9.9.8.1", T)  # or the first one would be taken for hers
    for number, address in enumerate(WHERE_NO_DATABASE_KNOWS):
        await postfix(on_the_wire("RCPT", recipient="b@example.org", client_address=address, instance=str(number)))
    networks = counted(engine, "SELECT count(*) FROM member WHERE key = 'networks:ada'")
    assert networks == [len(WHERE_NO_DATABASE_KNOWS)]
    assert counted(engine, "SELECT count(*) FROM member WHERE key = 'countries:ada'") == [1]


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
    assert counted(engine, "SELECT count(*) FROM charge WHERE key = 'recipients:ada'") == [int(is_message)]
