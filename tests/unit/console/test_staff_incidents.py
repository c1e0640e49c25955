"""Incidents on the pages of the staff: who may see and do what, what is done, two at once, and no markup."""

import re
from html import unescape

import pytest
from browser import Browser
from console_app import Console
from markupsafe import escape
from sqlalchemy import update
from staff_scene import XSS, Staged, confirmed, staff, stage
from stolen import Thief

from policy.engine.ladder import SignalKind, Step
from policy.people.confirming import FRESH_S
from policy.people.roles import Role
from policy.store.audit import Wanted, newest
from policy.store.held import HeldState
from policy.store.incident_models import HeldMessages, Measures
from policy.store.incident_notes import State
from policy.store.measures import Kind, MeasureNotes
from policy.store.models import Submissions
from policy.store.reached import ReachedBook
from policy.store.statements import OnConnection

DESK, ADMINISTRATOR = Role.HELP_DESK, Role.ADMINISTRATOR
ABROAD = "203.0.113.0/24"

# Each route: method, path, fields beside the token; who may
ROUTES = [
    ("GET", "/staff/incidents", {}, {DESK, ADMINISTRATOR}),
    ("GET", "/staff/incidents/1", {}, {DESK, ADMINISTRATOR}),
    ("GET", "/staff/incidents/1/progress", {}, {DESK, ADMINISTRATOR}),
    ("POST", "/staff/incidents/1/contain", {}, {DESK, ADMINISTRATOR}),
    ("POST", "/staff/incidents/1/revoke", {"login": "{login}"}, {DESK, ADMINISTRATOR}),
    ("POST", "/staff/incidents/1/trust", {"network": ABROAD}, {DESK, ADMINISTRATOR}),
    ("POST", "/staff/incidents/1/release", {}, {ADMINISTRATOR}),
    ("POST", "/staff/incidents/1/purge", {}, {ADMINISTRATOR}),
    ("POST", "/staff/incidents/1/answer", {"said": "no"}, {ADMINISTRATOR}),
    ("POST", "/staff/incidents/1/keep", {}, {ADMINISTRATOR}),
]


async def ask(browser: Browser, method: str, path: str, **fields: str) -> int:
    """The status; a form comes from a page that has its token."""
    if method == "GET":
        return (await browser.get(path)).status_code
    await browser.get("/account")
    return (await browser.post(path, seen="open", **fields)).status_code


def as_it_was(staged: Staged) -> bool:
    incident = staged.store.incident(1)
    login = staged.store.credential(staged.thief.login)
    trusted = [one for one in staged.store.networks("eve") if one.confirmed_at]
    is_open = (incident.state, incident.suspended, incident.answer) == ("open", (), "")
    return is_open and login.revoked_at is None and not trusted


ALLOWED = [(role, *route[:3]) for route in ROUTES for role in sorted(route[3])]


@pytest.mark.parametrize(("role", "method", "path", "fields"), ALLOWED, ids=[f"{r[0]} {r[1]} {r[2]}" for r in ALLOWED])
async def test_who_may(console: Console, role: Role, method: str, path: str, fields: dict[str, str]) -> None:
    staged = stage(console)
    fields = {name: value.format(login=staged.thief.login) for name, value in fields.items()}
    async with await staff(console, "ada", role) as browser:
        status = await ask(browser, method, path, **fields)
    if method == "GET" or path.endswith("/keep"):  # nothing is to be deleted yet
        assert status == (200 if method == "GET" else 409)
    else:
        assert status == 303
        assert not as_it_was(staged)


@pytest.mark.parametrize("role", [None, Role.OWNER, DESK])
async def test_who_may_not(console: Console, role: Role | None) -> None:
    """Nothing is changed; a stranger is asked to sign in."""
    staged = stage(console)
    async with console.browser() if role is None else await staff(console, "ada", role) as browser:
        for method, path, fields, allowed in ROUTES:
            if role in allowed:
                continue
            given = {name: value.format(login=staged.thief.login) for name, value in fields.items()}
            status = await ask(browser, method, path, **given)
            assert status == (303 if role is None else 403), path
            assert as_it_was(staged), path


