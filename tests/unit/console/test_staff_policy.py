"""The policy in the console: who sees it, who changes it, and that nothing is saved that was not checked."""

import asyncio
import re
from html import unescape
from pathlib import Path

import pytest
from console_app import Console
from markupsafe import escape
from pocket import six_digits
from policy_desk_scene import EDIT, SMALL, Desk, at_the_desk, came_into_force, looking, recorded
from sqlalchemy import insert

from policy.console.language import load_languages
from policy.console.staff.rulebook_words import GROUPS
from policy.people.confirming import FRESH_S
from policy.people.roles import Role
from policy.rulebook import parse, shipped
from policy.rulebook.model import RULES
from policy.store.audit import Wanted, newest
from policy.store.operation_models import Tallies

DAY_S = 86400.0
BROKEN = '[profiles.person]\nrecipients = 5\n\n[mode]\nspam = "off"\n'
XSS = "<script>alert(1)</script>"
SMALL_DIGEST = parse(SMALL, "small").digest
GETS = ["/staff/policy", f"/staff/policy/earlier/{SMALL_DIGEST}"]
RULE_GETS = [EDIT, "/staff/policy/what-if"]
RULE_POSTS = ["check", "save", "discard", "what-if", "what-if/cancel"]


def file_of(console: Console) -> Path:
    return console.settings.policy_file


# Who may


@pytest.mark.parametrize(("role", "sees", "rules"), [(Role.OWNER, 403, 403), (Role.HELP_DESK, 200, 403)])
async def test_rights(console: Console, role: Role, sees: int, rules: int) -> None:
    """The help desk may look; nobody but an administrator tries, or saves."""
    came_into_force(console, SMALL)
    browser = await console.enrolled("carl")
    if role is not Role.OWNER:
        console.store.set_role("carl", role, console.now)
    for path in GETS:
        assert (await browser.get(path)).status_code == sees, path
        assert 'href="/staff/policy/edit' not in browser.seen
    for path in RULE_GETS:
        assert (await browser.get(path)).status_code == rules, path
    await browser.get("/devices")
    for path in RULE_POSTS:
        assert (await browser.post(f"/staff/policy/{path}", text="", read="")).status_code == rules, path
    assert not file_of(console).exists()


async def test_a_form_of_somebody_else_is_none(console: Console) -> None:
    """Without the token of the page."""
    desk = await at_the_desk(console)
    for path in RULE_POSTS:
        assert (await desk.browser.post(f"/staff/policy/{path}", token="0" * 64)).status_code == 403, path


# What is in force


async def test_the_policy_in_plain_words(console: Console) -> None:
    """With limits of each profile, and what is off."""
    came_into_force(
        console, '[modes]\nspam = "off"\n[gates.default]\nallow-countries = ["DE"]\n[profiles.app]\nsessions = 77\n'
    )
    desk = await at_the_desk(console)
    page = (await desk.browser.get("/staff/policy")).text
    for part in ("200 in an hour", "1 GB in an hour", "no limit", "Germany", "<td>77</td>", "[profiles.app]"):
        assert part in page, part
    assert re.search(r"<dt>Off</dt><dd>Spam, says the scanner\s*<code>spam</code></dd>", page)
    german = (await desk.browser.get("/staff/policy", **{"Accept-Language": "de"})).text
    assert "200 in einer Stunde" in german
    assert "Deutschland" in german


def test_every_rule_and_limit_has_words() -> None:
    """A name alone would be of use to who has read the file."""
    template = load_languages()["en"].templates.get_template("staff/policy_words.html")
    limits = [
        name.replace("message_bytes", "bytes").replace("_", "-")
        for _, names in GROUPS
        for name in names
        if name != "recipients_per_message"
    ]
    module = template.module
    assert [name for name in (*RULES, *limits) if str(module.rule(name)).strip() == name] == []  # type: ignore[attr-defined]  # a macro


