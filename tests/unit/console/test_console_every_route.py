"""Every route of the console, whoever adds it: strangers, other owners, other roles, forms that are none of ours.

Which routes there are is asked of the application; for whom each is stands in every_route.py.
"""

import re
from html import unescape
from pathlib import Path

import pytest
from browser import Browser
from console_app import Console
from console_world import ISSUER, SITE, World, headers_are_good, with_token
from every_route import EVERY, EVERYBODY, MACHINES, NETWORK, OWN, STAFF, STREAMS
from page_scan import faults_of
from sqlalchemy import insert, update
from starlette.routing import Route

from policy.console.guard import Guard
from policy.people.roles import Right, Role, may
from policy.store.incident_models import Complaints, Notices
from policy.store.models import TrapHits
from policy.store.reached import ReachedBook
from policy.store.statements import OnConnection

PAGES = [*EVERYBODY, *OWN, *STAFF]
POSTS = [one for one in PAGES if one.startswith("POST ")]
# What nobody but bob and staff may read.
HIS = ("Bob Bobsson", "bob@example.org", "bobs laptop", "bobs mail program", NETWORK)


def routes_of(app: Guard) -> set[str]:
    inner = app._app
    routes = [one for one in inner.routes if isinstance(one, Route)]  # type: ignore[attr-defined]  # Starlette's
    return {f"{method} {one.path}" for one in routes for method in (one.methods or ()) if method != "HEAD"}


def shape(one: str) -> str:
    """Whatever a part of the path is called."""
    return re.sub(r"\{[a-z_]+\}", "{}", one)


def test_every_route_is_for_somebody(console: Console, tmp_path: Path) -> None:
    """Whoever adds a page says in every_route.py for whom it is, or everything below looks past it."""
    (tmp_path / "other").mkdir()
    app = Console(tmp_path / "other", changed=ISSUER).app
    assert {shape(one) for one in routes_of(app)} == {shape(one) for one in EVERY}
    assert len(EVERY) == len({shape(one) for one in EVERY})


async def test_a_stranger_is_asked_to_sign_in(world: World) -> None:
    """On every page that is somebody's, and nothing is done first."""
    before = world.rows()
    for one, fields in {**OWN, **{one: fields for one, (_, fields) in STAFF.items()}}.items():
        answer = await world.ask(world.stranger, one, await with_token(world, world.stranger, fields))
        assert (answer.status_code, answer.headers.get("location")) == (303, "/sign-in"), one
    assert world.rows() == before


async def test_a_form_needs_its_token(world: World) -> None:
    """None, another person's, and one from before the sign-in; nor does a page of somebody else's send any form."""
    before = world.rows()
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    for one in POSTS:
        fields = {**EVERYBODY, **OWN, **{name: given for name, (_, given) in STAFF.items()}}[one]
        for token in ({}, {"token": ""}, {"token": world.bob.token}, {"token": "0" * 64}, {"token": "\u00e9"}):
            assert (await world.ask(world.chief, one, {**fields, **token})).status_code == 403, one
        good = await with_token(world, world.chief, fields)
        assert (await world.ask(world.chief, one, good, **foreign)).status_code == 403, one
    assert world.rows() == before


async def test_each_path_has_its_methods(world: World) -> None:
    """What changes something is no link, and there is no method that nobody has thought of."""
    by_path: dict[str, set[str]] = {}
    for one in EVERY:
        by_path.setdefault(one.split()[1], set()).add(one.split()[0])
    before = world.rows()
    for path, methods in by_path.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - methods:
            is_literal = any(shape(f"{method} {path}") == shape(other) for other in EVERY)
            if f"{method} {path}" not in STREAMS and not is_literal and not is_below_a_name(method, path):
                answer = await world.ask(world.chief, f"{method} {path}")
                assert answer.status_code == 405, f"{method} {path}"
    assert world.rows() == before


def is_below_a_name(method: str, path: str) -> bool:
    """Whether the path is one of another route, too, which has that method: /staff/identities/invite is a name's."""
    return any(
        other.split()[0] == method and re.fullmatch(re.sub(r"\{[a-z_]+\}", "[^/]+", other.split()[1]), path)
        for other in EVERY
    )


async def test_what_is_bobs_is_not_adas(world: World) -> None:
    """With each of his ids, in each path and form of her own pages: she reads nothing of his, and nothing changes."""
    before = world.rows("bob")
    assert all(before[name] for name in ("credential", "incident", "held", "second_factor", "network"))
    for one, fields in OWN.items():
        if one == "POST /sign-out":
            continue
        answer = await world.ask(world.ada, one, await with_token(world, world.ada, fields))
        assert answer.status_code < 500 or "issuer" in one, one
        for mark in HIS:
            assert mark not in answer.text, (one, mark)
        assert world.rows("bob") == before, one
    assert (await world.bob.get("/devices")).status_code == 200


