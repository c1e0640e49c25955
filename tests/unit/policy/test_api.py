"""Every route does what its command does, and writes into the audit log whose token it was."""

import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_client import NOW, Client, bearer
from fastapi import FastAPI
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from policy.api.app import make_api
from policy.api.caller import Back
from policy.store import audit
from policy.store.schema import METADATA
from policy.store.tokens import TokenBook, TokenScope

KEY = bytes(range(32))


@pytest.fixture
def tokens(engine: Engine) -> TokenBook:
    """Where tokens are made."""
    return TokenBook(engine, KEY, audit.Actor("cli:test", "localhost"))


@pytest.fixture
def api(engine: Engine, tmp_path: Path) -> FastAPI:
    """The application."""
    return make_api(
        Back(
            engine=engine,
            key=KEY,
            state_dir=tmp_path,
            digest_key_file=tmp_path / "elsewhere" / "digest.key",  # as a secret of Kubernetes
            budgets=None,
            invite_url="https://mail.example.org/invite/{}".format,
            clock=lambda: NOW,
        )
    )


@pytest.fixture
def client(api: FastAPI, tokens: TokenBook) -> Client:
    """Somebody who may do everything."""
    return Client(api, bearer(tokens.add_token("everything", tuple(TokenScope), 30, NOW).token))


def add_ada(client: Client) -> None:
    given = {"name": "ada", "addresses": ["ada@example.org"], "owner": "Ada Lovelace"}
    assert client.post("/identities", json=given).status_code == 201


def add_laptop(client: Client) -> dict[str, Any]:
    add_ada(client)
    answer = client.post("/identities/ada/credentials", json={"kind": "secret", "label": "laptop"})
    assert answer.status_code == 201
    made: dict[str, Any] = answer.json()
    return made


def acts(engine: Engine) -> list[tuple[str, str, str]]:
    """Actor, action and subject of each row, newest first."""
    return [(one.actor, one.action, one.subject) for one in audit.newest(engine, audit.Wanted())]


def test_an_identity_from_first_to_last(client: Client, engine: Engine) -> None:
    """Added, found, changed, suspended, resumed, removed; each act is this token's."""
    add_ada(client)
    shown = client.get("/identities/ada").json()
    assert shown["addresses"] == ["ada@example.org"]
    assert shown["created_at"] == "2027-01-15T08:00:00Z"
    assert [one["name"] for one in client.get("/identities", params={"search": "love"}).json()] == ["ada"]
    assert client.patch("/identities/ada", json={"owner": "A. Lovelace"}).json()["owner"] == "A. Lovelace"
    told = client.patch("/identities/ada", json={"notice_address": "Ada@Elsewhere.example"}).json()
    assert (told["notice_address"], told["owner"]) == ("ada@elsewhere.example", "A. Lovelace")
    assert client.patch("/identities/ada", json={"notice_address": "not an address"}).status_code == 409
    assert client.post("/identities/ada/suspend").json()["suspended_at"]
    assert client.post("/identities/ada/resume").json()["suspended_at"] is None
    assert client.delete("/identities/ada").status_code == 204
    assert client.get("/identities/ada").status_code == 404
    done = [action for actor, action, _ in acts(engine) if actor == "api:everything"]
    assert done == [
        "identity-removed",
        "identity-resumed",
        "identity-suspended",
        "identity-changed",
        "identity-changed",
        "identity-added",
    ]


def test_addresses_and_who_may_send_as_them(client: Client) -> None:
    """Added to one, allowed to another, and taken away again."""
    add_ada(client)
    client.post("/identities", json={"name": "bob", "addresses": ["bob@example.org"]})
    given = {"address": "sales@example.org", "subaddresses": True}
    assert "sales@example.org" in client.post("/identities/ada/addresses", json=given).json()["subaddressed"]
    assert client.put("/addresses/sales@example.org/senders/bob").json()["sends_as"] == ["sales@example.org"]
    assert client.delete("/addresses/sales@example.org/senders/bob").json()["sends_as"] == []
    assert client.patch("/addresses/sales@example.org", json={"subaddresses": False}).json()["subaddressed"] == []
    assert client.delete("/addresses/sales@example.org").json()["addresses"] == ["ada@example.org"]


