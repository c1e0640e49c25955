"""Incidents and held mail, for programs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_client import Client, back_of, bearer
from incident_scene import MINUTE_S, Scene, T, at_network, bad_day, held_id
from sqlalchemy import Engine, insert

from policy.api.app import make_api
from policy.api.caller import Back
from policy.cli.incident_text import plain_incident
from policy.store.database import open_database
from policy.store.identities import IdentityStore, NewCredential
from policy.store.models import TrapHits
from policy.store.tokens import TokenBook, TokenScope

NOW = T + 30 * MINUTE_S
HOLDS = [held_id(f"{6:016x}"), held_id(f"{7:016x}")]
BY_THE_DESK = {"at": "2025-06-15T16:30:00Z", "by": ["api:desk"]}
ROUTES = [
    # method, path, body, scope
    ("GET", "/incidents", None, TokenScope.AUDIT),
    ("GET", "/incidents/1", None, TokenScope.AUDIT),
    ("GET", "/held", None, TokenScope.AUDIT),
    ("POST", "/identities/ada/contain", {}, TokenScope.WRITE),
    ("POST", "/credentials/LOGIN/contain", {}, TokenScope.WRITE),
    ("POST", "/incidents/1/release", {}, TokenScope.WRITE),
    ("POST", "/incidents/1/purge", {}, TokenScope.WRITE),
    ("POST", "/held/release", {"queue_ids": HOLDS}, TokenScope.WRITE),
    ("POST", "/held/purge", {"queue_ids": HOLDS}, TokenScope.WRITE),
]


@pytest.fixture
def engine(sqlite_database: Path) -> Iterator[Engine]:
    opened = open_database(sqlite_database)
    yield opened
    opened.dispose()


@pytest.fixture
def back(engine: Engine, key: bytes, ada: NewCredential, sqlite_database: Path) -> Back:
    """After a bad day."""
    bad_day(engine, ada.login)
    return back_of(engine, key, sqlite_database.parent, NOW)


def client_with(back: Back, store: IdentityStore, *scopes: TokenScope, name: str = "desk") -> Client:
    token = TokenBook(back.engine, back.key, store._actor).add_token(name, list(scopes), 1, NOW).token
    return Client(make_api(back), bearer(token))


@pytest.fixture
def client(back: Back, store: IdentityStore) -> Client:
    return client_with(back, store, *TokenScope)


def test_contain_release(client: Client, ada: NewCredential) -> None:
    contained = client.post(f"/credentials/{ada.login}/contain", json={"note": "stolen"}).json()
    assert (contained["number"], contained["suspended"], contained["is_settled"]) == (1, [ada.login], False)
    who = {"by": "api:desk", "working": [], "is_whole": True}
    assert contained["contained"] | {"at": ""} == who | {"at": ""}
    assert contained["held"] == {"held": {"messages": 3, "recipients": 16}}
    assert contained["since"] == "2025-06-15T16:05:00Z"
    assert client.post("/identities/ada/contain", json={}).json() == contained
    released = client.post("/incidents/1/release", json={"note": "found"}).json()
    assert (released["state"], released["note"], released["suspended"]) == ("released", "found", [])
    assert released["held"] == {"releasing": {"messages": 3, "recipients": 16}}
    assert client.post("/incidents/1/purge", json={}).status_code == 409
    acts = [(one["actor"], one["action"]) for one in client.get("/audit?limit=2").json()]
    assert acts == [("api:desk", "incident-released"), ("api:desk", "contained")]


def test_purge(client: Client) -> None:
    purged = client.post("/incidents/1/purge", json={}).json()
    assert (purged["state"], [*purged["held"]]) == ("purged", ["purging"])
    assert client.get("/incidents?state=open").json() == []
    assert [one["number"] for one in client.get("/incidents?identity=ada").json()] == [1]


def test_what_became_of_it(client: Client, store: IdentityStore) -> None:
    """In the words of the command line, which says the same as JSON."""
    assert (client.get("/incidents/1").json()["incident"]["end"], of_one(client)["parts"]) == ("open", [])
    client.post("/held/release", json={"queue_ids": HOLDS[:1]})
    released = {"fate": "released", "counted": {"messages": 1, "recipients": 10}, **BY_THE_DESK}
    assert (of_one(client)["end"], of_one(client)["parts"]) == ("open", [released])
    client.post("/incidents/1/purge", json={})
    ended = client.post("/incidents/1/release", json={}).json()
    deleted = {"fate": "deleted", "counted": {"messages": 2, "recipients": 6}, **BY_THE_DESK}
    assert (ended["state"], ended["end"], ended["parts"]) == ("released", "released in part", [deleted, released])
    assert of_one(client) == ended
    told = json.loads(json.dumps(plain_incident(store.incident(1))))
    for name in ("state", "end", "parts", "held", "is_settled"):
        assert told[name] == ended[name]


def test_the_account_is_given_back(client: Client) -> None:
    client.post("/incidents/1/purge", json={})
    ended = client.post("/incidents/1/release", json={}).json()
    assert (ended["end"], [one["fate"] for one in ended["parts"]]) == (
        "deleted, account given back",
        ["deleted", "account given back"],
    )
    assert ended["parts"][1]["counted"] == {"messages": 0, "recipients": 0}


def test_the_story(client: Client) -> None:
    story = client.get("/incidents/1").json()
    assert story["incident"] == client.get("/incidents").json()[0]
    assert (story["begin"], story["strange"]["reached"]) == ("2025-06-15T16:00:00Z", 13)
    assert story["first"]["client_name"] == "botnet.example"
    assert story["networks"][0]["traffic"]["held"] == 2
    assert story["timeline"][0]["at"] == "2025-06-15T16:00:00Z"
    assert story["to_warn"][0] == {
        "recipient": "victim0@example.net",
        "at": "2025-06-15T16:00:05Z",
        "submission": f"{2:016x}",
    }
    assert ["sallyport release 1"] in [one["commands"] for one in story["advice"]]


def test_held(client: Client) -> None:
    listed = client.get("/held?identity=ada&incident=1").json()
    assert [one["queue_id"] for one in listed[:2]] == HOLDS
    assert listed[0]["release_at"] is None
    assert [one["state"] for one in client.post("/held/release", json={"queue_ids": HOLDS}).json()] == ["releasing"] * 2
    assert client.post("/held/purge", json={"queue_ids": HOLDS}).status_code == 409
    assert len(client.get("/held").json()) == 1
    assert len(client.get("/held?state=releasing").json()) == 2


def of_one(client: Client) -> dict[str, Any]:
    (incident,) = client.get("/incidents").json()
    assert isinstance(incident, dict)
    return incident


def pages_of(client: Client, path: str, name: str, place: str) -> list[Any]:
    """`name` of all there are, two at a time, to the end."""
    found: list[Any] = []
    while page := client.get(f"{path}&limit=2" + (f"&{place}={found[-1]}" if found else "")).json():
        assert len(found) < 50, "the pages have no end"
        found += [one[name] for one in page]
    return found


def test_pages_to_the_end(back: Back, client: Client, ada: NewCredential) -> None:
    """Each once, in the order of the list; with a decision between open and closed ones."""
    for number in range(5):
        client.post("/identities", json={"name": f"n{number}"})
        client.post(f"/identities/n{number}/contain", json={})
    client.post("/incidents/3/release", json={})
    assert pages_of(client, "/incidents?", "number", "after") == [6, 5, 4, 2, 1, 3]
    assert pages_of(client, "/incidents?state=open", "number", "after") == [6, 5, 4, 2, 1]
    with back.engine.begin() as connection:
        scene = Scene(connection, ada.login, messages=100)
        for minute in (20, 20, 21):  # two of them at the same moment
            scene.hold(T + minute * MINUTE_S, at_network(1))
        hit = {
            "at": T,
            "kind": "decoy",
            "client_address": "",
            "protocol": "imap",
            "identity": "",
            "label": "",
            "hits": 1,
        }
        connection.execute(insert(TrapHits), [hit | {"network": f"10.0.{number}.0/24"} for number in range(3)])
    lists = [("/held?", "queue_id", "after", 6), ("/submissions?", "id", "before", 12), ("/traps?", "id", "before", 3)]
    for path, name, place, number in lists:
        found = pages_of(client, path, name, place)
        assert (len(found), len(set(found))) == (number, number)
        assert found == [one[name] for one in client.get(path).json()]


@pytest.mark.parametrize(("method", "path", "body", "scope"), ROUTES, ids=[f"{one[0]} {one[1]}" for one in ROUTES])
def test_scopes(
    back: Back,
    store: IdentityStore,
    ada: NewCredential,
    method: str,
    path: str,
    body: object,
    scope: TokenScope,
) -> None:
    """The one that the route asks for opens it, and all others together do not."""
    path = path.replace("LOGIN", ada.login)
    others = client_with(back, store, *(one for one in TokenScope if one != scope))
    assert others.request(method, path, json=body).status_code == 403
    TokenBook(back.engine, back.key, store._actor).revoke_token("desk", NOW)
    alone = client_with(back, store, scope, name="other")
    assert alone.request(method, path, json=body).status_code == 200


WRONG = [
    # what is wrong, method, path, body, status
    ("no such incident", "GET", "/incidents/7", None, 404),
    ("no number", "GET", "/incidents/x", None, 422),
    ("a number that no column holds", "GET", f"/incidents/{2**31}", None, 422),
    ("a page after an incident that is none", "GET", "/incidents?after=7", None, 404),
    ("a page after a message that is none", "GET", "/held?after=4fXyZ21kNzwt", None, 404),
    ("no such state", "GET", "/incidents?state=odd", None, 422),
    ("no such identity", "POST", "/identities/nobody/contain", {}, 404),
    ("no such login", "POST", "/credentials/nobody/contain", {}, 404),
    ("a note that is too long", "POST", "/incidents/1/release", {"note": "x" * 201}, 422),
    ("another member", "POST", "/incidents/1/purge", {"nota": ""}, 422),
    ("no queue id", "POST", "/held/release", {"queue_ids": []}, 422),
    ("an odd queue id", "POST", "/held/release", {"queue_ids": ["-d ALL"]}, 422),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG]
)
def test_what_is_refused(client: Client, method: str, path: str, body: object, status: int) -> None:
    assert client.request(method, path, json=body).status_code == status