async def test_the_same_ids_are_bobs(world: World) -> None:
    """Or the test above would show nothing: with them he does read and change what is his."""
    assert "bobs laptop" in (await world.bob.get("/devices")).text
    assert (await world.ask(world.bob, "GET /incidents/{incident}")).status_code == 200
    assert NETWORK in (await world.bob.get("/networks")).text
    changing = ("devices/rename", "held/delete", "networks/distrust", "devices/revoke", "incidents/answer")
    for one in (f"POST /{path}" for path in changing):
        before = world.rows("bob")
        answer = await world.ask(world.bob, one, await with_token(world, world.bob, OWN[one]))
        assert answer.status_code < 400, (one, answer.status_code)
        assert world.rows("bob") != before, one


# One's own draft of the policy, which nobody else sees; it is saved only after it was checked (test_staff_policy.py).
DRAFTED = {f"POST /staff/policy/{one}" for one in ("check", "save", "discard", "what-if", "what-if/cancel")}
ROLES = [("ada", Role.OWNER), ("desk", Role.HELP_DESK)]


@pytest.mark.parametrize(("name", "role"), ROLES, ids=[role for _, role in ROLES])
async def test_pages_that_take_another_role(world: World, name: str, role: Role) -> None:
    """403, and nothing is changed; nor does the page say whether there is such a thing."""
    browser: Browser = getattr(world, name)
    before, refused = world.rows(), 0
    for one, (right, fields) in STAFF.items():
        if may(role, right):
            continue
        answer = await world.ask(browser, one, await with_token(world, browser, fields))
        assert answer.status_code == 403, one
        assert "another role" in answer.text, one
        assert not any(mark in answer.text for mark in HIS), one
        refused += 1
    assert refused
    assert world.rows() == before


async def test_staff_read_what_they_may(world: World) -> None:
    """Each page of theirs that can be asked for without a form, with every header."""
    for browser, role in ((world.desk, Role.HELP_DESK), (world.chief, Role.ADMINISTRATOR)):
        for one, (right, _) in STAFF.items():
            if one.startswith("GET ") and may(role, right) and one not in STREAMS:
                answer = await world.ask(browser, one)
                assert answer.status_code in {200, 303, 404}, one
                assert answer.status_code != 404 or "{digest}" in one or "{look}" in one, one


# What people, programs and strangers write: no number, and no word of ours.
WRITTEN = {
    "identity": ("owner", "notice_address"),
    "credential": ("label", "last_used_from"),
    "submission": ("client_name", "reverse_path", "client_address"),
    "incident": ("note", "opened_by"),
    "signal": ("client_address",),
    "exemption": ("note",),
    "address": ("address",),
    "second_factor": ("label",),
    "console_session": ("user_agent",),
    "reached": ("recipient",),
}
FROM_AFAR = {  # what other servers and programs say
    "complaint": ("reporter", "kind"),
    "trap_hit": ("label", "client_address", "protocol"),
    "notice": ("subject", "channel"),
    "measure": ("outcome",),
    "held": ("reason", "login"),
    "submission": (*WRITTEN["submission"], "reason", "rule", "login", "origin", "queue_id"),
    "signal": ("evidence", "client_address"),
}


async def test_no_text_turns_a_page_around(world: World) -> None:
    """Whatever it is that somebody has written, on every page: what cannot be seen is shown by its number."""
    hostile, shown = "moc.live\u202e\u200b\u0007", "moc.live\\u202e\\u200b\\u0007"
    world.console.store.add_exemption("bob", "FR", world.console.now + 86400.0, "x", world.console.now)
    with world.console.engine.begin() as connection:
        ReachedBook(OnConnection(connection)).note("bob", world.his.submission, ["x@example.net"], world.console.now)
        for table in world.tables:
            if columns := WRITTEN.get(table.name):
                values = {one: table.c[one] + hostile for one in columns}
                connection.execute(update(table).values(values))
    pages = [(world.chief, one) for one, _ in STAFF.items()] + [(world.bob, one) for one in OWN]
    found = 0
    for browser, one in pages:
        if one.startswith("GET ") and one not in STREAMS:
            page = unescape((await world.ask(browser, one)).text)
            assert not set(page) & set("\u202e\u200b\u0007"), one
            found += shown in page
    assert found >= 10


