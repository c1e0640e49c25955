"""What an administrator reads at three at night: what happened, what is done already, what to type next."""

import pytest

from policy.alerting.kinds import ABOUT, Kind
from policy.alerting.parcels import Notice, Parcel
from policy.alerting.wording import words_of

CONSOLE = "https://mail.example.org"
INCIDENT = {"incident": 12, "identity": "ada"}

STEPS = [
    # kind, commands in their order
    (
        Kind.INCIDENT_OPENED,
        ["sallyport incident 12", "sallyport release 12", "sallyport contain ada", "sallyport purge 12"],
    ),
    (
        Kind.INCIDENT_ESCALATED,
        ["sallyport contain ada", "sallyport incident 12", "sallyport release 12", "sallyport purge 12"],
    ),
    (Kind.INCIDENT_CONTAINED, ["sallyport incident 12", "sallyport release 12", "sallyport purge 12"]),
    (Kind.INCIDENT_RELEASED, ["sallyport contain ada"]),
    (Kind.INCIDENT_PURGED, ["sallyport credential add ada --label 'new device'", "sallyport incident 12"]),
]


def said(kind: Kind, facts: dict[str, object], console: str = CONSOLE) -> str:
    notice = Notice(
        id=1, at=0.0, kind=kind, thread="t", subject="s", lines=("What happened: it.",), facts=facts, count=1, tries=1
    )
    return "\n".join(words_of(Parcel(channel="administrator", notices=(notice,)), console)[1])


@pytest.mark.parametrize(("kind", "commands"), STEPS, ids=[kind for kind, _ in STEPS])
def test_what_to_do_next_can_be_pasted(kind: Kind, commands: list[str]) -> None:
    """And is in the order in which a tired administrator does it."""
    text = said(kind, INCIDENT)
    assert text.startswith(f"What happened: it.\n\nWhat this means: {ABOUT[kind].means}\n\nWhat to do next:\n  1. ")
    found = [text.find(command) for command in commands]
    assert -1 not in found
    assert found == sorted(found)
    assert text.endswith(f"\n\nIn the console: {CONSOLE}/staff/incidents/12")


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("facts", [INCIDENT, {"incident": None, "identity": "ada"}, {}], ids=["all", "name", "nothing"])
def test_nothing_is_left_to_be_filled_in(kind: Kind, facts: dict[str, object]) -> None:
    """What is not known leaves its step out, and never a brace."""
    text = said(kind, facts)
    assert not set(text) & set("{}")
    assert "None" not in text
    if facts is INCIDENT:
        assert "NUMBER" not in text
        assert "NAME " not in text


def test_the_page_in_the_console() -> None:
    assert said(Kind.SIGNAL, {"identity": "ada"}).endswith(f"{CONSOLE}/staff/identities/ada")
    assert said(Kind.QUEUE_GROWING, {}).endswith(f"In the console: {CONSOLE}/staff")
    assert "console:" not in said(Kind.QUEUE_GROWING, {}, "")
