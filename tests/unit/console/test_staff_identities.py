"""People and their devices, for staff: who may see and do what, that nobody climbs by it, and what the pages show."""

import dataclasses
import datetime
import re

import pytest
from browser import PASSWORD, Browser
from console_app import Console
from markupsafe import escape
from pocket import six_digits
from staff_parts import XSS, add_area, add_day, add_people, add_submission, staff, use_budgets
from stolen import HOSTING, Thief

from policy.console.app import hosts_of, make_app
from policy.engine.ladder import SignalKind, Step
from policy.people.confirming import FRESH_S
from policy.people.roles import Role
from policy.store.audit import Wanted, newest
from policy.store.rows import Profile

ALL = {Role.OWNER: False, Role.HELP_DESK: True, Role.ADMINISTRATOR: True}
RULE = {Role.OWNER: False, Role.HELP_DESK: False, Role.ADMINISTRATOR: True}

# Each act on one person, in an order in which each has something to do: path, fields, who may
ACTS = [
    ("withdraw", {"invite": "{invite}"}, ALL),
    ("invite", {"days": "7"}, ALL),
    ("reset", {"days": "7"}, ALL),
    ("notice-address", {"address": "ada@elsewhere.example"}, ALL),
    ("revoke", {"login": "{login}"}, ALL),
    ("confirm-network", {"network": "192.0.2.0/24"}, ALL),
    ("forget-network", {"network": "203.0.113.0/24"}, ALL),
    ("exempt", {"country": "KZ", "until": "2023-12-14", "note": "conference"}, ALL),
    ("end-exemption", {"country": "FR"}, ALL),
    ("clear", {"note": "it was her newsletter"}, RULE),
    ("suspend", {}, ALL),
    ("resume", {}, RULE),
    ("role", {"role": "help-desk"}, RULE),
]


INVITED = {"name": "ben", "owner": "Ben", "addresses": "ben@example.org, b@example.org", "days": "3"}


class Account:
    """Somebody on whom every act has something to do."""

    def __init__(self, console: Console, role: Role = Role.OWNER) -> None:
        self.console, store = console, console.store
        store.add_identity("ada", ("ada@example.org",), console.now, owner="Ada", role=role)
        made = store.add_credential("ada", "laptop", console.now)
        invite = console.people.invite("ada", 7, console.now)
        store.confirm_network("ada", "203.0.113.9", console.now)
        store.add_exemption("ada", "FR", console.now + 86400.0, "", console.now)
        Thief(console.engine, "ada", made.login, console.now).raise_signal(Step.HOLD, SignalKind.SPAM)
        self.names = {"login": made.login, "invite": str(invite.invite.id)}
        self.audited = self.acts()

    def acts(self) -> list[str]:
        """What was done until now, the newest first."""
        return [one.action for one in newest(self.console.engine, Wanted())]

    def fields(self, fields: dict[str, str]) -> dict[str, str]:
        return {name: value.format(**self.names) for name, value in fields.items()}


async def test_whoever_has_no_role_sees_nothing(console: Console) -> None:
    async with staff(console, "eve", Role.OWNER) as eve, console.browser() as stranger:
        Account(console)
        for path in ("/staff/identities", "/staff/identities/ada", "/staff/identities/nobody", "/staff/invite"):
            answer = await eve.get(path)
            assert answer.status_code == 403, path
            assert "ada" not in re.sub(r"<header>.*</header>", "", answer.text, flags=re.DOTALL)
            assert (await stranger.get(path)).headers["location"] == "/sign-in"


@pytest.mark.parametrize("role", list(Role))
async def test_the_rights_of_each_role(console: Console, role: Role) -> None:
    """What is done is in the audit log under the name of who did it; what is not allowed leaves no trace."""
    async with staff(console, "eve", role) as eve:
        account = Account(console)
        for act, fields, who in ACTS:
            await eve.get("/devices")
            before = account.acts()
            answer = await eve.post(f"/staff/identities/ada/{act}", **account.fields(fields))
            if who[role]:
                assert answer.status_code in (200, 303), act
                assert len(account.acts()) > len(before), act
                assert newest(console.engine, Wanted())[0].actor == "console:eve"
            else:
                assert answer.status_code == 403, act
                assert account.acts() == before, act


