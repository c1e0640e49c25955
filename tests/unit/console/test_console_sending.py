"""A person's own sending in the console: what became of each message, how much is used, and nobody else's."""

import re
from html import unescape

import pytest
from browser import Browser
from console_app import Console
from markupsafe import escape
from sqlalchemy import insert, update
from stolen import Thief

from policy.console.language import load_languages
from policy.console.sending import fate_of
from policy.contract import Reason
from policy.engine.ladder import Step
from policy.rulebook import shipped
from policy.store.fates import Fared, Fate
from policy.store.held import HeldState
from policy.store.incident_models import HeldMessages, Incidents
from policy.store.incident_notes import State
from policy.store.models import Fates, Submissions
from policy.store.own_sending import Sent

XSS = "\"><script>alert(1)</script>'&{{7*7}}"
_TOKEN = re.compile(r"[0-9a-f]{32,}")  # of a form; any number may be in it
SENT = Sent(
    id="s1", at=1.0, device="", client_address="", client_name="", area="", recipients=5, held=0, action="accept",
    reason="", outcome="relayed",
)  # fmt: skip

FATES = [
    # what it shows, what is stored of it, in one word
    ("relayed", {}, "sent"),
    ("nobody knows whether", {"outcome": "unknown"}, "sent"),
    ("all have it", {"fared": Fared(5)}, "delivered"),
    ("some have it, of the others nothing is known", {"fared": Fared(4)}, "sent"),
    ("one waits", {"fared": Fared(4, 1)}, "waiting"),
    ("one came back", {"fared": Fared(3, 1, {Fate.FULL: 1})}, "partly-returned"),
    ("all came back", {"fared": Fared(0, 0, {Fate.UNKNOWN: 4, Fate.SPAM: 1})}, "returned"),
    (
        "let go, and back",
        {"action": "hold", "held_state": "released", "fared": Fared(0, 0, {Fate.SPAM: 5})},
        "released",
    ),
    ("not yet", {"outcome": ""}, "on-its-way"),
    ("the next server said no", {"outcome": "failed"}, "failed"),
    ("on hold", {"action": "hold", "held_state": "held"}, "held"),
    ("on hold, and nobody has noted it yet", {"action": "hold"}, "held"),
    ("let go", {"action": "hold", "held_state": "releasing"}, "released"),
    ("deleted", {"action": "hold", "held_state": "expired"}, "deleted"),
    ("somebody did it at the queue", {"action": "hold", "held_state": "gone"}, "settled"),
    ("a part is on hold", {"held": 2, "held_state": "held"}, "partly-held"),
    ("a part was on hold", {"held": 2, "held_state": "released"}, "partly-released"),
    ("a part is gone", {"held": 2, "held_state": "purged"}, "partly-deleted"),
    ("deferred", {"action": "defer", "outcome": ""}, "deferred"),
    ("refused", {"action": "reject", "outcome": ""}, "refused"),
]


@pytest.mark.parametrize(("changed", "fate"), [case[1:] for case in FATES], ids=[case[0] for case in FATES])
def test_fate(changed: dict[str, object], fate: str) -> None:
    values = {name: getattr(SENT, name) for name in Sent.__dataclass_fields__}
    assert fate_of(Sent(**(values | changed))) == fate


@pytest.mark.parametrize("code", ["en", "de"])
def test_every_reason_has_words(code: str) -> None:
    module = load_languages()[code].templates.get_template("owner_words.html").module
    said = {one: str(module.reason(one.value)).strip() for one in Reason}  # type: ignore[attr-defined]  # a macro
    assert [one for one, words in said.items() if words == one.value] == []
    assert len(set(said.values())) == len(Reason)


@pytest.mark.parametrize("code", ["en", "de"])
def test_whatever_came_back_has_words(code: str) -> None:
    module = load_languages()[code].templates.get_template("owner_words.html").module
    backs = [one for one in Fate if one not in {Fate.DELIVERED, Fate.WAITING}]
    said = {str(module.came_back(one.value)).strip() for one in backs}  # type: ignore[attr-defined]  # a macro
    assert (len(said), "" in said) == (len(backs), False)


def fates(browser: Browser) -> list[str]:
    return [unescape(one) for one in re.findall(r'<p><span class="badge[^"]*">([^<]*)</span>', browser.seen)]


async def test_all_right(console: Console) -> None:
    """One sentence, here and on the start page."""
    async with await console.enrolled("ada") as browser:
        for path in ("/sending", "/devices"):
            page = await browser.get(path)
            assert "Your account is all right: no question is open" in page.text
        await browser.get("/sending")
        assert "Nothing." in browser.seen


async def test_what_became_of_it(console: Console) -> None:
    """With device, from where, and why; and what is on hold is said first."""
    async with await console.enrolled("ada") as browser:
        login, _ = await console.add_device(browser, "ada", "laptop")
        sender = Thief(console.engine, "ada", login, console.now, client_name="[192.0.2.9]")
        sender.hand_in("accept")
        sender.now += 1
        sender.hand_in("hold")
        sender.now += 1
        sender.hand_in("reject", reason="spam")
        with console.engine.begin() as connection:  # it was a budget alone
            connection.execute(update(Incidents).values(state=State.RELEASED))
        page = await browser.get("/sending")
        assert fates(browser) == ["refused", "on hold", "sent"]
        for part in ("it looks like unwanted mail", "laptop", "203.0.113.0/24", "Netherlands", "[192.0.2.9]"):
            assert part in page.text, part
        assert "Messages of yours that wait on this server: 1." in page.text
        with console.engine.begin() as connection:
            connection.execute(update(HeldMessages).values(state=HeldState.RELEASED))
        await browser.get("/sending")
        assert fates(browser)[1] == "sent, after it was on hold"
        assert "Your account is all right: no question is open" in browser.seen


