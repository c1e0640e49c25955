"""Single decisions, for staff: found, filtered, paged, explained; what strangers chose is never markup."""

import re

import pytest
from console_app import Console
from markupsafe import escape
from staff_parts import XSS, add_submission, staff

from policy.cli.explain import WHY
from policy.console.language import load_languages
from policy.contract import Reason
from policy.people.roles import Role
from policy.store.decision_list import Mark, Sought, decisions

STOOD = [
    ["recipients", "recipients:ada", 200, 3600.0, 180, 215, True],
    ["messages", "messages:ada", 400, 86400.0, 52, 56, True],
    ["bytes", "bytes:ada", 2097152, 86400.0, 1048576, 1572864, True],
    ["new-recipients", "new:ada", 0, 7200.0, 0, 0, False],
]


def listed(text: str) -> list[str]:
    return re.findall(r'href="/staff/decisions/([^"?]+)"', text)


async def test_whoever_has_no_role_sees_nothing(console: Console) -> None:
    add_submission(console, "sub-1")
    async with staff(console, "ada", Role.OWNER) as ada, console.browser() as stranger:
        for path in ("/staff/decisions", "/staff/decisions/sub-1", "/staff/decisions/sub-2"):
            answer = await ada.get(path)
            assert answer.status_code == 403
            assert "sub-1" not in answer.text
            assert (await stranger.get(path)).headers["location"] == "/sign-in"


async def test_a_decision_is_explained(console: Console) -> None:
    """What `sallyport explain` prints."""
    add_submission(
        console, "sub-1", action="defer", reason="budget-spent", recipients=35, rule="recipients", stood=STOOD,
        signals=[["new-recipients", "new-recipients: 51 in an hour, 50 are allowed"]], observed=["volume"], step=2,
        facts=[["recipients", "35: 20 new, 0 of this server"]], client_name="laptop.local", outcome="",
    )  # fmt: skip
    async with staff(console, "desk", Role.HELP_DESK) as desk:
        answer = await desk.get("/staff/decisions/sub-1")
    assert answer.status_code == 200
    for part in (
        "deferred", WHY[Reason.BUDGET_SPENT], "35: 20 new, 0 of this server", "laptop.local", "&lt;ada@example.org&gt;",
        "198.51.100.7, Netherlands (AS64500)", "0123456789abcdef", "<code>volume</code>", "new recipients held",
        "more new recipients than allowed", "51 in an hour", 'href="/staff/identities/ada"', "not reported", "2 KiB",
    ):  # fmt: skip
        assert part in answer.text, part
    bars = re.findall(
        r'<th scope="row">([^<]+)</th>\s*<td>\s*<meter[^>]* value="([\d.]+)"[^>]*>[^<]*</meter>\s*(.*?)\s*</td>',
        answer.text,
        re.DOTALL,
    )
    assert [(name, share, " ".join(re.sub("<[^>]+>", "", text).split())) for name, share, text in bars] == [
        ("Recipients, in an hour", "1.0", "180 before, 215 with it, 200 allowed over"),
        ("Messages, in a day", "0.14", "13 before, 14 with it, 100 allowed"),
        ("Amount of mail, in a day", "0.75", "1 MiB before, 1.5 MiB with it, 2 MiB allowed"),
        ("New recipients, in 2 hours", "0.0", "0 before, 0 with it, 0 allowed only observed"),
    ]


async def test_what_did_not_fit_and_what_was_counted_are_apart(console: Console) -> None:
    add_submission(console, "sub-1", stood=STOOD, held=2)
    async with staff(console, "desk", Role.HELP_DESK) as desk:
        text = (await desk.get("/staff/decisions/sub-1")).text
    fitted = text.index("What was counted in the end")
    assert (
        text.index("What did not fit")
        < text.index("Recipients, in an hour")
        < fitted
        < text.index("Messages, in a day")
    )
    assert "2 of 3 held" in text


async def test_records_without_evidence(console: Console) -> None:
    """Of an older version, or cut by somebody."""
    async with staff(console, "desk", Role.HELP_DESK) as desk:
        for number, evidence in enumerate(("", "{", "[]", '{"stood": 7}')):
            add_submission(console, f"sub-{number}", evidence=evidence, identity="", login="", origin="", rulebook="")
            answer = await desk.get(f"/staff/decisions/sub-{number}")
            assert answer.status_code == 200
            assert "Nothing else was written down." in answer.text
            assert "nobody" in answer.text
            assert "an unknown country" in answer.text


async def test_it_is_found_by_its_id(console: Console) -> None:
    add_submission(console, "3f9c0a7d52e14b68")
    async with staff(console, "desk", Role.HELP_DESK) as desk:
        found = await desk.get("/staff/decisions?submission=3f9c0a7d52e14b68&identity=bob")
        assert found.headers["location"] == "/staff/decisions/3f9c0a7d52e14b68"
        for unknown in (
            "/staff/decisions/nobodys",
            "/staff/decisions/%22%3E%3Cscript%3E",
            "/staff/decisions/" + "a" * 300,
        ):
            assert (await desk.get(unknown)).status_code == 404
        for wrong in ("//evil.example", "..", "%3Cscript%3E", "a%0d%0aSet-Cookie:x", "a" * 81):
            answer = await desk.get(f"/staff/decisions?submission={wrong}")
            assert (answer.status_code, desk.error) == (400, "This is no id of a submission.")


