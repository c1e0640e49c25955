"""What is remembered of each submission, how long, and how much of it."""

from dataclasses import replace

import pytest
from engine_parts import profile_of
from sqlalchemy import Engine, select

from policy.brain import Brain
from policy.contract import Action, MessageFacts, Outcome, Outcomes, RelayOutcome
from policy.engine import charges
from policy.engine.budget import Window
from policy.engine.judging import Decision
from policy.engine.rulebook import Rulebook
from policy.store.identities import IdentityStore, NewCredential
from policy.store.records import Records, find_submission, newest_submissions
from policy.store.schema import METADATA
from policy.store.transactions import Transactions

T = 1_000_000.0  # any moment
PROFILE = profile_of()
ACCEPTED = Decision(action=Action.ACCEPT)


def facts(submission: str = "m1", **changed: object) -> MessageFacts:
    """The facts of an ordinary message of ada's, but for what a test is about."""
    return MessageFacts.model_validate(
        {
            "submission": submission,
            "session": "s1",
            "listener": "submission",
            "client_address": "192.0.2.1",
            "client_name": "laptop.example",
            "credential": 1,
            "reverse_path": "ada@example.org",
            "recipients": ["bob@example.net", "eve@example.net"],
            "authors": ["ada@example.org"],
            "senders": [],
            "names": ["Ada"],
            "message_bytes": 100,
        }
        | changed
    )


async def ended(brain: Brain, reservation: str, outcome: RelayOutcome, queue_id: str = "") -> None:
    """The gateway's report."""
    await brain.end(Outcomes(outcomes=(Outcome(reservation=reservation, outcome=outcome, queue_id=queue_id),)))


async def test_an_accepted_message(brain: Brain, engine: Engine, ada: NewCredential, rulebook: Rulebook) -> None:
    """Who, from where, how much; then what became of it."""
    verdict = await brain.judge(facts())
    found = find_submission(engine, "m1")
    assert found
    assert (found.at, found.session, found.identity, found.login) == (T, "s1", "ada", ada.login)
    assert (found.listener, found.client_address, found.client_name) == ("submission", "192.0.2.1", "laptop.example")
    assert (found.reverse_path, found.recipients, found.message_bytes) == ("ada@example.org", 2, 100)
    assert (found.action, found.reason, found.rule, found.outcome, found.queue_id) == ("accept", "", "", "", "")
    assert (found.held, found.new_recipients, found.known_recipients, len(found.marks)) == (0, 2, 0, 16)
    assert (found.origin, found.rulebook) == ("192.0.2.0/24 ??", rulebook.digest)
    await ended(brain, verdict.reservation, RelayOutcome.RELAYED, "4Q8kXz0Zg")
    found = find_submission(engine, "m1")
    assert found
    assert (found.outcome, found.queue_id) == ("relayed", "4Q8kXz0Zg")
    assert found.at == T


@pytest.mark.parametrize("outcome", list(RelayOutcome))
async def test_the_first_report_stays(brain: Brain, engine: Engine, ada: NewCredential, outcome: RelayOutcome) -> None:
    """As it does for the budget."""
    verdict = await brain.judge(facts())
    for report in (outcome, RelayOutcome.FAILED, RelayOutcome.RELAYED):
        await ended(brain, verdict.reservation, report)
        found = find_submission(engine, "m1")
        assert found
        assert found.outcome == outcome


async def test_a_refused_message(brain: Brain, engine: Engine, ada: NewCredential) -> None:
    """With the reason; it has no outcome."""
    await brain.judge(facts(reverse_path="bob@example.org"))
    await brain.judge(facts("m2", credential=7))
    await brain.judge(facts("m3", recipients=["b@x.test"] * 6))
    rows = {one.id: one for one in newest_submissions(engine, None, 10)}
    assert [(rows[one].identity, rows[one].action, rows[one].reason) for one in ("m1", "m2", "m3")] == [
        ("ada", "reject", "sender-not-owned"),
        ("", "reject", "credential-revoked"),
        ("ada", "reject", "budget-too-small"),
    ]


async def test_no_recipient_is_remembered(brain: Brain, engine: Engine, ada: NewCredential) -> None:
    """Their number is enough, and whom people write to is nobody's business."""
    await brain.judge(facts())
    with engine.connect() as connection:
        everything = [str(connection.execute(select(table)).all()) for table in METADATA.sorted_tables]
    assert "example.org" in "".join(everything)
    assert "example.net" not in "".join(everything)


async def test_refusals_are_remembered_up_to_a_limit(
    brain: Brain, engine: Engine, store: IdentityStore, ada: NewCredential, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stolen credential cannot fill the disk, and cannot crowd out what is accepted or what others do."""
    monkeypatch.setattr(charges, "REFUSALS_KEPT", (Window(3, 60.0),))
    store.add_identity("bob", (), T)
    store.add_credential("bob", "laptop", T)
    for number in range(5):
        await brain.judge(facts(f"refused-{number}", reverse_path="bob@example.org"))
    await brain.judge(facts("accepted"))
    await brain.judge(facts("bob's", credential=2))
    assert {one.id for one in newest_submissions(engine, None, 10)} == {
        "refused-0",
        "refused-1",
        "refused-2",
        "accepted",
        "bob's",
    }


async def test_an_id_that_comes_twice_stays_what_it_was(brain: Brain, engine: Engine, ada: NewCredential) -> None:
    """A gateway that was broken into cannot write over what it did; both messages are counted."""
    first = await brain.judge(facts())
    second = await brain.judge(facts(message_bytes=999))
    assert first.reservation != second.reservation
    found = find_submission(engine, "m1")
    assert found
    assert found.message_bytes == 100
    assert (await brain.judge(facts("m2"))).action == "defer"


def test_records_go_with_age(statements: Transactions, engine: Engine) -> None:
    """Some with every eighth that comes: after a quiet month one message must not wait for a million rows to go."""
    records = Records(statements, kept_s=60.0)
    for number in range(48):
        records.add_submission(facts(f"old-{number}"), PROFILE, ACCEPTED, "", T)
    left = []
    for number in range(24):
        records.add_submission(facts(f"new-{number}"), PROFILE, ACCEPTED, "", T + 60.001)
        left.append(len(newest_submissions(engine, None, 100)))
    assert left[::8] == [49, 33, 17]
    assert left[-1] == 24


async def test_what_a_client_may_choose_is_cut(brain: Brain, engine: Engine, ada: NewCredential) -> None:
    """The EHLO argument proves nothing and has no right to much room."""
    await brain.judge(facts(client_name="x" * 10_000))
    found = find_submission(engine, "m1")
    assert found
    assert len(found.client_name) == 255


def test_lists(statements: Transactions, engine: Engine) -> None:
    """Newest first, of everybody or of one identity, no more than asked for."""
    records = Records(statements, kept_s=60.0)
    for submission, identity, at in (("m0", "ada", T), ("m1", "bob", T + 2), ("m2", "ada", T + 1)):
        records.add_submission(facts(submission), replace(PROFILE, identity=identity), ACCEPTED, "", at)
    assert [one.id for one in newest_submissions(engine, None, 10)] == ["m1", "m2", "m0"]
    assert [one.id for one in newest_submissions(engine, None, 2)] == ["m1", "m2"]
    assert [one.id for one in newest_submissions(engine, "ada", 10)] == ["m2", "m0"]
    assert newest_submissions(engine, "eve", 10) == []
    assert find_submission(engine, "m9") is None
