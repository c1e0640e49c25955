"""The overview: its figures, who may see it, and that strangers' words are words."""

import json
import re
from html import unescape

import pytest
from browser import Browser
from console_app import Console, T
from sqlalchemy import insert
from staff_scene import stage

from policy.console.language import Language, moment
from policy.contract import Reason
from policy.engine.ladder import Step
from policy.people.roles import Role
from policy.rulebook.model import RULES
from policy.store.health_reports import SILENT_S, HealthNotes, HealthReport, Service
from policy.store.incident_models import HeldMessages, Incidents
from policy.store.models import Submissions
from policy.store.statements import OnConnection
from policy.store.tallies import TallyNotes
from policy.tally import GRAIN_S, OUTCOMES, LoginReason, Stage, Tally, What

ACCEPTED, HELD = What(Stage.MESSAGE, "accept"), What(Stage.MESSAGE, "hold", "held")
XSS = '"><script>alert(1)</script>'


@pytest.fixture
async def staff(console: Console) -> Browser:
    """A help desk that has signed in."""
    browser = await console.enrolled("bob")
    console.store.set_role("bob", Role.HELP_DESK, T)
    return browser


def count(console: Console, *noted: tuple[What, float, int]) -> None:
    """What policy would have counted: what, when, how many recipients."""
    tally = Tally()
    for what, at, recipients in noted:
        tally.note(what, at, recipients)
    with console.engine.begin() as connection:
        TallyNotes(OnConnection(connection)).add(tally.take())


def submission(number: str, at: float, **more: object) -> dict[str, object]:
    usual = {
        "id": number,
        "at": at,
        "session": "s",
        "identity": "ada",
        "login": "heron",
        "listener": "submission",
        "client_address": "192.0.2.1",
        "client_name": "laptop",
        "reverse_path": "ada@example.org",
        "recipients": 3,
        "message_bytes": 1000,
        "action": "accept",
        "reason": "",
        "outcome": "relayed",
        "queue_id": "4F2C",
        "origin": "AS3320 DE",
    }
    return usual | more


def add(console: Console, *rows: dict[str, object]) -> None:
    with console.engine.begin() as connection:
        connection.execute(insert(Submissions), list(rows))


def report(console: Console, service: Service, at: float, instance: str = "here", **more: object) -> None:
    with console.engine.begin() as connection:
        HealthNotes(OnConnection(connection)).put(HealthReport(service, instance, at, **more))  # type: ignore[arg-type]


def shown(browser: Browser) -> dict[str, int]:
    """The tiles."""
    found = re.findall(r'<strong id="figure-(\w+)">([^<]*)</strong>', browser.seen)
    return {name: int(text.replace("\N{NARROW NO-BREAK SPACE}", "")) for name, text in found}


def plain(markup: str) -> str:
    """Its text, with single blanks."""
    return re.sub(r"[ \n]+", " ", unescape(re.sub("<[^>]+>", " ", markup))).strip()


def words(browser: Browser, heading: str) -> list[list[str]]:
    """The rows of the table with this caption, cell by cell."""
    table = re.search(rf"<caption>{heading}</caption>(.*?)</table>", browser.seen, re.DOTALL)
    assert table, browser.seen
    rows = re.findall(r"<tr>(.*?)</tr>", table[1], re.DOTALL)
    return [[plain(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)] for row in rows]


async def test_tiles(console: Console, staff: Browser) -> None:
    """Of the last day, and of no more."""
    deferred, refused = What(Stage.MESSAGE, "defer", "budget-spent"), What(Stage.MESSAGE, "reject", "locked")
    in_part = What(Stage.MESSAGE, "accept", "new-recipients")
    guess = What(Stage.LOGIN, "refused", "secret")
    count(
        console,
        *[(ACCEPTED, T - 60, 2)] * 1200,
        (in_part, T - 7200, 5),
        (HELD, T - 80000, 9),
        (deferred, T - 60, 1),
        *[(refused, T - 60, 1)] * 2,
        (guess, T, 0),
        (What(Stage.PICKUP, "refused", "secret"), T, 0),
        (What(Stage.LOGIN, "refused", "revoked"), T, 0),
        (What(Stage.LOGIN, "later", "walled-login"), T, 0),
        (What(Stage.LOGIN, "later", "busy"), T, 0),
        *[(What(Stage.CONNECT, "later"), T, 0)] * 3,
        (What(Stage.CONNECT, "refused"), T, 0),
        (ACCEPTED, T - 86400 - GRAIN_S, 1),
    )
    answer = await staff.get("/staff")
    assert answer.status_code == 200
    assert shown(staff) == {"accepted": 1201, "held": 1, "refused": 3, "guesses": 6, "waiting": 0}
    tiles = plain(staff.seen)
    assert "to 2\N{NARROW NO-BREAK SPACE}405 recipients" in tiles
    assert "and 1 in part" in tiles
    assert "1 of them for now" in tiles
    assert "4 of them at a wall" in tiles


