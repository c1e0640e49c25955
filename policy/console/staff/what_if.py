"""The what-if of a policy, run for one person after the other: a process of its own (policy/replay/apart.py), watched.

One at a time for the whole console: it costs a processor for a minute. Whoever comes while another one's runs is told
so; one's own earlier one ends.
"""

import asyncio
import contextlib
import sys
from dataclasses import dataclass
from enum import StrEnum

from pydantic import ValidationError

from policy import log
from policy.replay.apart import Job, Progress
from policy.replay.what_if import WhatIf

MOST_READ = 60_000
MOST_JUDGED = 20_000
PATIENCE_S = 600.0  # on a machine that has much else to do
_LONGEST_LINE = 4 * 1024 * 1024
_COMMAND = (sys.executable, "-m", "policy.replay.apart")


class State(StrEnum):
    """How far it is."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"  # too much for the memory or the time that it has


@dataclass(slots=True)
class Run:
    """`digest` is that of the policy which is tried."""

    whose: str
    digest: str
    taken: int = 0
    of: int = 0
    state: State = State.RUNNING
    result: WhatIf | None = None

    @property
    def percent(self) -> int:
        return min(99, self.taken * 100 // self.of) if self.of else 0


class WhatIfFailed(Exception):
    """The process has ended, and has not said what it found."""


class WhatIfs:
    """One for a process."""

    def __init__(self) -> None:
        self._run: Run | None = None
        self._task: asyncio.Task[None] | None = None
        self._turns = asyncio.Lock()  # of those who begin and end one

    @property
    def running(self) -> Run | None:
        """Somebody's, at this moment."""
        return self._run if self._run and self._run.state is State.RUNNING else None

    def of(self, whose: str, digest: str) -> Run | None:
        """The last one of this person on this policy."""
        run = self._run
        return run if run and (run.whose, run.digest) == (whose, digest) else None

    async def start(self, whose: str, digest: str, job: Job) -> Run | None:
        """None while somebody else's runs."""
        async with self._turns:
            if self.running and self.running.whose != whose:
                return None
            await self._end()
            self._run = run = Run(whose, digest)
            self._task = asyncio.get_running_loop().create_task(_watched(run, job))
            return run

    async def close(self) -> None:
        """End what runs."""
        async with self._turns:
            await self._end()

    async def _end(self) -> None:
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if self.running:  # it had not even begun
            self.running.state = State.CANCELLED


async def _watched(run: Run, job: Job) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            await _to_the_end(run, job)
    except asyncio.CancelledError:
        run.state = State.CANCELLED
        raise
    except (OSError, TimeoutError, ValueError, WhatIfFailed) as error:  # ValueError: a line without an end
        run.state = State.FAILED
        log.console_failed("/staff/policy/what-if", error)
    else:
        run.state = State.DONE


async def _to_the_end(run: Run, job: Job) -> None:
    process = await asyncio.create_subprocess_exec(
        *_COMMAND,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=_LONGEST_LINE,
    )
    try:
        await _listen(run, job, process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _listen(run: Run, job: Job, process: asyncio.subprocess.Process) -> None:
    if process.stdin is None or process.stdout is None:
        raise WhatIfFailed
    process.stdin.write(job.model_dump_json().encode())
    process.stdin.close()
    async for line in process.stdout:
        progress = _progress(line)
        run.taken, run.of, run.result = progress.taken, progress.of, progress.result
    if run.result is None:
        raise WhatIfFailed


def _progress(line: bytes) -> Progress:
    try:
        return Progress.model_validate_json(line)
    except ValidationError:
        raise WhatIfFailed from None