async def test_what_rules_that_observe_would_have_done(console: Console) -> None:
    """Of this week, with links to decisions; a rule that has met nothing is there, too."""
    came_into_force(console, '[modes]\nrecipients = "observe"\nspam = "observe"\n')
    recorded(console, "ada", messages=5, recipients=2, observed=("recipients",))
    figure = {"stage": "observed", "outcome": "recipients", "reason": "", "recipients": 0}
    with console.engine.begin() as connection:
        connection.execute(insert(Tallies), [
            figure | {"at": int(console.now) - 300, "number": 5},
            figure | {"at": int(console.now - 9 * DAY_S), "number": 1000},
        ])  # fmt: skip
    desk = await at_the_desk(console)
    page = (await desk.browser.get("/staff/policy")).text
    assert re.search(r"<code>recipients</code></th><td class=\"number\">5</td>", page)
    assert page.count('href="/staff/decisions/ada-') == 3
    assert 'href="/staff/decisions/ada-4"' in page
    assert re.search(r"<code>spam</code></th><td class=\"number\">0</td>", page)


async def test_earlier_policies_with_their_difference(console: Console) -> None:
    came_into_force(console, SMALL)
    console.now += 60
    came_into_force(console, "")
    desk = await at_the_desk(console)
    await desk.browser.get("/staff/policy")
    assert f'href="/staff/policy/earlier/{SMALL_DIGEST}"' in desk.browser.seen
    page = await desk.browser.get(f"/staff/policy/earlier/{SMALL_DIGEST}")
    assert "<code>&#34;2/hour&#34;</code>" in page.text
    await desk.browser.get(f"{EDIT}?from={SMALL_DIGEST}")
    assert desk.typed == SMALL
    for digest in ("0" * 16, "..%2f..", XSS):
        assert (await desk.browser.get(f"/staff/policy/earlier/{digest}")).status_code == 404
    assert (await desk.browser.get(f"{EDIT}?from={'0' * 16}")).status_code == 404


# Check


async def test_broken_toml_says_where_and_loses_nothing(console: Console) -> None:
    """Line and reason of each fault; what was typed is still there, character for character."""
    desk = await at_the_desk(console)
    page = await desk.check(BROKEN)
    assert re.search(r"Line 2: <code>profiles\.person\.recipients</code>: 5 is no limit", page.text)
    assert re.search(r"Line 4: <code>mode</code>: there is no such key; did you mean modes\?", page.text)
    assert desk.typed == BROKEN
    assert 'formaction="/staff/policy/save"' not in page.text
    assert (await desk.save(BROKEN)).headers["location"] == EDIT
    assert not file_of(console).exists()


async def test_nothing_typed_is_markup(console: Console) -> None:
    """Neither in the text, nor in what is wrong with it, nor in what is different."""
    desk = await at_the_desk(console)
    for text in (
        f"# </textarea>{XSS}\n[{XSS}]\n",
        f'["{XSS}"]\na = 1\n',
        f'[profiles.person]\nrecipients = "{XSS}"\n',
        f"[traps]\nrecipients = [\"'{XSS}'@example.org\"]\n# </textarea>{XSS}\n",
        f'[modes]\n"{XSS}" = "off"\n',
    ):
        page = await desk.check(text)
        assert XSS not in page.text, text
        assert desk.typed == text
    file_of(console).write_text(f"# {XSS}\n")
    await desk.browser.get(EDIT)
    page = await desk.check(SMALL, read="0" * 64)
    assert str(escape(XSS)) in page.text
    assert XSS not in page.text


async def test_a_difference_as_the_command_prints_it(console: Console) -> None:
    desk = await at_the_desk(console)
    page = await desk.check(SMALL)
    shown = [unescape(one) for one in re.findall(r"<code>([^<]*)</code></t", page.text)]
    assert shown == ["profiles.person.recipients", '["120/10 minutes", "200/hour", "500/day"]', '"2/hour"']
    assert 'formaction="/staff/policy/save"' in page.text
    assert not file_of(console).exists()


async def test_a_draft_is_its_authors(console: Console) -> None:
    """Another administrator begins with the file; what was dropped is gone."""
    desk, other = await at_the_desk(console), await at_the_desk(console, "rita")
    await desk.check(SMALL)
    await other.browser.get(EDIT)
    assert other.typed == ""
    await desk.browser.get(EDIT)
    assert desk.typed == SMALL
    await desk.browser.post("/staff/policy/discard")
    await desk.browser.get(EDIT)
    assert desk.typed == ""


