"""The API of weakforced on our walls, lists and gates: both forms of the address, every command, and its traps.

The names of many tests are those of weakforced's regression tests, which they are after.
"""

import base64
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, text
from structlog.testing import capture_logs

from policy.arrivals import Stop
from policy.authpolicy import verdicts
from policy.authpolicy.desk import Desk
from policy.authpolicy.routes import add_auth_policy_routes
from policy.authpolicy.verdicts import MESSAGES, No
from policy.engine.country_gate import Passage
from policy.engine.guessing import LOGIN_LIMIT, NETWORK_LIMIT, PENALTIES_S, TARPIT_FROM, Walls, Why
from policy.engine.rulebook import Treatment
from policy.store.database import Location
from policy.store.holders import Holder, Holders
from policy.store.identities import IdentityStore, NewCredential
from policy.store.listed import ListBook, Lists
from policy.store.reader import open_reader
from policy.store.transactions import Transactions
from policy.store.uses import Uses
from policy.store.walls import KeptWalls, WallNotes
from policy.store.writer import Writer
from policy.tally import Tally
from policy.walling import Walling
from service.shared_token import SharedToken

T = 1_000_000.0
TOKEN = "token-of-the-api"
HERE = "198.51.100.7"
ELSEWHERE = "203.0.113.9"
UNWALLED = (ip_network("192.0.2.0/24"),)
Ask = Callable[..., Awaitable[dict[str, Any]]]


@dataclass
class World:
    """Who is locked out, where nobody may come from, and who has entered."""

    locked: set[int] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    entered_from: list[tuple[int, str]] = field(default_factory=list)
    error: Exception | None = None

    def is_contained(self, holder: Holder, client_address: str, now: float) -> bool:  # noqa: ARG002 - a stand-in
        if self.error:
            raise self.error
        return holder.identity_id in self.locked

    async def arrive(self, holder: Holder, client_address: str, *_: object) -> Stop | None:
        self.entered_from.append((holder.identity_id, client_address))
        return None

    async def passage_of(self, identity: int, name: str, gate: str, client_address: str, *_: object) -> Passage:
        assert (identity == 0) == (name == ""), gate
        is_closed = client_address in self.closed
        return Passage(treatment=Treatment.REFUSE if is_closed else Treatment.PROBATION, why="")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def clock() -> SimpleNamespace:
    """Where a test puts it."""
    return SimpleNamespace(now=T)


@pytest.fixture
async def desk(
    database: Location, statements: Transactions, world: World, clock: SimpleNamespace
) -> AsyncIterator[Desk]:
    """All of the API but its HTTP, on a real store and real walls."""
    reader, writer = open_reader(database), Writer(statements, patience_s=0)
    yield Desk(
        walling=Walling(
            walls=Walls(bytes(32)),
            kept=KeptWalls(reader),
            notes=WallNotes(statements),
            writer=writer,
            unwalled=UNWALLED,
            clock=lambda: float(clock.now),
        ),
        unwalled=UNWALLED,
        holders=Holders(reader),
        lists=Lists(reader),
        list_book=ListBook(statements),
        gatekeeper=world,
        arrivals=world,
        writer=writer,
        tally=Tally(),
        clock=lambda: float(clock.now),
    )
    await writer.close()
    await reader.close()


