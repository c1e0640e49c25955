"""What pages ask the store about recorded mail, on either database: one's own, the newest, what only observed."""

import json

import pytest
from sqlalchemy import Engine, insert

from policy.store.held import HeldNotes
from policy.store.models import Submissions
from policy.store.newest_records import has_records, newest_moments
from policy.store.observed import observed_since
from policy.store.own_sending import Used, held_number, own_sending, used_since
from policy.store.statements import OnConnection
from policy.store.tallies import TallyNotes
from policy.tally import Count, Stage, What

T = 1_700_000_000.0
EMPTY = dict.fromkeys(("session", "listener", "client_address", "client_name", "reverse_path", "queue_id"), "")


@pytest.fixture
def recorded(engine: Engine) -> Engine:
    """Of ada ten messages, two in each second, the last of them on hold; of bob one. Every other one met a rule."""
    rows = [
        EMPTY | {
            "id": f"{who}{number}", "at": T + number // 2, "identity": who, "login": who, "recipients": 10 + number,
            "message_bytes": 1, "action": action, "reason": "", "outcome": "relayed", "new_recipients": 1,
            "evidence": json.dumps({"observed": ["recipients"] if number % 2 else []}, separators=(",", ":")),
        }
        for who, number, action in [
            *(("ada", number, "accept") for number in range(8)),
            ("ada", 8, "reject"), ("ada", 9, "hold"), ("bob", 9, "accept"),
        ]
    ]  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(Submissions), rows)
        HeldNotes(OnConnection(connection)).note("ada9", "4held", 0.0, T + 4)
    return engine


def test_page_by_page(recorded: Engine) -> None:
    """The newest first, each once; of another one's message there is no next page."""
    first = own_sending(recorded, "ada", "", 4)
    assert [one.id for one in first] == ["ada9", "ada8", "ada7", "ada6"]
    assert (first[0].held_state, first[1].held_state) == ("held", "")
    assert [one.id for one in own_sending(recorded, "ada", "ada6", 99)] == [
        f"ada{number}" for number in range(5, -1, -1)
    ]
    assert own_sending(recorded, "ada", "bob9", 99) == []
    assert own_sending(recorded, "ada", "nobody's", 99) == []


def test_how_much_was_sent(recorded: Engine) -> None:
    """What was refused is not in it, what is on hold is."""
    assert used_since(recorded, "ada", [T - 1, T + 3.5, T + 9]) == {
        T - 1: Used(9, sum(range(10, 18)) + 19, 9),
        T + 3.5: Used(1, 19, 1),
        T + 9: Used(0, 0, 0),
    }
    assert (held_number(recorded, "ada"), held_number(recorded, "bob")) == (1, 0)


def test_the_newest(engine: Engine, recorded: Engine) -> None:
    assert newest_moments(recorded, 3) == [T + 4, T + 4, T + 4]
    assert newest_moments(recorded, 99) == sorted([*(T + number // 2 for number in range(10)), T + 4])
    assert has_records(engine)


def test_nothing_yet(engine: Engine) -> None:
    assert not has_records(engine)
    assert newest_moments(engine, 3) == []
    assert observed_since(engine, 0.0) == []


def test_what_only_observed(recorded: Engine) -> None:
    """Numbers of the whole span, and the newest three as examples."""
    what, other = What(Stage.OBSERVED, "recipients"), What(Stage.OBSERVED, "trap")
    with recorded.begin() as connection:
        notes = TallyNotes(OnConnection(connection))
        notes.add({int(T): {what: Count(4, 0), other: Count(9, 0), What(Stage.MESSAGE, "accept"): Count(77, 0)}})
    trap, recipients = observed_since(recorded, T - 60)
    assert (trap.rule, trap.messages, trap.examples) == ("trap", 9, ())
    assert (recipients.rule, recipients.messages) == ("recipients", 4)
    assert {one.submission for one in recipients.examples} == {"ada9", "bob9", "ada7"}
    assert [one.at for one in recipients.examples] == [T + 4, T + 4, T + 3]
