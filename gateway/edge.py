"""What all sessions of the process share, and the tasks that outlive the session that began them."""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from gateway import log
from gateway.policy_client import PolicyClient
from gateway.relay import Relay
from gateway.settings import Settings

Result = TypeVar("Result")


class Drainable(Protocol):
    """A session, as far as the process's end is concerned."""

    def drain(self) -> None: ...
    def cut(self) -> None: ...


@dataclass(slots=True, kw_only=True)
class Edge:
    """Made once at the start. `clock` gives seconds since the epoch."""

    settings: Settings
    tls_context: ssl.SSLContext
    policy: PolicyClient
    relay: Relay
    clock: Callable[[], float]
    sessions: set[Drainable] = field(default_factory=set)
    _tasks: set[asyncio.Task[object]] = field(default_factory=set)

    def in_background(self, work: Coroutine[object, object, Result]) -> asyncio.Task[Result]:
        """Run `work` to its end, whatever becomes of the session; a task that nobody holds may be collected."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def drain(self) -> None:
        """No new commands: sessions end as soon as they have no transaction open, or are cut after `drain_s`."""
        log.draining(len(self.sessions))
        for session in tuple(self.sessions):
            session.drain()
        deadline = asyncio.get_running_loop().time() + self.settings.drain_s
        # Each connection is a task here, and so is each report to policy, which the end of a session may begin.
        while self._tasks and (left := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(tuple(self._tasks), timeout=left)
        log.stopped(len(self.sessions))
        for session in tuple(self.sessions):
            session.cut()