async def test_a_help_desk_does_nothing_to_an_administrator(console: Console) -> None:
    async with staff(console, "desk", Role.HELP_DESK) as desk:
        account = Account(console, Role.ADMINISTRATOR)
        page = await desk.get("/staff/identities/ada")
        assert page.status_code == 200
        assert 'action="/staff/' not in page.text
        for act, fields, _ in ACTS:
            await desk.get("/devices")
            answer = await desk.post(f"/staff/identities/ada/{act}", **account.fields(fields))
            assert answer.status_code == 403, act
        assert account.acts() == account.audited


@pytest.mark.parametrize(
    ("role", "other", "status"),
    [
        (Role.HELP_DESK, Role.OWNER, 303),
        (Role.HELP_DESK, Role.HELP_DESK, 403),
        (Role.ADMINISTRATOR, Role.HELP_DESK, 303),
        (Role.ADMINISTRATOR, Role.ADMINISTRATOR, 403),
    ],
)
async def test_equals_lift_no_gate_for_each_other(console: Console, role: Role, other: Role, status: int) -> None:
    """Nor does anybody for himself. What takes something away goes."""
    gates = [act[:2] for act in ACTS if act[0] in {"confirm-network", "exempt"}]
    async with staff(console, "eve", role) as eve:
        account = Account(console, other)
        console.store.confirm_network("eve", "203.0.113.9", console.now)
        page = await eve.get("/staff/identities/ada")
        assert ("/ada/exempt" in page.text) is (status == 303)
        assert ("/ada/confirm-network" in page.text) is (status == 303)
        for act, fields in gates:
            assert (await eve.post(f"/staff/identities/ada/{act}", **account.fields(fields))).status_code == status
            own = await eve.get("/staff/identities/eve")
            assert f"/eve/{act}" not in own.text
            assert (await eve.post(f"/staff/identities/eve/{act}", **fields)).status_code == 403, act
        assert [one.network for one in console.store.networks("eve") if one.confirmed_at] == ["203.0.113.0/24"]
        assert console.store.exemptions("eve") == []
        fields = {"network": "203.0.113.0/24"}
        assert (await eve.post("/staff/identities/eve/forget-network", **fields)).status_code == 303


async def test_an_act_takes_a_form_of_ours(console: Console) -> None:
    async with staff(console, "chief", Role.ADMINISTRATOR) as root:
        account = Account(console)
        await root.get("/devices")
        for path in ("/staff/invite", *(f"/staff/identities/ada/{act}" for act, _, _ in ACTS)):
            answer = await root.post(path, **INVITED | {"token": "0" * 64})
            assert answer.status_code == 403, path
            await root.get("/devices")
        assert account.acts() == account.audited


async def test_an_act_takes_a_fresh_factor(console: Console) -> None:
    async with staff(console, "chief", Role.ADMINISTRATOR) as root:
        account = Account(console)
        console.now += FRESH_S
        page = await root.get("/staff/identities/ada")
        assert 'action="/staff/' not in page.text
        for act, fields, _ in ACTS:
            answer = await root.post(f"/staff/identities/ada/{act}", **account.fields(fields))
            assert answer.headers["location"] == "/confirm?back=/staff/identities/ada", act
        assert 'action="/staff/' not in (await root.get("/staff/invite")).text
        await root.get("/devices")
        invited = await root.post("/staff/invite", **INVITED)
        assert invited.headers["location"] == "/confirm?back=/staff/invite"
        assert account.acts() == account.audited


async def test_who_is_nobody_is_not_found(console: Console) -> None:
    async with staff(console, "chief", Role.ADMINISTRATOR) as root:
        account = Account(console)
        for name in ("nobody", "ADA", "%22%3E", "a" * 200):
            assert (await root.get(f"/staff/identities/{name}")).status_code == 404
        for act, fields, _ in ACTS:
            await root.get("/devices")
            answer = await root.post(f"/staff/identities/nobody/{act}", **account.fields(fields))
            assert answer.status_code == 404, act
        assert account.acts() == account.audited


@pytest.mark.parametrize("act", ["reset", "invite", "role", "suspend"])
async def test_nobody_does_it_to_the_own_account(console: Console, act: str) -> None:
    """A browser that was left open must not become an account."""
    async with staff(console, "chief", Role.ADMINISTRATOR) as root:
        await root.get("/staff/identities/chief")
        assert f'action="/staff/identities/chief/{act}"' not in root.seen
        answer = await root.post(f"/staff/identities/chief/{act}", days="7", role="owner")
        assert answer.status_code == 403
        assert (await root.get("/staff/identities")).status_code == 200
    assert console.store.identity("chief").role is Role.ADMINISTRATOR


