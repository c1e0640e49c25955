"""Containment on both databases: what is written, what is then done at the queue, and that no death matters."""

import json
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace

import pytest
from queue_of_test import BrokeOff, QueueOfTest
from sqlalchemy import Engine, func, select, text, update
from structlog.testing import capture_logs
from test_judge import ABROAD, DAY, HOME, T, facts, people

from policy.alerting.kinds import Kind
from policy.brain import Brain
from policy.containment.queue_client import QueueUnavailable
from policy.containment.worker import RETRY_AFTER_S, Containment
from policy.contract import Action, LoginOutcome, LoginStep, MessageVerdict, Outcome, Outcomes, Reason, RelayOutcome
from policy.engine.rulebook import Rulebook
from policy.queue_contract import QueueName
from policy.rulebook import parse, shipped
from policy.store.audit import Wanted, newest
from policy.store.errors import StoreError
from policy.store.held import RETRO_HOLD, HeldState, expiring_thread
from policy.store.identities import IdentityStore, NewCredential
from policy.store.incident_models import Measures, Notices
from policy.store.incident_notes import State
from policy.store.models import Revocations, Submissions

GRANTED, REFUSED = LoginOutcome.GRANTED, LoginOutcome.REFUSED
MINUTE = 60.0


ENDS: list[tuple[str, Callable[[IdentityStore, int, float], object]]] = [
    ("release", lambda store, number, now: store.release_incident(number, "", now)),
    ("purge", lambda store, number, now: store.purge_incident(number, "", now)),
]

DELAYED = pytest.mark.parametrize(
    "rulebook", [parse("[containment]\nsending-delay-seconds = 60", "test")], indirect=True, ids=["delayed"]
)


@pytest.fixture
def rulebook(request: pytest.FixtureRequest) -> Rulebook:
    """The shipped policy, or another one."""
    return getattr(request, "param", None) or shipped()


@dataclass
class Scene:
    """Policy, its store, and a queue that takes what the gateway relays."""

    brain: Brain
    store: IdentityStore
    credential: NewCredential
    engine: Engine
    queue: QueueOfTest = field(default_factory=QueueOfTest)
    now: float = T
    number: int = 0

    def __post_init__(self) -> None:
        self.brain = replace(self.brain, clock=lambda: self.now)
        judge = self.brain.judging
        self.worker = Containment(
            recall=judge.profiles.recall,
            notes=judge.notes,
            writer=judge.writer,
            queue=self.queue,
            rulebook=judge.profiles.rulebook,
            clock=lambda: self.now,
        )

    async def log_in(self, address: str = HOME) -> LoginOutcome:
        response = f"\0{self.credential.login}\0{self.credential.secret}".encode()
        step = {"session": "s1", "exchange": "e1", "client_address": address, "listener": "submission"}
        answer = await self.brain.login(
            LoginStep.model_validate(step | {"mechanism": "PLAIN", "responses": (response,)})
        )
        await self.brain.writer.make(lambda: None)
        return answer.outcome

    async def hand_in(self, *recipients: str, address: str = HOME) -> MessageVerdict:
        """Through the gateway and into the queue."""
        self.number += 1
        submission = f"m{self.number}"
        verdict = await self.brain.judge(facts(submission, recipients, address))
        if not verdict.reservation:
            return verdict
        queue_id, held_id = f"4Q{self.number:06}", ""
        if verdict.action is Action.HOLD:
            self.queue.add(queue_id, QueueName.HOLD, submission)
        else:
            self.queue.add(queue_id, QueueName.DEFERRED, submission)
            if verdict.held:
                held_id = f"4H{self.number:06}"
                self.queue.add(held_id, QueueName.HOLD, submission)
        await self._report(verdict, queue_id, held_id)
        return verdict

    async def relayed(self, verdict: MessageVerdict, submission: str, queue_id: str) -> None:
        """What was judged to be held comes into the queue."""
        self.queue.add(queue_id, QueueName.HOLD, submission)
        await self._report(verdict, queue_id, "")

    async def _report(self, verdict: MessageVerdict, queue_id: str, held_id: str) -> None:
        outcome = Outcome(
            reservation=verdict.reservation,
            outcome=RelayOutcome.RELAYED,
            queue_id=queue_id,
            held_queue_id=held_id,
        )
        await self.brain.end(Outcomes(outcomes=(outcome,)))

    async def tell_of_expiring(self) -> None:
        """What policy/alerting/ does: it is written, and sent."""
        notices, thread = self.brain.judging.teller.notices, expiring_thread("ada")
        await self.brain.writer.make(lambda: notices.add(Kind.HELD_EXPIRING, "", (), self.now, thread=thread))
        with self.engine.begin() as connection:
            connection.execute(update(Notices).where(Notices.thread == thread).values(sent_at=self.now))

    async def rounds(self, number: int = 6) -> None:
        """Rounds of the worker, with time between them; one that breaks off is done again."""
        for _ in range(number):
            try:
                await self.worker.round()
            except BrokeOff:
                await self.worker.round()
            self.now += 5.0

    async def later(self) -> None:
        """Long enough that policy compares its list with the queue's."""
        self.now += 10 * MINUTE
        await self.worker.round()

    def held(self, state: HeldState = HeldState.HELD) -> list[str]:
        return [one.queue_id for one in self.store.held(state=state)]


