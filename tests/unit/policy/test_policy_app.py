"""The HTTP service on a real store and real budgets: who may ask, each answer, and what the log must not hold."""

import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import Sallyport
from scram_client import ScramClient
from sqlalchemy import Engine
from structlog.testing import capture_logs

from policy.app import App, Tokens
from policy.brain import Brain
from policy.condition import STORE_AWAY
from policy.contract import OUTCOMES_LIMIT, Grants, LoginAnswer, MessageVerdict, Owned
from policy.engine.budget import Sum, Window
from policy.ledger import StoredLedger
from policy.store.identities import IdentityStore, NewCredential
from service.shared_token import SharedToken

T = 1_000_000.0  # any moment
GATEWAY, DOVECOT, QUEUE = "token-of-the-gateway", "token-of-dovecot", "token-of-the-queue-agent"


@pytest.fixture
async def asker(brain: Brain) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody on the network, without a token. The clock stands at T."""
    app = App(brain, Tokens(gateway=SharedToken(GATEWAY), dovecot=SharedToken(DOVECOT), queue=SharedToken(QUEUE)))
    # The server answers a 500 and goes on; so does this one, where the default would raise the error in the test.
    network = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=network, base_url="http://policy.test") as client:
        yield client


@pytest.fixture
def gateway(asker: httpx.AsyncClient) -> httpx.AsyncClient:
    """The gateway: the asker with its token."""
    asker.headers["Authorization"] = f"Bearer {GATEWAY}"
    return asker


@pytest.fixture
def dovecot(asker: httpx.AsyncClient) -> httpx.AsyncClient:
    """Dovecot: the asker with its token."""
    asker.headers["Authorization"] = f"Bearer {DOVECOT}"
    return asker


@pytest.fixture
def events() -> Iterator[list[Any]]:
    """Every event that is logged."""
    with capture_logs() as captured:
        yield captured


def step(mechanism: str, *responses: bytes) -> dict[str, Any]:
    """The body of one login step."""
    return {
        "session": "s1",
        "exchange": "e1",
        "client_address": "192.0.2.1",
        "listener": "submission",
        "mechanism": mechanism,
        "responses": [b64encode(one).decode() for one in responses],
    }


def message(**changed: object) -> dict[str, Any]:
    """The facts of an ordinary message of ada, but for what a test is about."""
    return {
        "submission": "m1",
        "session": "s1",
        "listener": "submission",
        "client_address": "192.0.2.1",
        "client_name": "laptop.example",
        "credential": 1,
        "reverse_path": "ada@example.org",
        "recipients": ["bob@example.net"],
        "authors": ["ada@example.org"],
        "senders": [],
        "names": ["Ada"],
        "message_bytes": 100,
    } | changed


def report(reservation: str, outcome: str) -> dict[str, Any]:
    """The body of a report on one message."""
    return {"outcomes": [{"reservation": reservation, "outcome": outcome}]}


def spent(brain: Brain) -> list[int]:
    """What is counted on ada's budget."""
    assert isinstance(brain.ledger, StoredLedger)
    asked = Sum("recipients", "recipients:ada", 0, (Window(5, 600.0), Window(8, 3600.0)))
    return list(brain.ledger._budgets.peek((asked,), T).before[0])


async def judged(gateway: httpx.AsyncClient, **changed: object) -> MessageVerdict:
    """The verdict on a message."""
    answer = await gateway.post("/v1/message", json=message(**changed))
    assert answer.status_code == 200, answer.text
    return MessageVerdict.model_validate_json(answer.content)


