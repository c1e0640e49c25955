"""What all sessions of one worker share, the tasks that outlive the session that began them, and the regular rounds."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

from gateway import log
from gateway.caps import Caps
from gateway.door import Door
from gateway.policy_client import PolicyClient
from gateway.relay import Relay
from gateway.scan import Scanner
from gateway.scoreboard import Scoreboard
from gateway.settings import Settings
from gateway.tls import Certificates
from service import tracing
from service.steadiness import LASTING_S

_ROUND_S = 0.5
_RELOAD_EVERY, _WARM_EVERY, _PROBE_EVERY = 4, 10, 60  # rounds

Result = TypeVar("Result")


class Session(Protocol):
    """A session, as far as the process that it runs in is concerned."""

    def drain(self) -> None: ...
    def cut(self) -> None: ...
    def check(self, now: float) -> None: ...
    def end_if_revoked(self, credentials: frozenset[int]) -> None: ...


@contextmanager
def timed(scoreboard: Scoreboard, step: Literal["decision", "relay", "scan"]) -> Iterator[None]:
    """A step of a message: a span, and in the figures, however it ends."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        with tracing.span(step):
            yield
    finally:
        scoreboard.time(f"{step}_duration_seconds", loop.time() - begun)


@dataclass(slots=True, kw_only=True)
class Edge:
    """Made once in each worker. `clock` gives seconds since the epoch."""

    settings: Settings
    certificates: Certificates
    caps: Caps
    scoreboard: Scoreboard
    door: Door
    policy: PolicyClient
    relay: Relay
    hold_relay: Relay | None  # where messages go that are held; None where nothing keeps them
    scanner: Scanner | None = None  # None where there is none
    clock: Callable[[], float]
    sessions: set[Session] = field(default_factory=set)
    lag_s: float = 0.0  # how late the event loop was at both of the last two looks: a pause is over by the second
    _lost_since: dict[str, float] = field(default_factory=dict)  # each next hop that is not reached, the loop's clock
    _tasks: set[asyncio.Task[object]] = field(default_factory=set)

    def in_background(self, work: Coroutine[object, object, Result]) -> asyncio.Task[Result]:
        """Run `work` to its end, whatever becomes of the session; a task that nobody holds may be collected."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def make_rounds(self) -> None:
        """Until cancelled: enforce deadlines, see how late we are, look for new certificates."""
        loop = asyncio.get_running_loop()
        rounds, lag_s = 0, 0.0
        self.scoreboard.looks_again(loop.time() + _ROUND_S)
        while True:
            due = loop.time() + _ROUND_S
            await asyncio.sleep(_ROUND_S)
            now = loop.time()
            before, lag_s = lag_s, now - due
            self.lag_s = min(before, lag_s)
            late_since = self.scoreboard.looks_again(now + _ROUND_S)
            self.scoreboard.set("loop_lag_seconds", max(lag_s, now - late_since))
            for session in tuple(self.sessions):
                session.check(now)
            rounds += 1
            if rounds % _RELOAD_EVERY == 0:
                self.reload()
            self._look_after(rounds, now)

    def _is_lost(self, name: str, relay: Relay, now: float) -> bool:
        """Not reached once is not lost: other connections may go on, and the next attempt comes within seconds."""
        if relay.is_reached:
            self._lost_since.pop(name, None)
            return False
        return not relay.offers or now - self._lost_since.setdefault(name, now) >= LASTING_S

    def _look_after(self, rounds: int, now: float) -> None:
        """The next hop and the scanner, where no message asks: what is shown of them is never older than the rounds."""
        for name, relay in (("next_hop_silent", self.relay), ("hold_relay_silent", self.hold_relay)):
            if relay is None:
                continue
            self.scoreboard.set(name, self._is_lost(name, relay, now))
            is_due = rounds % _WARM_EVERY == 0 and not (relay.is_reached and relay.offers)
            if is_due or rounds % _PROBE_EVERY == 0:
                self.in_background(relay.warm())
        if self.scanner and rounds % _PROBE_EVERY == 1:
            self.in_background(self.scanner.probe())

    def reload(self) -> None:
        """Certificates that have changed on disk; a refusal is said once, and shown as long as it lasts."""
        before = self.certificates.failure, self.certificates.generation
        self.certificates.reload()
        failure = self.certificates.failure
        if failure and failure != before[0]:
            log.certificate_refused(failure)
        if self.certificates.generation != before[1]:
            log.certificate_loaded(self.certificates.expires_at)
        self.scoreboard.set("certificate_reload_failed", bool(failure))
        self.scoreboard.set("certificate_expires_timestamp_seconds", self.certificates.expires_at)

    async def drain(self) -> None:
        """No new commands: sessions end as soon as they have no transaction open, or are cut after `drain_s`."""
        log.draining(len(self.sessions))
        for session in tuple(self.sessions):
            session.drain()
        deadline = asyncio.get_running_loop().time() + self.settings.drain_s
        while self._tasks and (left := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(tuple(self._tasks), timeout=left)
        log.stopped(len(self.sessions))
        for session in tuple(self.sessions):
            session.cut()
        await self.policy.flush()