async def test_what_the_world_said_of_it(console: Console) -> None:
    """What came back is not “sent”: how many, and why."""
    async with await console.enrolled("ada") as browser:
        sender = Thief(console.engine, "ada", "ada", console.now)
        for _ in range(3):
            sender.hand_in("accept")
            sender.now += 1
        first, second, third = (f"ada-{console.now + at:.0f}-{at + 1}" for at in range(3))
        noted = [
            (first, 1, "unknown"),
            (first, 2, "unknown"),
            (first, 3, "spam"),
            (second, 1, "full"),
            (third, 1, "waiting"),
        ]
        with console.engine.begin() as connection:
            values = [{"submission": one, "mark": mark, "at": console.now, "fate": fate} for one, mark, fate in noted]
            connection.execute(insert(Fates), values)
            connection.execute(update(Submissions).where(Submissions.id == second).values(delivered=2))
        page = await browser.get("/sending")
        assert fates(browser) == ["waiting", "partly came back", "came back"]
        said = re.findall(r"<li>((?:Came back|Delivered|Waiting)[^<]*)</li>", page.text)
        assert said == [
            "Waiting for the other server: 1.",
            "Delivered: 2.",
            "Came back: 1; the mailbox is full.",
            "Came back: 2; nobody has this address.",
            "Came back: 1; the other server took it for unwanted mail.",
        ]


async def test_an_open_question_comes_first(console: Console) -> None:
    async with await console.enrolled("ada") as browser:
        login, _ = await console.add_device(browser, "ada", "laptop")
        Thief(console.engine, "ada", login, console.now).raise_signal(Step.LOCK)
        page = await browser.get("/sending")
        assert page.text.index("Was this you?") < page.text.index("How much of your limits")
        assert "Your account is all right" not in page.text


async def test_how_much_is_used(console: Console) -> None:
    """Of the span in which the limit is nearest; what was refused does not count, nor what is older."""
    async with await console.enrolled("ada") as browser:
        sender = Thief(console.engine, "ada", "ada", console.now - 1800)
        for _ in range(3):
            sender.hand_in("accept", recipients=50)
        sender.hand_in("reject", recipients=500)
        sender.now -= 80_000
        sender.hand_in("accept", recipients=20)
        sender.now -= 80_000
        sender.hand_in("accept", recipients=300)
        hour = next(one for one in shipped().limits["person"].recipients if one.seconds == 3600.0)
        assert hour.limit == 200
        page = await browser.get("/sending")
        assert "Recipients: 150, of 200 in an hour" in page.text
        assert "nearly all" not in page.text
        sender.now = console.now - 60
        sender.hand_in("accept", recipients=40)
        assert re.search(
            r"Recipients: 190, of 200 in an hour \W <strong>nearly all", (await browser.get("/sending")).text
        )


async def test_page_by_page(console: Console) -> None:
    """Every message once, also where many came in the same moment."""
    async with await console.enrolled("ada") as browser:
        sender = Thief(console.engine, "ada", "ada", console.now)
        for number in range(60):
            sender.now = console.now - number // 10
            sender.hand_in("accept", recipients=number + 1)
        path, seen, pages = "/sending", list[int](), 0
        while path:
            page = (await browser.get(path)).text
            seen += [int(one) for one in re.findall(r"Recipients: (\d+)\. With", page)]
            found = re.search(r'href="(/sending\?before=[^"]+)"', page)
            path, pages = (unescape(found[1]) if found else ""), pages + 1
        assert (sorted(seen), pages) == (list(range(1, 61)), 3)


async def test_never_somebody_elses(console: Console) -> None:
    """Neither in the list, nor by the number of a message of theirs, nor in what is used."""
    async with await console.enrolled("ada") as ada, await console.enrolled("bob") as bob:
        theirs = Thief(console.engine, "bob", "bob", console.now, client_name="bobs-own-laptop")
        theirs.hand_in("accept", recipients=157)
        theirs.hand_in("hold")
        with console.engine.begin() as connection:
            shared = {"identity": "ada", "id": "ada-before", "at": console.now - 50}
            other = dict.fromkeys(
                ("session", "login", "listener", "client_address", "client_name", "reverse_path", "reason", "queue_id"),
                "",
            )
            connection.execute(
                insert(Submissions).values(
                    **other, **shared, recipients=1, message_bytes=1, action="accept", outcome="relayed"
                )
            )
        for path in (
            "/sending",
            "/sending?before=bob-1700000000-1",
            "/sending?before=ada-before",
            f"/sending?before={XSS}",
        ):
            page = await ada.get(path)
            assert page.status_code == 200, path
            assert "bobs-own-laptop" not in page.text
            assert "157" not in _TOKEN.sub("", page.text)
        await ada.get("/sending?before=bob-1700000000-1")
        assert fates(ada) == []
        assert "all right: no question is open" in (await ada.get("/sending")).text
        assert "bobs-own-laptop" in (await bob.get("/sending")).text
    stranger = console.browser()
    assert (await stranger.get("/sending")).headers["location"] == "/sign-in"


async def test_nothing_that_strangers_chose_is_markup(console: Console) -> None:
    """The name that a client gives itself, a device's label; what turns writing around is shown by its number."""
    async with await console.enrolled("ada") as browser:
        login, _ = await console.add_device(browser, "ada", "<b>laptop</b>")
        Thief(console.engine, "ada", login, console.now, client_name=f"{XSS}\u202egnp").hand_in("accept")
        page = await browser.get("/sending")
        assert "<script>alert" not in page.text
        assert str(escape(XSS)) in page.text
        assert "\\u202egnp" in page.text
        assert "&lt;b&gt;laptop" in page.text
