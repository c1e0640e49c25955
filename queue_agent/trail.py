"""What Postfix's log says of a few messages, for `sallyport trace`: rows and not lines, within bounds.

The log may be hundreds of megabytes. Only what names one of the ids is read as lines at all; after so many octets, or
seconds, it ends, and the answer says that it is not whole. One question at a time.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maillog.events import (
    Deleted,
    Delivered,
    Event,
    Expired,
    Freed,
    Held,
    LoginFailed,
    Queued,
    Received,
    Refused,
    Removed,
    Renewed,
    Reported,
)
from maillog.syslog import Calendar, read_line
from maillog.wording import read_event
from policy.queue_contract import TRAIL_LIMIT, Step, TrailAsked, TrailFound, TrailRow
from queue_agent.following import LINE_LIMIT, Log

OCTETS_LIMIT = 1024 * 1024 * 1024
_SECONDS_LIMIT = 20.0
_CHUNK = 1024 * 1024
_TEXT_LIMIT = 300
_FOLLOWED_LIMIT = 50  # queue ids of one question


class Trail:
    """`log` is Postfix's; what it was called before is found."""

    def __init__(self, log: Path, ticks: Callable[[], float] = time.monotonic) -> None:
        self._log = Log(log)
        self._ticks = ticks
        self._turn = asyncio.Lock()

    async def follow(self, asked: TrailAsked, whose: str = "") -> TrailFound:
        """`whose` is the submission, where that is known already: of what was queued anew the log has it elsewhere."""
        async with self._turn:
            return await asyncio.to_thread(self._follow, asked, whose)

    def _follow(self, asked: TrailAsked, whose: str) -> TrailFound:
        search = _Search(asked.submission, dict.fromkeys(asked.queue_ids), whose)
        calendar = Calendar(None, time.time())
        ends_at, octets, is_whole, log_from = self._ticks() + _SECONDS_LIMIT, 0, True, None
        for chunk in _chunks(self._log.written_since(asked.since)):
            octets += len(chunk)
            if octets > OCTETS_LIMIT or self._ticks() > ends_at or search.is_full:
                is_whole = False
                break
            if log_from is None:
                first = read_line(_text(chunk.partition(b"\n")[0]), calendar)
                log_from = first.at if first else None
            for text in search.lines_in(chunk):
                if line := read_line(text, calendar):
                    search.take(read_event(line))
        return TrailFound(
            submission=search.whose, rows=tuple(search.rows.values()), is_whole=is_whole, log_from=log_from
        )


@dataclass(slots=True)
class _Search:
    """What is looked for, which grows while it is found: the queue ids of a submission, and those that follow them."""

    submission: str
    queue_ids: dict[str, None]
    whose: str = ""  # the submission that the log names
    rows: dict[tuple[str, ...], TrailRow] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        return len(self.rows) >= TRAIL_LIMIT

    def lines_in(self, chunk: bytes) -> Iterator[str]:
        """Those that name something of it. An id that is found in a line is looked for in those behind it."""
        start, places = 0, dict[bytes, int]()  # where each is next; -1: nowhere in what is left
        while start < len(chunk):
            for name in self._names():
                if 0 <= places.get(name, 0) <= start:
                    places[name] = chunk.find(name, start)
            found = [place for place in places.values() if place >= 0]
            if not found:
                return
            begin, end = chunk.rfind(b"\n", 0, min(found)) + 1, chunk.find(b"\n", min(found))
            end = len(chunk) if end < 0 else end
            yield _text(chunk[begin:end])
            start = end + 1

    def take(self, event: Event | None) -> None:
        if isinstance(event, Received) and event.original_queue_id:
            if event.original_queue_id == self.submission:
                self._follow(event.queue_id)
            if event.queue_id in self.queue_ids:
                self.whose = event.original_queue_id
        if isinstance(event, Renewed) and event.original_queue_id in self.queue_ids:
            self._follow(event.queue_id)
        told = _ROWS.get(type(event))
        if event is None or isinstance(event, LoginFailed) or told is None:
            return
        if event.queue_id in self.queue_ids:
            self._add(event.at, event.queue_id, *told(event))

    def _follow(self, queue_id: str) -> None:
        if len(self.queue_ids) < _FOLLOWED_LIMIT:
            self.queue_ids[queue_id] = None

    def _names(self) -> Iterator[bytes]:
        if self.submission:
            yield self.submission.encode()
        for queue_id in self.queue_ids:
            yield queue_id.encode()

    def _add(self, at: float, queue_id: str, step: Step, said: Mapping[str, str]) -> None:
        """The same again (a recipient that is deferred for days) is counted."""
        key = (queue_id, step.value, *said.values())
        before = self.rows.get(key)
        if before:
            self.rows[key] = before.model_copy(update={"last_at": at, "times": before.times + 1})
        elif not self.is_full:
            self.rows[key] = TrailRow(at=at, last_at=at, queue_id=queue_id, step=step, **said)


_Said = tuple[Step, Mapping[str, str]]


def _tried(event: Delivered) -> _Said:
    return Step.TRIED, {
        "recipient": event.original_recipient or event.recipient,
        "status": event.status,
        "dsn": event.dsn,
        "relay": event.relay,
        "text": event.text[:_TEXT_LIMIT],
    }


def _refused(event: Refused) -> _Said:
    return Step.REFUSED, {"recipient": event.recipient, "text": event.text[:_TEXT_LIMIT]}


_ROWS: Mapping[type[Any], Callable[[Any], _Said]] = {
    Received: lambda _: (Step.RECEIVED, {}),
    Held: lambda _: (Step.HELD, {}),
    Freed: lambda _: (Step.FREED, {}),
    Queued: lambda _: (Step.QUEUED, {}),
    Delivered: _tried,
    Renewed: lambda event: (Step.RENEWED, {"text": event.original_queue_id}),
    Expired: lambda _: (Step.EXPIRED, {}),
    Reported: lambda event: (Step.REPORTED, {"text": event.report_queue_id}),
    Refused: _refused,
    Deleted: lambda _: (Step.DELETED, {}),
    Removed: lambda _: (Step.LEFT, {}),
}


def _chunks(paths: list[Path]) -> Iterator[bytes]:
    """Of whole lines, but for the last of each file."""
    for path in paths:
        try:
            with path.open("rb") as opened:
                rest = b""
                while octets := opened.read(_CHUNK):
                    lines, newline, rest = (rest + octets).rpartition(b"\n")
                    yield lines + newline
                    if len(rest) > LINE_LIMIT:  # no line of Postfix
                        rest = b""
                yield rest
        except FileNotFoundError:  # it was removed at this moment
            continue


def _text(octets: bytes) -> str:
    return octets[:LINE_LIMIT].decode("utf-8", "backslashreplace").rstrip("\r\n")