async def test_a_file_that_is_too_long_for_the_form(console: Console) -> None:
    """It is said, and how it is changed then; a form that is too long all the same is refused."""
    file_of(console).write_text("# [[[[\n" * 4000)
    desk = await at_the_desk(console)
    page = await desk.browser.get(EDIT)
    assert "sallyport policy apply" in page.text
    assert "<textarea" not in page.text
    for path in ("/staff/policy/check", "/staff/policy/save"):
        answer = await desk.browser.post(path, text="#" * 20_001)
        assert answer.status_code == 409
        assert "This is too long for the console." in answer.text
        assert (await desk.browser.post(path, text="#" * 70_000)).status_code == 413


# Save


async def test_saved_and_taken_by_policy(console: Console) -> None:
    """What is written is what was checked; policy takes it by itself; who did it is in the audit log."""
    desk = await at_the_desk(console)
    with looking(console) as in_force:
        await in_force.round()
        console.now += 1
        await desk.check(SMALL)
        saved = await desk.save(SMALL)
        assert saved.headers["location"] == "/staff/policy"
        assert file_of(console).read_text() == SMALL
        waits = await desk.browser.follow(saved)
        assert "policy has not taken it yet" in waits.text
        assert 'hx-trigger="every 2s"' in waits.text
        await in_force.round()
        await in_force.round()
        assert in_force.rulebook.digest == SMALL_DIGEST
    page = await desk.browser.get("/staff/policy")
    assert "policy has not taken it yet" not in page.text
    assert f"In force is policy <code>{SMALL_DIGEST}</code>" in page.text
    assert "It was put in place by console:root." in page.text
    (act,) = [one for one in newest(console.engine, Wanted(subject="policy")) if one.action == "policy-applied"]
    assert (act.actor, act.source) == ("console:root", desk.browser.address)
    assert (act.before["digest"], act.after["digest"]) == (shipped().digest, SMALL_DIGEST)


async def test_what_was_not_checked_is_not_saved(console: Console) -> None:
    """Changed after the check, or never checked: it is checked now, kept, and the page says so."""
    desk = await at_the_desk(console)
    await desk.check(SMALL)
    other = SMALL.replace("2", "3")
    answer = await desk.save(other)
    assert answer.status_code == 409
    assert desk.browser.error.startswith("This text was not checked yet.")
    assert desk.typed == other
    assert not file_of(console).exists()
    assert (await desk.save(other)).status_code == 303
    assert file_of(console).read_text() == other


async def test_somebody_else_was_faster(console: Console) -> None:
    """Nothing is overwritten, nothing is lost; against the newer file it is checked first."""
    desk, theirs = await at_the_desk(console), "[profiles.app]\nsessions = 9\n"
    await desk.check(SMALL)
    file_of(console).write_text(theirs)
    answer = await desk.save(SMALL)
    assert answer.status_code == 409
    assert "Somebody has changed the policy file since you began." in answer.text
    assert (desk.typed, file_of(console).read_text()) == (SMALL, theirs)
    assert 'formaction="/staff/policy/save"' not in answer.text
    assert [one for one in newest(console.engine, Wanted(subject="policy")) if one.action == "policy-applied"] == []
    onto = re.search(r'name="onto" value="([0-9a-f]{64})"', answer.text)
    assert onto
    page = await desk.check(SMALL, onto=onto[1])
    assert "<code>profiles.app.sessions</code>" in page.text  # it would take theirs back
    assert (await desk.save(SMALL)).status_code == 303
    assert file_of(console).read_text() == SMALL
    assert file_of(console).with_name("policy.toml.before").read_text() == theirs


async def test_a_second_factor_first_and_nothing_is_lost_by_it(console: Console) -> None:
    desk = await at_the_desk(console)
    console.now += FRESH_S + 1
    await desk.check(SMALL)
    asked = await desk.save(SMALL)
    assert asked.headers["location"] == "/confirm?back=/staff/policy/edit"
    assert not file_of(console).exists()
    await desk.browser.follow(asked)
    code = six_digits(desk.browser.seed, console.now)
    await desk.browser.follow(await desk.browser.post("/confirm/code", back=EDIT, code=code))
    assert desk.typed == SMALL
    assert (await desk.save(SMALL)).headers["location"] == "/staff/policy"
    assert file_of(console).read_text() == SMALL


async def test_the_file_keeps_who_may_read_it(console: Console) -> None:
    file_of(console).write_text("")
    file_of(console).chmod(0o640)
    desk = await at_the_desk(console)
    await desk.check(SMALL)
    await desk.save(SMALL)
    assert file_of(console).stat().st_mode & 0o777 == 0o640


