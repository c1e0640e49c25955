"""The story of an incident: read from the tables, bounded, and what to do next."""

import time

import pytest
from engine_parts import AT_HOME, HOME, SETTLED
from incident_scene import MINUTE_S, Scene, T, at_network, bad_day
from sqlalchemy import Engine, insert, text, update

from policy.contract import Action, Reason, RelayOutcome
from policy.store import incident_timeline, incident_traffic
from policy.store.errors import Unknown
from policy.store.held import HeldState
from policy.store.identities import IdentityStore, NewCredential
from policy.store.incident_models import Complaints, HeldMessages
from policy.store.incident_story import Story
from policy.store.incident_traffic import Traffic
from policy.store.models import Submissions, TrapHits

LATER = T + 30 * MINUTE_S


@pytest.fixture
def number(engine: Engine, ada: NewCredential) -> int:
    return bad_day(engine, ada.login)


def kinds(story: Story) -> list[str]:
    return [one.kind for one in story.timeline]


def texts(story: Story, kind: str) -> list[str]:
    return [one.text for one in story.timeline if one.kind == kind]


def advised(story: Story) -> list[str]:
    return [command for one in story.advice for command in one.commands]


def test_what_went_out_and_what_did_not(store: IdentityStore, number: int) -> None:
    """It begins with the first message out of a strange network, before anything was suspicious."""
    story = store.story(number, LATER)
    assert story.begin == T
    assert story.strange == Traffic(sent=5, reached=13, held=3, held_recipients=15, refused=1)  # one had it by then
    assert story.own == Traffic(sent=1, reached=1)
    assert story.incident.held["held"].messages == 3


def test_the_first_bad_use(store: IdentityStore, number: int, ada: NewCredential) -> None:
    first = store.story(number, LATER).first
    assert first
    assert (first.at, first.client_address, first.area) == (T, "10.0.0.9", "AS64500 VN")
    assert (first.client_name, first.login, first.verdict) == ("botnet.example", ada.login, "accept")


def test_the_highest_step_is_that_of_the_ladder(store: IdentityStore, number: int, ada: NewCredential) -> None:
    """Whoever contains changes nothing of it; and what nobody but a person did has none."""
    store.contain_credential(ada.login, "", LATER)
    assert store.incident(number).step == "hold"
    store.release_incident(number, "", LATER + 1)
    assert store.contain_credential(ada.login, "", LATER + 2).step == "free"


def test_networks(store: IdentityStore, number: int) -> None:
    """Strange ones first, in their order; who only logged in is among them, and who was there long before is not."""
    story = store.story(number, LATER, lambda _: ("AS1 SE", "SE"))
    assert [(one.network, one.whose, one.area, one.country) for one in story.networks] == [
        ("10.0.0.0/24", "strange", "AS64500 VN", "VN"),
        ("10.0.1.0/24", "strange", "AS64501 VN", "VN"),
        ("10.0.2.0/24", "strange", "AS64502 VN", "VN"),
        (HOME.network, "home", "AS3320 DE", "DE"),
        ("203.0.113.0/24", "unknown", "AS1 SE", "SE"),
    ]
    first = story.networks[0]
    assert (first.first_used_at, first.last_used_at) == (T, T + 5 * MINUTE_S)
    assert first.traffic == Traffic(sent=2, reached=3, held=2, held_recipients=11, refused=0)
    assert sum(one.traffic.refused for one in story.networks) == story.strange.refused


def test_logins(store: IdentityStore, number: int, ada: NewCredential) -> None:
    (login,) = store.story(number, LATER).logins
    assert (login.login, login.is_strange, login.last_used_at) == (ada.login, True, T + 8 * MINUTE_S)
    assert login.traffic.sent == 6


PLACES = [
    # what it shows, place, is it strange
    ("home", AT_HOME, "home"),
    ("settled, though not home", SETTLED, "settled"),
    ("on probation", at_network(3), "strange"),
]