@pytest.mark.parametrize(("span", "accepted"), [("1h", 1), ("24h", 2), ("7d", 3)])
async def test_spans(console: Console, staff: Browser, span: str, accepted: int) -> None:
    """The chart and its table have what the tiles have, over time."""
    count(console, (ACCEPTED, T - 1800, 1), (ACCEPTED, T - 7200, 1), (ACCEPTED, T - 3 * 86400, 1))
    await staff.get(f"/staff?span={span}")
    assert shown(staff)["accepted"] == accepted
    found = re.search(r'data-series="([^"]*)"', staff.seen)
    assert found
    at, *lines = json.loads(unescape(found[1]))
    assert sum(lines[0]) == accepted
    assert at == list(range(at[0], at[-1] + 1, at[1] - at[0]))
    assert at[0] <= T - {"1h": 3600, "24h": 86400, "7d": 7 * 86400}[span]
    assert at[-1] <= T
    table = words(staff, "Messages, by the time from which on they were counted")[1:]
    assert sum(int(row[1]) for row in table) == accepted
    assert len(table) in (13, 25, 8)


async def test_a_span_that_is_none(console: Console, staff: Browser) -> None:
    for path in ("/staff?span=9y", "/staff/live?span="):
        assert (await staff.get(path)).status_code == 400


async def test_stages(console: Console, staff: Browser) -> None:
    """In the order of a session, the most frequent first, in people's words."""
    count(
        console,
        (What(Stage.SIGNAL, "spread", "hold"), T, 0),
        (What(Stage.OBSERVED, "new-recipients"), T, 40),
        (HELD, T, 4),
        *[(ACCEPTED, T, 1)] * 2,
        (What(Stage.DELIVERY, "unknown-recipient"), T, 1),
        (What(Stage.CONNECT, "accepted"), T, 0),
    )
    await staff.get("/staff")
    assert words(staff, "What was counted")[1:] == [
        ["Connections", "accepted", "1", ""],
        ["Messages", "accepted", "2", "2"],
        [
            "held The identity stands on the ladder: mail to new recipients is held. Or this one is suspicious.",
            "1",
            "4",
        ],
        ["Deliveries to others", "no such recipient", "1", "1"],
        ["Signals", "more networks, systems or countries than one person has then: new recipients held", "1", ""],
        ["Would have been stopped", "New recipients", "1", "40"],
    ]


def all_words() -> list[What]:
    """Everything that can be counted."""
    found = [What(stage, outcome) for stage, outcomes in OUTCOMES.items() for outcome in outcomes]
    found += [What(stage, "refused", reason) for stage in (Stage.LOGIN, Stage.PICKUP) for reason in LoginReason]
    found += [What(Stage.MESSAGE, "reject", reason) for reason in Reason]
    found += [What(Stage.SIGNAL, "spread", step.name.lower()) for step in Step]
    return found + [What(Stage.OBSERVED, rule) for rule in RULES]


@pytest.mark.parametrize("what", all_words(), ids=" ".join)
def test_whatever_is_counted_has_words(what: What) -> None:
    """None is shown as the machine says it, where people say it otherwise."""
    words = Language("xx", Crossed()).templates.get_template("staff/overview/words.html").module
    assert plain(words.stage(what.stage)) == "x"  # type: ignore[attr-defined]  # a macro
    assert set(plain(words.outcome(what)).split()) == {"x"}  # type: ignore[attr-defined]  # a macro
    assert not what.reason or plain(words.reason(what)) == "x"  # type: ignore[attr-defined]  # a macro