def test_a_credential_from_first_to_last(client: Client) -> None:
    """The secret is in the answer that makes it and in no other."""
    made = add_laptop(client)
    assert re.fullmatch(r"[0-9a-z]{6}(-[0-9a-z]{1,6})+", made["secret"])
    path = f"/credentials/{made['login']}"
    assert made["secret"] not in client.get(path).text
    changed = client.patch(path, json={"scopes": ["submit"], "networks": ["192.0.2.0/24"]}).json()
    assert (changed["scopes"], changed["networks"], changed["label"]) == (["submit"], ["192.0.2.0/24"], "laptop")
    assert (
        client.patch(path, json={"expires_at": "2027-06-01T00:00:00Z"}).json()["expires_at"] == "2027-06-01T00:00:00Z"
    )
    assert client.patch(path, json={"expires_at": None}).json()["expires_at"] is None
    renewed = client.post(f"{path}/renew").json()
    assert (renewed["login"], renewed["secret"] == made["secret"]) == (made["login"], False)
    assert client.delete(path).json()["revoked_at"] == "2027-01-15T08:00:00Z"
    assert [one["login"] for one in client.get("/credentials", params={"identity": "ada"}).json()] == [made["login"]]


KINDS = [
    ("a certificate", {"kind": "certificate", "certificate": "ab" * 32}, 201),
    ("a certificate without its fingerprint", {"kind": "certificate"}, 422),
    ("a fingerprint that is none", {"kind": "certificate", "certificate": "ab"}, 422),
    ("a subject of the issuer", {"kind": "oidc", "subject": "248289761001"}, 201),
    ("a name for LDAP", {"kind": "ldap", "login": "e1001"}, 201),
    ("a name for LDAP with its DN", {"kind": "ldap", "login": "e1001", "subject": "uid=ada,dc=example"}, 201),
    ("a name for LDAP that is an address here", {"kind": "ldap", "login": "ada"}, 409),
    ("a secret with a subject", {"kind": "secret", "subject": "248289761001"}, 422),
    ("what only an import can bring", {"kind": "migrated", "login": "ada@example.org"}, 422),
    ("no kind", {}, 422),
    ("a member that there is not", {"kind": "secret", "network": "192.0.2.0/24"}, 422),
]


@pytest.mark.parametrize(("given", "status"), [case[1:] for case in KINDS], ids=[case[0] for case in KINDS])
def test_kinds(client: Client, given: dict[str, str], status: int) -> None:
    """Each kind has what proves it, and nothing else."""
    add_ada(client)
    answer = client.post("/identities/ada/credentials", json={"label": "device", **given})
    assert answer.status_code == status, answer.text
    if status == 201:
        assert answer.json()["secret"] is None


def test_invitations(client: Client) -> None:
    """The link is told once; a newer one makes it worthless, and so does revoking."""
    add_ada(client)
    made = client.post("/identities/ada/invite", json={}).json()
    assert re.fullmatch(r"https://mail\.example\.org/invite/[\w-]{43}", made["url"])
    token = made["url"].rpartition("/")[2]
    listed = client.get("/invites")
    assert token not in listed.text
    assert listed.json()[0]["identity"] == "ada"
    assert client.delete(f"/invites/{made['invite']['id']}").json()["revoked_at"]
    assert client.post("/identities/ada/reset-sign-in", json={"days": 1}).status_code == 201


def test_networks(client: Client) -> None:
    """Confirmed, listed, forgotten; with the slash in the path, and as an address."""
    add_ada(client)
    assert client.put("/identities/ada/networks/192.0.2.0/24").json()["network"] == "192.0.2.0/24"
    assert client.put("/identities/ada/networks/2001:db8::1").json()["network"] == "2001:db8::/48"
    assert len(client.get("/identities/ada/networks").json()) == 2
    assert client.delete("/identities/ada/networks/192.0.2.0/24").status_code == 200
    assert client.delete("/identities/ada/networks/192.0.2.0/24").status_code == 404