@pytest.mark.parametrize(("place", "whose"), [case[1:] for case in PLACES], ids=[case[0] for case in PLACES])
def test_whose_a_network_is(
    store: IdentityStore, engine: Engine, ada: NewCredential, place: object, whose: str
) -> None:
    """Read from what records.py writes: were that another form, all would be unknown."""
    with engine.begin() as connection:
        scene = Scene(connection, ada.login)
        scene.send(T, place, name='"probation",false]', held=1)  # type: ignore[arg-type]
        number = scene.open(T)
    story = store.story(number, LATER)
    assert [one.whose for one in story.networks] == [whose]


NOT_SENT = [
    # what it shows, what is different about a message to three, what it is
    ("deferred", {"action": Action.DEFER, "reason": Reason.BUDGET_SPENT}, Traffic(refused=1)),
    ("rejected", {"action": Action.REJECT, "reason": Reason.RESTRICTED}, Traffic(refused=1)),
    ("held whole", {"action": Action.HOLD, "reason": Reason.HELD}, Traffic(held=1, held_recipients=3)),
    ("held in part", {"held": 1}, Traffic(sent=1, reached=2, held=1, held_recipients=1)),
    ("not taken by the next hop", {"outcome": RelayOutcome.FAILED}, Traffic()),
    ("taken, or not: nobody knows", {"outcome": RelayOutcome.UNKNOWN}, Traffic(sent=1, reached=3)),
    ("accepted", {}, Traffic(sent=1, reached=3)),
]


@pytest.mark.parametrize(("different", "expected"), [case[1:] for case in NOT_SENT], ids=[case[0] for case in NOT_SENT])
def test_what_counts_as_sent(
    store: IdentityStore, engine: Engine, ada: NewCredential, different: dict[str, object], expected: Traffic
) -> None:
    with engine.begin() as connection:
        scene = Scene(connection, ada.login)
        scene.send(T, at_network(0), recipients=3, **different)  # type: ignore[arg-type]
        number = scene.open(T)
    assert store.story(number, LATER).strange == expected


def test_what_was_held_back_and_released_has_gone_out(store: IdentityStore, engine: Engine, number: int) -> None:
    with engine.begin() as connection:
        connection.execute(update(HeldMessages).values(state=HeldState.RELEASED, state_at=LATER))
    story = store.story(number, LATER)
    assert (story.strange.reached, story.incident.held["released"].messages) == (14, 3)


def test_the_timeline(store: IdentityStore, engine: Engine, number: int, ada: NewCredential) -> None:
    """In order; what was done, and by whom, is in it."""
    with engine.begin() as connection:
        hit = {"network": "10.0.0.0/24", "client_address": "10.0.0.9", "protocol": "imap", "label": "", "hits": 3}
        connection.execute(insert(TrapHits).values(at=T + 1, kind="address", identity="ada", **hit))
        said = {"submission": f"{2:016x}", "recipient": "", "reporter": "fbl.example", "kind": "abuse"}
        connection.execute(insert(Complaints).values(at=T + 600, identity="ada", **said))
    store.contain_credential(ada.login, "stolen", T + 601)
    story = store.story(number, LATER)
    assert [one.at for one in story.timeline] == sorted(one.at for one in story.timeline)
    assert {"incident", "use", "message", "signal", "trap", "measure", "sessions", "act", "complaint"} <= {
        *kinds(story)
    }
    assert len(texts(story, "use")) == 3
    assert texts(story, "use")[0] == "first message from 10.0.0.0/24, AS64500 VN, strange to the identity"
    assert texts(story, "trap") == ["address tried from 10.0.0.9 over imap, 3 times in that hour"]
    assert 'cli:test: contained ada ("stolen")' in texts(story, "act")
    assert texts(story, "sessions") == ["sessions of 1 credential ended"]
    assert f"suspend: {ada.login}" in texts(story, "measure")
    assert texts(story, "message")[0].startswith("first message held (new-recipients), from 10.0.0.9")
    assert texts(story, "message")[1].startswith("first message refused (restricted), from 10.0.2.9")
    assert story.timeline_left_out == 0


