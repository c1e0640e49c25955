"""A policy run over a log: whom it stops, whom it leaves alone, what it says about its limits."""

import random
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path

import pytest

from bench.maillog import BEGIN, DAY_S, Town, lines, login
from maillog.files import Reading
from policy.contract import Owned
from policy.engine.rulebook import Rulebook
from policy.geo.atlas import Atlas
from policy.marks import Marks
from policy.queue_contract import DeliveryOutcome
from policy.replay.happenings import Arrived, BecameOf, HandedIn, Happening
from policy.replay.page import render
from policy.replay.people import People, Person
from policy.replay.report import Report, Source, report_on
from policy.replay.running import Plan, Replay
from policy.replay.sources import judged_from, open_files
from policy.rulebook import parse, shipped

T = 1_800_000_000.0
HOME = "192.0.2.7"
SOURCE = Source(files=("log",), lines=0, unreadable=0, broken=(), login_failures=0, refusals=0)
LEARNING = Plan(learn_until=T)


def running(rulebook: Rulebook | None = None, plan: Plan = LEARNING, people: People | None = None) -> Replay:
    return Replay(
        rulebook or shipped(),
        plan,
        people or People(),
        domains=(),
        origin_of=Atlas(None, None).origin,
        marks=Marks(bytes(32)),
    )


def report_of(replay: Replay, rulebook: Rulebook | None = None) -> Report:
    return report_on(replay, rulebook or shipped(), SOURCE, top=20, has_origins=False)


def handed_in(at: float, *to: str, who: str = "ada@example.org", address: str = HOME, **changed: object) -> HandedIn:
    values: dict[str, object] = {
        "at": at,
        "submission": f"Q{at}",
        "login": who,
        "client_address": address,
        "reverse_path": who,
        "recipients": to or ("friend@site.test",),
        "message_bytes": 1000,
    }
    return HandedIn(**(values | changed))  # type: ignore[arg-type]


def past(who: str = "ada@example.org", address: str = HOME, days: int = 10) -> list[Happening]:
    """Ordinary days before T."""
    return [
        handed_in(T - day * DAY_S, f"friend{day}@site.test", who=who, address=address) for day in range(days, 0, -1)
    ]


def play(replay: Replay, happenings: Sequence[Happening]) -> Report:
    for one in happenings:
        replay.take(one)
    return report_of(replay)


def test_a_thief_in_a_log_is_found_and_nobody_else(tmp_path: Path) -> None:
    """All the way from the lines."""
    town = Town(seed=3, people=12, days=16, thief_on=13, thief_messages=150)
    log = tmp_path / "mail.log"
    log.write_text("".join(lines(town)))
    opened = open_files([log], Reading(now=BEGIN + 200 * DAY_S, zone=UTC, year=2026))
    begin = judged_from(opened.span, None, None)
    replay = running(plan=Plan(learn_until=begin))
    for one in opened.happenings:
        replay.take(one)
    report = report_on(replay, shipped(), opened.source(), top=20, has_origins=False)
    assert begin is not None
    assert begin - BEGIN == pytest.approx(16 / 3 * DAY_S, abs=DAY_S)
    (thief,) = report.people
    assert (report.hindered, report.identities, thief.identity, thief.step) == (1, 12, town.victim, "lock")
    assert report.suspects == (town.victim,)
    assert thief.messages.refused > 140
    assert BEGIN + 13 * DAY_S < thief.rules[0].first.at < BEGIN + 13 * DAY_S + 4 * 3600
    assert [one for one in report.limits if one.needed is not None] == []
    hour = next(one for one in report.limits if (one.rule, one.window) == ("recipients", "an hour"))
    assert hour.highest > 500 > hour.limit > 50 > hour.highest_of_others > 1
    assert hour.identities[0] == (town.victim, hour.highest)
    assert hour.needed_by_all == hour.highest
    new = next(one for one in report.limits if (one.rule, one.window) == ("new-recipients", "an hour"))
    assert new.highest > 500 > new.limit
    assert report.source.unreadable == 0
    assert report.domains == ("example.org",)