def test_records(client: Client) -> None:
    """What happened: the audit log, decoys, submissions, traps; and the token itself."""
    add_ada(client)
    decoy = client.post("/decoys", json={"label": "wiki"}).json()
    assert [one["login"] for one in client.get("/decoys").json()] == [decoy["login"]]
    assert client.delete(f"/decoys/{decoy['login']}").status_code == 200
    shown = client.get("/audit", params={"subject": "ada"}).json()
    assert [(one["action"], one["actor"]) for one in shown] == [("identity-added", "api:everything")]
    assert client.get("/submissions").json() == []
    assert client.get("/submissions/0123").status_code == 404
    assert client.get("/traps").json() == []
    assert client.get("/token").json()["name"] == "everything"


USERS = "name,address,owner\nada,ada@example.org,Ada Lovelace\nbob,bob@example.org,Bob\n"
PASSWD = "ada@example.org:{SHA512-CRYPT}$6$rounds=1000$abcdefgh$" + "a" * 86 + "::::::\n"


def test_a_whole_organisation(client: Client) -> None:
    """Tried, imported, and imported again; links are told once."""
    tried = client.post("/imports/users?dry_run=true", content=USERS)
    assert [one["url"] for one in tried.json()] == [None, None]
    assert client.get("/identities/ada").status_code == 404
    imported = client.post("/imports/users", content=USERS).json()
    assert [one["name"] for one in imported] == ["ada", "bob"]
    assert all("/invite/" in one["url"] for one in imported)
    assert [one["is_new"] for one in client.post("/imports/users", content=USERS).json()] == [False, False]


def test_a_file_with_bad_lines(client: Client) -> None:
    """Each is told with its number, and nothing is imported."""
    answer = client.post("/imports/users", content=USERS + "eve,nothing\nmallory,ada@example.org\n")
    assert answer.status_code == 409
    assert [one["number"] for one in answer.json()["lines"]] == [4, 5]
    assert client.get("/identities/ada").status_code == 404
    one = client.post("/imports/users", content=USERS + "eve,nothing\n")
    assert one.json()["detail"] == "1 line is wrong; nothing was imported"
    assert client.post("/imports/users", content=b"\xff\xfe").status_code == 409


def test_a_migration(client: Client) -> None:
    """Old logins work until a day; who has not moved is listed."""
    imported = client.post("/imports/dovecot-passwd?until=2027-12-31&domain=example.org", content=PASSWD)
    assert [one["name"] for one in imported.json()] == ["ada"], imported.text
    (pending,) = client.get("/imports/pending").json()
    assert (pending["login"], pending["expires_at"][:10]) == ("ada@example.org", "2028-01-01")  # its first moment
    late = client.post("/imports/dovecot-passwd?until=1999-12-31&domain=example.org", content=PASSWD)
    assert late.status_code == 409


def test_a_backup(client: Client, engine: Engine, tmp_path: Path) -> None:
    """One archive with everything, a key outside of the state folder, too; the audit log says that it was made."""
    add_ada(client)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "digest.key").write_bytes(b"a key")
    answer = client.get("/backup")
    assert answer.headers["content-type"] == "application/gzip"
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        assert any("identity" in name for name in archive.getnames())
        assert "keys/digest.key" in archive.getnames()
    assert acts(engine)[0][:2] == ("api:everything", "backup-made")


