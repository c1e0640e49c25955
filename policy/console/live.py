"""Pages that change while somebody looks: server-sent events, painted once for all who look.

    Live          one round a second while anybody looks, whoever that is; none otherwise
    EventStream   one viewer's answer: the pieces that are new since the last ones

A viewer who reads slowly misses states and keeps no other waiting: only the newest state is kept, and none is queued.
A stream ends with its session, when its reader has gone or reads no more, and at once when the console ends.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from policy import log
from policy.console.staff.painting import Fragments, View

MOST_STREAMS = 40  # of MOST_CONNECTIONS
MOST_OF_ONE = 4  # browsers make six connections to one server: pages must still come through
_SEND_WITHIN_S = 20.0


@dataclass(slots=True)
class Live:
    """One for the console. `paint` runs in a thread."""

    paint: Callable[[Iterable[View]], dict[View, Fragments]]
    period_s: float = 1.0
    check_s: float = 5.0  # how often a stream looks whether its session goes on
    heartbeat_s: float = 15.0  # so often something is sent: who is between must not take it for dead
    newest: dict[View, Fragments] = field(default_factory=dict, init=False)
    is_ending: bool = field(default=False, init=False)
    _viewers: Counter[View] = field(default_factory=Counter, init=False)
    _people: Counter[str] = field(default_factory=Counter, init=False)
    _news: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _polling: asyncio.Task[None] | None = field(default=None, init=False)

    @property
    def streams(self) -> int:
        return self._people.total()

    def has_room_for(self, identity: str) -> bool:
        return not self.is_ending and self.streams < MOST_STREAMS and self._people[identity] < MOST_OF_ONE

    @contextmanager
    def watching(self, identity: str, view: View) -> Iterator[None]:
        """For as long as somebody looks."""
        self._viewers[view] += 1
        self._people[identity] += 1
        if not self._polling or self._polling.done():
            self._polling = asyncio.get_running_loop().create_task(self._poll())
        try:
            yield
        finally:
            self._leave(identity, view)

    @property
    def news(self) -> asyncio.Event:
        """Set as soon as there is a newer state than the one that is there now."""
        return self._news

    def end(self) -> None:
        """All streams end now, and no other one begins."""
        self.is_ending = True
        self._tell()
        self._rest()

    def _leave(self, identity: str, view: View) -> None:
        self._viewers -= Counter((view,))  # which leaves no zero behind
        self._people -= Counter((identity,))
        if not self._viewers:
            self._rest()

    def _rest(self) -> None:
        if self._polling:
            self._polling.cancel()
        self._polling, self.newest = None, {}

    async def _poll(self) -> None:
        is_failing = False
        while True:
            try:
                self.newest = await run_in_threadpool(self.paint, tuple(self._viewers))
                is_failing = False
            except Exception as error:  # noqa: BLE001 - the database is away; the next round may find it
                if not is_failing:
                    log.console_failed("live", error)
                is_failing = True
            self._tell()
            await asyncio.sleep(self.period_s)

    def _tell(self) -> None:
        told, self._news = self._news, asyncio.Event()
        told.set()


class EventStream(Response):
    """The answer to one viewer, as the HTML standard has it ("Server-sent events").

    `is_on` says whether the session goes on; `farewell` is the last piece of one that does not.
    """

    media_type = "text/event-stream"

    def __init__(
        self, live: Live, identity: str, view: View, is_on: Callable[[], Awaitable[bool]], farewell: str
    ) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._live, self._identity, self._view = live, identity, view
        self._is_on, self._farewell = is_on, farewell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI has it
        head = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        with self._live.watching(self._identity, self._view):
            sending = asyncio.ensure_future(self._send(send, head))
            leaving = asyncio.ensure_future(_left(receive))
            try:
                await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            finally:
                sending.cancel()
                leaving.cancel()
                await asyncio.wait((sending, leaving))
            if not sending.cancelled() and (error := sending.exception()) and not isinstance(error, TimeoutError):
                raise error

    async def _send(self, send: Send, head: dict[str, object]) -> None:
        await send(head)
        async for event in self._events():
            async with asyncio.timeout(_SEND_WITHIN_S):  # who reads no more does not keep his place
                await send({"type": "http.response.body", "body": event.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _events(self) -> AsyncIterator[str]:
        live, shown, seconds = self._live, dict[str, str](), asyncio.get_running_loop().time
        checked = heard = seconds()
        while not live.is_ending:
            news = live.news  # what comes while this is sent is news, too
            if seconds() - checked >= live.check_s:
                if not await self._is_on():
                    yield event("end", self._farewell)
                    return
                checked = seconds()
            pieces = live.newest.get(self._view, {})
            new = {name: piece for name, piece in pieces.items() if shown.get(name) != piece}
            if new or seconds() - heard >= live.heartbeat_s:
                yield "".join(event(name, piece) for name, piece in new.items()) or ":\n\n"
                shown.update(new)
                heard = seconds()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(live.check_s, live.heartbeat_s)):
                    await news.wait()


def event(name: str, data: str) -> str:
    """One event. A line of data that is empty is one, too."""
    lines = data.splitlines() or [""]
    return f"event: {name}\n" + "".join(f"data: {line}\n" for line in lines) + "\n"


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