def test_nobody_is_stopped_in_a_town_without_a_thief(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_text("".join(lines(Town(seed=4, people=12, days=16, thief_on=None, stamp="dated"))))
    opened = open_files([log], Reading(now=BEGIN + 200 * DAY_S))
    replay = running(plan=Plan(learn_until=judged_from(opened.span, None, None)))
    report = play(replay, list(opened.happenings))
    assert report.judged > 300
    assert (report.hindered, report.people, report.rules) == (0, (), ())


def test_while_it_learns_nothing_is_reported() -> None:
    """Not even the worst."""
    worst = [handed_in(T - 5 + n / 100, *(f"x{n}.{m}@site.test" for m in range(90))) for n in range(100)]
    report = play(running(), worst)
    assert (report.learnt, report.judged, report.people, report.known_recipients) == (100, 0, (), 9000)


def test_judging_begins_some_days_behind_the_first_line() -> None:
    """Where nobody knows how long the log is."""
    replay = running(plan=Plan(learn_s=3 * DAY_S, end=T + 5 * DAY_S))
    report = play(replay, [handed_in(T + day * DAY_S) for day in range(8)])
    assert (report.learnt, report.judged, replay.seen.beyond) == (3, 2, 3)
    assert report.judged_from == T + 3 * DAY_S


@pytest.mark.parametrize(
    ("span", "days", "since", "expected"),
    [
        ((T, T + 90 * DAY_S), None, None, T + 14 * DAY_S),
        ((T, T + 9 * DAY_S), None, None, T + 3 * DAY_S),
        ((T, T + 9 * DAY_S), 5.0, None, T + 5 * DAY_S),
        ((T, T + 9 * DAY_S), 5.0, T + 1, T + 1),
        (None, None, T, T),
        (None, None, None, None),
    ],
)
def test_when_judging_begins(
    span: tuple[float, float] | None, days: float | None, since: float | None, expected: float | None
) -> None:
    assert judged_from(span, days, since) == expected


def test_what_a_limit_would_have_to_be() -> None:
    """Counted as if nothing had been refused, or it would be the limit itself."""
    book = parse('[profiles.person]\nrecipients = "20/hour"\nmessages = "30/hour"\n', "test")
    replay = running(book)
    for one in past():
        replay.take(one)
    for number in range(45):
        replay.take(handed_in(T + number, f"friend{number % 10 + 1}@site.test"))
    report = report_of(replay, book)
    needed = {(one.rule, one.window): one.needed for one in report.limits if one.needed is not None}
    assert needed == {("recipients", "an hour"): 45, ("messages", "an hour"): 45}
    assert report.messages.accepted == 20
    assert report.messages.deferred == 25
    (rule,) = report.rules
    assert (rule.rule, rule.first.at, rule.identities) == ("recipients", T + 20, 1)
    assert rule.first.evidence == "recipients: 21 in an hour, 20 are allowed"


def test_a_rule_that_only_observes_is_reported_as_such() -> None:
    book = parse('[profiles.person]\nrecipients = "2/hour"\n[modes]\nrecipients = "observe"\n', "test")
    replay = running(book)
    for one in (*past(), *(handed_in(T + n, "friend1@site.test") for n in range(5))):
        replay.take(one)
    report = report_of(replay, book)
    assert report.messages.accepted == report.judged == 5
    assert [(one.rule, one.observed) for one in report.rules] == [("recipients", 3)]
    assert report.hindered == 1


def test_recipients_that_do_not_exist_are_held_against_a_sender() -> None:
    """What became of each is told to the engine when it was told in the log."""
    found = past()
    for number in range(12):
        to, at = f"list{number}@site.test", T + number * 60
        became = BecameOf(at=at + 5, submission=f"Q{at}", recipient=to, outcome=DeliveryOutcome.UNKNOWN_RECIPIENT)
        found.append(handed_in(at, to, became=(became,)))
    report = play(running(), found)
    (ada,) = report.people
    assert "unknown-recipients" in {one.kind for one in ada.signals}
    assert ada.step == "restrict"
    assert ada.messages.accepted == ada.unknown_recipients == 4
    assert play(running(), [one for one in found if not isinstance(one, BecameOf)]).people


def test_an_outcome_that_comes_later_counts_as_well() -> None:
    found: list[Happening] = past()
    for number in range(6):
        to, at = f"list{number}@site.test", T + number * 60
        found.append(handed_in(at, to))
        found.append(BecameOf(at=at + 30, submission=f"Q{at}", recipient=to, outcome=DeliveryOutcome.UNKNOWN_RECIPIENT))
    (ada,) = play(running(), found).people
    assert ada.messages.accepted == 4


def test_whoever_wrote_to_somebody_is_known_to_him() -> None:
    """An answer to a stranger is no new recipient."""
    arrived: list[Happening] = [
        Arrived(at=T - 5, reverse_path=f"customer{n}@site.test", recipients=("ada@example.org",)) for n in range(60)
    ]
    answers: list[Happening] = [handed_in(T + n, f"customer{n}@site.test") for n in range(55)]
    assert play(running(), [*past(), *arrived, *answers]).people == ()
    assert play(running(), [*past(), *answers]).people[0].messages.held == 5


@pytest.mark.parametrize(("after", "held"), [(DAY_S, 10 + 5), (None, 10 + 55)])
def test_a_step_is_taken_back_after_a_day(after: float | None, held: int) -> None:
    """Or never, and one bad day is held against somebody for ever."""
    days = [
        handed_in(T + d * 2 * DAY_S + n, f"new{d}.{n}@site.test") for d in range(2) for n in range(60 if d == 0 else 55)
    ]
    report = play(running(plan=Plan(learn_until=T, taken_back_after_s=after)), [*past(), *days])
    assert report.messages.held == held


def test_people_are_who_the_store_says() -> None:
    """By login or address, with their profile and as whom they may send."""
    ada = Person(
        name="ada",
        kind="app",
        owned=Owned(addresses=frozenset({"ada@example.org"})),
        addresses=("ada@example.org",),
    )
    people = People([(ada, ["heron-4k7q-vale"])], {"bob@example.org": "newsletter"})
    names = ("heron-4k7q-vale", "ADA@example.org", "ada", "bob@example.org", "eve")
    assert [people.of_login(one).name for one in names] == ["ada", "ada", "ada", "bob@example.org", "eve"]
    assert [people.of_login(one).kind for one in names[2:]] == ["app", "newsletter", "person"]
    found = [*past("ada"), handed_in(T, who="heron-4k7q-vale", reverse_path="boss@example.org")]
    report = play(running(people=people), found)
    (one,) = report.people
    rule = one.rules[0].rule.replace("_", "-")
    assert (one.identity, one.profile, rule) == ("ada", "app", "sender-is-owned")


def test_order_and_ends_are_the_logs() -> None:
    """Interleaved senders do not matter to each other."""
    sending = [handed_in(T + n, f"new{n}@site.test") for n in range(60)]
    others = [
        handed_in(T + n + 0.5, "friend1@site.test", who="bob@example.org", address="198.51.100.3") for n in range(60)
    ]
    mixed = sorted([*sending, *others], key=lambda one: one.at)
    before = [*past(), *past("bob@example.org", "198.51.100.3")]
    random.Random(1).shuffle(others)  # noqa: S311 - no secret is made of it
    together = play(running(), [*before, *mixed])
    (ada,) = together.people
    (alone,) = play(running(), [*past(), *sending]).people
    assert ada == alone
    assert together.hindered == 1


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202e\x1b[2J"


def test_what_a_stranger_writes_stays_text() -> None:
    """Logins, addresses, queue ids: all of them were somebody's to choose."""
    found = past(HOSTILE, HOSTILE)
    found += [
        handed_in(T + n, f"{HOSTILE}{n}@site.test", who=HOSTILE, address=HOSTILE, submission=HOSTILE, area=HOSTILE)
        for n in range(60)
    ]
    replay = running()
    for one in found:
        replay.take(one)
    source = Source(files=(HOSTILE,), lines=1, unreadable=0, broken=(HOSTILE,), login_failures=0, refusals=0)
    report = report_on(replay, shipped(), source, top=20, has_origins=True)
    assert report.people
    page = render(report, T)
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page
    assert "<img" not in page
    assert not any(one in page for one in ("\x1b", "\u202e"))
    assert page.count(r"\u202e") == page.count(r"\u001b[2") > 4


def test_a_page_fetches_nothing(tmp_path: Path) -> None:
    """And forbids itself to."""
    replay = running()
    days = [handed_in(T + d * DAY_S + n, f"new{d}.{n}@site.test") for d in range(3) for n in range(60)]
    page = render(play(replay, [*past(), *days]), T)
    assert "http" not in page.replace('http-equiv="Content-Security-Policy"', "")
    assert "default-src 'none'" in page
    assert not any(one in page for one in ("<script", "<link", "<iframe", "url(", "@import", "<object", "src="))
    assert "new-recipients" in page
    assert page.count("<rect") > 6


def test_an_empty_report_is_a_page_too() -> None:
    page = render(report_of(running()), T)
    assert "Nothing was judged." in page
    assert "Nobody would have noticed anything." in page


def test_logins_of_the_town() -> None:
    """What the other tests rely on."""
    assert Town(people=12).victim == login(6)