class Crossed(dict[str, str]):
    """A catalogue that has every text, and says nothing with it."""

    def get(self, *_: object) -> str:  # as Language asks
        return "x"


async def test_open_incidents_come_first(console: Console, staff: Browser) -> None:
    """The gravest first, and none that somebody has decided."""
    usual = {"opened_by": "sallyport", "opened_at": T, "since": T, "changed_at": T}
    rows = [
        {"identity": "ada", "state": "open", "step": 2},
        {"identity": XSS, "state": "open", "step": 4},
        {"identity": "eve", "state": "released", "step": 4},
    ]
    with console.engine.begin() as connection:
        connection.execute(insert(Incidents), [usual | row for row in rows])
    await staff.get("/staff")
    assert staff.seen.index("2 are open") < staff.seen.index('id="figure-accepted"')
    assert re.findall(r'href="/staff/incidents/(\d+)"', staff.seen) == ["2", "1"]
    assert XSS not in staff.seen


async def test_what_is_done_about_an_incident_stands_beside_it(console: Console, staff: Browser) -> None:
    """Contained, in place of a step that the ladder has not said; and how much of it is on hold now."""
    staged = stage(console)
    staged.store.contain_identity("eve", "", console.now)
    staged.store.add_identity("zoe", ("zoe@example.org",), T)
    staged.store.contain_identity("zoe", "", console.now)  # of which nothing is held, and there is no login
    await staff.get("/staff")
    (_, eve, zoe) = words(staff, "2 are open, the gravest first")
    assert (eve[1], eve[2], eve[-1]) == ("eve", "contained", "3")
    assert (zoe[1], zoe[2], zoe[-1]) == ("zoe", "free", "0")


async def test_the_newest_decisions(console: Console, staff: Browser) -> None:
    add(console, *[submission(f"m{number}", T - number) for number in range(30)])
    await staff.get("/staff")
    assert re.findall(r'href="/staff/decisions/(m\d+)"', staff.seen) == [f"m{number}" for number in range(20)]
    assert "Germany" in staff.seen


async def test_what_strangers_chose_is_no_markup(console: Console, staff: Browser) -> None:
    """Not that all of it could be stored: whatever is in the database is text."""
    strange = dict.fromkeys(("identity", "client_address", "client_name", "reverse_path", "origin", "reason"), XSS)
    add(console, submission("m1", T, **strange))
    report(console, Service.GATEWAY, T, warnings=(XSS,), faults=(XSS,))
    count(console, (What(Stage.LOGIN, XSS, XSS), T, 0))
    await staff.get("/staff")
    assert "alert(1)" in staff.seen
    assert "<script>alert" not in staff.seen
    assert XSS not in staff.seen


async def test_health_is_told_as_it_is(console: Console, staff: Browser) -> None:
    """Also of whom nobody has heard, and since when."""
    report(console, Service.GATEWAY, T, warnings=("the certificate ends in 3 days",))
    report(console, Service.POLICY, T, faults=("the store does not answer",))
    report(console, Service.QUEUE_AGENT, T - SILENT_S - 61)
    report(console, Service.CONSOLE, T - SILENT_S + 1)
    await staff.get("/staff")
    assert dict(words(staff, "What each part says of itself")[1:]) == {
        "Gateway here": "works warning the certificate ends in 3 days",
        "Decisions (policy) here": "does not work the store does not answer",
        "Scanner": "not heard of",
        "Queue (Postfix)": "not heard of",
        "Queue agent here": f"silent gone since {moment(T - SILENT_S - 61)} : nothing heard for 4 minutes",
        "Mailboxes (Dovecot)": "not heard of",
        "Console here": "works",
    }
    assert "Nothing is known of the queue at the moment." in staff.seen


async def test_what_does_not_work_is_said_before_anything_else(console: Console, staff: Browser) -> None:
    """In the first line; warnings, and whom nobody ever heard of, have their place further down alone."""
    report(console, Service.GATEWAY, T, warnings=("the certificate ends in 3 days",))
    await staff.get("/staff")
    assert "Not all parts work:" not in staff.seen
    report(console, Service.POLICY, T, faults=("the store does not answer",))
    report(console, Service.QUEUE_AGENT, T - SILENT_S - 61, "mx1")
    console.now += 1
    await staff.get("/staff")
    (line,) = re.findall(r'<p class="error">(.*?)</p>', staff.seen, re.DOTALL)
    assert re.sub(r"<[^>]*>", "", line) == (
        "Not all parts work: Decisions (policy) here does not work Queue agent mx1 silent"
    )
    assert staff.seen.index(line) < staff.seen.index("Open incidents")