@pytest.fixture
async def scene(brain: Brain, store: IdentityStore, ada: NewCredential, engine: Engine) -> Scene:
    """Ada has used her laptop at home for a month: that network is hers beyond doubt."""
    made = Scene(brain, store, ada, engine)
    for _ in range(10):
        assert await made.log_in() is GRANTED
        made.now += DAY
    return made


async def thief(scene: Scene, messages: int = 6) -> None:
    """Uses what he stole: two new recipients in each message, from where Ada never was."""
    assert await scene.log_in(ABROAD) is GRANTED
    for number in range(messages):
        await scene.hand_in(*people(100 + 2 * number, 2), address=ABROAD)


async def test_what_is_held_is_an_incident(scene: Scene) -> None:
    """The message over the small budget is held; whose mail is on hold is asked."""
    await thief(scene)
    (incident,) = scene.store.incidents()
    assert (incident.identity, incident.state, incident.opened_by) == ("ada", State.OPEN, "sallyport")
    assert incident.step == "hold"
    (held,) = scene.store.held()
    assert (held.identity, held.incident, held.reason, held.recipients) == ("ada", incident.number, Reason.PROBATION, 2)
    assert scene.queue.where[held.queue_id] is QueueName.HOLD


async def test_whose_mail_is_held_and_why_is_told(scene: Scene) -> None:
    """No signal has opened it: a thief who writes to known people alone spends a small budget, and is held whole."""
    for number in range(5):
        await scene.hand_in(*people(10 * number, 10))
    assert await scene.log_in(ABROAD) is GRANTED
    for number in range(5):
        await scene.hand_in(*people(10 * number, 10), address=ABROAD)
    (held,) = scene.store.held()
    assert scene.store.incident(held.incident or 0).step == "slow"  # the ladder went no higher
    with scene.engine.connect() as connection:
        opened = select(Notices.content).where(Notices.channel == "administrator", Notices.kind == "incident-opened")
        said = "\n".join(json.loads(connection.execute(opened).scalar_one())["lines"])
    for part in ("Whose: ada.", f"From: {ABROAD}, 198.51.100.0/24 ??.", held.submission, "(probation); recipients: 10"):
        assert part in said
    assert "new recipients" not in said


async def test_a_split_message_is_held_in_part(scene: Scene) -> None:
    """At home, 60 new recipients in one message: 50 go, 10 are held."""
    verdict = await scene.hand_in(*people(0, 60))
    assert (verdict.action, len(verdict.held)) == (Action.ACCEPT, 10)
    (held,) = scene.store.held()
    assert (held.queue_id[:2], held.recipients, held.reason) == ("4H", 10, Reason.NEW_RECIPIENTS)