async def test_another_ones_device_and_invitation_are_as_unknown_as_nobodys(console: Console) -> None:
    """The path names whom the rights were looked at for; a form cannot name somebody else beside."""
    async with staff(console, "desk", Role.HELP_DESK) as desk, staff(console, "chief", Role.ADMINISTRATOR) as root:
        login, _ = await console.add_device(root, "chief", "phone")
        console.store.add_identity("next", (), console.now, role=Role.ADMINISTRATOR)
        invite = console.people.invite("next", 7, console.now).invite
        Account(console)
        await desk.get("/staff/identities/ada")
        for act, fields in (("revoke", {"login": login}), ("withdraw", {"invite": str(invite.id)})):
            theirs = await desk.post(f"/staff/identities/ada/{act}", **fields)
            nobodys = await desk.post(f"/staff/identities/ada/{act}", **dict.fromkeys(fields, "77777"))
            assert (theirs.status_code, nobodys.status_code) == (409, 409)
            assert desk.error == "This is not as the page showed it any more. Look at it again."
    assert console.store.credential(login).revoked_at is None
    assert all(one.revoked_at is None for one in console.people.invites() if one.id == invite.id)


# Inviting


async def test_an_invitation_is_shown_once_and_works(console: Console) -> None:
    async with staff(console, "desk", Role.HELP_DESK) as desk, console.browser() as ben:
        form = await desk.get("/staff/invite")
        assert 'name="role"' not in form.text
        answer = await desk.post("/staff/invite", **INVITED)
        assert answer.status_code == 200
        link = desk.shown("invite-link")
        made = console.store.identity("ben")
        assert (made.owner, made.addresses, made.role) == ("Ben", ("ben@example.org", "b@example.org"), Role.OWNER)
        path = link.removeprefix(console.settings.console_origin)
        await ben.get(path)
        assert (await ben.follow(await ben.post(path, password=PASSWORD, again=PASSWORD))).status_code == 200
        token = path.rpartition("/")[2]
        for page in ("/staff/identities/ben", "/staff/identities", "/staff/invite"):
            assert token not in (await desk.get(page)).text
        again = await desk.post("/staff/invite", **INVITED)
        assert (again.status_code, desk.error) == (
            400,
            "One of the addresses belongs to somebody already.",
        )


@pytest.mark.parametrize("role", ["administrator", "help-desk"])
async def test_a_help_desk_invites_nobody_to_a_role(console: Console, role: str) -> None:
    async with staff(console, "desk", Role.HELP_DESK) as desk:
        await desk.get("/staff/invite")
        assert (await desk.post("/staff/invite", **INVITED, role=role)).status_code == 403
        assert (await desk.get("/staff/identities/ben")).status_code == 404


async def test_an_address_of_another_domain_is_an_administrators_to_give(console: Console) -> None:
    foreign = INVITED | {"addresses": "ceo@partner.example"}
    async with staff(console, "desk", Role.HELP_DESK) as desk, staff(console, "chief", Role.ADMINISTRATOR) as root:
        await desk.get("/staff/invite")
        assert (await desk.post("/staff/invite", **foreign)).status_code == 400
        assert desk.error == "Addresses of other domains than ours are given by an administrator."
        await root.get("/staff/invite")
        assert (await root.post("/staff/invite", **foreign)).status_code == 200


async def test_an_administrator_does(console: Console) -> None:
    async with staff(console, "chief", Role.ADMINISTRATOR) as root:
        await root.get("/staff/invite")
        assert (await root.post("/staff/invite", **INVITED, role="help-desk")).status_code == 200
    assert console.store.identity("ben").role is Role.HELP_DESK


BAD_INVITES = [
    ("a name that cannot be one", {"name": "Ben B"}),
    ("a name that is markup", {"name": XSS}),
    ("no name", {"name": ""}),
    ("a name that is there", {"name": "ada"}),
    ("an address that is somebody's", {"addresses": "ADA@example.org"}),
    ("an address that is none", {"addresses": "ben@@example.org"}),
    ("markup as an address", {"addresses": XSS}),
    ("a whole domain", {"addresses": "@example.org"}),
    ("a line break in the full name", {"owner": "Ben\nB"}),
    ("a long full name", {"owner": "B" * 101}),
    ("no days", {"days": "0"}),
    ("too many days", {"days": "91"}),
    ("days that are none", {"days": "²"}),
    ("a login in the name", {"name": "{login}"}),
    ("a login in the full name", {"owner": "Ben {login}"}),
]