def test_the_timeline_is_bounded(
    store: IdentityStore, engine: Engine, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first and the last are shown; what is between them is counted, also what was not even read."""
    monkeypatch.setattr(incident_timeline, "READ", 50)
    monkeypatch.setattr(incident_timeline, "SHOWN", 20)
    before = store.story(number, LATER)
    all_before = len(before.timeline) + before.timeline_left_out
    with engine.begin() as connection:
        scene = Scene(connection, "x")
        for second in range(300):
            scene.signal(T + 600 + second, "volume", f"number {second}")
    story = store.story(number, LATER)
    assert len(story.timeline) == 20
    assert len(story.timeline) + story.timeline_left_out == all_before + 300
    assert story.timeline[0] == before.timeline[0]


def test_networks_are_bounded(
    store: IdentityStore, engine: Engine, ada: NewCredential, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those beyond the bound are counted; what came from them is in the sums."""
    monkeypatch.setattr(incident_traffic, "COUNTED_NETWORKS", 5)
    with engine.begin() as connection:
        scene = Scene(connection, ada.login)
        for one in range(9):
            scene.send(T + one, at_network(one))
        number = scene.open(T)
    story = store.story(number, LATER)
    assert [one.network for one in story.networks] == [f"10.0.{one}.0/24" for one in range(5)]
    assert (story.networks_left_out, story.strange.sent) == (4, 9)


def test_recipients_to_warn(store: IdentityStore, engine: Engine, number: int) -> None:
    """Each once, with the first message; nobody whom somebody else's message reached, or one before."""
    with engine.begin() as connection:
        scene = Scene(connection, "x")
        scene.reach("m2", ["victim0@example.net"], T + 700)
        scene.reach("m0", ["friend@example.net"], T - 1)
        Scene(connection, "x", identity="bob").reach("m3", ["bobs@example.net"], T + 1)
    story = store.story(number, LATER)
    assert [one.recipient for one in story.to_warn] == [f"victim{one}@example.net" for one in range(4)]
    assert (story.to_warn[0].at, story.to_warn[0].submission) == (T + 5, f"{2:016x}")
    assert story.to_warn_left_out == 0


def test_what_she_wrote_from_home_is_hers(store: IdentityStore, engine: Engine, ada: NewCredential) -> None:
    """Unless something speaks against the very login at home, too. Where the record is gone nobody knows."""
    with engine.begin() as connection:
        scene = Scene(connection, ada.login)
        for number, place in enumerate((AT_HOME, SETTLED, at_network(0))):
            scene.reach(scene.send(T + number, place), [f"friend{number}@example.net"], T + number)
        scene.reach("gone", ["unknown@example.net"], T + 9)
        incident = scene.open(T)
    warned = {one.recipient for one in store.story(incident, LATER).to_warn}
    assert warned == {"friend1@example.net", "friend2@example.net", "unknown@example.net"}
    with engine.begin() as connection:
        Scene(connection, ada.login).signal(T + 10, "volume", "at home", at_home=True)
    assert len(store.story(incident, LATER).to_warn) == 4


def test_who_had_it_before_it_was_held_back(store: IdentityStore, engine: Engine, ada: NewCredential) -> None:
    """It went out to these, and is held for the others; nobody is counted twice."""
    with engine.begin() as connection:
        scene = Scene(connection, ada.login)
        submission = scene.send(T, at_network(0), recipients=5)
        incident = scene.open(T)
        scene.hold_back(submission, incident, 5, T + 9)
    assert store.story(incident, LATER).strange == Traffic(held=1, held_recipients=5)
    with engine.begin() as connection:
        Scene(connection, ada.login).reach(submission, [f"victim{number}@example.net" for number in range(2)], T + 1)
    expected = Traffic(sent=1, reached=2, held=1, held_recipients=3)
    assert store.story(incident, LATER).strange == expected
    with engine.begin() as connection:
        Scene(connection, ada.login).reach(submission, [f"victim{number}@example.net" for number in range(2, 5)], T + 2)
    assert store.story(incident, LATER).strange == Traffic(sent=1, reached=5)


def test_how_fast_it_went(store: IdentityStore, number: int) -> None:
    """Bars of a minute; together they are all."""
    story = store.story(number, LATER)
    pace = store.pace(story)
    assert (pace.begin, pace.width_s, len(pace.bars)) == (T, MINUTE_S, 9)
    assert [(one.sent, one.held, one.refused) for one in pace.bars[5:7]] == [(0, 1, 0), (1, 1, 0)]
    assert sum(pace.bars, Traffic()) == story.strange + story.own


def test_what_to_do_next_while_it_is_open(store: IdentityStore, number: int) -> None:
    """Shut out, look, decide; each is a command."""
    story = store.story(number, LATER)
    assert advised(story) == [
        "sallyport contain ada",
        f"sallyport held list --incident {number}",
        f"sallyport purge {number}",
        f"sallyport release {number}",
        f"sallyport incident {number} --json | jq -r '.to_warn[].recipient'",
    ]


def test_what_to_do_next_once_it_is_contained(store: IdentityStore, number: int, ada: NewCredential) -> None:
    """What is not done yet is said first."""
    store.contain_credential(ada.login, "", LATER)
    story = store.story(number, LATER)
    assert story.advice[0].text.startswith("Not done yet: retro-hold. It is done by itself")
    assert "sallyport contain ada" not in advised(story)


def test_what_to_do_next_after_a_purge(store: IdentityStore, number: int, ada: NewCredential) -> None:
    """The login that was used is to be revoked; one that was revoked is not named again."""
    store.contain_credential(ada.login, "", LATER)
    store.purge_incident(number, "", LATER)
    assert f"sallyport credential revoke {ada.login}" in advised(store.story(number, LATER))
    store.revoke(ada.login, LATER)
    assert not [one for one in advised(store.story(number, LATER)) if "revoke" in one]


def test_what_to_do_next_after_a_release(store: IdentityStore, number: int) -> None:
    store.release_incident(number, "her journey", LATER)
    commands = advised(store.story(number, LATER))
    assert "sallyport contain ada" in commands
    assert "sallyport network confirm ada 10.0.0.0/24" in commands
    assert f"sallyport purge {number}" not in commands


def test_an_identity_that_is_gone_keeps_its_story(store: IdentityStore, number: int) -> None:
    store.release_incident(number, "", LATER)
    store.remove_identity("ada", LATER)
    story = store.story(number, LATER)
    assert (story.step_now, story.working, story.strange.sent) == ("free", (), 5)  # one was released


def test_a_number_that_there_is_not(store: IdentityStore) -> None:
    with pytest.raises(Unknown, match="there is no incident 7; `sallyport incidents` shows all"):
        store.story(7, T)


def test_a_hundred_thousand_messages(store: IdentityStore, engine: Engine, number: int) -> None:
    """They are added up by the database: seconds, and no memory that grows with them."""
    with engine.begin() as connection:
        columns = Submissions.__table__.columns.keys()
        names = ", ".join(one for one in columns if one not in {"id", "client_address", "at", "evidence"})
        series = f"""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
            INSERT INTO submission (id, at, client_address, evidence, {names})
            SELECT 'x' || i, at + 0.001 * i, '10.' || (i / 250 % 250) || '.' || (i % 250) || '.7',
            replace(evidence, '10.0.0.', '10.' || (i / 250 % 250) || '.' || (i % 250) || '.'), {names}
            FROM n, submission WHERE submission.id = :asked"""  # noqa: S608
        connection.execute(text(series), {"asked": f"{2:016x}"})
    begin = time.thread_time()
    story = store.story(number, LATER)
    took = time.thread_time() - begin
    assert story.strange.sent == 100_005
    assert (len(story.networks), len(story.timeline)) == (200, incident_timeline.SHOWN)
    assert story.networks_left_out > 4000
    assert took < 30, took  # less than one on a good machine