REFUSALS = [
    ("an unknown identity", "GET", "/identities/nobody", None, 404, "there is no identity 'nobody'"),
    ("a name that is taken", "POST", "/identities", {"name": "ada"}, 409, "there is an identity 'ada' already"),
    ("a name that is none", "POST", "/identities", {"name": "A da"}, 409, "cannot be a name"),
    ("an unknown login", "DELETE", "/credentials/bofem-4k7q-talir", None, 404, "there is no login"),
    ("an unknown address", "DELETE", "/addresses/x@example.org", None, 404, "belongs to nobody"),
    ("NUL in a name", "POST", "/identities", {"name": "a\0"}, 422, "body.name"),
    ("a page that is too long", "GET", "/identities?limit=100000", None, 422, "query.limit"),
    ("no such path", "GET", "/nothing", None, 404, "Not Found"),
    ("a moment that no answer could write", "POST", "/identities/ada/credentials",
     {"kind": "secret", "label": "x", "expires_at": "9999-12-31T23:59:59-23:59"}, 422,
     "expires_at: a moment is within the years 1 to 9999"),
    ("a moment before all years", "GET", "/audit?since=0001-01-01T00:00:00%2B23:59", None, 422, "years 1 to 9999"),
    ("a page after a submission that is none", "GET", "/submissions?before=x", None, 404, "no such submission"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "detail"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS]
)
def test_what_cannot_be_done(client: Client, method: str, path: str, body: Any, status: int, detail: str) -> None:
    """A problem in the form of RFC 9457, with a sentence, and nothing of what was sent but names."""
    add_ada(client)
    answer = client.request(method, path, json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert detail in answer.json()["detail"]


BODIES = [
    ("no JSON", b"{nope", "application/json", 400, "the body is no JSON"),
    ("a form", b'{"name": "ada"}', "application/x-www-form-urlencoded", 415, "Content-Type: application/json"),
    ("no type", b'{"name": "ada"}', "", 415, "Content-Type: application/json"),
    ("no object", b"[]", "application/json", 422, "the body is no JSON object"),
    ("none", b"", "application/json", 422, "body: Field required"),
    (
        "a name twice",
        b'{"name": "a", "label": "a", "name": "b"}',
        "application/json",
        422,
        "body.name: it is there twice",
    ),
    ("spelled otherwise", b'{"name": "a", "n\\u0061me": "b"}', "application/json", 422, "body.name: it is there twice"),
    ("within", b'{"x": [{"y": 1, "y": 1}]}', "application/vnd.x+json", 422, "body.y: it is there twice"),
]


@pytest.mark.parametrize(
    ("body", "kind", "status", "detail"), [case[1:] for case in BODIES], ids=[case[0] for case in BODIES]
)
def test_bodies_that_cannot_be_read(client: Client, body: bytes, kind: str, status: int, detail: str) -> None:
    """The sentence says what to do."""
    add_ada(client)
    for path in ("/identities", "/identities/ada/credentials"):
        answer = client.request("POST", path, content=body, headers={"Content-Type": kind} if kind else {})
        assert (answer.status_code, detail in answer.json()["detail"]) == (status, True), (path, answer.text)


def test_a_file_in_a_form(client: Client) -> None:
    """The marks between the parts of a form would be bad lines of the file."""
    answer = client.post("/imports/users", files={"file": b"name,address\n"})
    assert (answer.status_code, answer.json()["detail"]) == (415, "the body is to be the file itself, not a form")


def test_an_error_of_ours_says_nothing(api: FastAPI, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text of an exception may hold what was asked."""
    monkeypatch.setattr("policy.store.identities.IdentityStore.identity", lambda *_: 1 / 0)
    answer = client.get("/identities/ada")
    assert answer.status_code == 500
    assert "division" not in answer.text


def test_a_database_that_is_busy(api: FastAPI, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """As while a large file is imported. Nothing is wrong with the request, and its statement is nobody's business."""

    def locked(*_: object) -> None:
        raise OperationalError("SELECT secret", {}, Exception("database is locked"))

    monkeypatch.setattr("policy.store.identities.IdentityStore.identity", locked)
    answer = client.get("/identities/ada")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json()["detail"] == "the database is busy, or away; try again later"


def parts_of(document: Any) -> Iterator[tuple[str, Any]]:
    """Every member of it, at any depth."""
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        yield str(key), value
        if isinstance(value, dict | list):
            yield from parts_of(value)


def test_the_document_stands_alone(api: FastAPI) -> None:
    """A generator of clients finds what is referred to, and names each class once, by its title too."""
    document = api.openapi()
    schemas = document["components"]["schemas"]
    referred = {value for key, value in parts_of(document) if key == "$ref"}
    assert referred == {f"#/components/schemas/{name}" for name in schemas}
    titles = [one["title"] for one in schemas.values()]
    assert len(set(titles)) == len(titles)
    assert not [name for name in schemas if "__" in name]


def test_every_refusal_is_described_as_a_problem(api: FastAPI) -> None:
    described = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, methods in api.openapi()["paths"].items():
        for method, route in methods.items():
            refusals = {status: one["content"] for status, one in route["responses"].items() if status >= "4"}
            assert {*refusals} >= {"400", "401", "403", "404", "409", "415", "422"}, (method, path)
            assert all(one == described for one in refusals.values()), (method, path)


def routes(api: FastAPI) -> list[tuple[str, str, str]]:
    """Method and path of each, and the scope that its name asks for."""
    found = []
    for path, methods in api.openapi()["paths"].items():
        for method in methods:
            family = path.split("/")[1]
            scope = "read" if method == "get" else "write"
            scope = "audit" if scope == "read" and family in AUDITED else scope
            found.append((method.upper(), path, "backup" if family == "backup" else scope))
    return found


AUDITED = ("audit", "submissions", "traps", "decoys", "incidents", "held")


def test_every_route_wants_its_scope(api: FastAPI, tokens: TokenBook) -> None:
    """Without a token 401, with one that lacks the scope 403, before anything else is looked at."""
    wanted = routes(api)
    assert len(wanted) > 25
    for method, path, scope in wanted:
        url = path.replace("{number}", "1").replace("{network}", "192.0.2.0/24").replace("{", "").replace("}", "")
        others = [one for one in TokenScope if one != scope]
        assert Client(api).request(method, url).status_code == 401, (method, path)
        unread = Client(api).request(method, url, content=b"[" * 9, headers={"Content-Type": "application/json"})
        assert unread.status_code == 401, (method, path)
        lacking = tokens.add_token(f"t{wanted.index((method, path, scope))}", others, 1, NOW).token
        refused = Client(api, bearer(lacking)).request(method, url)
        assert refused.status_code == 403, (method, path)
        assert scope in refused.json()["detail"]


BAD_TOKENS = [
    ("none", {}),
    ("empty", {"Authorization": "Bearer "}),
    ("another scheme", {"Authorization": "Basic YWRhOng="}),
    ("unknown", {"Authorization": "Bearer sallyport_AAAA"}),
    ("not ASCII", {"Authorization": "Bearer \xe9".encode("latin-1")}),
]


@pytest.mark.parametrize("headers", [case[1] for case in BAD_TOKENS], ids=[case[0] for case in BAD_TOKENS])
def test_a_token_that_is_none(api: FastAPI, headers: dict[str, Any]) -> None:
    """All are answered alike."""
    answer = Client(api, headers).get("/identities")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["detail"] == "a token is needed that is neither expired nor revoked"


def test_what_strangers_may_ask(api: FastAPI) -> None:
    """The document alone; what only ends as its path does is none, and no path says whether it is one."""
    asked = ("GET /openapi.json", "DELETE /identities/ada/networks/openapi.json", "GET /nothing", "PUT /identities")
    answers = [Client(api).request(*one.split()).status_code for one in asked]
    assert answers == [200, 401, 401, 401]


def test_a_token_ends(engine: Engine, api: FastAPI, client: Client) -> None:
    """By being revoked, or by itself."""
    book = TokenBook(engine, KEY, audit.Actor("cli:test", "localhost"))
    assert client.get("/token").status_code == 200
    assert book.tokens()[0].last_used_at == NOW
    book.revoke_token("everything", NOW)
    assert client.get("/token").status_code == 401
    short = book.add_token("short", (TokenScope.READ,), 1, NOW - 86400.0).token
    assert Client(api, bearer(short)).get("/token").status_code == 401


def test_no_token_is_in_the_store(engine: Engine, tokens: TokenBook) -> None:
    """Only its digest is, and the audit log has its name."""
    made = tokens.add_token("provisioning", (TokenScope.READ,), 1, NOW)
    with engine.connect() as connection:
        dump = repr([list(connection.execute(table.select())) for table in METADATA.sorted_tables])
    assert "provisioning" in dump
    assert made.token not in dump
    assert made.token not in repr(made)
    assert acts(engine)[0] == ("cli:test", "token-added", "provisioning")