async def test_invitations_that_are_none(console: Console) -> None:
    """Nothing is made, what was typed is there again, and no command is named to who has no command line."""
    async with staff(console, "desk", Role.HELP_DESK) as desk:
        account = Account(console)
        await desk.get("/staff/invite")
        for what, fields in BAD_INVITES:
            answer = await desk.post("/staff/invite", **INVITED | account.fields(fields))
            assert answer.status_code == 400, what
            assert desk.error, what
            assert "sallyport" not in desk.error, what
            assert "<script>alert" not in answer.text, what
            assert 'value="3"' in answer.text or "days" in fields, what
        assert account.acts() == account.audited


async def test_a_name_that_is_taken_meanwhile(console: Console) -> None:
    """The name is free, and so is the address, when the page looks: the store has the last word."""
    async with staff(console, "desk", Role.HELP_DESK) as desk:
        account = Account(console)
        console.store.change_address("ada@example.org", subaddresses=True, now=console.now)
        await desk.get("/staff/invite")
        answer = await desk.post("/staff/invite", **INVITED | {"addresses": "ada+x@example.org"})
        assert answer.status_code == 400
        assert desk.error.startswith("A login, or what belongs to somebody else")
        assert account.acts()[1:] == account.audited  # but for the change above


# Acts, and what they do


async def page_of(browser: Browser, name: str = "ada") -> str:
    return (await browser.get(f"/staff/identities/{name}")).text


async def test_starting_over(console: Console) -> None:
    """Password and sessions are gone, and the link in the answer lets the person begin."""
    async with await console.enrolled("ben") as ben, staff(console, "desk", Role.HELP_DESK) as desk:
        await page_of(desk, "ben")
        assert "Let the person start over" in desk.seen
        answer = await desk.post("/staff/identities/ben/reset", days="2")
        assert answer.status_code == 200
        assert (await ben.get("/devices")).headers["location"] == "/sign-in"
        path = desk.shown("invite-link").removeprefix(console.settings.console_origin)
        assert (await ben.get(path)).status_code == 200, path
        await page_of(desk, "ben")
        assert "open until" in desk.seen
        assert "Send the invitation again" in desk.seen


async def test_a_role_makes_open_links_worthless(console: Console) -> None:
    """Whoever made the link, a help desk perhaps, would be an administrator by it."""
    async with staff(console, "chief", Role.ADMINISTRATOR) as root, console.browser() as other:
        path = console.invite("ben")
        await page_of(root, "ben")
        await root.post("/staff/identities/ben/role", role="administrator")
        assert console.store.identity("ben").role is Role.ADMINISTRATOR
        assert (await other.get(path)).status_code == 404
        bad = await root.post("/staff/identities/ben/role", role="emperor")
        assert bad.status_code == 400


async def test_a_role_that_was_taken_ends_the_pages(console: Console) -> None:
    async with staff(console, "chief", Role.ADMINISTRATOR) as root, staff(console, "desk", Role.HELP_DESK) as desk:
        assert (await desk.get("/staff/identities")).status_code == 200
        await page_of(root, "desk")
        await root.post("/staff/identities/desk/role", role="owner")
        assert (await desk.get("/staff/identities")).status_code == 403


async def test_networks_are_vouched_for_and_forgotten(console: Console) -> None:
    """An address stands for its network."""
    async with staff(console, "desk", Role.HELP_DESK) as desk:
        account = Account(console)
        Thief(console.engine, "ada", account.names["login"], console.now)
        await page_of(desk)
        await desk.follow(await desk.post("/staff/identities/ada/confirm-network", network="95.216.0.9"))
        row = re.search(r"95\.216\.0\.0/24</th>(.*?)</tr>", desk.seen, re.DOTALL)
        assert row
        for part in ("Finland, AS24940", "rented machines", "home", "vouched for"):
            assert part in row[1], part
        await desk.follow(await desk.post("/staff/identities/ada/forget-network", network=HOSTING))
        assert "95.216.0.0/24" not in desk.seen
        for network in ("", "here", XSS, "203.0.113.0/24; DROP"):
            answer = await desk.post("/staff/identities/ada/confirm-network", network=network)
            assert answer.status_code == (303 if "DROP" in network else 409), network
        twice = await desk.post("/staff/identities/ada/forget-network", network=HOSTING)
        assert twice.status_code == 409