async def test_a_file_that_the_console_cannot_write(tmp_path: Path) -> None:
    """Mounted elsewhere: what is in force is the text to begin with; checked, it is there to copy."""
    console = Console(tmp_path, changed={"file": Path("/nonexistent/policy.toml")})
    came_into_force(console, SMALL)
    desk = await at_the_desk(console)
    assert "/nonexistent/policy.toml, which this console does not see" in (await desk.browser.get("/staff/policy")).text
    await desk.browser.get(EDIT)
    assert desk.typed == SMALL
    text = SMALL.replace("2", "3")
    page = await desk.check(text)
    assert "is changed outside: check your text here, copy it" in page.text
    assert f"<pre>{escape(text)}</pre>" in page.text
    assert 'formaction="/staff/policy/save"' not in page.text
    assert (await desk.save(text)).status_code == 409
    assert desk.browser.error == "The file cannot be written from here, and nothing was changed."
    await console.parts.desk.close()


async def test_a_broken_file_is_told(console: Console) -> None:
    """What somebody has edited by hand; it can be put right here."""
    file_of(console).write_text(BROKEN)
    desk = await at_the_desk(console)
    page = await desk.browser.get("/staff/policy")
    assert "The policy file is broken. What was in force stays so." in page.text
    await desk.browser.get(EDIT)
    assert desk.typed == BROKEN
    await desk.check(SMALL)
    await desk.save(SMALL)
    assert file_of(console).read_text() == SMALL


# What if


async def ended(desk: Desk) -> str:
    """The page when the run has ended."""
    task = desk.console.parts.policy_desk.what_ifs._task
    assert task
    async with asyncio.timeout(180):
        await task
    return (await desk.browser.get(EDIT)).text


async def test_what_it_would_have_done(console: Console) -> None:
    """Over the recorded messages, with a process of its own: how many, whose, which, why."""
    console.store.add_identity("ada", ("ada@example.org",), console.now)
    recorded(console, "ada", messages=60, recipients=2)
    recorded(console, "bob", messages=30, recipients=1)
    desk = await at_the_desk(console)
    page = await desk.check('[profiles.person]\nrecipients = "20/hour"\n')
    assert 'hx-get="/staff/policy/what-if"' in page.text
    page_text = await ended(desk)
    said = re.search(r"Of 60 recorded messages, (\d+) would have been decided otherwise, of 2 accounts\.", page_text)
    assert said, page_text
    assert int(said[1]) > 20
    assert re.search(r'accepted</span> → <span class="badge held">deferred', page_text)
    assert re.search(r'href="/staff/decisions/ada-\d+"', page_text)
    assert "Recipients of all messages: 22 in an hour, 20 are allowed" in page_text
    await desk.check("[profiles.person]\nsessions = 4\n")
    assert "None of 60 recorded messages would have been decided otherwise." in await ended(desk)


async def test_one_at_a_time(console: Console) -> None:
    """Another administrator is told whose runs, may stop it, and then have his own."""
    recorded(console, "ada", messages=300, recipients=2)
    desk, other = await at_the_desk(console), await at_the_desk(console, "rita")
    await desk.check(SMALL)
    page = await other.check(SMALL.replace("2", "3"))
    assert "One of root is running." in page.text
    stopped = await other.browser.follow(await other.browser.post("/staff/policy/what-if/cancel"))
    assert "One of root is running." not in stopped.text
    assert "It was stopped." in (await desk.browser.get(EDIT)).text
    begun = await other.browser.follow(await other.browser.post("/staff/policy/what-if"))
    assert 'hx-get="/staff/policy/what-if"' in begun.text
    assert "Of 200 recorded messages" in await ended(other)


async def test_a_run_that_dies_is_told(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """It had too little memory, or time."""
    monkeypatch.setattr("policy.console.staff.what_if._COMMAND", ("false",))
    recorded(console, "ada", messages=3, recipients=1)
    desk = await at_the_desk(console)
    await desk.check(SMALL)
    assert "It has ended without a result" in await ended(desk)


async def test_nothing_recorded(console: Console) -> None:
    desk = await at_the_desk(console)
    assert "nothing is recorded yet" in (await desk.check(SMALL)).text
