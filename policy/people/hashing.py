"""argon2id for people's passwords: parameters that fit the machine, and a bounded pool to compute them in.

A hash costs a quarter of a second and 64 MiB on purpose. Whoever is not signed in can ask for any number of them, so
`HashingPool` computes at most `parallel` at a time, off the event loop (argon2 releases Python's lock), lets at most
`queue` wait, and turns the rest away: 2 x 64 MiB is all the memory that a storm can take. Whoever comes from a network
of his own has some places more, or a stranger who repeats one wrong password would keep everybody from being heard.

`measure` was run on a machine with two processors of a cloud server: one pass over 64 MiB takes 52 ms, each further one
31 ms, so it chose 7 passes for 250 ms. RFC 9106 section 4 asks for 3 at least with 64 MiB; that is the floor here.
"""

import asyncio
import json
import os
import secrets
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock, get_native_id
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from policy.people.errors import Busy
from service.settings import SettingError

MEMORY_KIB = 64 * 1024
LEAST_PASSES, MOST_PASSES = 3, 20
TARGET_S = 0.25
_NICENESS = 15

Given = ParamSpec("Given")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The parameters of argon2id that are chosen; one lane, because the pool is what runs in parallel."""

    memory_kib: int = MEMORY_KIB
    passes: int = LEAST_PASSES


class Hasher:
    """One password at a time, in whatever thread it is called."""

    def __init__(self, cost: Cost) -> None:
        self._argon2 = PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=1)
        self._nobodys = self._argon2.hash(secrets.token_urlsafe(32))

    def hash(self, password: str) -> str:
        return self._argon2.hash(password)

    def verify(self, kept: str | None, password: str) -> bool:
        """For None, which is nobody's, it takes as long and is False."""
        try:
            return self._argon2.verify(kept or self._nobodys, password) and kept is not None
        except (VerificationError, InvalidHashError):
            return False

    def is_cheap(self, kept: str) -> bool:
        """Whether it was made with lower parameters than these. Higher ones stay: they were chosen once."""
        made = extract_parameters(kept)
        return made.memory_cost < self._argon2.memory_cost or (
            made.memory_cost == self._argon2.memory_cost and made.time_cost < self._argon2.time_cost
        )


class HashingPool:
    """Runs what is slow; `Busy` at once when `parallel` are at work and `queue` wait; `kept` more may, of owners."""

    def __init__(self, parallel: int = 2, queue: int = 20, kept: int = 10) -> None:
        self._threads = ThreadPoolExecutor(parallel, "hashing", _stand_back)
        self._room, self._kept = parallel + queue, kept
        self._inside = 0
        self._counting = Lock()

    async def run(self, function: Callable[Given, Value], *args: Given.args, **kwargs: Given.kwargs) -> Value:
        """What `function` returns. Who asked may go: the room is free when the work ends, and not before."""
        return await self._run(self._room, function, *args, **kwargs)

    async def run_owners(self, function: Callable[Given, Value], *args: Given.args, **kwargs: Given.kwargs) -> Value:
        """The same, of somebody who is no stranger."""
        return await self._run(self._room + self._kept, function, *args, **kwargs)

    async def _run(
        self, room: int, function: Callable[Given, Value], *args: Given.args, **kwargs: Given.kwargs
    ) -> Value:
        if self._inside >= room:
            raise Busy
        with self._counting:
            self._inside += 1
        work = self._threads.submit(function, *args, **kwargs)
        work.add_done_callback(self._leave)
        return await asyncio.wrap_future(work)

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)

    def _leave(self, _: "Future[Value]") -> None:
        """In the thread that did the work, or in the loop's where the work was cancelled before it began."""
        with self._counting:
            self._inside -= 1


class Hashing:
    """The two together, for a process."""

    def __init__(self, hasher: Hasher, pool: HashingPool) -> None:
        self.hasher = hasher
        self.pool = pool

    async def hash(self, password: str) -> str:
        return await self.pool.run(self.hasher.hash, password)

    async def verify(self, kept: str | None, password: str, *, is_own: bool = False) -> bool:
        """`is_own`: typed where nobody but its owner is."""
        run = self.pool.run_owners if is_own else self.pool.run
        return await run(self.hasher.verify, kept, password)


def _stand_back() -> None:
    """Of this thread: who hashes takes the processor time that nobody else wants. Linux has a priority for each."""
    this = get_native_id()
    # Nobody but root may go back, from 19 for example.
    os.setpriority(os.PRIO_PROCESS, this, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, this)))


def measure(stopwatch: Callable[[], float], target_s: float = TARGET_S, memory_kib: int = MEMORY_KIB) -> Cost:
    """As many passes over `memory_kib` as fit into `target_s` here, within the bounds above. Takes half a second."""
    first = min(_seconds(stopwatch, memory_kib, 1) for _ in range(2))
    further = (min(_seconds(stopwatch, memory_kib, 3) for _ in range(2)) - first) / 2
    fitting = 1 + int((target_s - first) / further) if further > 0 else LEAST_PASSES
    return Cost(memory_kib=memory_kib, passes=min(max(fitting, LEAST_PASSES), MOST_PASSES))


def kept_cost(path: Path, stopwatch: Callable[[], float]) -> Cost:
    """What was measured when the console started first. Without the file, it is measured now and kept there."""
    try:
        if path.exists():
            return Cost(**json.loads(path.read_text()))
        chosen = measure(stopwatch)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        draft.write_text(json.dumps(asdict(chosen)) + "\n")
        draft.replace(path)
    except OSError as error:
        raise SettingError(
            "POLICY_STATE_DIR", f"{path} cannot be read or written ({error.strerror})", "check the folder and its owner"
        ) from None
    except (ValueError, TypeError):
        raise SettingError(
            "POLICY_STATE_DIR", f"{path} does not hold the cost of a password", "remove it; it is measured again"
        ) from None
    return chosen


def _seconds(stopwatch: Callable[[], float], memory_kib: int, passes: int) -> float:
    hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
    begun = stopwatch()
    hasher.hash("measured")
    return stopwatch() - begun
