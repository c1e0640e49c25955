"""Rounds of work at the queue: what is due is done, and what could not be done is tried again.

A round asks the store what there is to do and the queue agent to do it, and writes down what the agent says. Whatever
breaks off in the middle (this process, the agent, Postfix) is found by the next round as it was: the agent changes
nothing twice, and a row says what is wanted until it is done.
"""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from policy import log
from policy.containment.queue_client import QueueOrders, QueueUnavailable
from policy.engine.ladder import Step
from policy.engine.rulebook import Rulebook
from policy.memory import Notes, Recall
from policy.rounds import Rounds
from policy.store.handed_in import handed_in
from policy.store.held import MOVING, HeldQuestions, HeldState
from policy.store.measures import Kind, Measure, Outcome, due_measures, is_any_due
from policy.store.writer import Writer

PERIOD_S = 0.5
RETRY_AFTER_S = 5.0
_LOOK_AROUND_S = 300.0
_TRUSTED_AFTER_S = 120.0  # what was said to be on hold a moment ago may not be listed yet
_AT_ONCE = 500  # rows of one transaction: the event loop waits for it

_FROM = {Kind.RELEASE: HeldState.RELEASING, Kind.PURGE: HeldState.PURGING}  # where what they move is until then
_MOVED = {Kind.RELEASE: Outcome.RELEASED, Kind.PURGE: Outcome.PURGED}

One = TypeVar("One")