DELIVERIES = {"deliveries": [{"submission": "m1", "recipient": "bob@example.net", "outcome": "delivered"}]}
ROUTES = [
    # what it shows, path, body of a valid question, whose it is
    ("login", "/v1/login", {"json": step("PLAIN")}, GATEWAY),
    ("message", "/v1/message", {"json": message()}, GATEWAY),
    ("outcomes", "/v1/outcomes", {"json": report("r", "relayed")}, GATEWAY),
    ("revocations", "/v1/revocations", {"json": {"after": -1}}, GATEWAY),
    ("health", "/v1/health", {"json": {"instance": "gateway", "version": "1"}}, GATEWAY),
    ("deliveries", "/v1/deliveries", {"json": DELIVERIES}, QUEUE),
    ("Dovecot's login", "/v1/dovecot/login", {"data": {"login": "x", "secret": "y"}}, DOVECOT),
    ("mailbox", "/v1/dovecot/mailbox", {"data": {"name": "ada"}}, DOVECOT),
]
TOKENS = [
    # what it shows, the header, in which RIGHT is the route's own token, OTHER and THIRD the other services'
    ("none", None),
    ("empty", ""),
    ("wrong", "Bearer wrong"),
    ("another service's", "Bearer OTHER"),
    ("the third one's", "Bearer THIRD"),
    ("the beginning of it", "Bearer RIGH"),
    ("more than it", "Bearer RIGHTx"),
    ("without its scheme", "RIGHT"),
    ("as a password", "Basic RIGHT"),
    ("octets beyond ASCII", "Bearer äÿ"),
]


@pytest.mark.parametrize(("path", "body", "right"), [c[1:] for c in ROUTES], ids=[c[0] for c in ROUTES])
@pytest.mark.parametrize("header", [c[1] for c in TOKENS], ids=[c[0] for c in TOKENS])
async def test_a_wrong_token_asks_nothing(
    asker: httpx.AsyncClient, path: str, body: dict[str, Any], right: str, header: str | None
) -> None:
    """Each of the services may ask its own questions and no other; nothing is said about why not."""
    other, third = (one for one in (GATEWAY, DOVECOT, QUEUE) if one != right)
    headers = {}
    if header is not None:
        given = header.replace("RIGHT", right).replace("RIGH", right[:-1]).replace("OTHER", other)
        given = given.replace("THIRD", third)
        headers["Authorization"] = given.encode("latin-1")
    refused = await asker.post(path, headers=headers, **body)
    assert refused.status_code == 401
    accepted = await asker.post(path, headers={"Authorization": f"Bearer {right}"}, **body)
    assert accepted.status_code != 401


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
async def test_there_are_no_pages_about_the_service(asker: httpx.AsyncClient, path: str) -> None:
    """Whoever reaches the port without a token learns nothing from it."""
    assert (await asker.get(path)).status_code == 404


async def test_health(asker: httpx.AsyncClient) -> None:
    """Anybody may ask whether the service is there, and whether it can work."""
    live, ready = await asker.get("/health/live"), await asker.get("/health/ready")
    assert (live.status_code, live.json()) == (200, {"live": True})
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "faults": [], "warnings": []})


LOGINS = [
    # what it shows, mechanism, responses, in which LOGIN and SECRET are ada's, outcome, challenge
    ("PLAIN asks", "PLAIN", [], "challenge", b""),
    ("PLAIN is granted", "PLAIN", ["\0LOGIN\0SECRET"], "granted", b""),
    ("PLAIN is refused", "PLAIN", ["\0LOGIN\0wrong"], "refused", b""),
    ("an unknown login is refused alike", "PLAIN", ["\0nobody\0SECRET"], "refused", b""),
    ("PLAIN is malformed", "PLAIN", ["LOGIN SECRET"], "malformed", b""),
    ("LOGIN asks for the name", "LOGIN", [], "challenge", b"Username:"),
    ("LOGIN asks for the secret", "LOGIN", ["LOGIN"], "challenge", b"Password:"),
    ("LOGIN is granted", "LOGIN", ["LOGIN", "SECRET"], "granted", b""),
    ("LOGIN is refused", "LOGIN", ["LOGIN", "wrong"], "refused", b""),
    ("EXTERNAL asks", "EXTERNAL", [], "challenge", b""),
    ("EXTERNAL without a certificate is refused", "EXTERNAL", [""], "refused", b""),
    ("SCRAM asks", "SCRAM-SHA-256", [], "challenge", b""),
    ("an unknown mechanism", "MAGIC", ["LOGIN", "SECRET"], "malformed", b""),
]


