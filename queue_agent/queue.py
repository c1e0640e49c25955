"""What is done with queued mail. Every answer is read from the queue itself, so that asking again is right.

A queue id that was queued anew (`postsuper -r`) has another one since; whoever asks by the old one means that message.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from policy.queue_contract import Queued, QueuedMessage, QueueName, Statistics
from queue_agent.commands import Commands
from queue_agent.ledger import Ledger
from queue_agent.spool import ORDER, PRINTED, Listing, listing_of
from queue_agent.store import DELETED, RENEWED, Known, Waiting

HEAD_LIMIT, START_LIMIT = 64 * 1024, 4 * 1024
_BATCH = 200  # messages of a listing whose submissions are looked up at once
_TRIES = 3  # a message may move while postsuper looks for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """One change at a time."""

    commands: Commands
    ledger: Ledger
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def hold(self, asked: Sequence[str]) -> list[str]:
        """Those that are on hold now."""
        async with self._lock:
            current = await self.ledger.current(asked)
            listing = await self.listing()
            for _ in range(_TRIES):
                free = [one for one in current.values() if listing.queue_of.get(one, QueueName.HOLD) != QueueName.HOLD]
                if not free:
                    break
                await self.commands.postsuper("-h", free)
                listing = await self.listing()
            return [one for one in asked if listing.queue_of.get(current[one]) == QueueName.HOLD]

    async def release(self, asked: Sequence[str]) -> list[str]:
        """Those that are not on hold any more, and were not deleted. They leave at once; nothing else is hurried."""
        async with self._lock:
            current = await self.ledger.current(asked)
            held = (await self.listing()).within(QueueName.HOLD).intersection(current.values())
            if held:
                # What is deferred has its next attempt in its time of change, which it keeps on hold.
                await self.commands.touch(QueueName.HOLD, held)
                await self.commands.postsuper("-H", held)
            listing, known = await self.listing(), await self.ledger.all_known(list(current.values()))
            # Also where nothing was held: the one who asked before us may have been killed here.
            # D: those of the deferred whose time has come. F: also where the next hop was down.
            await self.commands.kick("qmgr", "DF")
            return [one for one in asked if _is_free(current[one], listing, known) or current[one] in held]

    async def requeue(self, asked: Sequence[str]) -> list[str]:
        """Those that are queued anew: with the whole queue lifetime before them, and tried at once."""
        async with self._lock:
            current, known = await self.ledger.current(asked), await self.ledger.all_known(asked)
            listing = await self.listing()
            done = {one for one in asked if one in known and known[one].ended == RENEWED}
            done |= listing.within(QueueName.MAILDROP).intersection(asked)
            wanted = {current[one] for one in asked if _can_be_renewed(one, current[one], listing)}
            told = await self.commands.postsuper("-r", wanted) if wanted else []
            renewed = {line.split(": ")[-2] for line in told if line.endswith(": requeued")}
            await self.commands.kick("pickup", "W")
            return [one for one in asked if one in done or current[one] in renewed]

    async def delete(self, asked: Sequence[str]) -> list[str]:
        """Those that are gone. What is not on hold stays."""
        async with self._lock:
            current = await self.ledger.current(asked)
            held = (await self.listing()).within(QueueName.HOLD).intersection(current.values())
            if held:
                await self._note_recipients(held)
                await self.commands.postsuper("-d", held, QueueName.HOLD)
            listing = await self.listing()
            return [one for one in asked if current[one] not in listing.queue_of]

    async def listing(self) -> Listing:
        return listing_of((await self.commands.list_files(ORDER, PRINTED)).splitlines())

    async def messages(self, wanted: QueueName | None) -> AsyncGenerator[Queued, None]:
        """Each message, or those in one queue, as Postfix tells them; in memory there are never more than a few."""
        batch: list[Queued] = []
        async with aclosing(self.commands.queue_lines()) as lines:
            async for line in lines:
                one = queued_of(line)
                if one is None or (wanted and one.queue != wanted):
                    continue
                batch.append(one)
                if len(batch) >= _BATCH:
                    for named in await self._named(batch):
                        yield named
                    batch = []
        for named in await self._named(batch):
            yield named

    async def message(self, asked: str) -> QueuedMessage | None:
        """None where it is gone."""
        queue_id = (await self.ledger.current([asked]))[asked]
        if queue_id not in (await self.listing()).queue_of:
            return None
        async with aclosing(self.messages(None)) as messages:
            # One that moved meanwhile is told twice; the later one is where it is.
            found = [one async for one in messages if one.queue_id == queue_id]
        if not found:
            return None
        head = await self.commands.part_of("-h", queue_id, HEAD_LIMIT)
        start = await self.commands.part_of("-b", queue_id, START_LIMIT)
        return QueuedMessage(queued=found[-1], head=_text(head), start=_text(start).removeprefix("\n"))

    async def statistics(self) -> Statistics:
        listing = await self.listing()
        return Statistics(
            messages=listing.counts(),
            octets=listing.octets,
            oldest_at=listing.oldest_at(),
            log_at=await self.ledger.log_at(),
            unreported=await self.ledger.unreported(),
            is_running=self.commands.is_running(),
        )

    async def _named(self, batch: Sequence[Queued]) -> list[Queued]:
        known = await self.ledger.all_known([one.queue_id for one in batch])
        return [
            one.model_copy(update={"submission": known[one.queue_id].submission}) if one.queue_id in known else one
            for one in batch
        ]

    async def _note_recipients(self, held: set[str]) -> None:
        """Before they are deleted: the log names only those recipients that were tried."""
        batch = list[tuple[str, Waiting]]()
        async for line in self.commands.queue_lines():
            one = queued_of(line)
            if one and one.queue_id in held:
                batch += [(one.queue_id, Waiting(recipient, "", "")) for recipient in one.recipients]
            if len(batch) >= _BATCH:
                await self.ledger.wait(batch)
                batch = []
        await self.ledger.wait(batch)


def queued_of(line: bytes) -> Queued | None:
    """Of a line of `postqueue -j` (postqueue(1), JSON OBJECT FORMAT); None of one that is none."""
    try:
        told = json.loads(line.decode("utf-8", "replace"))
        recipients = told["recipients"]
        return Queued(
            queue_id=told["queue_id"],
            queue=QueueName(told["queue_name"]),
            at=float(told["arrival_time"]),
            message_bytes=told["message_size"],
            reverse_path="" if told["sender"] == "MAILER-DAEMON" else told["sender"],
            recipients=tuple(recipient["address"] for recipient in recipients),
            reason=next((reason for one in recipients if (reason := one.get("delay_reason"))), ""),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _can_be_renewed(asked: str, current: str, listing: Listing) -> bool:
    """What was queued anew before is only where it is on hold again."""
    queue = listing.queue_of.get(current)
    return queue == QueueName.HOLD or (current == asked and queue not in (None, QueueName.MAILDROP))


def _is_free(queue_id: str, listing: Listing, known: dict[str, Known]) -> bool:
    """In another queue; or it came, is gone, and nobody deleted it."""
    if queue_id in listing.queue_of:
        return listing.queue_of[queue_id] != QueueName.HOLD
    return queue_id in known and known[queue_id].ended != DELETED


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")