@dataclass(kw_only=True)
class Containment(Rounds):
    """One of what goes on beside the questions; within the event loop. Several processes may do the same at once."""

    recall: Recall
    notes: Notes
    writer: Writer
    queue: QueueOrders
    rulebook: Callable[[], Rulebook]
    clock: Callable[[], float]
    period_s: float = PERIOD_S
    _looked_around_at: float = 0.0
    _said_at: float = 0.0  # why something is not done yet

    async def close(self) -> None:
        await super().close()
        await self.queue.close()

    async def round(self) -> None:
        """All that there is to do at this moment."""
        held, now = HeldQuestions(self.recall.reader), self.clock()
        if await is_any_due(self.recall.reader, now, now - self.rulebook().containment.held_s):
            due = await due_measures(self.recall.reader, self.clock())
            away = [error for one in due if (error := await self._carry_out(one))]
            if away:
                raise away[0]
            await self._let_go(held)
            await self._expire(held)
            await self._move(held)
            await self._finish(held)
        await self._look_around(held)

    def failed(self, error: Exception) -> None:
        log.containment_failed(error)

    # Measures

    async def _carry_out(self, measure: Measure) -> QueueUnavailable | None:
        """What keeps it, or a part of it, and no other measure.

        RELEASE and PURGE are done when nothing of the incident moves any more (_finish).
        """
        now = self.clock()
        if measure.kind is Kind.RETRO_HOLD:
            try:
                held = await self._hold_back(measure)
            except QueueUnavailable as error:
                due = self.clock() + RETRY_AFTER_S  # it may have been waited for, and others are due meanwhile
                await self.writer.make(partial(self.notes.measures.note_again, measure.id, error.sentence, due))
                return error
            await self.writer.make(
                partial(self.notes.measures.note_done, measure.id, Outcome.HELD_BACK.of(messages=held), now)
            )
            log.messages_held_back(measure.incident, measure.identity, held)
        elif measure.kind is Kind.PURGE:
            move = partial(self.notes.held.move_all, measure.incident, HeldState.PURGING, now)
            await self.writer.make(partial(self._purge, measure, move, now))
        return None

    async def _hold_back(self, measure: Measure) -> int:
        """What the credential, or the thief, has handed in and is still queued. How many messages."""
        since = measure.created_at - self.rulebook().containment.retro_hold_s
        standing = await self.recall.standings.standing(measure.identity)
        logins = frozenset(measure.arguments.get("logins", ()))
        is_home_bad = standing.home >= Step.HOLD
        found = {
            one.queue_id: one
            for one in await handed_in(self.recall.reader, measure.identity, since)
            if (one.login in logins if logins else is_home_bad or not one.is_home)
        }
        held, away = await _done_of(self.queue.hold, found) if found else (frozenset[str](), None)
        new = await self._in_portions(
            [one for queue_id, one in found.items() if queue_id in held],
            lambda one: self.notes.held.note_retro(
                one.submission, one.queue_id, measure.incident, one.recipients, self.clock()
            ),
        )
        if away:
            raise away
        return new

    def _purge(self, measure: Measure, move: Callable[[], int], now: float) -> None:
        """Where that had been put off, the incident ends with it."""
        move()
        self.notes.incidents.close_purged(measure.incident, now)

    # Messages

    async def _let_go(self, held: HeldQuestions) -> None:
        """What was only to wait a while, unless its sender has become suspicious meanwhile."""
        due, now = await held.due(self.clock()), self.clock()
        standings = {one.identity: await self.recall.standings.standing(one.identity) for one in due}
        kept = [one for one in due if one.is_barred or standings[one.identity].at(now).step >= Step.HOLD]
        await self._in_portions(kept, lambda one: self.notes.held.keep(one.queue_id))
        await self._note_moves([one.queue_id for one in due if one not in kept], HeldState.HELD, HeldState.RELEASING)

    async def _expire(self, held: HeldQuestions) -> None:
        """What nobody has decided about in the time that the policy gives, though they were told of it."""
        old = await held.expired(self.rulebook().containment.held_s, self.clock())
        await self._note_moves([one.queue_id for one in old], HeldState.HELD, HeldState.EXPIRING)
        for one in old:
            log.held_message_expired(one.queue_id, one.identity)

    async def _move(self, held: HeldQuestions) -> None:
        orders: dict[HeldState, Callable[[Collection[str]], Awaitable[frozenset[str]]]] = {
            HeldState.RELEASING: self.queue.release,
            HeldState.PURGING: self.queue.delete,
            HeldState.EXPIRING: self.queue.delete,
        }
        for state, queue_ids in (await held.moving()).items():
            done, away = await _done_of(orders[state], queue_ids)
            moved = [one for one in queue_ids if one in done]
            await self._note_moves(moved, state, MOVING[state])
            if away:
                due = await due_measures(self.recall.reader, self.clock())
                await self._say_why({one.id: away.sentence for one in due if one.kind in _FROM})
                raise away
            log.held_messages_moved(MOVING[state], len(moved))

    async def _finish(self, held: HeldQuestions) -> None:
        """Measures of which nothing is left."""
        waiting = dict[int, str]()
        for measure in await due_measures(self.recall.reader, self.clock()):
            if not (before := _FROM.get(measure.kind)):
                continue
            if left := await held.left(measure.incident, before):
                waiting[measure.id] = Outcome.LEFT.of(messages=left)
                continue
            done = await held.left(measure.incident, MOVING[before])
            outcome = _MOVED[measure.kind].of(messages=done)
            await self.writer.make(partial(self.notes.measures.note_done, measure.id, outcome, self.clock()))
        await self._say_why(waiting)

    async def _say_why(self, waiting: Mapping[int, str]) -> None:
        """Of measures that are under way; as often as something is tried again elsewhere, and not in each round."""
        now = self.clock()
        if not waiting or now - self._said_at < RETRY_AFTER_S:
            return
        self._said_at = now
        note = self.notes.measures.note_waiting
        await self.writer.make(lambda: [note(measure, why) for measure, why in waiting.items()])

    async def _look_around(self, held: HeldQuestions) -> None:
        """What is on hold and was never reported, and what should be and is not: somebody else was at the queue."""
        now = self.clock()
        if now - self._looked_around_at < _LOOK_AROUND_S:
            return
        there = await held.there()
        queued = {one.queue_id: one for one in (await self.queue.queue(only_held=True)).messages}
        self._looked_around_at = now
        gone = [one.queue_id for one in there if one.queue_id not in queued and one.since < now - _TRUSTED_AFTER_S]
        lost = sum([await self.writer.make(partial(self.notes.held.lose, some, now)) for some in _portions(gone)])
        if lost:
            log.held_messages_gone(lost)
        known = {one.queue_id for one in there}
        astray = [one for one in queued.values() if one.queue_id not in known and one.at < now - _TRUSTED_AFTER_S]
        await self._in_portions(astray, lambda one: self.notes.held.find(one.submission, one.queue_id, now))

    async def _note_moves(self, queue_ids: Sequence[str], before: HeldState, after: HeldState) -> None:
        for some in _portions(queue_ids):
            await self.writer.make(partial(self.notes.held.move, some, before, after, self.clock()))

    async def _in_portions(self, these: Sequence[One], note: Callable[[One], bool]) -> int:
        """How many were new."""
        return sum([await self.writer.make(partial(_note_each, some, note)) for some in _portions(these)])


async def _done_of(
    order: Callable[[Collection[str]], Awaitable[frozenset[str]]], queue_ids: Collection[str]
) -> tuple[frozenset[str], QueueUnavailable | None]:
    """What was carried out, and what keeps the rest: where one Postfix of several is away, the others are not."""
    try:
        return await order(queue_ids), None
    except QueueUnavailable as error:
        return error.done, error


def _note_each(these: Sequence[One], note: Callable[[One], bool]) -> int:
    return sum([note(one) for one in these])


def _portions(these: Sequence[One]) -> Iterator[Sequence[One]]:
    for start in range(0, len(these), _AT_ONCE):
        yield these[start : start + _AT_ONCE]