@pytest.mark.parametrize(
    ("mechanism", "responses", "outcome", "challenge"), [c[1:] for c in LOGINS], ids=[c[0] for c in LOGINS]
)
async def test_sasl_exchange(
    gateway: httpx.AsyncClient,
    ada: NewCredential,
    mechanism: str,
    responses: list[str],
    outcome: str,
    challenge: bytes,
) -> None:
    """One step of a SASL exchange, and nothing but the grants comes with a yes."""
    octets = [one.replace("LOGIN", ada.login).replace("SECRET", ada.secret).encode() for one in responses]
    answer = await gateway.post("/v1/login", json=step(mechanism, *octets))
    assert answer.status_code == 200
    said = LoginAnswer.model_validate_json(answer.content)
    grants = Grants(
        credential=1,
        login=ada.login,
        identity="ada",
        owned=Owned(addresses=frozenset({"ada@example.org"})),
        recipients_per_message=50,
        sessions=5,
    )
    assert (said.outcome, said.challenge) == (outcome, challenge)
    assert said.grants == (grants if outcome == "granted" else None)
    assert b64decode(answer.json()["challenge"]) == challenge


OUTCOMES = [
    # what it shows, outcome, counted afterwards
    ("relayed commits", "relayed", 2),
    ("failed releases", "failed", 0),
    ("unknown commits: somebody may have been reached", "unknown", 2),
]


@pytest.mark.parametrize(("outcome", "counted"), [c[1:] for c in OUTCOMES], ids=[c[0] for c in OUTCOMES])
async def test_outcome(
    gateway: httpx.AsyncClient, ada: NewCredential, brain: Brain, outcome: str, counted: int
) -> None:
    """An accepted message is counted at once; its outcome decides whether it stays counted, and decides once."""
    verdict = await judged(gateway, recipients=["bob@example.net", "eve@example.net"])
    assert (verdict.action, verdict.reason) == ("accept", None)
    assert spent(brain) == [2, 2]
    for said in (outcome, "failed", "relayed"):
        answer = await gateway.post("/v1/outcomes", json=report(verdict.reservation, said))
        assert (answer.status_code, answer.content) == (204, b"")
        assert spent(brain) == [counted, counted]


async def test_an_unknown_reservation_is_no_error(gateway: httpx.AsyncClient, events: list[Any]) -> None:
    """A report that comes twice, or late, must not be repeated for ever; the log says that it was not known."""
    answer = await gateway.post("/v1/outcomes", json=report("nobody's", "failed"))
    assert answer.status_code == 204
    assert [(one["event"], one["known"]) for one in events] == [("message-ended", False)]


