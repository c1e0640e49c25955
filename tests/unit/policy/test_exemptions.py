"""Exemptions in the store, at the command line and through the API: one identity, one country, an end."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from api_client import NOW, Client, back_of, bearer
from command_line import InProcess, prepared
from sqlalchemy import Engine

from policy.api.app import make_api
from policy.engine.rulebook import Exemption
from policy.store import audit
from policy.store.database import Location
from policy.store.exemptions import NOTE_LIMIT, Exempt
from policy.store.identities import IdentityStore, StoreError
from policy.store.reader import open_reader
from policy.store.rows import StoredExemption
from policy.store.tokens import TokenBook, TokenScope

T = 1_000_000.0
DAY_S = 86400.0


@pytest.fixture
def people(store: IdentityStore) -> IdentityStore:
    """Ada and bob."""
    for name in ("ada", "bob"):
        store.add_identity(name, (), T)
    return store


@pytest.fixture
async def exempt(database: Location) -> AsyncIterator[Exempt]:
    reader = open_reader(database)
    yield Exempt(reader)
    await reader.close()


def of_ada(country: str, until: float) -> Exemption:
    return Exemption(identity="ada", countries=frozenset({country}), until=until)


async def test_added_asked_removed(people: IdentityStore, exempt: Exempt) -> None:
    """By services at once, and only as long as it lasts; each act is in the audit log."""
    made = people.add_exemption("ada", "kz", T + DAY_S, "Almaty", T)
    assert made == StoredExemption("ada", "KZ", T + DAY_S, T, "Almaty")
    assert people.exemptions() == people.exemptions("ada") == [made]
    assert people.exemptions("bob") == []
    assert await exempt.of(1, T) == await exempt.live(T) == [of_ada("KZ", T + DAY_S)]
    assert await exempt.of(2, T) == []
    assert await exempt.of(1, T + DAY_S) == []
    assert await exempt.live(T + DAY_S) == []
    assert people.remove_exemption("ada", "kz ", T + 1) == made
    assert await exempt.of(1, T) == []
    assert [(act.action, act.subject) for act in audit.newest(people._engine, audit.Wanted())][:2] == [
        ("exemption-removed", "KZ"),
        ("exemption-added", "KZ"),
    ]


async def test_all_of_them_are_asked_for_every_two_seconds(people: IdentityStore, exempt: Exempt) -> None:
    """A flood from where a gate is closed costs the store nothing."""
    assert await exempt.live(T) == []
    people.add_exemption("ada", "KZ", T + DAY_S, "", T)
    assert await exempt.live(T + 1.9) == []
    assert await exempt.live(T + 2) == [of_ada("KZ", T + DAY_S)]
    people.remove_exemption("ada", "KZ", T)
    assert await exempt.live(T - 5) == []  # a clock that was set back asks at once


def test_a_second_one_replaces_the_first(people: IdentityStore) -> None:
    """Of the same country; and what is over goes with the next one."""
    people.add_exemption("ada", "KZ", T + DAY_S, "", T)
    people.add_exemption("ada", "FR", T + DAY_S, "", T)
    people.add_exemption("bob", "KZ", T + DAY_S, "", T)
    people.add_exemption("ada", "KZ", T + 9 * DAY_S, "longer", T)
    assert [(one.country, one.ends_at) for one in people.exemptions("ada")] == [
        ("KZ", T + 9 * DAY_S),
        ("FR", T + DAY_S),
    ]
    people.add_exemption("ada", "IT", T + 5 * DAY_S, "", T + 2 * DAY_S)
    assert [one.country for one in people.exemptions("ada")] == ["KZ", "IT"]
    assert [one.country for one in people.exemptions("bob")] == ["KZ"]


REFUSED = [
    # what it shows, name, country, until, note, the sentence
    ("nobody", "eve", "KZ", T + 1, "", "no identity 'eve'"),
    ("no country", "ada", "XY", T + 1, "", "'XY' is no country"),
    ("a name", "ada", "Kazakhstan", T + 1, "", "is no country"),
    ("another word for it", "ada", "UK", T + 1, "", 'did you mean "GB"'),
    ("the past", "ada", "KZ", T, "", "ends in the future"),
    ("for ever", "ada", "KZ", T + 367 * DAY_S, "", "within a year"),
    ("a long note", "ada", "KZ", T + 1, "x" * (NOTE_LIMIT + 1), "one line"),
    ("a note of two lines", "ada", "KZ", T + 1, "a\nb", "one line"),
]


@pytest.mark.parametrize(
    ("name", "country", "until", "note", "sentence"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_is_refused(
    people: IdentityStore, name: str, country: str, until: float, note: str, sentence: str
) -> None:
    with pytest.raises(StoreError, match=sentence):
        people.add_exemption(name, country, until, note, T)
    assert people.exemptions() == []


def test_none_to_remove(people: IdentityStore) -> None:
    with pytest.raises(StoreError, match="'ada' has no exemption for KZ; `sallyport exemption list ada`"):
        people.remove_exemption("ada", "KZ", T)


def test_an_identity_that_is_removed_takes_them_along(people: IdentityStore) -> None:
    people.add_exemption("ada", "KZ", T + DAY_S, "", T)
    people.remove_identity("ada", T)
    assert people.exemptions() == []


def test_commands(tmp_path: Path) -> None:
    """A day counts to its end."""
    sallyport = prepared(InProcess, tmp_path)
    sallyport("identity", "add", "ada", "--address", "ada@sallyport.test")
    assert sallyport.json("exemption", "list") == []
    day = datetime.fromtimestamp(datetime.now(UTC).timestamp() + 30 * DAY_S, UTC).date()
    (made,) = sallyport.json("exemption", "add", "ada", "--country", "kz", "--until", f"{day}", "--note", "a talk")
    end = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() + DAY_S
    assert made["country"] == "KZ"
    assert datetime.fromisoformat(made["ends_at"]).timestamp() == end
    assert sallyport.json("exemption", "list", "ada") == [made]
    assert "a talk" in sallyport("exemption", "list").stdout
    sallyport.json("exemption", "add", "ada", "--country", "FR", "--until", "14d")
    assert [one["country"] for one in sallyport.json("exemption", "remove", "ada", "--country", "FR")] == ["FR"]
    for until, code in (("never", 2), ("soon", 2), ("2020-01-01", 1)):
        refused = sallyport("exemption", "add", "ada", "--country", "FR", "--until", until)
        assert refused.returncode == code, refused.stderr


def test_routes(engine: Engine, tmp_path: Path) -> None:
    """As the commands."""
    key = bytes(range(32))
    token = TokenBook(engine, key, audit.Actor("cli:test", "here")).add_token("all", tuple(TokenScope), 30, NOW).token
    back = back_of(engine, key, tmp_path, NOW)
    client = Client(make_api(back), bearer(token))
    assert client.post("/identities", json={"name": "ada"}).status_code == 201
    given = {"country": "KZ", "ends_at": "2027-01-30T00:00:00Z", "note": "a talk"}
    made = client.post("/identities/ada/exemptions", json=given)
    assert made.status_code == 201
    assert made.json() == given | {"identity": "ada", "created_at": "2027-01-15T08:00:00Z"}
    assert client.get("/exemptions").json() == client.get("/identities/ada/exemptions").json() == [made.json()]
    assert client.post("/identities/ada/exemptions", json=given | {"country": "XY"}).status_code == 409
    assert client.post("/identities/eve/exemptions", json=given).status_code == 404
    assert client.post("/identities/ada/exemptions", json=given | {"days": 3}).status_code == 422
    assert client.delete("/identities/ada/exemptions/KZ").json() == made.json()
    assert client.delete("/identities/ada/exemptions/KZ").status_code == 404