async def test_a_round_without_work_is_one_question(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice a second, in each policy; mail on hold that nobody has decided about yet is no work."""
    await thief(scene)
    await scene.rounds()
    assert scene.held()
    reader, asked = scene.worker.recall.reader, list[object]()
    rows = type(reader).rows

    async def noted(self: object, *question: object) -> object:
        asked.append(question)
        return await rows(self, *question)

    monkeypatch.setattr(type(reader), "rows", noted)
    await scene.worker.round()
    assert len(asked) == 1


async def test_nothing_is_written_for_mail_that_goes(scene: Scene) -> None:
    await scene.hand_in("friend@example.net")
    assert scene.store.held(state=None) == []
    assert scene.store.incidents() == []


async def test_contain_suspends_ends_sessions_and_holds_what_is_queued(scene: Scene) -> None:
    await thief(scene, 3)
    await scene.hand_in("friend@example.net")
    incident = scene.store.contain_credential(scene.credential.login, "stolen", scene.now)
    assert incident.suspended == (scene.credential.login,)
    assert (incident.step, incident.opened_by, incident.note) == ("free", "cli:test", "stolen")
    assert await scene.log_in() is REFUSED
    assert (await scene.hand_in("friend@example.net")).reason is Reason.CREDENTIAL_REVOKED
    with scene.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Revocations)) == 1
    await scene.rounds()
    assert all(where is QueueName.HOLD for where in scene.queue.where.values())
    assert len(scene.held()) == 4
    after = scene.store.incident(incident.number)
    assert after.is_settled
    assert [one.kind for one in after.measures] == ["suspend", "end-sessions", *["retro-hold"] * 3]
    assert after.measures[2].outcome == "4 messages"


async def test_contain_again_changes_nothing(scene: Scene) -> None:
    first = scene.store.contain_identity("ada", "", scene.now)
    assert scene.store.contain_credential(scene.credential.login, "", scene.now + 1) == first


async def test_who_has_no_login_is_contained_with_a_trace(scene: Scene) -> None:
    """An incident that somebody opens is in the audit log, though there was nothing to suspend."""
    scene.store.add_identity("bob", [], scene.now)
    for _ in range(2):
        incident = scene.store.contain_identity("bob", "on suspicion", scene.now)
    assert (incident.state, incident.suspended, incident.measures) == (State.OPEN, (), ())
    acts = [one for one in newest(scene.engine, Wanted(subject="bob")) if one.action == "contained"]
    assert [one.after["note"] for one in acts] == ["on suspicion"]


async def test_a_login_that_is_made_after_contain_works(scene: Scene) -> None:
    """The owner goes on with another device."""
    scene.store.contain_identity("ada", "", scene.now)
    scene.credential = scene.store.add_credential("ada", "new laptop", scene.now)
    assert await scene.log_in() is GRANTED


async def test_release_undoes_exactly_that(scene: Scene) -> None:
    await thief(scene)
    number = scene.store.contain_credential(scene.credential.login, "", scene.now).number
    await scene.rounds()
    held = scene.held()
    assert len(held) == 6
    after = scene.store.release_incident(number, "it was her", scene.now)
    assert (after.state, after.suspended, after.note) == (State.RELEASED, (), "it was her")
    await scene.rounds()
    scene.queue.run()
    assert sorted(scene.queue.delivered) == sorted(held)
    assert scene.queue.deleted == []
    assert scene.store.incident(number).is_settled
    assert await scene.log_in() is GRANTED
    assert scene.store.standing("ada").step == "free"


async def test_purge_finishes_it(scene: Scene) -> None:
    """Nobody had contained anything: who was misused is suspended now, and the owner is free to go on."""
    await thief(scene)
    (incident,) = scene.store.incidents()
    held = scene.held()
    after = scene.store.purge_incident(incident.number, "", scene.now)
    assert (after.state, after.suspended) == (State.PURGED, (scene.credential.login,))
    await scene.rounds()
    assert scene.queue.deleted == held
    assert scene.store.standing("ada").step == "free"
    assert scene.store.incident(incident.number).held["purged"].messages == len(held)


async def test_what_is_held_after_a_purge_is_deleted_too(scene: Scene) -> None:
    """Contained and purged within a second: what is looked for again and found goes the same way."""
    await thief(scene, 3)
    number = scene.store.contain_credential(scene.credential.login, "", scene.now).number
    await scene.worker.round()
    scene.store.purge_incident(number, "", scene.now)
    late = await scene.brain.judge(facts("late", people(700, 1), ABROAD))
    assert late.reason is Reason.CREDENTIAL_REVOKED
    await scene.worker.round()
    assert len(scene.queue.deleted) == 3
    scene.queue.add("4Q000001", QueueName.DEFERRED, "m1")
    await scene.rounds(8)
    assert scene.queue.deleted[3:] == ["4Q000001"]
    assert scene.store.incident(number).is_settled


async def test_what_was_purged_is_not_released(scene: Scene) -> None:
    """Release after purge gives the credential back, and no message."""
    await thief(scene)
    (incident,) = scene.store.incidents()
    scene.store.purge_incident(incident.number, "", scene.now)
    await scene.rounds()
    scene.store.release_incident(incident.number, "", scene.now)
    await scene.rounds()
    assert await scene.log_in() is GRANTED
    assert scene.held(HeldState.RELEASED) == []
    with pytest.raises(StoreError, match="was released"):
        scene.store.purge_incident(incident.number, "", scene.now)


async def test_the_ladders_lock_holds_what_the_thief_has_queued_and_not_what_came_from_home(scene: Scene) -> None:
    """A botnet: so many networks are two signals. Its sessions end, and the owner goes on at home."""
    await scene.hand_in("friend@example.net")
    await thief(scene, 3)
    answers = [await scene.log_in(f"203.0.{number}.5") for number in range(20)]
    assert answers[-1] is REFUSED
    await scene.rounds()
    (incident,) = scene.store.incidents()
    assert incident.step == "lock"
    assert scene.held() == ["4Q000002", "4Q000003", "4Q000004"]
    assert scene.queue.where["4Q000001"] is QueueName.DEFERRED
    with scene.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Revocations)) == 1
    assert await scene.log_in() is GRANTED
    assert (await scene.hand_in("friend@example.net")).action is Action.ACCEPT


async def test_what_is_held_back_is_listed_as_it_was_handed_in(scene: Scene) -> None:
    """At one moment; and a row that was changed lies behind the others for PostgreSQL."""
    for _ in range(3):
        await scene.hand_in("friend@example.net", address=ABROAD)
    with scene.engine.begin() as connection:
        connection.execute(text("ANALYZE submission"))
        connection.execute(update(Submissions).where(Submissions.id == "m1").values(client_name="laptop"))
    scene.store.contain_identity("ada", "", scene.now)
    await scene.rounds()
    assert scene.held() == ["4Q000001", "4Q000002", "4Q000003"]


async def test_what_nobody_decides_about_expires(scene: Scene) -> None:
    await thief(scene)
    held = scene.held()
    scene.now += 12 * DAY + 1
    await scene.tell_of_expiring()
    scene.now += 2 * DAY - 60
    await scene.rounds(2)
    assert scene.held() == held
    scene.now += 60
    await scene.rounds(2)
    assert scene.held(HeldState.EXPIRED) == held
    assert scene.queue.deleted == held


async def test_nothing_expires_that_nobody_was_told_of(scene: Scene) -> None:
    """The clock leapt ahead, the server was off for a month, or the policy gives less time since a moment."""
    await scene.tell_of_expiring()  # of others
    await thief(scene)
    held = scene.held()
    scene.now += 30 * DAY
    await scene.rounds(2)
    assert scene.held() == held
    await scene.tell_of_expiring()
    scene.now += DAY
    await scene.rounds(2)
    assert scene.held() == held
    scene.now += DAY
    await scene.rounds(2)
    assert scene.held(HeldState.EXPIRED) == held


async def test_what_was_released_at_the_queue_itself_is_gone(scene: Scene) -> None:
    """It may be lost, if the queue is another one: said once, and loudly."""
    await thief(scene)
    (queue_id,) = scene.held()
    del scene.queue.where[queue_id]
    with capture_logs() as lines:
        for _ in range(2):
            scene.now += 10 * MINUTE
            await scene.worker.round()
    assert scene.held(HeldState.GONE) == [queue_id]
    assert [one["messages"] for one in lines if one["event"] == "held-messages-gone"] == [1]
    with scene.engine.connect() as connection:
        told = select(Notices.channel, Notices.subject, Notices.content).where(Notices.kind == "held-gone")
        ((channel, subject, content),) = connection.execute(told)
    assert (channel, subject) == ("administrator", "1 held message is not in the queue any more")
    assert json.loads(content)["lines"] == ["Whose: ada 1."]


async def test_what_is_on_hold_and_was_never_reported_is_found(scene: Scene) -> None:
    """The gateway died between the queue's 250 and its report."""
    await thief(scene, 5)
    verdict = await scene.brain.judge(facts("lost", people(500, 2), ABROAD))
    assert verdict.action is Action.HOLD
    scene.queue.add("4LOST00", QueueName.HOLD, "lost")
    scene.now += 10 * MINUTE
    scene.queue.at = scene.now - 5 * MINUTE
    await scene.worker.round()
    assert "4LOST00" in scene.held()


async def test_what_comes_back_into_the_queue_is_on_hold_as_before(scene: Scene) -> None:
    """Moved to another machine, whose queue was filled too late; nobody decides anew, and nobody is told twice."""
    await thief(scene)
    scene.store.contain_identity("ada", "", scene.now)
    await scene.rounds()
    held, incidents, queued = scene.store.held(), scene.store.incidents(), dict(scene.queue.where)
    assert {one.reason for one in held} == {Reason.PROBATION, RETRO_HOLD}
    scene.queue.where.clear()
    await scene.later()
    assert len(scene.held(HeldState.GONE)) == len(held)
    scene.queue.where |= queued
    await scene.later()
    assert (scene.store.held(), scene.store.incidents()) == (held, incidents)


@pytest.mark.parametrize(("what", "end"), ENDS, ids=[one[0] for one in ENDS])
async def test_what_comes_back_after_the_end_goes_the_same_way(
    scene: Scene, what: str, end: Callable[[IdentityStore, int, float], object]
) -> None:
    """Somebody has decided while it was gone."""
    await thief(scene)
    (incident,) = scene.store.incidents()
    held, queued = scene.held(), dict(scene.queue.where)
    scene.queue.where.clear()
    await scene.later()
    end(scene.store, incident.number, scene.now)
    await scene.rounds()
    scene.queue.where |= {queue_id: queued[queue_id] for queue_id in held}
    await scene.later()
    await scene.rounds(1)
    scene.queue.run()
    assert (scene.queue.delivered if what == "release" else scene.queue.deleted) == held
    assert [one.number for one in scene.store.incidents()] == [incident.number]
    assert scene.store.incident(incident.number).is_settled


async def test_what_somebody_holds_at_the_queue_itself_was_on_its_way(scene: Scene) -> None:
    """Or a backup is older than the queue. The ladder had no part in it."""
    await scene.hand_in("friend@example.net")
    await scene.hand_in(*people(0, 60))  # nine and forty of it go
    scene.store.purge_held(scene.held(), scene.now)
    await scene.rounds(1)
    (before,) = scene.store.incidents()
    scene.store.release_incident(before.number, "", scene.now)
    scene.queue.where = dict.fromkeys(scene.queue.where, QueueName.HOLD)
    await scene.later()
    assert {one.queue_id: (one.reason, one.recipients) for one in scene.store.held()} == {
        "4Q000001": (RETRO_HOLD, 1),
        "4Q000002": (RETRO_HOLD, 49),
    }
    (opened,) = scene.store.incidents(state=State.OPEN)
    assert opened.step == "free"


async def test_one_message_is_released_and_another_one_deleted(scene: Scene) -> None:
    await thief(scene, 8)
    first, second, *rest = scene.held()
    scene.store.release_held([first], scene.now)
    scene.store.purge_held([second], scene.now)
    await scene.rounds(1)
    assert scene.queue.where[first] is QueueName.DEFERRED
    assert scene.queue.deleted == [second]
    assert scene.held() == rest
    with pytest.raises(StoreError, match="is purged"):
        scene.store.release_held([second], scene.now)


@pytest.mark.parametrize("breaks_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("breaks_at", range(1, 6))
@pytest.mark.parametrize(("what", "end"), ENDS, ids=[one[0] for one in ENDS])
async def test_whatever_dies_nothing_is_lost_and_nothing_goes_twice(
    scene: Scene, what: str, end: Callable[[IdentityStore, int, float], object], breaks_at: int, breaks_after: bool
) -> None:
    """The queue, or the worker, breaks off before or after any of its calls; the next round finds what is left."""
    await thief(scene)
    scene.queue.breaks_at, scene.queue.breaks_after = breaks_at, breaks_after
    number = scene.store.contain_credential(scene.credential.login, "", scene.now).number
    await scene.rounds()
    end(scene.store, number, scene.now)
    await scene.rounds()
    scene.queue.run()
    everything = [f"4Q{one:06}" for one in range(1, 7)]
    gone, kept = (scene.queue.delivered, scene.queue.deleted)[:: 1 if what == "release" else -1]
    assert sorted(gone) == everything
    assert kept == []
    assert scene.store.incident(number).is_settled


@DELAYED
async def test_mail_that_waits_a_moment_goes_by_itself(scene: Scene) -> None:
    assert await scene.log_in(ABROAD) is GRANTED
    verdict = await scene.hand_in(*people(0, 2), address=ABROAD)
    assert (verdict.action, verdict.reason) == (Action.HOLD, Reason.SENDING_DELAY)
    await scene.rounds(1)
    assert scene.held() == ["4Q000001"]
    scene.now += 60
    await scene.rounds(1)
    assert scene.queue.where["4Q000001"] is QueueName.DEFERRED
    assert scene.store.incidents() == []


@DELAYED
async def test_mail_that_waits_stays_when_its_sender_has_become_suspicious(scene: Scene) -> None:
    await thief(scene)
    scene.now += 60
    await scene.rounds(2)
    (incident,) = scene.store.incidents()
    assert {one.incident for one in scene.store.held()} == {incident.number}
    assert len(scene.held()) == 6


@DELAYED
@pytest.mark.parametrize("is_late", [False, True], ids=["held", "on its way"])
async def test_mail_that_waits_does_not_leave_by_itself_when_its_login_is_contained(
    scene: Scene, is_late: bool
) -> None:
    """Contained before there was any signal: the identity stands free on the ladder, and its thief has mail waiting."""
    assert await scene.log_in(ABROAD) is GRANTED
    if not is_late:
        await scene.hand_in(*people(0, 2), address=ABROAD)
    verdict = await scene.brain.judge(facts("late", people(0, 2), ABROAD)) if is_late else None
    number = scene.store.contain_credential(scene.credential.login, "stolen", scene.now).number
    if verdict:
        await scene.relayed(verdict, "late", "4Q000001")
    scene.now += 61
    await scene.rounds()
    assert scene.queue.where["4Q000001"] is QueueName.HOLD
    assert [one.incident for one in scene.store.held()] == [number]
    scene.store.purge_incident(number, "", scene.now)
    await scene.rounds()
    assert scene.queue.deleted == ["4Q000001"]


@DELAYED
async def test_whose_mail_waits_is_not_removed(scene: Scene) -> None:
    """Somebody decides about it first."""
    assert await scene.log_in(ABROAD) is GRANTED
    await scene.hand_in(*people(0, 2), address=ABROAD)
    with pytest.raises(StoreError, match="mail of 'ada' is on hold"):
        scene.store.remove_identity("ada", scene.now)
    scene.store.purge_held(["4Q000001"], scene.now)
    scene.store.remove_identity("ada", scene.now)


@DELAYED
@pytest.mark.parametrize("by_owner", [False, True], ids=["purge", "no"])
async def test_mail_that_waits_is_deleted_with_what_is_held(scene: Scene, by_owner: bool) -> None:
    """Purged within the minute: afterwards the identity is free, and what waited would leave."""
    await thief(scene)
    (incident,) = scene.store.incidents()
    waiting = [one.queue_id for one in scene.store.held() if one.release_at is not None]
    assert waiting
    if by_owner:
        scene.store.answer_incident(incident.number, "ada", False, scene.now, purge_after_s=3600.0)
        scene.now += 61
        await scene.rounds()
        assert set(waiting) <= set(scene.held())
        scene.now += 3600
    else:
        scene.store.purge_incident(incident.number, "", scene.now)
    scene.now += 61
    await scene.rounds()
    assert set(waiting) <= set(scene.queue.deleted)


@pytest.mark.parametrize(("what", "end"), ENDS, ids=[one[0] for one in ENDS])
async def test_what_is_found_after_the_end_goes_the_same_way(
    scene: Scene, what: str, end: Callable[[IdentityStore, int, float], object]
) -> None:
    """A look for queued mail had begun before: the queue has held it, and nobody would decide about it any more."""
    await thief(scene, 3)
    number = scene.store.contain_credential(scene.credential.login, "", scene.now).number
    hold = scene.queue.hold

    async def hold_meanwhile(queue_ids: Collection[str]) -> frozenset[str]:
        held = await hold(queue_ids)
        end(scene.store, number, scene.now)
        with scene.engine.begin() as connection:  # another process has already done what there was
            connection.execute(update(Measures).values(done_at=scene.now))
        return held

    scene.queue.hold = hold_meanwhile  # type: ignore[method-assign]  # something happens meanwhile
    await scene.worker.round()
    scene.queue.hold = hold  # type: ignore[method-assign]
    await scene.rounds()
    scene.queue.run()
    assert len(scene.queue.delivered if what == "release" else scene.queue.deleted) == 3
    assert scene.store.incident(number).is_settled
    assert scene.held() == []


@pytest.mark.parametrize("end", ["open", "purge", "release"])
async def test_what_the_gateway_could_not_report_for_long_is_looked_for_again(scene: Scene, end: str) -> None:
    """Every look was over when the queue id came."""
    verdict = await scene.brain.judge(facts("late", ("friend@example.net",), HOME))
    number = scene.store.contain_identity("ada", "", scene.now).number
    scene.now += MINUTE
    await scene.rounds()
    if end != "open":
        {"purge": scene.store.purge_incident, "release": scene.store.release_incident}[end](number, "", scene.now)
        await scene.rounds()
    assert scene.store.incident(number).is_settled
    scene.queue.add("4Q000099", QueueName.DEFERRED, "late")
    await scene._report(verdict, "4Q000099", "")
    await scene.rounds()
    assert scene.held() == (["4Q000099"] if end == "open" else [])
    assert ("4Q000099" in scene.queue.deleted) is (end == "purge")
    assert scene.store.incident(number).is_settled


async def test_an_incident_says_why_something_is_not_done_yet(scene: Scene) -> None:
    """The queue agent is away for a moment."""
    await scene.hand_in("friend@example.net")
    hold, error = scene.queue.hold, QueueUnavailable("the queue agent answers POST with 503")

    async def not_now(queue_ids: Collection[str]) -> frozenset[str]:
        raise error

    scene.queue.hold = not_now  # type: ignore[method-assign]  # it cannot
    number = scene.store.contain_credential(scene.credential.login, "", scene.now).number
    with pytest.raises(QueueUnavailable):
        await scene.worker.round()
    first = next(one for one in scene.store.incident(number).measures if one.kind == "retro-hold")
    assert (first.done_at, first.outcome) == (None, str(error))
    scene.queue.hold = hold  # type: ignore[method-assign]  # it can again
    scene.now += RETRY_AFTER_S
    await scene.rounds()
    assert scene.store.incident(number).is_settled
    assert scene.held() == ["4Q000001"]


async def test_what_keeps_one_measure_keeps_no_other_waiting(scene: Scene) -> None:
    """Where one Postfix hangs, what a second incident wants of the others is done in the same round."""
    await scene.hand_in("friend@example.net")
    scene.store.add_identity("ben", ("ben@example.org",), scene.now)
    scene.store.add_credential("ben", "laptop", scene.now)
    as_ben = {"credential": 2, "reverse_path": "ben@example.org", "authors": ("ben@example.org",)}
    verdict = await scene.brain.judge(facts("m2", ("friend@example.net",), HOME).model_copy(update=as_ben))
    await scene.relayed(verdict, "m2", "4Q000002")
    asked = list[Collection[str]]()

    async def hang(queue_ids: Collection[str]) -> frozenset[str]:
        asked.append(queue_ids)
        scene.now += MINUTE
        raise QueueUnavailable("the queue agent does not answer (TimeoutError)", frozenset(queue_ids))

    scene.queue.hold = hang  # type: ignore[method-assign]  # it does, after a minute
    numbers = [
        scene.store.contain_identity("ada", "", scene.now).number,
        scene.store.contain_identity("ben", "", scene.now).number,
    ]
    begun = scene.now
    with pytest.raises(QueueUnavailable):
        await scene.worker.round()
    assert [set(one) for one in asked] == [{"4Q000001"}, {"4Q000002"}]
    due = [one.due_at for number in numbers for one in scene.store.incident(number).measures if one.tries]
    assert due == [begun + MINUTE + RETRY_AFTER_S, begun + 2 * MINUTE + RETRY_AFTER_S]
    assert sorted(scene.held()) == ["4Q000001", "4Q000002"]


@pytest.mark.parametrize("end", ["release", "purge"])
async def test_so_do_releases_and_purges(scene: Scene, end: str) -> None:
    """Tried every half second, and written down every five; it stays due, so that nobody can call it off any more."""
    await scene.hand_in("friend@example.net")
    number = scene.store.contain_identity("ada", "", scene.now).number
    await scene.rounds()
    error = QueueUnavailable("the queue agent does not answer (ClientConnectorError)")
    order = {"release": "release", "purge": "delete"}[end]
    as_before = getattr(scene.queue, order)

    async def not_now(queue_ids: Collection[str]) -> frozenset[str]:
        raise error

    setattr(scene.queue, order, not_now)
    {"release": scene.store.release_incident, "purge": scene.store.purge_incident}[end](number, "", scene.now)
    due = scene.now
    for _ in range(4):
        with pytest.raises(QueueUnavailable):
            await scene.worker.round()
        scene.now += 0.5
    (waiting,) = [one for one in scene.store.incident(number).measures if one.kind == end]
    assert (waiting.done_at, waiting.outcome, waiting.tries, waiting.due_at) == (None, str(error), 1, due)
    said = [one.text for one in scene.store.story(number, scene.now).timeline if one.kind == "measure"]
    assert f"{end}: not done yet, tries: 1 ({error})" in said
    scene.now += RETRY_AFTER_S
    with pytest.raises(QueueUnavailable):
        await scene.worker.round()
    assert max(one.tries for one in scene.store.incident(number).measures if one.kind == end) == 2
    setattr(scene.queue, order, as_before)
    await scene.rounds()
    assert scene.store.incident(number).is_settled


async def test_a_release_ends_though_somebody_has_deleted_the_message_at_the_queue_itself(scene: Scene) -> None:
    await thief(scene)
    (incident,) = scene.store.incidents()
    (queue_id,) = scene.held()
    scene.queue.lose(queue_id)
    scene.store.release_incident(incident.number, "", scene.now)
    await scene.rounds(2)
    assert not scene.store.incident(incident.number).is_settled
    scene.now += 10 * MINUTE
    await scene.rounds(2)
    assert scene.held(HeldState.GONE) == [queue_id]
    assert scene.store.incident(incident.number).is_settled


@DELAYED
async def test_nobody_waits_who_is_known_or_writes_to_people_he_knows(scene: Scene) -> None:
    assert (await scene.hand_in(*people(0, 2))).action is Action.ACCEPT
    assert await scene.log_in(ABROAD) is GRANTED
    assert (await scene.hand_in(*people(0, 2), address=ABROAD)).action is Action.ACCEPT


async def test_whose_incident_is_open_is_not_removed(scene: Scene) -> None:
    """Whoever gets the name next would be asked, and could let the mail go."""
    await thief(scene)
    (incident,) = scene.store.incidents()
    with pytest.raises(StoreError, match=f"incident {incident.number} of 'ada' is open"):
        scene.store.remove_identity("ada", scene.now)
    scene.store.release_incident(incident.number, "", scene.now)
    scene.store.remove_identity("ada", scene.now)


async def test_one_postfix_of_several_that_is_away_keeps_the_others_mail_from_nothing(scene: Scene) -> None:
    """What could be held is known as held at once; the rest is held when its Postfix is back. So with releases."""
    for _ in range(2):
        await scene.hand_in("friend@example.net")
    orders = {name: getattr(scene.queue, name) for name in ("hold", "release")}

    def half(name: str) -> Callable[[Collection[str]], Awaitable[frozenset[str]]]:
        async def order(queue_ids: Collection[str]) -> frozenset[str]:
            done = await orders[name]([one for one in queue_ids if one == "4Q000002"])
            raise QueueUnavailable("the queue agent does not answer", done)

        return order

    for name in orders:
        setattr(scene.queue, name, half(name))
    number = scene.store.contain_identity("ada", "", scene.now).number
    with pytest.raises(QueueUnavailable):
        await scene.worker.round()
    assert scene.held() == ["4Q000002"]
    scene.queue.hold = orders["hold"]  # type: ignore[method-assign]  # both are there
    scene.now += RETRY_AFTER_S
    await scene.rounds()
    assert sorted(scene.held()) == ["4Q000001", "4Q000002"]
    scene.store.release_incident(number, "", scene.now)
    with pytest.raises(QueueUnavailable):
        await scene.worker.round()
    assert scene.held(HeldState.RELEASING) == ["4Q000001"]
    assert not scene.store.incident(number).is_settled
    scene.queue.release = orders["release"]  # type: ignore[method-assign]
    await scene.rounds()
    assert scene.held(HeldState.RELEASING) == []
    assert scene.store.incident(number).is_settled