async def test_an_exception_has_an_end(console: Console) -> None:
    async with staff(console, "desk", Role.HELP_DESK) as desk:
        Account(console)
        today = datetime.datetime.fromtimestamp(console.now, datetime.UTC).date()
        await page_of(desk)
        fields = {"country": "KZ", "until": str(today + datetime.timedelta(days=5)), "note": XSS}
        await desk.follow(await desk.post("/staff/identities/ada/exempt", **fields))
        assert "Kazakhstan" in desk.seen
        assert str(escape(XSS)) in desk.seen
        for wrong in ("", "tomorrow", str(today - datetime.timedelta(days=2)), "2099-01-01", XSS):
            answer = await desk.post("/staff/identities/ada/exempt", **fields | {"until": wrong})
            assert (answer.status_code, desk.error) == (409, "The last day lies ahead, and within a year.")
        long = await desk.post("/staff/identities/ada/exempt", **fields | {"note": "n" * 201})
        assert (long.status_code, desk.error) == (409, "A note has one line of at most 200 characters.")
        assert (await desk.post("/staff/identities/ada/exempt", **fields | {"country": "XX"})).status_code == 400
        await page_of(desk)
        await desk.follow(await desk.post("/staff/identities/ada/end-exemption", country="KZ"))
        assert [one.country for one in console.store.exemptions("ada")] == ["FR"]


async def test_the_second_address_is_told(console: Console) -> None:
    async with staff(console, "desk", Role.HELP_DESK) as desk:
        Account(console)
        assert 'type="email"' not in await page_of(desk)  # in which browsers refuse ödä@example.org
        await desk.follow(await desk.post("/staff/identities/ada/notice-address", address="ada@elsewhere.example"))
        assert "ada@elsewhere.example" in desk.seen
        for wrong in ("ada@example.org", XSS, "@example.org"):
            answer = await desk.post("/staff/identities/ada/notice-address", address=wrong)
            assert answer.status_code == 409
            assert "sallyport" not in desk.error
    assert console.store.identity("ada").notice_address == "ada@elsewhere.example"


async def test_clearing_takes_signals_back(console: Console) -> None:
    async with staff(console, "chief", Role.ADMINISTRATOR) as root:
        Account(console)
        text = await page_of(root)
        for part in ("new recipients held", "spam, says our own scanner", "203.0.113.9", "Incident 1 is open"):
            assert part in text, part
        await root.follow(await root.post("/staff/identities/ada/clear", note="was hers"))
        assert "taken back" in root.seen
        assert "It was nothing" not in root.seen
        assert (await root.post("/staff/identities/ada/clear", note="")).status_code == 409
    assert console.store.standing("ada").step == "free"


# What is shown


async def test_the_page_of_one_shows_all_of_it(console: Console) -> None:
    async with staff(console, "desk", Role.HELP_DESK) as desk:
        account = Account(console)
        add_submission(console, "sub-1", action="reject", reason="spam")
        use_budgets(console, "ada", recipients=30, new=4)
        add_day(console, "ada", 0, 17)
        add_day(console, "ada", 59, 11)
        add_day(console, "ada", 60, 13)
        add_area(console, "ada", "AS64500 NL", 5)
        add_area(console, "ada", "AS64501 DE", 1)
        text = await page_of(desk)
    for part in (
        "ada@example.org", account.names["login"], "203.0.113.0/24", "France", "The scanner took it for spam.",
        'href="/staff/decisions/sub-1"', "/staff/incidents?identity=ada", "/staff/held?identity=ada", "Netherlands",
    ):  # fmt: skip
        assert part in text, part
    bars = dict(re.findall(r'<th scope="row">([^<]+)</th>\s*<td>\s*<meter[^>]+>[^<]*</meter>\s*([^<]+?)\s*</td>', text))
    assert bars["Recipients, in a day"].startswith("30 of ")
    assert bars["New recipients, in a day"].startswith("4 of ")
    days = re.findall(r'<tr data-at="(\d+)"><th scope="row">([\d-]+)</th><td class="number">(\d+)</td>', text)
    assert len(days) == 60
    assert days[0][1:] == ("2023-11-14", "17")
    assert days[-1][1:] == ("2023-09-16", "11")
    states = re.findall(r"(AS\d+ \w\w)</th><td>[^<]*</td><td><span class=\"badge (\w+)\">", text)
    assert set(states) == {("AS64500 NL", "accepted"), ("AS64501 DE", "held")}


