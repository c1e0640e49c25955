"""What became of messages in the world: each recipient's delivery, reported at least once, weighed once.

engine/feedback.py decides. A submission knows by a bit for each of its recipients which were reported.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from operator import attrgetter
from secrets import token_hex
from typing import NamedTuple

from policy.engine.feedback import Report, Weighed, weigh
from policy.engine.profile import Place
from policy.engine.rulebook import Rulebook
from policy.engine.sources import Origin
from policy.ledger import Ledger
from policy.marks import Marks
from policy.memory import Notes, Recall
from policy.queue_contract import Deliveries, Delivery, DeliveryOutcome
from policy.store.days import Done
from policy.store.fates import Fate, fate_of
from policy.store.records import unpacked
from policy.store.standings import Cause
from policy.store.statements import prepared
from policy.tally import Stage, Tally, What
from policy.telling import Teller

_SUBMISSION = prepared(
    "SELECT identity, origin, evidence, new_recipients, known_recipients, marks, reported FROM submission"
    " WHERE id = :asked"
)

_NOT_YET = "deferred"


class Told(NamedTuple):
    """What is new of a submission."""

    submission: str
    places: tuple[int, ...]  # of recipients, among the marks
    before: bytes | None  # what was reported until now
    to_warn: tuple[str, ...]
    listed_at: tuple[str, ...]  # servers that refuse it because we are on a blocklist
    delivered: int  # of the places
    fates: Mapping[int, Fate]  # of recipients, by their marks
    let_go: tuple[int, ...]  # marks of those for whom it had been held, and to whom it has gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """Put together once at the start. One report at a time: what was reported is read, weighed and written as one."""

    recall: Recall
    notes: Notes
    marks: Marks
    rulebook: Callable[[], Rulebook]
    ledger: Ledger
    teller: Teller
    tally: Tally
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def take(self, deliveries: Deliveries, now: float) -> None:
        """Submissions that nobody remembers are left out."""
        by_submission = sorted(deliveries.deliveries, key=attrgetter("submission"))
        async with self._lock:
            for submission, reports in groupby(by_submission, key=attrgetter("submission")):
                await self._weigh(submission, tuple(reports), now)

    async def _weigh(self, submission: str, reports: Sequence[Delivery], now: float) -> None:
        for name, area, evidence, new, known, packed, reported in await self.recall.reader.rows(
            _SUBMISSION, {"asked": submission}
        ):
            found = await self.recall.directory.identity_at(name, "")
            marks, place = unpacked(packed), place_then(area, evidence)
            places = self._places(reports, marks, reported)
            to_warn = self._to_warn(reports, place, marks[:new])
            fates = self._fates(reports, marks)
            if not found or not (places or to_warn or fates):
                return
            unknown_today, recipients_today = await self.recall.days.deliveries(found.id, now)
            report = Report(
                identity=name,
                kind=found.profile,
                place=place,
                outcomes=tuple(outcome for at, outcome in places.items() if at < new),
                likelihood=await self.recall.standings.likelihood(found.id),
                standing=found.standing,
                signals=await self.recall.standings.signals(found.id, now),
                recipients_today=recipients_today,
                unknown_today=unknown_today,
            )
            listed_at = {one.relay for one in reports if one.outcome is DeliveryOutcome.BLOCKLISTED} if places else ()
            got = sum(one is DeliveryOutcome.DELIVERED for one in places.values())
            let_go = tuple(marks[at] for at, one in places.items() if at >= new + known and has_left(one))
            told = Told(submission, tuple(places), reported, to_warn, tuple(sorted(listed_at)), got, fates, let_go)
            write = partial(self._write, found.id, name, place, told, now)
            weighed = await self.ledger.settle(partial(weigh, report, self.rulebook(), now), token_hex(8), now, write)
            for outcome in places.values():
                self.tally.note(What(Stage.DELIVERY, outcome), now, 1)
            self.teller.tell(name, place, weighed.signals, found.standing, weighed.standing)
            self.teller.tell_not_raised(name, place, weighed.not_raised)

    def _places(
        self, reports: Sequence[Delivery], marks: Sequence[int], reported: bytes | None
    ) -> dict[int, DeliveryOutcome]:
        """What is new, by the recipient's place among the marks; recipients that were none of theirs are left out.

        What is deferred says nothing yet: the last word on that recipient comes later.
        """
        reports = [one for one in reports if one.status != _NOT_YET]
        done, at = int.from_bytes(reported or b""), {mark: place for place, mark in reversed(list(enumerate(marks)))}
        found = {at.get(self.marks.recipient(one.recipient)): one.outcome for one in reports}
        return {place: one for place, one in found.items() if place is not None and not done >> place & 1}

    def _to_warn(self, reports: Sequence[Delivery], place: Place, new: Sequence[int]) -> tuple[str, ...]:
        """Who got it and may have to be warned (store/reached.py): a recipient of our own domains has no mark."""
        got = [one.recipient for one in reports if one.outcome is DeliveryOutcome.DELIVERED]
        if not place.is_settled:
            return tuple(got)
        return tuple(one for one in got if self.marks.recipient(one) in new)

    def _fates(self, reports: Sequence[Delivery], marks: Sequence[int]) -> dict[int, Fate]:
        """What its owner sees, beside the number of those elsewhere who have it; of each recipient the last word."""
        fates = {self.marks.recipient(one.recipient): fate_of(one) for one in reports}
        return {mark: fate for mark, fate in fates.items() if fate is not Fate.DELIVERED or mark not in marks}

    def _write(self, identity: int, name: str, place: Place, told: Told, now: float, weighed: Weighed) -> None:
        self.notes.records.note_reported(told.submission, told.places, told.before, told.delivered)
        if told.fates:
            self.notes.fates.note(told.submission, told.fates, now)
        self.notes.standings.note_likelihood(identity, weighed.likelihood, now)
        cause = Cause(submission=told.submission)
        opened = self.notes.standings.note(identity, weighed.standing, weighed.signals, cause)
        self.teller.note(opened, name, place, weighed.signals, weighed.standing)
        if told.listed_at:
            self.teller.note_listed(name, told.submission, told.listed_at, now)
        if told.to_warn:
            self.notes.reached.note(name, told.submission, told.to_warn, now)
        if told.let_go:  # somebody has let it go; its owner would else be asked again about the next message to them
            self.notes.recipients.learn(identity, told.let_go, now)
        if weighed.unknown:
            self.notes.days.add(identity, Done(unknown=weighed.unknown), now)


def has_left(outcome: DeliveryOutcome) -> bool:
    """Whether the world was asked: what is deleted from the queue, or given up, is another outcome."""
    return outcome is not DeliveryOutcome.OTHER


def place_then(area: str, evidence: str) -> Place:
    """From where the message was handed in, as it was seen then."""
    network, _, standing, is_home = json.loads(evidence or "{}").get("place") or ("", "", "", False)
    number, _, country = area.removeprefix("AS").rpartition(" ")
    origin = Origin(network=network, asn=int(number) if number.isdecimal() else 0, country=country)
    is_settled = standing == "settled"
    return Place(origin=origin, is_settled=is_settled, is_home=is_home, is_unseen_area=False, is_unseen_country=False)