async def test_the_list_is_filtered_and_paged(console: Console) -> None:
    """120 of them, of which a part came at the same moment; none comes twice and none is left out."""
    for number in range(120):
        add_submission(
            console, f"sub-{number:03}", at=console.now - number // 4, identity="ada" if number % 2 else "bob"
        )
    add_submission(console, "spam-1", at=console.now - 1000, action="reject", reason="spam", client_address="192.0.2.9")
    add_submission(
        console, "held-1", at=console.now - 1001, action="hold", reason="probation", client_address="2001:db8::9"
    )
    async with staff(console, "desk", Role.HELP_DESK) as desk:
        seen, path = [], "/staff/decisions?identity=ada"
        while path:
            text = (await desk.get(path)).text
            seen.append(listed(text))
            onward = re.search(r'href="([^"]+at=[^"]+)"', text)
            path = onward[1].replace("&amp;", "&") if onward else ""
        assert [len(page) for page in seen] == [50, 12]
        every = [one for page in seen for one in page]
        assert sorted(every) == sorted([*(f"sub-{number:03}" for number in range(1, 120, 2)), "spam-1", "held-1"])
        for question, numbers in (
            ("action=reject", ["spam-1"]),
            ("action=hold", ["held-1"]),
            ("reason=spam", ["spam-1"]),
            ("reason=malware", []),
            ("network=192.0.2.77", ["spam-1"]),
            ("network=192.0.2.0%2F24", ["spam-1"]),
            ("network=2001:db8:0:1::", ["held-1"]),
            ("network=192.0.2.77&action=hold", []),
            ("identity=nobody", []),
        ):
            assert listed((await desk.get(f"/staff/decisions?{question}")).text) == numbers, question


@pytest.mark.parametrize(
    "question",
    [
        "action=explode", "reason=%3Cscript%3E", "network=here", "at=yesterday&id=x", "at=1e9&id=x", "at=1",
        "at=1&id=%22", "identity=%00",
    ],
)  # fmt: skip
async def test_questions_that_are_none(console: Console, question: str) -> None:
    add_submission(console, "sub-1")
    async with staff(console, "desk", Role.HELP_DESK) as desk:
        answer = await desk.get(f"/staff/decisions?{question}")
        assert answer.status_code == 400
        assert "sub-1" not in answer.text


@pytest.mark.parametrize("language", ["en", "de"])
async def test_no_text_becomes_markup(console: Console, language: str) -> None:
    texts = (
        "login",
        "client_name",
        "reverse_path",
        "client_address",
        "queue_id",
        "rule",
        "origin",
        "outcome",
        "listener",
    )
    add_submission(
        console, "sub-1", action="reject", reason=XSS, facts=[[XSS, XSS]], signals=[[XSS, XSS]], observed=[XSS],
        stood=[[XSS, XSS, 1, 60.0, 1, 2, True]], **dict.fromkeys(texts, XSS),
    )  # fmt: skip
    async with staff(console, "desk", Role.HELP_DESK) as desk:
        desk.client.headers["Accept-Language"] = language
        for path in (
            "/staff/decisions/sub-1",
            "/staff/decisions",
            "/staff/decisions?identity=%22%3E%3Cscript%3Ealert(1)",
        ):
            text = (await desk.get(path)).text
            assert "<script>alert" not in text, path
            assert "49" not in re.findall(r"&amp;(\d+)", text), path
        assert (await desk.get("/staff/decisions/sub-1")).text.count(str(escape(XSS))) >= 10


def test_each_reason_is_said_as_the_command_line_says_it() -> None:
    """And in German."""
    for code in ("en", "de"):
        language = load_languages()[code]
        module = language.templates.get_template("staff/words.html").make_module()
        for reason in Reason:
            said = module.why(reason.value)  # type: ignore[attr-defined]  # a macro of the template
            assert str(said) == language.say(WHY[reason]), reason
            assert code == "en" or language.say(WHY[reason]) != WHY[reason]


async def test_a_page_looks_through_so_many_and_no_more(console: Console) -> None:
    """Among very many, none of which is like that, it says how far it came."""
    for number in range(30):
        add_submission(console, f"sub-{number:02}", at=console.now - number)
    add_submission(console, "far", at=console.now - 100, client_address="192.0.2.1")
    sought, found = Sought(network="192.0.2.0/24"), None
    first = decisions(console.engine, sought, most=20)
    assert (first.rows, first.last) == ([], Mark(console.now - 19, "sub-19"))
    found = decisions(console.engine, sought, most=20, before=first.last)
    assert [one.id for one in found.rows] == ["far"]
    assert found.last is None
