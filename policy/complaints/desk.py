"""Complaints weighed against whoever sent the message: engine/feedback.py decides, once for each of them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from secrets import token_hex

from policy import log
from policy.engine.feedback import Report, Weighed, weigh_complaints
from policy.engine.profile import Place
from policy.engine.rulebook import Rulebook
from policy.feedback import place_then
from policy.ledger import Ledger
from policy.memory import Notes, Recall
from policy.rounds import Rounds
from policy.store.complaints import ComplaintNotes, Unweighed, unweighed
from policy.store.standings import Cause
from policy.store.statements import prepared
from policy.store.writer import Writer
from policy.telling import Teller

PERIOD_S = 5.0

_SUBMISSION = prepared("SELECT identity, origin, evidence FROM submission WHERE id = :asked")


@dataclass(kw_only=True)
class ComplaintDesk(Rounds):
    """One of what goes on beside the questions."""

    recall: Recall
    notes: Notes
    complaints: ComplaintNotes
    rulebook: Callable[[], Rulebook]
    ledger: Ledger
    teller: Teller
    writer: Writer
    clock: Callable[[], float]
    period_s: float = PERIOD_S

    async def round(self) -> None:
        """All that were not weighed yet."""
        for one in await unweighed(self.recall.reader):
            await self._weigh(one)

    def failed(self, error: Exception) -> None:
        log.question_failed("complaints", error)

    async def _weigh(self, one: Unweighed) -> None:
        now = self.clock()
        rows = await self.recall.reader.rows(_SUBMISSION, {"asked": one.submission})
        for name, area, evidence in rows:
            found = await self.recall.directory.identity_at(name, "")
            if not found:
                continue
            place = place_then(area, evidence)
            report = Report(
                identity=name,
                kind=found.profile,
                place=place,
                outcomes=(),
                standing=found.standing,
                signals=await self.recall.standings.signals(found.id, now),
            )
            asking = partial(weigh_complaints, report, one.complaints, self.rulebook(), now)
            write = partial(self._write, found.id, name, place, one, now)
            weighed = await self.ledger.settle(asking, token_hex(8), now, write)
            self.teller.tell(name, place, weighed.signals, found.standing, weighed.standing)
            self.teller.tell_not_raised(name, place, weighed.not_raised)
            return
        # Its record, or its identity, is gone.
        await self.writer.make(partial(self.complaints.note_weighed, one.submission, now))

    def _write(self, identity: int, name: str, place: Place, one: Unweighed, now: float, weighed: Weighed) -> None:
        self.complaints.note_weighed(one.submission, now)
        cause = Cause(submission=one.submission)
        opened = self.notes.standings.note(identity, weighed.standing, weighed.signals, cause)
        self.teller.note(opened, name, place, weighed.signals, weighed.standing)
