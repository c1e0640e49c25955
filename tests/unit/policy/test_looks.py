"""Looks at held mail: asked for, fetched from the queue, sealed, shown to who asked alone, and soon forgotten."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

import pytest
from queue_of_test import QueueOfTest
from sqlalchemy import Engine, select, update
from stolen import Thief

from policy.containment.looks import LookDesk
from policy.containment.queue_client import QueueUnavailable
from policy.queue_contract import QueuedMessage, QueueName
from policy.store.audit import Actor, Wanted, newest
from policy.store.errors import Decided, Unknown
from policy.store.held import HeldState
from policy.store.identities import IdentityStore, NewCredential
from policy.store.incident_models import HeldMessages
from policy.store.looks import KEPT_S, MOST_IN_ALL, MOST_OF_A_PERSON, LookNotes, Problem, TooMany
from policy.store.operation_models import Looks
from policy.store.reader import open_reader
from policy.store.transactions import Transactions
from policy.store.writer import Writer

T = 1_700_000_000.0
SECRET = "the merger of the mills"


@dataclass
class Scene:
    """A message of ada's is on hold; an administrator at the console; policy with a queue."""

    store: IdentityStore
    console: IdentityStore  # in the hands of grace
    desk: LookDesk
    queue: QueueOfTest
    engine: Engine
    queue_id: str
    now: float = T

    def rows(self) -> int:
        with self.engine.connect() as connection:
            return len(connection.execute(select(Looks.id)).all())

    def ask(self, *, with_text: bool = True) -> int:
        return self.console.ask_look(self.queue_id, self.now, with_text=with_text)


@pytest.fixture
def hand(engine: Engine, key: bytes) -> Callable[[str], IdentityStore]:
    """The store in somebody's hands at the console."""
    return lambda name: IdentityStore(engine, key, Actor(f"console:{name}", "198.51.100.7"))


@pytest.fixture
async def scene(
    engine: Engine,
    store: IdentityStore,
    ada: NewCredential,
    statements: Transactions,
    database: object,
    key: bytes,
    hand: Callable[[str], IdentityStore],
) -> AsyncIterator[Scene]:
    queue = QueueOfTest(content=(f"Subject: {SECRET}\nTo: a@example.net\n", "The first line.\n"))
    queue_id = Thief(engine, "ada", ada.login, T).hand_in("hold")
    queue.add(queue_id, QueueName.HOLD)
    reader, writer = open_reader(database), Writer(statements, 0)  # type: ignore[arg-type]  # a Location
    notes = LookNotes(statements, key)
    desk = LookDesk(reader=reader, notes=notes, writer=writer, queue=queue, clock=lambda: made.now)
    made = Scene(store, hand("grace"), desk, queue, engine, queue_id)
    yield made
    await writer.close()
    await reader.close()


async def test_a_look(scene: Scene) -> None:
    """That somebody looks is in the audit log before anything is fetched, with who and at what."""
    number = scene.ask()
    (act, *_) = newest(scene.engine, Wanted(actor="console:grace"))
    assert (act.action, act.subject, act.after["queue_id"]) == ("held-message-read", "ada", scene.queue_id)
    assert not scene.console.look(number, scene.now).is_answered
    await scene.desk.round()
    look = scene.console.look(number, scene.now)
    assert look.content
    assert (look.content.head, look.content.text) == (scene.queue.content[0], "The first line.\n")
    assert look.problem == ""
    calls = scene.queue.calls
    await scene.desk.round()
    assert scene.queue.calls == calls


async def test_the_header_section_alone(scene: Scene) -> None:
    number = scene.ask(with_text=False)
    await scene.desk.round()
    look = scene.console.look(number, scene.now)
    assert look.content
    assert (look.content.head, look.content.text) == (scene.queue.content[0], "")


async def test_what_is_kept_is_sealed(scene: Scene, engine: Engine) -> None:
    """With the digest key, for this row: without it, or in another row, it is not to be read."""
    first, second = scene.ask(), scene.ask()
    await scene.desk.round()
    with engine.begin() as connection:
        sealed = connection.scalar(select(Looks.content).where(Looks.id == first))
        assert sealed
        assert SECRET.encode() not in sealed
        connection.execute(update(Looks).where(Looks.id == second).values(content=sealed))
    stranger = IdentityStore(engine, bytes(32), Actor("console:grace", ""))
    for look in (stranger.look(first, scene.now), scene.console.look(second, scene.now)):
        assert (look.content, look.problem) == (None, Problem.UNREADABLE)
    assert SECRET not in repr(scene.console.look(first, scene.now))


async def test_a_look_is_its_asker_s_alone(scene: Scene, hand: Callable[[str], IdentityStore]) -> None:
    number = scene.ask()
    await scene.desk.round()
    for other in (hand("ada"), hand("gracehopper"), scene.store):
        with pytest.raises(Unknown):
            other.look(number, scene.now)