async def test_a_fresh_second_factor(console: Console) -> None:
    """Without one there is no form on the page, and none is taken."""
    staged = stage(console)
    async with await staff(console, "ada", ADMINISTRATOR) as browser:
        console.now += FRESH_S
        page = await browser.get("/staff/incidents/1")
        assert 'action="/staff/' not in page.text
        for path, fields in [(route[1], route[2]) for route in ROUTES if route[0] == "POST"]:
            given = {name: value.format(login=staged.thief.login) for name, value in fields.items()}
            answer = await browser.post(path, seen="open", **given)
            assert answer.headers["location"] == "/confirm?back=/staff/incidents/1"
        assert as_it_was(staged)


async def test_without_a_token_nothing_is_done(console: Console) -> None:
    staged = stage(console)
    async with await staff(console, "ada", ADMINISTRATOR) as browser:
        await browser.get("/staff/incidents/1")
        answer = await browser.post("/staff/incidents/1/release", token="0" * 64, seen="open")
        assert answer.status_code == 403
        assert as_it_was(staged)


async def test_the_list(console: Console) -> None:
    """Open ones first; by state and identity; a page after the other, each incident once."""
    stage(console)
    numbers = [console.store.contain_identity("eve", "", console.now).number]
    for name in ("bob", "mallory"):
        console.store.add_identity(name, (f"{name}@example.org",), console.now)
        numbers.append(console.store.contain_identity(name, "", console.now).number)
        console.store.release_incident(numbers[-1], "a note", console.now)
    async with await staff(console, "ada", DESK) as browser:
        text = (await browser.get("/staff/incidents")).text
        assert re.findall(r'href="/staff/incidents/(\d+)"', text) == ["1", "3", "2"]
        assert "a note" in text
        for query, found in (("state=open", ["1"]), ("state=released", ["3", "2"]), ("identity=bob", ["2"])):
            text = (await browser.get(f"/staff/incidents?{query}")).text
            assert re.findall(r'href="/staff/incidents/(\d+)"', text) == found
        assert "There is none like that." in (await browser.get("/staff/incidents?identity=nobody")).text


