"""Two policies side by side over what was recorded: only what the policies make different is told."""

import json
import subprocess
import sys
from pathlib import Path
from struct import pack

import pytest
from sqlalchemy import insert

from policy.geo.atlas import Atlas
from policy.marks import Marks
from policy.replay.apart import Job, Progress, run, settings_for
from policy.replay.happenings import HandedIn
from policy.replay.people import People
from policy.replay.running import Plan, Replay
from policy.replay.tally import Fate
from policy.replay.what_if import SideBySide, WhatIf, judged_from
from policy.rulebook import parse, shipped
from policy.settings import Settings
from policy.store.database import open_database
from policy.store.identities import read_key
from policy.store.models import Submissions
from service.sentence import unpacked
from tests.migrated import migrated

T = 1_700_000_000.0
SMALL = '[profiles.person]\nrecipients = ["20/hour", "500/day"]\n'

BEGINNINGS = [
    # what it shows, moments, at most so many, from when on
    ("nothing", [], 10, None),
    ("one alone", [1.0], 10, 1.0),
    ("two thirds of a few", [1.0, 2.0, 3.0], 10, 2.0),
    ("a third teaches, and a bit more", [1.0, 2.0, 3.0, 4.0], 10, 3.0),
    ("the newest of many", [float(number) for number in range(100)], 10, 90.0),
]


@pytest.mark.parametrize(("moments", "most", "since"), [c[1:] for c in BEGINNINGS], ids=[c[0] for c in BEGINNINGS])
def test_judged_from(moments: list[float], most: int, since: float | None) -> None:
    assert judged_from(moments, most) == since


def compared(text: str, happenings: list[HandedIn]) -> WhatIf:
    def running(policy: str) -> Replay:
        origin_of, plan = Atlas(None, None).origin, Plan(learn_until=T)
        return Replay(
            parse(policy, "test"), plan, People(), domains=("d.test",), origin_of=origin_of, marks=Marks(bytes(32))
        )

    both = SideBySide(running(""), running(text))
    for one in happenings:
        both.take(one)
    return both.result()


def handed_in(minute: int, who: str = "ada", recipients: int = 2, to: str = "friend") -> HandedIn:
    return HandedIn(
        at=T + 60.0 * minute,
        submission=f"{who}{minute}",
        login=who,
        client_address="192.0.2.7",
        reverse_path="",
        recipients=tuple(f"{to}{number}@site.test" for number in range(recipients)),
        message_bytes=1000,
    )


PAST = [handed_in(minute) for minute in range(-30, 0)]


def test_what_would_have_been_decided_otherwise() -> None:
    """Ten messages to two are twenty recipients in the hour: the next ten wait under the small limit."""
    found = compared(SMALL, [*PAST, *(handed_in(minute) for minute in range(20))])
    assert (found.learnt, found.judged, found.otherwise, found.identities) == (30, 20, 10, 1)
    (turn,) = found.turns
    assert (turn.before, turn.after, turn.messages, turn.recipients) == (Fate.ACCEPTED, Fate.DEFERRED, 10, 20)
    assert [one.submission for one in turn.examples] == [f"ada{minute}" for minute in range(10, 15)]
    assert unpacked(turn.examples[0].evidence) == "recipients: 22 in an hour, 20 are allowed"
    assert [(one.identity, one.messages) for one in found.people] == [("ada", 10)]


def test_what_both_stop_alike_is_not_told() -> None:
    """Two hundred strangers in an hour are stopped by either policy."""
    strangers = [handed_in(minute, recipients=20, to=f"stranger{minute}-") for minute in range(10)]
    found = compared("[profiles.person]\nsessions = 9\n", [*PAST, *strangers])
    assert (found.judged, found.otherwise, found.turns, found.people) == (10, 0, (), ())


def test_a_policy_that_lets_go_says_what_had_stopped_it() -> None:
    """From the side of the one that did."""
    strangers = [handed_in(minute, recipients=20, to=f"stranger{minute}-") for minute in range(4)]
    loose = '[profiles.person]\nnew-recipients = "none"\n[modes]\nvolume = "off"\n'
    found = compared(loose, [*PAST, *strangers])
    turn = next(one for one in found.turns if one.after is Fate.ACCEPTED)
    assert turn.before is Fate.HELD
    assert turn.examples[0].rule == "new-recipients"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of an installation with ninety recorded messages, and one that is older than marks are."""
    made = Settings(state_dir=tmp_path, domains=("example.org",), geo_country_db="none", geo_asn_db="none")
    made.digest_key_file.write_text(bytes(range(32)).hex())
    assert read_key(made.digest_key_file)
    place = {"place": ["192.0.2.0/24", "AS64500 DE", "settled", True]}
    rows = [
        {
            "id": f"s{number}", "at": T + 60.0 * number, "session": "", "identity": "ada", "login": "ada",
            "listener": "", "client_address": "192.0.2.7", "client_name": "", "reverse_path": "", "recipients": 2,
            "message_bytes": 1000, "action": "accept", "reason": "", "outcome": "relayed", "queue_id": "",
            "origin": "AS64500 DE", "marks": None if number == 0 else pack(">qq", 1, 2), "evidence": json.dumps(place),
        }
        for number in range(91)
    ]  # fmt: skip
    engine = open_database(migrated(tmp_path / "sallyport.db"))
    with engine.begin() as connection:
        connection.execute(insert(Submissions), rows)
    engine.dispose()
    return made


def job(settings: Settings, **changed: int) -> Job:
    numbers = {"most_read": 60_000, "most_judged": 20_000} | changed
    return Job(settings=settings_for(settings), before="", after=SMALL, **numbers)


def test_over_what_the_store_has(settings: Settings) -> None:
    told: list[Progress] = []
    run(job(settings), told.append)
    result = told[-1].result
    assert result
    assert (result.learnt, result.judged) == (30, 60)
    assert [turn.after for turn in result.turns] == [Fate.DEFERRED]


def test_no_more_than_asked_for(settings: Settings) -> None:
    """The newest; of those that are read the older ones teach."""
    told: list[Progress] = []
    run(job(settings, most_read=50, most_judged=15), told.append)
    result = told[-1].result
    assert result
    assert (result.learnt, result.judged, told[-1].of) == (35, 15, 50)
    assert result.last_at == T + 60.0 * 90


def test_in_a_process_of_its_own(settings: Settings) -> None:
    """A line for each step, the last one with what was found; what is no job ends it."""
    command = [sys.executable, "-m", "policy.replay.apart"]
    done = subprocess.run(
        command, input=job(settings).model_dump_json(), capture_output=True, text=True, timeout=240, check=True
    )
    last = Progress.model_validate_json(done.stdout.splitlines()[-1])
    assert last.result
    assert last.result.judged == 60
    assert subprocess.run(command, input="{", capture_output=True, text=True, timeout=240, check=False).returncode != 0


def test_the_shipped_policy_against_itself() -> None:
    assert parse("", "test").digest == shipped().digest
    assert compared("", [*PAST, handed_in(1)]).otherwise == 0