async def test_an_owner_looks_at_his_own(scene: Scene, hand: Callable[[str], IdentityStore]) -> None:
    """Another identity's message is unknown, and what somebody else has asked for, too."""
    scene.store.add_identity("eve", ("eve@example.org",), T)
    with pytest.raises(Unknown):
        hand("eve").ask_own_look(scene.queue_id, "eve", T)
    assert scene.rows() == 0
    number = hand("ada").ask_own_look(scene.queue_id, "ada", T)
    staff_s = hand("eve").ask_look(scene.queue_id, T, with_text=True)  # as if she were of the staff
    await scene.desk.round()
    assert hand("ada").own_look(number, "ada", T).content
    for who, which in (("eve", number), ("eve", staff_s)):
        with pytest.raises(Unknown):
            hand(who).own_look(which, who, T)


async def test_it_is_forgotten(scene: Scene) -> None:
    """After five minutes nobody is shown it, and then the row is gone; also one that nobody answered."""
    number = scene.ask()
    await scene.desk.round()
    scene.now += 1
    unanswered = scene.ask()
    scene.now += KEPT_S - 1
    with pytest.raises(Unknown):
        scene.console.look(number, scene.now)
    assert scene.console.look(unanswered, scene.now)
    await scene.desk.round()
    assert scene.rows() == 1
    scene.now += KEPT_S
    await scene.desk.round()
    assert scene.rows() == 0


async def test_it_is_forgotten_where_policy_is_down(scene: Scene) -> None:
    """The next one who asks takes old rows away."""
    scene.ask()
    scene.now += KEPT_S
    scene.ask()
    assert scene.rows() == 1


async def test_only_so_many_at_once(scene: Scene, hand: Callable[[str], IdentityStore]) -> None:
    """Each person's own; what is answered does not count."""
    for _ in range(MOST_OF_A_PERSON):
        scene.ask()
    with pytest.raises(TooMany):
        scene.ask()
    hand("heidi").ask_look(scene.queue_id, T, with_text=True)
    await scene.desk.round()
    scene.ask()


def test_only_so_many_in_a_time(scene: Scene) -> None:
    """Answered ones, too: an owner who asks again and again fills neither the audit log nor the database."""
    for _ in range(MOST_IN_ALL):
        scene.ask()
        with scene.engine.begin() as connection:
            connection.execute(update(Looks).values(answered_at=scene.now))
    with pytest.raises(TooMany):
        scene.ask()
    scene.now += KEPT_S
    scene.ask()


@pytest.mark.parametrize("state", [one for one in HeldState if one is not HeldState.HELD])
def test_what_is_not_on_hold_is_nobody_s_to_see(scene: Scene, state: HeldState) -> None:
    with scene.engine.begin() as connection:
        connection.execute(update(HeldMessages).values(state=state))
    with pytest.raises(Decided):
        scene.ask()
    assert scene.rows() == 0


def test_a_message_that_never_was(scene: Scene) -> None:
    with pytest.raises(Unknown):
        scene.console.ask_look("4NOBODYS0001", T, with_text=True)


async def test_what_the_queue_says(scene: Scene) -> None:
    """It may have left since: what is on its way is not shown."""
    problems = []
    for where in (QueueName.DEFERRED, QueueName.ACTIVE, None):
        if where is None:
            del scene.queue.where[scene.queue_id]
        else:
            scene.queue.where[scene.queue_id] = where
        number = scene.ask()
        await scene.desk.round()
        look = scene.console.look(number, T)
        assert look.content is None
        problems.append(look.problem)
    assert problems == [Problem.NOT_HELD, Problem.NOT_HELD, Problem.GONE]


async def test_nobody_at_the_queue(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at this moment, or not at all; others are answered nevertheless."""

    async def away(_: str) -> QueuedMessage | None:
        raise QueueUnavailable("the queue agent does not answer")

    monkeypatch.setattr(scene.queue, "message", away)
    for desk in (scene.desk, replace(scene.desk, queue=None)):
        number = scene.ask()
        await desk.round()
        assert scene.console.look(number, T).problem == Problem.UNAVAILABLE


async def test_two_answer_at_once(scene: Scene) -> None:
    """The first answer stays."""
    number = scene.ask()
    await scene.desk.round()
    scene.desk.notes.refuse(number, Problem.GONE, T)
    assert scene.console.look(number, T).problem == ""


async def test_a_long_message_is_cut(scene: Scene) -> None:
    scene.queue.content = ("X-Long: " + "x" * 60_000, "y" * 9_000)
    number = scene.ask()
    await scene.desk.round()
    content = scene.console.look(number, T).content
    assert content
    assert (len(content.head), len(content.text), content.is_cut) == (16 * 1024, 4 * 1024, True)