async def test_the_pages_of_the_list(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policy.console.staff.incidents._PAGE", 2)
    for number in range(5):
        console.store.add_identity(f"p{number}", (f"p{number}@example.org",), console.now)
        console.store.contain_identity(f"p{number}", "", console.now)
        if number in {1, 3}:
            console.store.release_incident(number + 1, "", console.now)
    async with await staff(console, "ada", DESK) as browser:
        path, seen = "/staff/incidents", []
        while path:
            text = (await browser.get(path)).text
            seen += re.findall(r'href="/staff/incidents/(\d+)"', text)
            onward = re.search(r'href="(/staff/incidents\?[^"]*after=[^"]*)"', text)
            path = onward[1].replace("&amp;", "&") if onward else ""
        assert seen == ["5", "3", "1", "4", "2"]


async def test_all_about_one(console: Console) -> None:
    """Numbers, networks, logins, evidence, measures; whom to warn an administrator alone sees."""
    staged = stage(console)
    store = console.store
    console.now += 300
    staged.thief.now += 180
    staged.thief.hand_in("hold")
    with console.engine.begin() as connection:
        submission = f"eve-{staged.thief.now - 180:.0f}-1"
        ReachedBook(OnConnection(connection)).note("eve", submission, ["victim@example.net"], console.now)
    store.contain_identity("eve", "she has telephoned", console.now)
    async with await staff(console, "ada", ADMINISTRATOR) as browser, await staff(console, "hal", DESK) as other:
        text = (await browser.get("/staff/incidents/1")).text
        for part in (
            ABROAD, "Netherlands", "networks: 7 in an hour, 6 are allowed", staged.thief.login, "victim@example.net",
            "she has telephoned", "cli:test, logins suspended", "hold what is still queued", "laptop",
            '<rect class="held"', "messages: 4, recipients: 12", "the highest was: locked",
        ):  # fmt: skip
            assert part in text, part
        desk = (await other.get("/staff/incidents/1")).text
        assert "victim@example.net" not in desk
        assert "Recipients that are known by address: 1." in desk
        assert "/staff/incidents/1/purge" not in desk
        assert "/staff/incidents/1/revoke" in desk


async def test_what_it_is_about_stands_first(console: Console) -> None:
    """In people's words: numbers from strange networks, and each signal once."""
    stage(console)
    async with await staff(console, "ada", ADMINISTRATOR) as browser:
        text = unescape((await browser.get("/staff/incidents/1")).text)
        first = text[: text.index('id="next"')]
        told = "From strange networks (1): messages that went out: 1 (recipients: 3), held: 3, refused: 0."
        assert f"{told} What speaks against it: more networks, systems or countries than one person has." in first
        assert "the owner is not told yet: an incident was opened" in text


async def test_who_contains_does_not_put_the_ladder_anywhere(console: Console) -> None:
    """Nothing has spoken against it: the page does not say that it was locked."""
    console.store.add_identity("eve", ("eve@example.org",), console.now)
    console.store.add_credential("eve", "laptop", console.now)
    console.store.contain_identity("eve", "", console.now)
    async with await staff(console, "ada", ADMINISTRATOR) as browser:
        text = (await browser.get("/staff/incidents/1")).text
        assert "now: free; at home: free; the highest was: free" in text
        assert "What speaks against it" not in text
        text = (await browser.get("/staff/incidents")).text
        assert ">contained</span>" in text
        assert "locked" not in text


async def test_what_is_contained_says_so(console: Console) -> None:
    """Since when and by whom, here and on the page of the identity; what undoes it stands where the button was."""
    staged = stage(console)
    other = console.store.add_credential("eve", "phone", console.now).login
    async with await staff(console, "ada", ADMINISTRATOR) as root, await staff(console, "hal", DESK) as desk:
        for path in ("/staff/incidents/1", "/staff/identities/eve"):
            assert "ontained</span>" not in (await root.get(path)).text
        assert "Contain the identity" in (await root.get("/staff/incidents/1")).text
        await root.post("/staff/incidents/1/contain", seen="open", login=staged.thief.login)
        text = (await root.get("/staff/incidents/1")).text
        for part in (
            "partly contained</span>",
            f"Still working: {other}.",
            "Contain the rest, too",
            ", by console:ada",
        ):
            assert part in text, part
        console.now += 60
        await desk.get("/staff/incidents/1")
        await desk.post("/staff/incidents/1/contain", seen="open")
        for path in ("/staff/incidents/1", "/staff/identities/eve"):
            text = (await root.get(path)).text
            assert ">contained</span>" in text, path
            assert ", by console:ada" in text, path  # who began it
            assert "Undo it: release" in text, path
            assert "incidents/1/contain" not in text, path
            text = (await desk.get(path)).text
            assert "An administrator can undo it." in text, path
            assert "incidents/1/release" not in text, path
        await root.get("/staff/identities/eve")
        await root.follow(await root.post("/staff/incidents/1/release", seen="open", note=""))
        for path in ("/staff/incidents/1", "/staff/identities/eve"):
            assert "ontained</span>" not in (await root.get(path)).text


OWN = [
    # whose incident, who acts, path, fields
    ("his own", "hal", DESK, "hal", "trust", {"network": ABROAD}),
    ("of the same help desk", "hal", DESK, "lou", "trust", {"network": ABROAD}),
    ("her own", "ada", ADMINISTRATOR, "ada", "trust", {"network": ABROAD}),
    ("her own", "ada", ADMINISTRATOR, "ada", "release", {}),
    ("her own", "ada", ADMINISTRATOR, "ada", "answer", {"said": "yes"}),
    ("of another administrator", "ada", ADMINISTRATOR, "bob", "trust", {"network": ABROAD}),
]


@pytest.mark.parametrize(
    ("name", "role", "whose", "path", "fields"),
    [case[1:] for case in OWN],
    ids=[f"{c[2]}: {c[4]}, {c[0]}" for c in OWN],
)
async def test_nobody_frees_himself_or_his_equals(
    console: Console, name: str, role: Role, whose: str, path: str, fields: dict[str, str]
) -> None:
    """Of a gate; whatever restricts he may do, and there is no form for what he may not."""
    async with await staff(console, name, role) as browser:
        if whose != name:
            console.store.add_identity(whose, (f"{whose}@example.org",), console.now, role=role)
        login = console.store.add_credential(whose, "laptop", console.now).login
        thief = Thief(console.engine, whose, login, console.now)
        thief.hand_in("accept")
        thief.hand_in("hold")
        before = console.store.incident(1)
        page = await browser.get("/staff/incidents/1")
        assert f"/staff/incidents/1/{path}" not in page.text
        assert (await browser.post(f"/staff/incidents/1/{path}", seen="open", **fields)).status_code == 403
        assert console.store.incident(1) == before
        assert not [one for one in console.store.networks(whose) if one.network == ABROAD and one.confirmed_at]
        await browser.get("/staff/incidents/1")
        assert (await browser.post("/staff/incidents/1/contain", seen="open")).status_code == 303


async def test_contain_and_release(console: Console) -> None:
    """The second undoes the first; both are in the audit log under the name of who did it."""
    staged = stage(console)
    async with await staff(console, "ada", ADMINISTRATOR) as browser:
        await browser.get("/staff/incidents/1")
        await browser.follow(await browser.post("/staff/incidents/1/contain", seen="open", note="on the telephone"))
        assert staged.store.incident(1).suspended == (staged.thief.login,)
        await browser.follow(await browser.post("/staff/incidents/1/release", seen="open", note=""))
    assert staged.store.incident(1).state == State.RELEASED
    assert staged.store.incident(1).suspended == ()
    assert {staged.state(one) for one in staged.held} == {HeldState.RELEASING}
    assert {act.action for act in newest(console.engine, Wanted(actor="console:ada"))} >= {
        "contained",
        "incident-released",
    }


async def test_a_release_after_a_purge_says_what_is_true(console: Console) -> None:
    """Some deleted, some released, when and by whom: on its page, in the list, and to the owner."""
    staged = stage(console)
    async with await staff(console, "ada", ADMINISTRATOR) as ada, await staff(console, "bob", ADMINISTRATOR) as bob:
        await ada.get("/staff/incidents/1")
        await ada.post("/staff/incidents/1/purge", seen="open", note="")
        with console.engine.begin() as connection:  # it comes to be held later
            late = update(HeldMessages).where(HeldMessages.queue_id == staged.held[0])
            connection.execute(late.values(state=HeldState.HELD))
        console.now += 120
        await bob.get("/staff/incidents/1")
        await bob.follow(await bob.post("/staff/incidents/1/release", seen="purged", note=""))
        deleted = "deleted (messages: 2, recipients: 6): 2023-11-14 22:13 UTC, console:ada"
        released = "released (messages: 1, recipients: 3): 2023-11-14 22:15 UTC, console:bob"
        for path in ("/staff/incidents", "/staff/incidents/1"):
            text = re.sub(r"</?time[^>]*>", "", (await bob.get(path)).text)
            assert ">released in part</span>" in text, path
            assert ">released</span>" not in text.partition("<tbody>")[2].partition("</tr>")[0], path
            assert deleted in text, path
            assert released in text, path
        page = (await bob.get("/staff/incidents/1")).text
        assert "It was theft, and the account was given back." in page
        assert "vouch for it, so that it does not happen again" not in page


async def test_the_country_is_in_words(console: Console) -> None:
    """Wherever a network is named: of the first bad use, in the table, and in what happened."""
    staged = stage(console)
    async with await staff(console, "ada", ADMINISTRATOR) as browser:
        for path in ("/staff/incidents/1", f"/staff/held/{staged.held[0]}"):
            text = (await browser.get(path)).text
            assert "Netherlands, AS64500" in text, path
            assert "AS64500 NL" not in text, path
        with console.engine.begin() as connection:
            connection.execute(update(Submissions).values(origin="203.0.113.0/24 NL"))
        text = (await browser.get("/staff/incidents/1")).text
        assert "first message from 203.0.113.0/24, Netherlands, strange to the identity" in unescape(text)
        assert not re.search(r", NL\b", text)


async def test_one_login_alone(console: Console) -> None:
    staged = stage(console)
    other = console.store.add_credential("eve", "phone", console.now).login
    async with await staff(console, "ada", DESK) as browser:
        await browser.get("/staff/incidents/1")
        await browser.post("/staff/incidents/1/contain", seen="open", login=staged.thief.login)
    assert console.store.incident(1).suspended == (staged.thief.login,)
    assert console.store.credential(other).revoked_at is None


@pytest.mark.parametrize("path", ["contain", "revoke"])
async def test_a_login_of_somebody_else_is_unknown(console: Console, path: str) -> None:
    """The form of eve's incident does nothing to bob."""
    stage(console)
    console.store.add_identity("bob", ("bob@example.org",), console.now)
    login = console.store.add_credential("bob", "laptop", console.now).login
    async with await staff(console, "ada", ADMINISTRATOR) as browser:
        await browser.get("/staff/incidents/1")
        answer = await browser.post(f"/staff/incidents/1/{path}", seen="open", login=login)
        assert answer.status_code == 409
    assert console.store.credential(login).revoked_at is None
    assert len(console.store.incidents()) == 1


async def test_a_network_that_was_not_seen(console: Console) -> None:
    stage(console)
    async with await staff(console, "ada", DESK) as browser:
        await browser.get("/staff/incidents/1")
        answer = await browser.post("/staff/incidents/1/trust", seen="open", network="192.0.2.0/24")
        assert answer.status_code == 400
    assert not [one for one in console.store.networks("eve") if one.confirmed_at]


# What the first does, what the second wants, what is so afterwards
RACES = [
    ("release", "purge", State.RELEASED),
    ("release", "release", State.RELEASED),
    ("release", "contain", State.RELEASED),
    ("purge", "release", State.PURGED),
    ("purge", "purge", State.PURGED),
    ("answer", "release", State.PURGED),
    ("answer", "answer", State.PURGED),
]


@pytest.mark.parametrize(("first", "second", "state"), RACES, ids=[f"{r[0]}, then {r[1]}" for r in RACES])
async def test_two_administrators_at_once(console: Console, first: str, second: str, state: State) -> None:
    """Both have the page before them. The second is told what the first has decided, and nothing is done."""
    staged = stage(console)
    async with await staff(console, "ada", ADMINISTRATOR) as ada, await staff(console, "bob", ADMINISTRATOR) as bob:
        for browser in (ada, bob):
            await browser.get("/staff/incidents/1")
        done = await ada.post(f"/staff/incidents/1/{first}", seen="open", said="no", note="")
        assert done.status_code == 303
        before = (staged.store.incident(1), [staged.state(one) for one in staged.held])
        late = await bob.post(f"/staff/incidents/1/{second}", seen="open", said="yes", note="")
        assert late.status_code == 409
        assert bob.error.startswith("Somebody was faster: console:ada, ")
        assert (staged.store.incident(1), [staged.state(one) for one in staged.held]) == before
    assert staged.store.incident(1).state == state
    assert len(staged.store.incidents()) == 1


async def test_a_deletion_is_stopped_once(console: Console) -> None:
    """The owner's no, told by telephone; undone before its time is over, and not after."""
    staged = stage(console)
    async with await staff(console, "ada", ADMINISTRATOR) as browser:
        await browser.get("/staff/incidents/1")
        with console.engine.begin() as connection:  # what the lock had made necessary
            connection.execute(update(Measures).values(done_at=console.now))
        page = await browser.follow(await browser.post("/staff/incidents/1/answer", seen="open", said="no"))
        assert "unless somebody stops that" in page.text
        assert 'hx-trigger="every 2s"' not in page.text
        assert console.store.credential(staged.thief.login).revoked_at == console.now
        await browser.follow(await browser.post("/staff/incidents/1/keep", seen="purged"))
        again = await browser.post("/staff/incidents/1/keep", seen="purged")
        assert again.status_code == 409
    assert {staged.state(one) for one in staged.held} == {HeldState.HELD}


async def test_it_is_seen_how_far_measures_are(console: Console) -> None:
    """And why not yet. The page asks again while something is under way, but not for ever."""
    stage(console)
    console.store.contain_identity("eve", "", console.now)
    with console.engine.begin() as connection:
        notes = MeasureNotes(OnConnection(connection))
        number = connection.exec_driver_sql("SELECT min(id) FROM measure WHERE kind = 'retro-hold'").scalar()
        assert isinstance(number, int)
        notes.note_again(number, f"the queue agent does not answer {XSS}", console.now + 5)
    async with await staff(console, "ada", DESK) as browser:
        text = (await browser.get("/staff/incidents/1/progress")).text
        assert 'hx-get="/staff/incidents/1/progress"' in text
        assert "<h1" not in text
        assert f"the queue agent does not answer {escape(XSS)}" in text
        console.now += 601
        assert "hx-get" not in (await browser.get("/staff/incidents/1/progress")).text
        with console.engine.begin() as connection:
            connection.execute(update(Measures).values(done_at=console.now))
        assert "nothing is left to be done" in (await browser.get("/staff/incidents/1/progress")).text


async def test_an_administrator_s_account_is_not_the_help_desk_s(console: Console) -> None:
    """He can look, and change nothing."""
    staged = stage(console)
    console.store.set_role("eve", ADMINISTRATOR, console.now)
    async with await staff(console, "hal", DESK) as browser:
        assert 'action="/staff/incidents/1/' not in (await browser.get("/staff/incidents/1")).text
        assert await ask(browser, "POST", "/staff/incidents/1/contain") == 403
    assert as_it_was(staged)


BAD = [
    ("no state", "release", {"seen": ""}, 400),
    ("a state that is none", "release", {"seen": XSS}, 400),
    ("no answer", "answer", {"seen": "open"}, 400),
    ("an answer that is none", "answer", {"seen": "open", "said": XSS}, 400),
    ("a note that is too long", "release", {"seen": "open", "note": "x" * 201}, 400),
    ("a note of two lines", "release", {"seen": "open", "note": "a\nb"}, 400),
    ("no login", "revoke", {"seen": "open"}, 409),
    ("a login that is none", "revoke", {"seen": "open", "login": XSS}, 409),
    ("a network that is none", "trust", {"seen": "open", "network": XSS}, 400),
    ("a stop where nothing comes", "keep", {"seen": "open"}, 409),
]


async def test_forms_that_are_none_of_ours(console: Console) -> None:
    staged = stage(console)
    async with await staff(console, "ada", ADMINISTRATOR) as browser:
        await browser.get("/staff/incidents/1")
        token = browser.token
        for what, path, fields, status in BAD:
            answer = await browser.post(f"/staff/incidents/1/{path}", token=token, **fields)
            assert answer.status_code == status, what
            assert "<script>alert" not in answer.text
            assert as_it_was(staged), what


async def test_an_incident_that_there_is_not(console: Console) -> None:
    async with await staff(console, "ada", ADMINISTRATOR) as browser:
        for number in ("99", "0", "x", "1;DROP", "9" * 30):
            assert (await browser.get(f"/staff/incidents/{number}")).status_code in {400, 404}
            await browser.get("/account")
            assert (await browser.post(f"/staff/incidents/{number}/release", seen="open")).status_code in {400, 404}


@pytest.mark.parametrize("language", ["en", "de"])
async def test_no_text_becomes_markup(console: Console, language: str) -> None:
    """The EHLO name, the label of a device, a note, and the reason of a hold."""
    staged = stage(console, label=XSS)
    staged.thief.client_name = XSS
    staged.thief.hand_in("hold", reason=XSS)
    console.store.contain_identity("eve", XSS, console.now)
    async with await staff(console, "ada", ADMINISTRATOR) as browser:
        browser.client.headers["Accept-Language"] = language
        for path in ("/staff/incidents", "/staff/incidents/1", "/staff/incidents/1/progress", "/staff/held"):
            text = (await browser.get(path)).text
            assert "<script>alert" not in text, path
            assert "'&amp;49" not in text.replace("&#39;", "'"), path
        assert str(escape(XSS)) in (await browser.get("/staff/incidents/1")).text


async def test_a_second_factor_that_was_shown_again_opens_the_forms(console: Console) -> None:
    staged = stage(console)
    async with await staff(console, "ada", ADMINISTRATOR) as browser:
        console.now += FRESH_S
        await confirmed(console, browser)
        await browser.get("/staff/incidents/1")
        assert (await browser.post("/staff/incidents/1/purge", seen="open")).status_code == 303
    assert {staged.state(one) for one in staged.held} == {HeldState.PURGING}
    assert Kind.PURGE in [one.kind for one in staged.store.incident(1).measures]


async def test_a_signal_that_comes_from_deliveries_has_no_place(console: Console) -> None:
    """Recipients that do not exist: nobody was connected when they were reported."""
    staged = stage(console)
    staged.thief.raise_signal(Step.RESTRICT, SignalKind.UNKNOWN_RECIPIENTS, address="")
    async with await staff(console, "ada", ADMINISTRATOR) as browser:
        page = await browser.get("/staff/incidents/1")
    assert page.status_code == 200
    assert "networks: 7 in an hour" in page.text