MARKUP = """x'"><img src=x onerror=a()><script>a()</script>{{7*7}}"""


@pytest.mark.parametrize("language", ["en", "de"])
async def test_no_text_becomes_markup(world: World, language: str) -> None:
    """In whatever field a client, a program or a person writes, on every page of every role."""
    console, now = world.console, world.console.now
    console.store.add_exemption("bob", "FR", now + 86400.0, "x", now)
    console.store.contain_identity("bob", MARKUP, now)
    with console.engine.begin() as connection:
        ReachedBook(OnConnection(connection)).note("bob", world.his.submission, ["x@example.net"], now)
        said = {"submission": world.his.submission, "recipient": "x@example.net", "reporter": "x", "kind": "abuse"}
        connection.execute(insert(Complaints).values(at=now, identity="bob", **said))
        hit = {"network": "203.0.113.0/24", "client_address": "203.0.113.9", "protocol": "imap", "label": "x"}
        connection.execute(insert(TrapHits).values(at=now, kind="decoy", identity="bob", hits=1, **hit))
        told = {"channel": "administrator", "subject": "x", "content": '{"lines": [], "facts": {}}', "problem": MARKUP}
        sent = {"count": 1, "due_at": now, "tries": 1, "claimed_until": now, "given_up_at": now}
        told |= {"kind": "incident-opened", "thread": f"incident:{world.his.incident}"}
        connection.execute(insert(Notices).values(at=now, **told, **sent))
        for table in world.tables:
            if columns := (WRITTEN | FROM_AFAR).get(table.name):
                connection.execute(update(table).values({one: table.c[one] + MARKUP for one in columns}))
    found = 0
    for browser, pages in ((world.chief, STAFF), (world.desk, STAFF), (world.bob, OWN)):
        browser.client.headers["Accept-Language"] = language
        for one in (one for one in pages if one.startswith("GET ") and one not in STREAMS):
            page = (await world.ask(browser, one)).text  # which looks for whatever runs, or leads away
            assert "<img src=x" not in page, one
            assert "49" not in unescape(page).partition("a()</script>")[2][:8], one
            found += MARKUP in unescape(page)
    assert found >= 20


def test_the_scan_finds_what_it_looks_for() -> None:
    for page in (
        "<script>a()</script>",
        '<script src="https://evil.example/x.js"></script>',
        "<p onclick=a()>",
        '<p style="color:red">',
        "<style>p{}</style>",
        '<a href="javascript:a()">x</a>',
        '<a href="//evil.example">x</a>',
        '<form method="post"><button>',
        '<meta http-equiv="refresh" content="0;url=https://evil.example">',
    ):
        assert faults_of(page), page


async def test_what_takes_a_fresh_factor_takes_it(world: World) -> None:
    """In a browser that was left open, no page about others changes anything."""
    world.console.now += 20 * 60
    await world.chief.get("/staff")
    before = world.rows()
    for one, (_, fields) in STAFF.items():
        if one.startswith("POST ") and one not in DRAFTED:
            answer = await world.ask(world.chief, one, await with_token(world, world.chief, fields))
            assert (answer.status_code, answer.headers.get("location", "")[:9]) == (303, "/confirm?"), one
    assert world.rows() == before


async def test_the_headers_of_everything_else(world: World) -> None:
    """Machines' paths, errors of every kind, and what is sent as it is."""
    for one in MACHINES:
        await world.ask(world.stranger, one)
    for path in (
        "/nothing",
        "/static/nothing",
        "/static/",
        "/static/%2e%2e/app.py",
        "/api/v1/identities",
        "/%00",
    ):
        answer = await world.stranger.client.get(path)
        assert answer.status_code == 404, path
        headers_are_good(answer, is_kept=path.startswith("/static"))
    for path in ("/static/console.css", "/static/passkey.js", "/static/icon.svg"):
        answer = await world.stranger.client.get(path)
        assert answer.status_code == 200
        headers_are_good(answer, is_kept=True)
    foreign = await world.stranger.client.get("/", headers={"Host": "evil.example"})
    long = await world.stranger.client.post("/sign-in", content=b"x" * 70_000, headers=SITE)
    assert (foreign.status_code, long.status_code) == (421, 413)
    for answer in (foreign, long):
        headers_are_good(answer, is_kept=False)


def test_no_right_is_left_out() -> None:
    """Each is tried on somebody who does not have it."""
    assert {right for right, _ in STAFF.values()} >= {
        Right.SEE,
        Right.CARE,
        Right.CONTAIN,
        Right.DECIDE,
        Right.READ,
        Right.RULE,
    }
