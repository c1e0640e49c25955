"""Where identities stand on the ladder, for programs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from api_client import NOW, Client, back_of, bearer
from sqlalchemy import Engine

from policy.api.app import make_api
from policy.engine.ladder import Signal, SignalKind, Standing, Step
from policy.store.database import open_database
from policy.store.identities import IdentityStore, NewCredential
from policy.store.standings import Cause, StandingBook
from policy.store.tokens import TokenBook, TokenScope
from policy.store.transactions import open_transactions

SIGNAL = Signal(kind=SignalKind.NEW_RECIPIENTS, at=NOW - 60, evidence="new-recipients: 51 in an hour, 50 are allowed")


@pytest.fixture
def engine(sqlite_database: Path) -> Iterator[Engine]:
    opened = open_database(sqlite_database)
    yield opened
    opened.dispose()


@pytest.fixture
def client(engine: Engine, key: bytes, store: IdentityStore, ada: NewCredential, sqlite_database: Path) -> Client:
    """Ada is held."""
    transactions = open_transactions(sqlite_database)
    StandingBook(transactions).note(1, Standing(Step.HOLD, Step.FREE, NOW - 60), [SIGNAL], Cause(1, "m1", "192.0.2.1"))
    transactions.close()
    token = TokenBook(engine, key, store._actor).add_token("console", list(TokenScope), 1, NOW).token
    back = back_of(engine, key, sqlite_database.parent, NOW)
    return Client(make_api(back), bearer(token))


def test_standings(client: Client) -> None:
    """Listed, shown and taken back; moments are ISO 8601."""
    (listed,) = client.get("/standings").json()
    assert listed == client.get("/identities/ada/standing").json()
    assert {name: value for name, value in listed.items() if name != "signals"} == {
        "identity": "ada",
        "step": "hold",
        "at_home": "free",
        "since_at": "2027-01-15T07:59:00Z",
    }
    assert listed["signals"][0]["kind"] == "new-recipients"
    assert listed["signals"][0]["at"] == "2027-01-15T07:59:00Z"
    cleared = client.post("/identities/ada/standing/clear", json={"note": "her newsletter"}).json()
    assert (cleared["step"], cleared["signals"][0]["cleared_at"]) == ("free", "2027-01-15T08:00:00Z")
    assert client.get("/standings").json() == []
    act = client.get("/audit").json()[0]
    assert (act["action"], act["actor"], act["after"]["note"]) == ("standing-cleared", "api:console", "her newsletter")


def test_what_cannot_be_taken_back(client: Client) -> None:
    assert client.post("/identities/nobody/standing/clear", json={}).status_code == 404
    assert client.get("/identities/nobody/standing").status_code == 404
    assert client.post("/identities/ada/standing/clear", json={"note": "x" * 201}).status_code == 422
    assert client.post("/identities/ada/standing/clear", json={}).status_code == 200
    assert client.post("/identities/ada/standing/clear", json={}).status_code == 409