@pytest.fixture
async def stranger(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody on the network, without the token."""
    app = FastAPI(openapi_url=None)
    add_auth_policy_routes(app, desk, SharedToken(TOKEN))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://policy.test") as client:
        yield client


@pytest.fixture
def holder(stranger: httpx.AsyncClient) -> httpx.AsyncClient:
    """Who has the token, as Dovecot sends it."""
    stranger.headers["Authorization"] = basic("wforce", TOKEN)
    return stranger


@pytest.fixture
def ask(holder: httpx.AsyncClient) -> Ask:
    """One command; what is answered."""

    async def asked(command: str, **said: object) -> dict[str, Any]:
        method = "GET" if command in ("getBL", "getWL", "ping") else "POST"
        given = {} if method == "GET" else {"json": said}
        answer = await holder.request(method, f"/?command={command}", **given)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return asked


@pytest.fixture
def allowed(ask: Ask) -> Callable[..., Awaitable[int]]:
    """The status of `allow`, for ada from somewhere, as Dovecot asks."""

    async def asked(login: str = "ada", remote: str = HERE, **more: object) -> int:
        answer = await ask("allow", **login_of(login, remote, **more))
        assert type(answer["status"]) is int
        return int(answer["status"])

    return asked


@pytest.fixture
def guess(ask: Ask) -> Callable[..., Awaitable[None]]:
    """So many distinct wrong passwords, each reported once."""

    async def reported(times: int, login: str = "ada", remote: str = HERE) -> None:
        for number in range(times):
            said = login_of(login, remote, pwhash=f"{number:04x}")
            assert await ask("report", **said, success=False, policy_reject=False) == {"status": "ok"}

    return reported


def login_of(login: str, remote: str, **changed: object) -> dict[str, object]:
    """What Dovecot 2.3 tells of a login through Postfix."""
    usual = {"login": login, "remote": remote, "pwhash": "0a3f", "protocol": "smtp", "tls": False}
    return usual | {"device_id": "", "session_id": ""} | changed


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


Allowed = Callable[..., Awaitable[int]]
Guess = Callable[..., Awaitable[None]]

# Who may ask


REFUSED = [
    # what it shows, header
    ("none", {}),
    ("a wrong password", {"Authorization": basic("wforce", "wrong")}),
    ("the token as the user's name", {"Authorization": basic(TOKEN, "")}),
    ("another scheme", {"Authorization": f"Bearer {TOKEN}"}),
    ("another scheme in the form of this one", {"Authorization": basic("x", TOKEN).replace("Basic", "Digest")}),
    ("no base64", {"Authorization": "Basic !"}),
    ("a wrong key", {"X-API-Key": "wrong"}),
    ("an empty key", {"X-API-Key": ""}),
]


@pytest.mark.parametrize("headers", [case[1] for case in REFUSED], ids=[case[0] for case in REFUSED])
@pytest.mark.parametrize("path", ["/?command=report", "/command/report", "/?command=nonsense", "/"])
async def test_nobody_else_may_ask(stranger: httpx.AsyncClient, desk: Desk, path: str, headers: dict[str, str]) -> None:
    """Whoever could report failures could wall anybody, and whoever could list could let anybody in."""
    answer = await stranger.post(path, json=login_of("ada", HERE) | {"success": False}, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'basic realm="wforce"'
    assert answer.json() == {"status": "failure", "reason": "Unauthorized"}
    assert len(desk.walls) == 0


@pytest.mark.parametrize(
    "headers", [{"Authorization": basic("", TOKEN)}, {"Authorization": basic("any:body", "")}, {"X-API-Key": TOKEN}]
)
async def test_the_users_name_does_not_matter(stranger: httpx.AsyncClient, headers: dict[str, str]) -> None:
    """As with weakforced; the first colon ends it (RFC 7617)."""
    expected = 401 if "YW55OmJvZHk6" in headers.get("Authorization", "") else 200
    assert (await stranger.get("/?command=ping", headers=headers)).status_code == expected


@pytest.mark.parametrize("path", ["/?command=ping", "/command/ping", "/?auth=x&command=ping"])
async def test_both_forms_of_the_address(holder: httpx.AsyncClient, path: str) -> None:
    answer = await holder.get(path)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/?command=nonsense"), ("POST", "/command/nonsense"), ("POST", "/"), ("GET", "/?command=allow")],
)
async def test_a_command_that_is_none(holder: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await holder.request(method, path)
    assert (answer.status_code, answer.json()) == (404, {"status": "failure", "reason": "Not found"})


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"\xff", b"[" * 5000, b'{"login": "' + b"x" * 70_000 + b'"}']
)
async def test_a_body_that_is_none(holder: httpx.AsyncClient, body: bytes) -> None:
    answer = await holder.post("/?command=allow", content=body)
    assert answer.status_code == 400
    assert answer.json()["status"] == "failure"


async def test_chunked(holder: httpx.AsyncClient) -> None:
    """A body whose length nobody said."""

    async def pieces() -> AsyncIterator[bytes]:
        for piece in re.findall(rb".{1,7}", json.dumps(login_of("ada", HERE)).encode()):
            yield piece

    answer = await holder.post("/command/allow", content=pieces())
    assert (answer.status_code, answer.json()["status"]) == (200, 0)


async def test_an_error_of_ours(holder: httpx.AsyncClient, world: World, ada: NewCredential) -> None:
    """500: Dovecot goes by its auth_policy_reject_on_fail. Nothing of the error is told, nor of what was asked."""
    world.error = RuntimeError("secret")
    with capture_logs() as events:
        answer = await holder.post("/?command=allow", json=login_of("ada", HERE))
    assert (answer.status_code, answer.json()) == (500, {"status": "failure", "reason": "Internal error"})
    assert [one["event"] for one in events] == ["question-failed"]
    assert "secret" not in str(events)


# Basics: what is asked, and how leniently it is read


async def test_nothing_speaks_against_it(ask: Ask, ada: NewCredential) -> None:
    """Status is an integer, msg a string, and r_attrs an object: the parser of Dovecot wants it so."""
    assert await ask("allow", **login_of("ada", HERE)) == {"status": 0, "msg": "", "r_attrs": {}}


@pytest.mark.parametrize("said", [{}, {"login": "ada"}, {"remote": HERE}, {"login": None, "remote": ["x"]}, {"x": 1}])
async def test_missing_fields(ask: Ask, said: dict[str, object]) -> None:
    """Are empty."""
    assert (await ask("allow", **said))["status"] == 0
    assert await ask("report", **said) == {"status": "ok"}


@pytest.mark.parametrize("command", ["allow", "report"])
async def test_letters_that_no_database_holds(holder: httpx.AsyncClient, command: str) -> None:
    """JSON can spell them: half of a letter, and NUL."""
    body = b'{"login": "\\ud800", "pwhash": "\\udfff", "remote": "\\u0000"}'
    for octets in (body, body.replace(b"d800", b"0000")):
        assert (await holder.post(f"/command/{command}", content=octets)).status_code == 200


async def test_attrs(ask: Ask) -> None:
    """Single and multi-valued, and whatever else somebody's template makes: not looked at."""
    attributes = {"accountStatus": "blocked", "countries": ["Afghanistan", "Burundi"], "deep": {"status": -1}}
    assert (await ask("allow", **login_of("ada", HERE), attrs=attributes))["status"] == 0


async def test_8bit(ask: Ask, allowed: Allowed) -> None:
    """Logins and reasons are UTF-8."""
    await ask("addBLEntry", login="jürgen@bücher.example", expire_secs=10, reason="für später")
    assert await allowed("JÜRGEN@xn--bcher-kva.example") == -1
    assert (await ask("getBL"))["bl_entries"][0]["reason"] == "für später"


FAILURES = [
    # what it shows, what is reported, whether it is a guess
    ("2.3 does not say why", {"success": False, "policy_reject": False}, True),
    ("2.4: a wrong password", {"success": False, "policy_reject": False, "fail_type": "credentials"}, True),
    ("2.4: an unknown user", {"success": False, "policy_reject": False, "fail_type": "account"}, True),
    ("strings, as in weakforced's own README", {"success": "false", "policy_reject": "false"}, True),
    ("missing is no", {}, True),
    ("our own refusal", {"success": False, "policy_reject": True}, False),
    ("our own refusal, 2.4", {"success": False, "policy_reject": "true", "fail_type": "policy"}, False),
    ("the server failed", {"success": False, "policy_reject": False, "fail_type": "internal"}, False),
    ("the right password of an account that has ended", {"success": False, "fail_type": "expired"}, False),
    ("the same, disabled", {"success": False, "fail_type": "disabled"}, False),
    ("a success", {"success": True, "policy_reject": False}, False),
    ("a success as a string", {"success": "true"}, False),
]


@pytest.mark.parametrize(("said", "is_guess"), [case[1:] for case in FAILURES], ids=[case[0] for case in FAILURES])
async def test_what_counts_as_a_guess(ask: Ask, said: dict[str, object], is_guess: bool) -> None:
    await ask("report", **login_of("ada", HERE), **said)
    counts = (await ask("getDBStats", login="ada"))["stats"]["walls"]
    assert counts["wrong_secrets_24h"] == is_guess


# Block and TimeWindows: distinct wrong passwords


async def test_distinct_passwords(allowed: Allowed, guess: Guess, clock: SimpleNamespace, ada: NewCredential) -> None:
    """From the tenth on one waits, after fifty in a day only owners go on; a day later it is forgotten."""
    await guess(TARPIT_FROM - 1)
    assert await allowed() == 0
    await guess(TARPIT_FROM + 1)
    assert await allowed() == 2, "two seconds, an integer"
    assert await allowed(remote=ELSEWHERE) == 2, "wherever it comes from"
    await guess(LOGIN_LIMIT)
    assert await allowed(remote=ELSEWHERE) == -1
    clock.now += 86401
    assert await allowed(remote=ELSEWHERE) == 0


async def test_the_same_wrong_password_is_one(ask: Ask, allowed: Allowed, ada: NewCredential) -> None:
    """A device with an old password tries all night."""
    for _ in range(100):
        await ask("report", **login_of("ada", HERE, pwhash="0b0b"), success=False)
    assert await allowed() == 0


async def test_distinct_logins_from_a_network(allowed: Allowed, guess: Guess, clock: SimpleNamespace) -> None:
    """Block: the whole /24 for an hour; an address that was mapped into IPv6 lies in it."""
    for number in range(NETWORK_LIMIT):
        await guess(1, f"user{number}", f"198.51.100.{number}")
    for remote in (HERE, f"::ffff:{HERE}"):
        assert await allowed("somebody", remote) == -1
    assert await allowed("somebody", ELSEWHERE) == 0
    clock.now += PENALTIES_S[0] + 1
    assert await allowed("somebody") == 0


async def test_distinct_logins_from_an_ipv6_network(allowed: Allowed, guess: Guess) -> None:
    """A /48 is one source, however many addresses it has."""
    for number in range(NETWORK_LIMIT):
        await guess(1, f"user{number}", f"2001:db8:1:{number}::1")
    assert await allowed("somebody", "2001:db8:1:ffff::9") == -1
    assert await allowed("somebody", "2001:db8:2::9") == 0


async def test_the_owner_goes_on(allowed: Allowed, guess: Guess, store: IdentityStore, ada: NewCredential) -> None:
    """From a network with history no wall and no tarpit is his."""
    store.confirm_network("ada", HERE, T)
    for number in range(NETWORK_LIMIT):
        await guess(1, f"user{number}")
    await guess(LOGIN_LIMIT)
    assert (await allowed("somebody"), await allowed("ada"), await allowed("ada@example.org")) == (-1, 0, 0)
    assert await allowed("ada", ELSEWHERE) == -1


async def test_nobody_is_walled_who_has_no_address(allowed: Allowed, guess: Guess) -> None:
    """A program beside Dovecot, and a network that the administrator vouches for."""
    for remote in ("", "not-an-address", "192.0.2.5"):
        for number in range(NETWORK_LIMIT + 1):
            await guess(1, f"user{number}", remote)
        assert await allowed("somebody", remote) == 0


async def test_capitals_are_no_other_login(allowed: Allowed, guess: Guess, ada: NewCredential) -> None:
    await guess(LOGIN_LIMIT, "ADA")
    assert await allowed("ada", ELSEWHERE) == -1


async def test_allow_counts_nothing(allowed: Allowed, desk: Desk) -> None:
    """Dovecot asks twice for each login, and reports once."""
    for number in range(100):
        await allowed(f"user{number}", pwhash=f"{number:04x}")
    assert len(desk.walls) == 0


# Success


async def test_a_success_is_an_entrance(ask: Ask, world: World, ada: NewCredential) -> None:
    """Of whoever is known by login, name or address, in any spelling; of nobody else."""
    for login in ("ada", "ADA@example.org", ada.login, "stranger"):
        await ask("report", **login_of(login, HERE), success=True)
    await ask("report", **login_of("ada", ""), success=True)
    assert world.entered_from == [(1, HERE)] * 3


async def test_a_master_user_makes_no_network_that_of_others(ask: Ask, world: World, ada: NewCredential) -> None:
    """An administrator, or a program that copies mailboxes, has logged in as her with a password of its own."""
    await ask("report", **login_of(ada.login, HERE), success=True, master_user="root")
    assert world.entered_from == []
    await ask("report", **login_of(ada.login, HERE), success=True, master_user="")
    assert world.entered_from == [(1, HERE)]


# Containment and gates


async def test_locked(ask: Ask, world: World, ada: NewCredential) -> None:
    """The text is for people: Postfix and Dovecot show it. An allow list does not unlock."""
    world.locked.add(1)
    await ask("addWLEntry", ip=HERE, expire_secs=100, reason="webmail")
    answer = await ask("allow", **login_of("ada", HERE))
    assert answer == {"status": -1, "msg": MESSAGES[No.LOCKED], "r_attrs": {"why": "locked"}}
    assert (await ask("allow", **login_of("bob", HERE)))["status"] == 0


async def test_a_master_user_who_is_contained_is_nobody_else_either(ask: Ask, world: World, ada: NewCredential) -> None:
    """Dovecot asks again behind the login, and tells who has logged in as whom."""
    asking = login_of("stranger", HERE)
    assert (await ask("allow", **asking, master_user="Ada"))["status"] == 0
    world.locked.add(1)
    assert (await ask("allow", **asking, master_user="Ada"))["r_attrs"] == {"why": "locked"}
    assert (await ask("allow", **asking, master_user="root"))["status"] == 0
    await ask("addBLEntry", login="root", expire_secs=100, reason="left us")
    assert (await ask("allow", **asking, master_user="root"))["status"] == -1
    assert (await ask("allow", **asking))["status"] == 0


async def test_geoip(ask: Ask, world: World) -> None:
    """Where the gate of countries is closed nobody comes in, known or not."""
    world.closed.add(ELSEWHERE)
    answer = await ask("allow", **login_of("stranger", ELSEWHERE))
    assert (answer["status"], answer["msg"]) == (-1, MESSAGES[No.GATE])


# Blacklist, Whitelist, Netmask


async def test_blacklist(ask: Ask, allowed: Allowed, clock: SimpleNamespace) -> None:
    """An address, until it ends; r_attrs says why."""
    await ask("addBLEntry", ip=HERE, expire_secs=10, reason="botnet")
    answer = await ask("allow", **login_of("ada", HERE))
    assert answer["r_attrs"] == {
        "expiration": "1970-Jan-12 13:46:50",
        "reason": "botnet",
        "key": "ip",
        "blacklisted": "1",
    }
    assert answer["msg"] == MESSAGES[No.LISTED]
    assert await allowed(remote="198.51.100.8") == 0
    clock.now += 11
    assert await allowed() == 0
    assert (await ask("getBL"))["bl_entries"] == []


async def test_a_login_on_the_blacklist(ask: Ask, allowed: Allowed) -> None:
    """Wherever it comes from, in any spelling."""
    await ask("addBLEntry", login="Ada", expire_secs=10, reason="stolen")
    assert (await allowed("aDA"), await allowed("ada", ELSEWHERE), await allowed("bob")) == (-1, -1, 0)


async def test_a_login_from_an_address_on_the_blacklist(ask: Ask, allowed: Allowed) -> None:
    await ask("addBLEntry", login="ada", ip=HERE, expire_secs=10, reason="x")
    assert (await allowed("ada"), await allowed("ada", ELSEWHERE), await allowed("bob")) == (-1, 0, 0)
    assert (await ask("getBL"))["bl_entries"] == [
        {"ip": HERE, "login": "ada", "expiration": "1970-Jan-12 13:46:50", "reason": "x"}
    ]


async def test_netmask(ask: Ask, allowed: Allowed) -> None:
    """Networks of any size, of both kinds; bits behind the mask are no fault."""
    await ask("addBLEntry", netmask="203.0.113.77/25", expire_secs=10, reason="x")
    await ask("addBLEntry", netmask="2001:db8::/32", expire_secs=10, reason="x")
    inside = ["203.0.113.1", "::ffff:203.0.113.127", "2001:db8:ffff::1", "2001:0DB8::1"]
    assert [await allowed(remote=one) for one in inside] == [-1] * 4
    assert [await allowed(remote=one) for one in ("203.0.113.128", "2001:db9::1", "")] == [0] * 3
    assert [one["netmask"] for one in (await ask("getBL"))["bl_entries"]] == ["203.0.113.0/25", "2001:db8::/32"]


async def test_everywhere(ask: Ask, allowed: Allowed) -> None:
    """The largest network there is, and the smallest one."""
    await ask("addBLEntry", netmask="0.0.0.0/0", expire_secs=10, reason="x")
    await ask("addWLEntry", netmask=f"{HERE}/32", expire_secs=10, reason="y")
    assert (await allowed(remote=ELSEWHERE), await allowed(), await allowed(remote="2001:db8::1")) == (-1, 0, 0)


async def test_whitelist(ask: Ask, allowed: Allowed, guess: Guess, world: World) -> None:
    """Before the block list, the gate and the walls."""
    world.closed.add(HERE)
    for number in range(NETWORK_LIMIT):
        await guess(1, f"user{number}")
    await ask("addBLEntry", login="ada", expire_secs=10, reason="x")
    assert await allowed() == -1
    await ask("addWLEntry", ip=f"::ffff:{HERE}", expire_secs=10, reason="the webmail server")
    answer = await ask("allow", **login_of("ada", HERE))
    assert (answer["status"], answer["msg"]) == (0, "")
    assert (answer["r_attrs"]["whitelisted"], answer["r_attrs"]["key"]) == ("1", "ip")
    assert (await ask("getWL"))["wl_entries"][0]["ip"] == HERE
    await ask("delWLEntry", ip=HERE)
    assert await allowed() == -1


async def test_an_entry_that_is_added_again(ask: Ask) -> None:
    """Is one, with the new end and reason."""
    for seconds in (10, 20):
        await ask("addBLEntry", ip=HERE, expire_secs=seconds, reason=f"for {seconds}")
    entries = (await ask("getBL"))["bl_entries"]
    assert entries == [{"ip": HERE, "expiration": "1970-Jan-12 13:47:00", "reason": "for 20"}]


async def test_entries_are_removed(ask: Ask, allowed: Allowed) -> None:
    """Each by what it is about; what is not there is no fault."""
    for about in ({"ip": HERE}, {"netmask": "198.51.100.0/24"}, {"login": "ada"}, {"ip": HERE, "login": "ada"}):
        await ask("addBLEntry", **about, expire_secs=10, reason="x")
        assert await allowed() == -1
        for _ in range(2):
            assert await ask("delBLEntry", **about) == {"status": "ok"}
        assert await allowed() == 0


async def test_entries_that_ended_go(ask: Ask, engine: Engine, clock: SimpleNamespace) -> None:
    """The table does not grow with what is over."""
    for number in range(50):
        clock.now += 20
        await ask("addBLEntry", ip=f"198.51.100.{number}", expire_secs=10, reason="x")
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM listed")) == 1


BAD_ENTRIES = [
    # what it shows, an entry that cannot be
    ("about nobody", {"expire_secs": 10, "reason": "x"}),
    ("no end", {"ip": HERE, "reason": "x"}),
    ("an end that is no number", {"ip": HERE, "expire_secs": "soon", "reason": "x"}),
    ("an end that is over", {"ip": HERE, "expire_secs": 0, "reason": "x"}),
    ("an end without an end", {"ip": HERE, "expire_secs": 10**12, "reason": "x"}),
    ("no reason", {"ip": HERE, "expire_secs": 10}),
    ("a reason that breaks lines", {"ip": HERE, "expire_secs": 10, "reason": "a\nb"}),
    ("a login that breaks lines", {"login": "a\0", "expire_secs": 10, "reason": "x"}),
    ("no address", {"ip": "somewhere", "expire_secs": 10, "reason": "x"}),
    ("no network", {"netmask": "198.51.100.0/33", "expire_secs": 10, "reason": "x"}),
]


@pytest.mark.parametrize("said", [case[1] for case in BAD_ENTRIES], ids=[case[0] for case in BAD_ENTRIES])
@pytest.mark.parametrize("command", ["addBLEntry", "addWLEntry"])
async def test_an_entry_that_cannot_be(
    holder: httpx.AsyncClient, ask: Ask, command: str, said: dict[str, object]
) -> None:
    answer = await holder.post(f"/command/{command}", json=said)
    assert answer.status_code == 400
    assert (await ask("getBL"))["bl_entries"] == (await ask("getWL"))["wl_entries"] == []


# reset and getDBStats


async def test_reset(ask: Ask, allowed: Allowed, guess: Guess, holder: httpx.AsyncClient) -> None:
    """By login, by address; the other one keeps what it has."""
    for number in range(NETWORK_LIMIT):
        await guess(1, f"user{number}")
    await guess(LOGIN_LIMIT, "ada", ELSEWHERE)
    assert await ask("reset", ip=HERE) == {"status": "ok"}
    assert (await allowed("bob"), await allowed("ada")) == (0, -1)
    await ask("reset", login="ADA")
    assert await allowed("ada") == 0
    answer = await holder.post("/?command=reset", json={})
    assert answer.status_code == 400
    assert answer.json() == {"status": "failure", "reason": "No ip or login field supplied"}


async def test_a_network_that_is_reset_is_let_in_by_every_policy(
    ask: Ask, desk: Desk, guess: Guess, store: IdentityStore
) -> None:
    """As `sallyport wall lift` does; the row has the reason."""
    for number in range(NETWORK_LIMIT):
        await guess(1, f"user{number}")
    await desk.walling.round()
    assert [(one.network, one.why) for one in store.walls(T)] == [("198.51.100.0/24", Why.ELSEWHERE)]
    await ask("reset", ip=HERE)
    await desk.writer.make(lambda: None)
    assert store.walls(T) == []


async def test_a_login_that_somebody_has_is_reset(ask: Ask, allowed: Allowed, guess: Guess, ada: NewCredential) -> None:
    await guess(LOGIN_LIMIT)
    assert await allowed(remote=ELSEWHERE) == -1
    await ask("reset", login="ada")
    assert await allowed(remote=ELSEWHERE) == 0


async def test_stats(ask: Ask, guess: Guess) -> None:
    await guess(3)
    await ask("addBLEntry", login="ada", expire_secs=10, reason="stolen")
    listed = {"blacklisted": True, "bl_reason": "stolen", "bl_expire": "1970-Jan-12 13:46:50"}
    unlisted = {"whitelisted": False, "wl_reason": "", "wl_expire": ""}
    counts = {"wrong_secrets_15min": 3, "wrong_secrets_24h": 3}
    assert await ask("getDBStats", login="ada") == {"login": "ada", **listed, **unlisted, "stats": {"walls": counts}}
    of_network = await ask("getDBStats", ip=f"::ffff:{HERE}")
    assert (of_network["ip"], of_network["blacklisted"]) == (HERE, False)
    assert of_network["stats"]["walls"] == {
        "wrong_secrets_15min": 0, "wrong_secrets_24h": 0, "logins_1h": 1, "walled_secs": 0,
    }  # fmt: skip
    assert (await ask("getDBStats", ip=HERE, login="ada"))["ip_login"] == f"{HERE}:ada"


# What Dovecot makes of it


def first_of_23(answer: object) -> dict[str, object]:
    """Dovecot 2.3 looks at every key, however deep: the last one wins."""
    found: dict[str, object] = {}

    def look(value: object) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in ("status", "msg"):
                    found[key] = inner
                look(inner)

    look(answer)
    return found


async def test_dovecot_23_reads_what_is_meant(ask: Ask, world: World, ada: NewCredential) -> None:
    """Whatever the answer is: nothing nested overwrites status or msg, and both have their type."""
    await ask("addBLEntry", ip=ELSEWHERE, expire_secs=10, reason="status msg")
    await ask("addWLEntry", login="bob", expire_secs=10, reason="status")
    answers = [await ask("allow", **login_of(*one)) for one in (("x", HERE), ("x", ELSEWHERE), ("bob", ELSEWHERE))]
    world.locked.add(1)
    answers.append(await ask("allow", **login_of("ada", HERE)))
    assert [one["status"] for one in answers] == [0, -1, 0, -1]
    for one in answers:
        assert first_of_23(one) == {"status": one["status"], "msg": one["msg"]}
        assert (type(one["status"]), type(one["msg"])) == (int, str)
        assert all(isinstance(value, str) for value in one["r_attrs"].values())


def test_every_no_has_its_words() -> None:
    assert set(MESSAGES) == set(No)
    assert all(text.isascii() and text.isprintable() for text in MESSAGES.values())


def test_a_tarpit_is_a_whole_number_of_seconds() -> None:
    assert [verdicts.after(seconds).status for seconds in (0.0, 0.2, 1.0, 15.0, 1000.0)] == [0, 1, 1, 15, 30]


async def test_no_login_is_logged(ask: Ask, world: World) -> None:
    """People type their password into the wrong field."""
    world.closed.add(HERE)
    with capture_logs() as events:
        await ask("allow", **login_of("hunter2", HERE))
        for number in range(NETWORK_LIMIT):
            await ask("report", **login_of(f"hunter2{number}", HERE), success=False)
        await ask("addBLEntry", login="hunter2", expire_secs=10, reason="x")
        await ask("delBLEntry", login="hunter2")
    assert [one["event"] for one in events] == [
        "auth-policy-refused",
        "network-walled",
        "auth-policy-listed",
        "auth-policy-unlisted",
    ]
    assert "hunter2" not in str(events)


async def test_a_success_makes_history(
    ask: Ask, allowed: Allowed, guess: Guess, desk: Desk, statements: Transactions, ada: NewCredential
) -> None:
    """What the entrance writes down is what frees the owner from walls."""
    await guess(LOGIN_LIMIT)
    assert await allowed() == -1
    await desk.writer.make(lambda: Uses(statements).note_network(1, "198.51.100.0/24", T, forgotten=0.0))
    assert await allowed() == 0
