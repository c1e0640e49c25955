"""Every page that there is after a day with a theft, in German: no English sentence is left on any."""

import re
from dataclasses import dataclass, field
from html import unescape

import pytest
from browser import Browser
from console_app import Console
from english_finder import english_on
from sqlalchemy import text
from staff_scene import staff

from policy.alerting.kinds import Kind as Notice
from policy.alerting.subjects import Subject
from policy.alerting.undelivered import Undelivered
from policy.console.language import load_languages
from policy.console.wording import LISTS, TEMPLATES, WORDS, in_words, is_foreign
from policy.contract import Reason, ScanResult
from policy.engine.guessing import Trap
from policy.engine.ladder import SignalKind, Step
from policy.people.roles import Role
from policy.rulebook.model import RULES
from policy.store.evidence import FACTS
from policy.store.health_reports import HealthNotes, HealthReport, Service
from policy.store.measures import Kind as Measure
from policy.store.measures import MeasureNotes, Outcome
from policy.store.statements import OnConnection
from service.ailments import Ailment
from service.sentence import Part, Sentence, Sentences, joined, packed, unpacked
from tests.a_day import play_a_day

GERMAN = load_languages()["de"]
_A_FEW = 3  # pages of one sort
_LINK = re.compile(r'href="(/[^"#]*)')
_VALUES = {"why": Ailment.GEO_DAMAGED.of(error="OSError"), "offered": ['"a"', '"b"'], "symbols": ("GTUBE",)}
BROKEN = """\
profiles.person.recipients = 5
profiles.person.sessions = 0
profiles.crew.like = "persn"
modes.asnss = "off"
modes.asns = "perhaps"
gates.default.allow-countries = ["Germany"]
traps.recipients = "x"
what = 1
"""


@dataclass
class Walk:
    """Follows every link of the console, some of each sort of page. `pages` by address."""

    browser: Browser
    language: str
    pages: dict[str, str] = field(default_factory=dict)
    _seen: dict[str, int] = field(default_factory=dict)

    async def go(self, path: str) -> None:
        waiting = [path]
        while waiting:
            one = waiting.pop()
            if one in self.pages or not self._is_wanted(one):
                continue
            answer = await self.browser.get(one, **{"Accept-Language": self.language})
            if answer.status_code != 200 or "text/html" not in answer.headers["content-type"]:
                continue
            self.pages[one] = answer.text
            waiting += [unescape(link) for link in _LINK.findall(answer.text)]

    def _is_wanted(self, path: str) -> bool:
        if path.startswith("/static"):
            return False
        sort = re.sub(r"(identities|decisions|incidents|held|earlier)/[^/?]+", r"\1/*", path.partition("?")[0])
        self._seen[sort] = self._seen.get(sort, 0) + 1
        return self._seen[sort] <= _A_FEW


@pytest.fixture
def full(console: Console) -> Console:
    """A day with a theft; then all parts are ill, every measure has met everything, and a policy file is broken."""
    play_a_day(console.folder / "sallyport.db", bytes(range(32)), console.now)
    number = console.store.incidents(limit=1)[0].number
    with console.engine.begin() as connection:
        statements = OnConnection(connection)
        said = tuple(example(one) for one in Ailment)
        for service in Service:
            HealthNotes(statements).put(HealthReport(service, "one", console.now, "1", said[:20], said[20:]))
        for one in Outcome:
            MeasureNotes(statements).add_done(number, Measure.PURGE, example(one), console.now)
        MeasureNotes(statements).add(number, Measure.RETRO_HOLD, console.now)
        why = {"why": packed(example(Ailment.QUEUE_SILENT))}
        connection.execute(text("UPDATE measure SET outcome = :why WHERE done_at IS NULL"), why)
        why = {"why": packed(example(Undelivered.NO_ANSWER))}
        connection.execute(text("UPDATE notice SET problem = :why"), why)
    console.store.contain_identity("ada", "gestohlen", console.now)
    console.settings.policy_file.write_text(BROKEN)
    return console


def example(one: Sentences) -> Sentence:
    """With some value for each name."""
    names = re.findall(r"%\((\w+)\)s", one.value)
    return one.of(**{name: _VALUES.get(name, 7) for name in names})


@pytest.mark.parametrize("one", [one for some in LISTS for one in some], ids=lambda one: one.name)
def test_each_sentence_is_said_in_german(one: Sentences) -> None:
    """Also after it went through a column of the store; in English it stays as it is."""
    sentence = unpacked(packed(example(one)))
    assert not is_foreign(GERMAN, sentence)
    assert not list(english_on(f"<p>{in_words(GERMAN, sentence)}</p>", {}))
    assert in_words(load_languages()["en"], sentence) == sentence == example(one)


def test_names_of_sentences_are_of_one_list_alone() -> None:
    """A name is all that says in a store or in a report which sentence it is."""
    assert len(TEMPLATES) == sum(len(some) for some in LISTS)


def test_what_is_not_known_stays_as_it_is() -> None:
    """An older version's sentence, a newer one's, and one that lacks a value; a part of another one does not count."""
    newer = Sentence("the moon is too near", [Part("MOON_NEAR", {})])
    lacking = Sentence("7 messages", [Part("HELD_BACK", {})])
    for sentence in ("networks: 7 in an hour, 6 are allowed", newer, lacking, joined([example(Outcome.LEFT), newer])):
        assert in_words(GERMAN, packed(sentence)) == sentence
        assert is_foreign(GERMAN, packed(sentence))


def test_several_and_nested_ones() -> None:
    several = joined([Outcome.LEFT.of(messages=2), Outcome.HELD_BACK.of(messages=3)])
    assert in_words(GERMAN, packed(several)) == "2 Nachrichten sind noch angehalten; 3 Nachrichten"
    nested = Ailment.GEO_NOT_IN_USE.of(path="/x", why=Ailment.GEO_MISSING.of())
    assert in_words(GERMAN, packed(nested)) == "die Adressdatenbank /x ist nicht in Gebrauch: sie ist nicht da"


def test_words_are_those_of_the_machine() -> None:
    """Closed lists on both sides: what the engine may say has a word, and no word is of anything else."""
    assert set(WORDS["signal"]) == {one.value for one in SignalKind}
    assert set(WORDS["reason"]) == {one.value for one in Reason}
    assert set(WORDS["result"]) == {one.value for one in ScanResult}
    assert set(WORDS["step"]) == {one.name.lower() for one in Step}
    assert set(WORDS["measure"]) == {one.value for one in Measure}
    assert set(WORDS["trap"]) == {one.value for one in Trap}
    assert set(WORDS["fact"]) == set(FACTS)
    assert set(RULES) <= set(WORDS["rule"])
    assert {one.name for one in Notice} <= {one.name for one in Subject}


async def test_no_page_in_german_has_an_english_sentence(full: Console) -> None:
    """The same check finds English on each of the same pages in English, so it would find it here."""
    browser = await staff(full, "root", Role.ADMINISTRATOR)
    await browser.get("/staff/policy/edit")
    await browser.post("/staff/policy/check", text=BROKEN)
    german, english = Walk(browser, "de"), Walk(browser, "en")
    for walk in (german, english):
        for path in ("/staff", "/devices", "/staff/policy/edit"):
            await walk.go(path)
    left = {path: sorted(set(english_on(page, GERMAN.catalogue))) for path, page in german.pages.items()}
    assert not {path: found for path, found in left.items() if found}
    assert len(german.pages) > 20
    assert not [path for path, page in english.pages.items() if not any(english_on(page, GERMAN.catalogue))]