async def test_budgets_elsewhere_are_said_to_be_elsewhere(console: Console) -> None:
    """An empty bar would be a lie."""
    app = make_app(dataclasses.replace(console.parts, has_budgets=False), hosts_of(console.settings))
    async with staff(console, "desk", Role.HELP_DESK) as desk, Browser(app) as other:
        Account(console)
        other.client.cookies.update(desk.client.cookies)
        text = await page_of(other)
    assert "The budgets are kept in Valkey" in text
    assert "<meter" not in text


@pytest.mark.parametrize("language", ["en", "de"])
async def test_no_text_becomes_markup(console: Console, language: str) -> None:
    """Labels, owners, logins of other servers, what a client calls itself, notes, evidence."""
    async with staff(console, "chief", Role.ADMINISTRATOR) as root:
        root.client.headers["Accept-Language"] = language
        store = console.store
        store.add_identity("ada", ("ada@example.org",), console.now, owner=XSS)
        store.add_migrated("ada", XSS, XSS, "{PLAIN}x", console.now + 1000, console.now)
        made = store.add_credential("ada", XSS, console.now)
        store.add_exemption("ada", "FR", console.now + 1000, XSS, console.now)
        thief = Thief(console.engine, "ada", made.login, console.now, client_name=XSS)
        thief.hand_in("hold", reason=XSS)
        thief.raise_signal(Step.HOLD)
        for path in ("/staff/identities", "/staff/identities?search=%3Cscript%3E", "/staff/identities/ada"):
            text = (await root.get(path)).text
            assert "<script>alert" not in text, path
            assert "49" not in re.findall(r"&amp;(\d+)", text), path
        assert root.seen.count(str(escape(XSS))) >= 5


async def test_the_list_is_searched_filtered_and_paged(console: Console) -> None:
    async with staff(console, "chief", Role.ADMINISTRATOR) as root:
        add_people(console, 120)
        console.store.add_identity("shop", (), console.now, profile=Profile.APP)
        console.store.suspend("user007", console.now)
        login = console.store.add_credential("user009", "laptop", console.now).login
        Thief(console.engine, "user009", login, console.now).raise_signal(Step.LOCK)

        seen, path = [], "/staff/identities?search=user"
        while path:
            text = (await root.get(path)).text
            seen.append(re.findall(r'href="/staff/identities/([a-z0-9]+)"', text))
            more = re.search(r'href="(/staff/identities\?[^"]*after=[^"]*)"', text)
            path = more[1].replace("&amp;", "&") if more else ""
        assert [len(page) for page in seen] == [50, 50, 20]
        assert [name for page in seen for name in page] == [f"user{number:03}" for number in range(120)]

        for question, names in (
            ("search=u007%40example", ["user007"]),
            ("search=O+11", ["user011", *(f"user11{n}" for n in range(10))]),
            ("state=suspended", ["user007"]),
            ("state=stopped", ["user009"]),
            ("role=administrator", ["chief"]),
            ("state=not-enrolled&search=user11", [f"user11{n}" for n in range(10)]),
            ("state=no-such-state&search=shop", ["shop"]),
            ("search=nobody", []),
        ):
            text = (await root.get(f"/staff/identities?{question}")).text
            assert re.findall(r'href="/staff/identities/([a-z0-9]+)"', text) == names, question
        assert (await root.get("/staff/identities?search=%00")).status_code == 400
        assert 'href="/staff/identities/shop"' in (await root.get("/staff/identities?after=root")).text


async def test_a_help_desk_may_let_its_own_kind_start_over_and_no_administrator(console: Console) -> None:
    """With the links that are shown, too."""
    async with staff(console, "desk", Role.HELP_DESK) as desk:
        for name, role, status in (("other", Role.HELP_DESK, 200), ("boss", Role.ADMINISTRATOR, 403)):
            async with staff(console, name, role):
                await page_of(desk, name)
                assert (await desk.post(f"/staff/identities/{name}/reset", days="1")).status_code == status


async def test_the_second_factor_leads_back_to_the_page(console: Console) -> None:
    async with await console.enrolled("chief") as root:
        console.store.set_role("chief", Role.ADMINISTRATOR, console.now)
        Account(console)
        console.now += FRESH_S
        await page_of(root)
        assert "Confirm that it is you, to change something" in root.seen
        await root.get("/confirm?back=/staff/identities/ada")
        code = six_digits(root.seed, console.now)
        done = await root.post("/confirm/code", back="/staff/identities/ada", code=code)
        assert done.headers["location"] == "/staff/identities/ada"
        await root.follow(done)
        assert 'action="/staff/identities/ada/suspend"' in root.seen
