"""The page of an incident: all of it is there, nothing of it does anything, and it stands alone."""

import html
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from policy.cli.incident_text import print_story
from policy.containment.page import render
from policy.store.incident_advice import what_next
from policy.store.incident_story import Story, ToWarn
from policy.store.incident_timeline import Entry
from policy.store.incident_traffic import FirstUse, SeenLogin, SeenNetwork, Traffic
from policy.store.incidents import Counted, StoredIncident
from policy.store.measures import StoredMeasure

T = 1_800_000_000.0
NUMBERS = Traffic(sent=1234, reached=5678, held=9, held_recipients=10, refused=11)
INCIDENT = StoredIncident(
    number=12,
    identity="ada",
    state="open",
    step="lock",
    opened_by="sallyport",
    opened_at=T,
    since=T,
    changed_at=T,
    closed_at=None,
    answer="",
    answered_at=None,
    note="",
    suspended=("fosem-4k7q-talir",),
    contained=None,
    held={"held": Counted(9, 10)},
    measures=(StoredMeasure("retro-hold", T, T, None, "the queue agent does not answer"),),
)
STORY = Story(
    incident=INCIDENT,
    made_at=T + 60,
    begin=T,
    step_now="lock",
    at_home_now="free",
    first=FirstUse(T, "m1", "198.51.100.9", "laptop", "AS4134 CN", "fosem-4k7q-talir", "accept"),
    strange=NUMBERS,
    own=Traffic(),
    networks=(SeenNetwork("198.51.100.0/24", "strange", "AS4134 CN", "CN", T, T + 9, NUMBERS),),
    networks_left_out=3,
    logins=(SeenLogin("fosem-4k7q-talir", True, T, T + 9, NUMBERS),),
    timeline=(Entry(T, "incident", "incident 12 opened by sallyport"),),
    timeline_left_out=1234,
    to_warn=(ToWarn("victim@example.net", T, "m1"),),
    to_warn_left_out=7,
    working=("fosem-4k7q-talir",),
)
HOSTILE = "<script>alert(1)</script>\"'&\x1b[31m\u202egnp.exe\x00"
WHERE = {
    # where a stranger's words, or somebody's slip, may come in
    "EHLO name": {"first": replace(STORY.first, client_name=HOSTILE)},
    "login": {"logins": (replace(STORY.logins[0], login=HOSTILE),)},
    "area": {"networks": (replace(STORY.networks[0], area=HOSTILE),)},
    "evidence, label of a trap": {"timeline": (Entry(T, "trap", HOSTILE),)},
    "recipient": {"to_warn": (ToWarn(HOSTILE, T, "m1"),)},
    "note": {"incident": replace(INCIDENT, note=HOSTILE)},
    "outcome of a measure": {"incident": replace(INCIDENT, measures=(replace(INCIDENT.measures[0], outcome=HOSTILE),))},
    "suspended login": {"incident": replace(INCIDENT, suspended=(HOSTILE,))},
    "actor": {"incident": replace(INCIDENT, opened_by=HOSTILE)},
}


class Page(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.words = set[str](), set[str](), list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def page_of(story: Story) -> str:
    return render(replace(story, advice=what_next(story)))


def test_all_of_it_is_there() -> None:
    page = Page(page_of(STORY)).text
    for words in (
        "Incident 12: ada",
        "the highest was lock",
        "which called itself laptop",
        "sallyport purge 12",
        "1,234 5,678 9 10 11",
        "198.51.100.0/24",
        "victim@example.net",
        "3 more are left out",
        "1,234 more are left out in the middle",
        "7 more are left out",
        "Not done yet: retro-hold (the queue agent does not answer)",
    ):
        assert words in page, words


@pytest.mark.parametrize("where", WHERE)
def test_what_a_stranger_chose_is_only_text(where: str) -> None:
    """It is shown as it was written, and what cannot be seen by its number."""
    page = page_of(replace(STORY, **WHERE[where]))
    plain, hostile = Page(page_of(STORY)), Page(page)
    assert (hostile.tags, hostile.attributes) == (plain.tags, plain.attributes)
    assert "<script" not in page
    assert "<script>alert(1)</script>\"'&\\u001b[31m\\u202egnp.exe\\u0000" in hostile.text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", page)


def test_it_stands_alone() -> None:
    """No script, nothing fetched, and no link: it may be mailed and printed."""
    page = page_of(STORY)
    assert not Page(page).tags & {"script", "img", "link", "iframe", "a", "form", "object"}
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|url\(|@import", page)
    assert "@media print" in page


def test_one_of_which_nothing_is_known() -> None:
    """Contained by hand, before anything happened."""
    bare = replace(
        STORY,
        incident=replace(INCIDENT, held={}, measures=(), suspended=(), state="released", closed_at=T),
        first=None,
        networks=(),
        networks_left_out=0,
        logins=(),
        timeline_left_out=0,
        to_warn=(),
        to_warn_left_out=0,
        strange=Traffic(),
    )
    page = Page(page_of(bare)).text
    assert "nothing bad was handed in" in page
    assert "No mail of it was on hold." in page
    assert "None is known by address." in page


def test_a_disowned_network_is_named_beside_the_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    """They count what came from there before the incident, too."""
    network = "203.0.114.0/24"
    disowned = replace(STORY, disowned=(network,))
    sentences = [f"Somebody has said that {network} is not the owner's", f"{network}: not the owner's, somebody"]
    for story, is_there in ((disowned, True), (STORY, False)):
        print_story(story)
        shown = html.unescape(render(story)) + capsys.readouterr().out
        assert [one in shown for one in sentences] == [is_there, is_there]