REFUSED = [
    # what it shows, changed facts, reason, rule in the log
    ("another's reverse-path", {"reverse_path": "bob@example.org"}, "sender-not-owned", "sender_is_owned"),
    ("another's author", {"authors": ["bob@example.org"]}, "author-not-owned", "author_is_owned"),
    ("no author", {"authors": []}, "author-missing", "author_is_named"),
    ("more than a message may have", {"recipients": ["b@x.test"] * 51}, "too-many-recipients",
     "recipients_are_few"),
    ("more than the limit", {"recipients": ["b@x.test"] * 6}, "budget-too-small", "recipients"),
    ("a credential that never was", {"credential": 7}, "credential-revoked", "credential_is_known"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "reason", "rule"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
async def test_a_refused_message_costs_nothing(
    gateway: httpx.AsyncClient,
    ada: NewCredential,
    brain: Brain,
    events: list[Any],
    changed: dict[str, Any],
    reason: str,
    rule: str,
) -> None:
    """No reservation, nothing counted, and one line in the log that names the rule."""
    verdict = await judged(gateway, **changed)
    assert (verdict.action, verdict.reason, verdict.reservation) == ("reject", reason, "")
    assert spent(brain) == [0, 0]
    assert [(one["event"], one["reason"], one["rule"]) for one in events] == [("message-judged", reason, rule)]


async def test_a_spent_budget_defers(gateway: httpx.AsyncClient, ada: NewCredential, brain: Brain) -> None:
    """What would fit later is asked to come later; a smaller message still fits now."""
    assert (await judged(gateway, recipients=["b@x.test"] * 4)).action == "accept"
    verdict = await judged(gateway, recipients=["b@x.test"] * 2)
    assert (verdict.action, verdict.reason, verdict.reservation) == ("defer", "budget-spent", "")
    assert (await judged(gateway)).action == "accept"
    assert spent(brain) == [5, 5]


async def test_a_credential_that_is_revoked_in_a_session_is_rejected(
    gateway: httpx.AsyncClient, ada: NewCredential, store: IdentityStore
) -> None:
    """The session stays open; its next message is refused, and so is its next login."""
    assert (await judged(gateway)).action == "accept"
    store.revoke(ada.login, T)
    verdict = await judged(gateway)
    assert (verdict.action, verdict.reason) == ("reject", "credential-revoked")
    plain = step("PLAIN", f"\0{ada.login}\0{ada.secret}".encode())
    assert (await gateway.post("/v1/login", json=plain)).json()["outcome"] == "refused"


async def test_two_devices_spend_one_budget(
    gateway: httpx.AsyncClient, ada: NewCredential, store: IdentityStore
) -> None:
    """A stolen password does not get a fresh limit by coming from another credential."""
    store.add_credential("ada", "phone", T)
    assert (await judged(gateway, credential=1, recipients=["b@x.test"] * 5)).action == "accept"
    assert (await judged(gateway, credential=2)).action == "defer"


MALFORMED = [
    # what it shows, path, body
    ("an unknown member of login", "/v1/login", step("PLAIN") | {"tls": True}),
    ("an unknown member of message", "/v1/message", message(priority=1)),
    ("an unknown member of outcomes", "/v1/outcomes", report("r", "failed") | {"why": "x"}),
    ("a missing member", "/v1/outcomes", {"outcomes": [{"outcome": "failed"}]}),
    ("an outcome that is none", "/v1/outcomes", report("r", "perhaps")),
    ("no outcome", "/v1/outcomes", {"outcomes": []}),
    (
        "more outcomes than a report may have",
        "/v1/outcomes",
        {"outcomes": [{"reservation": "r", "outcome": "failed"}] * (OUTCOMES_LIMIT + 1)},
    ),
    ("a response that is no base64", "/v1/login", step("PLAIN") | {"responses": ["***"]}),
    ("text for a number", "/v1/message", message(credential="ada")),
    ("one recipient for a list", "/v1/message", message(recipients="bob@example.net")),
    ("no object", "/v1/message", []),
]


@pytest.mark.parametrize(("path", "body"), [c[1:] for c in MALFORMED], ids=[c[0] for c in MALFORMED])
async def test_a_question_that_is_none_is_422(
    gateway: httpx.AsyncClient, ada: NewCredential, brain: Brain, path: str, body: object
) -> None:
    """Two versions that disagree say so instead of guessing, and nothing is counted."""
    assert (await gateway.post(path, json=body)).status_code == 422
    assert spent(brain) == [0, 0]


async def test_a_question_that_is_none_is_answered_without_its_content(
    gateway: httpx.AsyncClient, events: list[Any]
) -> None:
    """The log says where it is wrong and the answer not even that: what was there may be a secret."""
    answer = await gateway.post("/v1/login", json=step("PLAIN", b"s3cret") | {"listener": 7, "session": None})
    assert (answer.status_code, answer.json()) == (422, {"error": "not a question"})
    assert [(one["event"], one["path"], one["faults"], one["first"]) for one in events] == [
        ("question-refused", "/v1/login", 2, "('session',)")
    ]


NO_QUESTIONS = [
    # what it shows, method, path, status
    ("another method", "GET", "/v1/login", 404),
    ("another path", "POST", "/v1/logins", 404),
    ("a path below", "POST", "/v1/login/x", 404),
]


@pytest.mark.parametrize(("method", "path", "status"), [c[1:] for c in NO_QUESTIONS], ids=[c[0] for c in NO_QUESTIONS])
async def test_what_is_no_question_is_not_there(
    gateway: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    """Nothing else is answered."""
    assert (await gateway.request(method, path, json=step("PLAIN"))).status_code == status


async def test_a_body_in_pieces(gateway: httpx.AsyncClient, ada: NewCredential) -> None:
    """However the network cuts it."""

    async def pieces() -> AsyncIterator[bytes]:
        for octet in json.dumps(message()).encode():
            yield bytes([octet])

    answer = await gateway.post("/v1/message", content=pieces())
    assert answer.json()["action"] == "accept"


async def test_a_body_without_end_is_413(gateway: httpx.AsyncClient, brain: Brain) -> None:
    """What no question can need is not kept in memory."""
    answer = await gateway.post("/v1/message", content=b" " * (4 * 1024 * 1024 + 1))
    assert (answer.status_code, spent(brain)) == (413, [0, 0])


async def test_outcomes_come_together(
    gateway: httpx.AsyncClient, ada: NewCredential, brain: Brain, events: list[Any]
) -> None:
    """Each of a report is decided for itself, one that is not known among them."""
    made = [(await judged(gateway)).reservation for _ in range(4)]
    events.clear()
    said = [*zip(made, ("relayed", "failed", "unknown", "failed"), strict=True), ("nobody's", "relayed")]
    body = {"outcomes": [{"reservation": one, "outcome": outcome} for one, outcome in said]}
    assert (await gateway.post("/v1/outcomes", json=body)).status_code == 204
    assert spent(brain) == [2, 2]
    assert [one["known"] for one in events] == [True] * 4 + [False]


DOVECOT_LOGINS = [
    # what it shows, login and secret (LOGIN and SECRET are ada's), status, text
    ("right", "LOGIN", "SECRET", 200, "ada"),
    ("wrong secret", "LOGIN", "wrong", 403, None),
    ("unknown login", "nobody", "SECRET", 403, None),
    ("name for login", "ada", "SECRET", 403, None),
    ("address for login", "ada@example.org", "SECRET", 403, None),
    ("no secret", "LOGIN", None, 403, None),
    ("empty secret", "LOGIN", "", 403, None),
]


@pytest.mark.parametrize(
    ("login", "secret", "status", "text"), [c[1:] for c in DOVECOT_LOGINS], ids=[c[0] for c in DOVECOT_LOGINS]
)
async def test_dovecot_login(
    dovecot: httpx.AsyncClient, ada: NewCredential, login: str, secret: str | None, status: int, text: str | None
) -> None:
    """A yes is the mailbox's name and nothing else."""
    form = {"login": login.replace("LOGIN", ada.login)}
    if secret is not None:
        form["secret"] = secret.replace("SECRET", ada.secret)
    answer = await dovecot.post("/v1/dovecot/login", data=form)
    assert answer.status_code == status
    if text is not None:
        assert answer.text == text


async def test_dovecot_refuses_a_revoked_credential(
    dovecot: httpx.AsyncClient, ada: NewCredential, store: IdentityStore
) -> None:
    """Reading mail ends with the credential, too."""
    store.revoke(ada.login, T)
    answer = await dovecot.post("/v1/dovecot/login", data={"login": ada.login, "secret": ada.secret})
    assert answer.status_code == 403


MAILBOXES = [
    # what it shows, name, status, text
    ("an address", "ada@example.org", 200, "ada"),
    ("an address in other letters", "ADA@Example.org", 200, "ada"),
    ("a name", "ada", 200, "ada"),
    ("unknown", "eve@example.org", 404, None),
]


@pytest.mark.parametrize(("name", "status", "text"), [c[1:] for c in MAILBOXES], ids=[c[0] for c in MAILBOXES])
async def test_dovecot_mailbox(
    dovecot: httpx.AsyncClient, ada: NewCredential, name: str, status: int, text: str | None
) -> None:
    """Dovecot learns where mail goes without a secret."""
    answer = await dovecot.post("/v1/dovecot/mailbox", data={"name": name})
    assert answer.status_code == status
    assert text is None or answer.text == text


async def test_an_error_of_ours_has_no_text(
    gateway: httpx.AsyncClient, engine: Engine, ada: NewCredential, events: list[Any]
) -> None:
    """The asker takes a 500 for "not now"; what went wrong is in the log, by class and place alone."""
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE credential RENAME TO gone")
    answer = await gateway.post("/v1/login", json=step("PLAIN", f"\0{ada.login}\0{ada.secret}".encode()))
    assert (answer.status_code, answer.json()) == (500, {"error": "internal"})
    (event,) = events
    assert (event["event"], event["path"]) == ("question-failed", "/v1/login")
    assert event["error"] in ("OperationalError", "UndefinedTable")
    assert ada.login not in repr(events)


async def test_not_ready_without_a_store(asker: httpx.AsyncClient, engine: Engine) -> None:
    """The process lives, but it cannot answer."""
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE address RENAME TO gone")
    answer = await asker.get("/health/ready")
    assert answer.status_code == 503
    said = {"ready": False, "faults": [STORE_AWAY], "warnings": [], "made_of": [[["STORE_SILENT", {}]]]}
    assert answer.json() == said
    assert (await asker.get("/health/live")).status_code == 200


async def test_no_secret_is_logged(
    gateway: httpx.AsyncClient, ada: NewCredential, events: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither on a yes nor on a no nor on a question that is none, in clear or as the response on the wire."""
    response = f"\0{ada.login}\0{ada.secret}".encode()
    swapped = f"\0{ada.secret}\0{ada.login}".encode()  # people type their secret into the wrong field
    for said in (response, swapped, response + b"\0"):
        await gateway.post("/v1/login", json=step("PLAIN", said))
    await gateway.post("/v1/login", json=step("LOGIN", ada.secret.encode(), ada.secret.encode()))
    await gateway.post("/v1/login", json=step("PLAIN", response) | {"unknown": 1})
    form = {"login": ada.secret, "secret": ada.secret}
    await gateway.post("/v1/dovecot/login", data=form, headers={"Authorization": f"Bearer {DOVECOT}"})
    scram = ScramClient(ada.login, ada.secret)
    challenge = (await gateway.post("/v1/login", json=step("SCRAM-SHA-256", scram.first()))).json()["challenge"]
    proof = scram.final(b64decode(challenge))
    await gateway.post("/v1/login", json=step("SCRAM-SHA-256", scram.first(), proof.replace(b"c=", b"c=AAAA", 1)))
    assert [one["event"] for one in events] == [
        "login-granted",
        *["login-refused"] * 2,
        "question-refused",
        *["login-refused"] * 2,
    ]
    logged = repr(events) + caplog.text
    for form_of_it in (ada.secret, b64encode(response).decode(), proof.decode(), scram.nonce, GATEWAY, DOVECOT):
        assert form_of_it not in logged


def test_the_process_logs_no_text_of_an_error(tmp_path: Path) -> None:
    """The server underneath has a log of its own: what was asked must not come out there, either."""
    sallyport = Sallyport(tmp_path, next_hop=1)
    sallyport.cli("init")
    sallyport.start_policy()
    try:
        with sallyport.store() as store:
            store.exec_driver_sql("ALTER TABLE credential RENAME TO gone")
        answer = httpx.post(
            f"http://127.0.0.1:{sallyport.policy_port}/v1/login",
            headers={"Authorization": f"Bearer {(tmp_path / 'gateway.token').read_text().strip()}"},
            json=step("PLAIN", b"\0my-secret-in-the-wrong-field\0another-secret"),
            trust_env=False,
        )
        # The server writes its own line after the answer; this question is only answered after that.
        httpx.get(f"http://127.0.0.1:{sallyport.policy_port}/health/live", trust_env=False)
    finally:
        sallyport.stop()
    assert (answer.status_code, answer.json()) == (500, {"error": "internal"})
    logged = sallyport.policy.text()
    assert "question-failed" in logged
    assert "secret-in-the-wrong-field" not in logged
    assert "another-secret" not in logged