async def test_the_worst_comes_first_and_those_that_work_are_one_row(console: Console, staff: Browser) -> None:
    """However many there are: what is wrong is never cut off by what works."""
    for number in range(30):
        report(console, Service.GATEWAY, T, f"gateway-{number:02}")
        report(console, Service.POLICY, T, f"policy-{number:02}", warnings=("the certificate ends in 3 days",))
    report(console, Service.DOVECOT, T - SILENT_S)
    report(console, Service.CONSOLE, T, faults=("the store does not answer",))
    await staff.get("/staff")
    rows = [name for name, _ in words(staff, "What each part says of itself")[1:]]
    assert rows[:3] == ["Console here", "Mailboxes (Dovecot) here", "Decisions (policy) policy-00"]
    assert "And 11 more, none worse than the last one here." in staff.seen
    for number in range(28):
        report(console, Service.POLICY, T, f"policy-{number:02}")
    console.now += 1
    await staff.get("/staff")
    rows = [name for name, _ in words(staff, "What each part says of itself")[1:]]
    names = ", ".join(f"gateway-{number:02}" for number in range(6))
    assert rows[4] == f"Gateway {names}, and 24 more"
    assert "more, none worse" not in staff.seen


async def test_the_queue(console: Console, staff: Browser) -> None:
    report(console, Service.POSTFIX, T, figures={"deferred": 1234, "active": 2, "oldest_s": 60.0})
    held = {"submission": "m", "identity": "ada", "login": "x", "reason": "held", "recipients": 1, "message_bytes": 1}
    rows = [("AAAAAA", "held"), ("BBBBBB", "held"), ("CCCCCC", "released")]
    with console.engine.begin() as connection:
        connection.execute(
            insert(HeldMessages),
            [held | {"queue_id": one, "state": state, "at": T - 99, "state_at": T} for one, state in rows],
        )
    await staff.get("/staff")
    assert "<dt>Waiting for another try</dt><dd>1\N{NARROW NO-BREAK SPACE}234</dd>" in staff.seen
    assert shown(staff)["waiting"] == 2


async def test_an_owner_sees_nothing_of_it(console: Console) -> None:
    """Neither the page nor its stream; whoever is not signed in is asked to."""
    owner = await console.enrolled("ada")
    assert [(await owner.get(path)).status_code for path in ("/staff", "/staff/live")] == [403, 403]
    assert 'id="figure-accepted"' not in owner.seen
    stranger = console.browser()
    for path in ("/staff", "/staff/live"):
        answer = await stranger.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


async def test_it_can_be_stopped(console: Console, staff: Browser) -> None:
    """For readers whom it disturbs that the page changes; the figures are there without a stream."""
    await staff.get("/staff")
    assert "sse-connect=" in staff.seen
    await staff.get("/staff?live=no&span=1h")
    assert "sse-connect=" not in staff.seen
    assert 'href="/staff?span=1h&amp;live=no"' in staff.seen
    assert shown(staff)["accepted"] == 0


async def test_however_many_look_it_is_read_once_in_a_while(console: Console, staff: Browser) -> None:
    """Figures every two seconds, as policy writes them; a clock that was set back keeps nothing from being read."""
    await staff.get("/staff")
    count(console, (ACCEPTED, T - 60, 1))
    for now, accepted in ((T + 1, 0), (T + 2, 1)):
        console.now = now
        await staff.get("/staff")
        assert shown(staff)["accepted"] == accepted
    count(console, (ACCEPTED, T - 60, 1))
    console.now = T
    await staff.get("/staff")
    assert shown(staff)["accepted"] == 2


async def test_in_german(console: Console, staff: Browser) -> None:
    count(console, (ACCEPTED, T, 1))
    await staff.get("/staff", **{"Accept-Language": "de"})
    assert "Nachrichten angenommen" in staff.seen
    assert "Logins" not in staff.seen
