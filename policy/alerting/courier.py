"""Takes notices that are due and has them carried; what was not taken is tried again, and given up after days.

Each channel that has something to send gets a task for as long as it does, so that a slow one keeps nobody waiting.
Whoever dies between claim and note has sent at most one message of each channel, which is sent again.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from policy import log
from policy.alerting.parcels import Carrier, NotTaken, Parcel
from policy.alerting.undelivered import Undelivered
from policy.store.notice_desk import NoticeDesk, due_channels
from policy.store.notices import ADMINISTRATOR
from policy.store.reader import Reader
from policy.store.writer import Writer
from service.sentence import Sentence

PERIOD_S = 1.0
HOUSEKEEPING_S = 60.0
PATIENCE_S = 60.0  # with one message; a claim lasts twice as long
# Ten tries in about three days, as the Standard Webhooks specification has it.
RETRY_AFTER_S = (5.0, 60.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
_REST_S = 30.0  # a channel that failed is left alone for so long at most
_AT_ONCE = 16  # channels
_LONGEST_WAIT_S = 86_400.0  # whatever the other side wants


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a courier works with. `jitter` is a number from 0 to 1, another one each time."""

    reader: Reader
    writer: Writer
    desk: NoticeDesk
    carriers: Mapping[str, Carrier]  # by channel, or by its first word: owner
    clock: Callable[[], float]
    jitter: Callable[[], float]
    period_s: float = PERIOD_S
    beat: Callable[[], None] = lambda: None  # after each round: it is alive


@dataclass(slots=True)
class _State:
    """Of one process."""

    kept_house_at: float = float("-inf")
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    resting: dict[str, tuple[float, float]] = field(default_factory=dict)  # since when, and for how long
    is_failing: bool = False


class Courier:
    """Beside the questions, or in a process of its own."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._state = _State()
        self._following: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._following = asyncio.get_running_loop().create_task(self._follow())

    async def close(self) -> None:
        """What is being sent is broken off, and sent again after the claim has ended."""
        tasks = {*self._state.tasks.values(), *([self._following] if self._following else [])}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for carrier in self._means.carriers.values():
            await carrier.close()

    async def idle(self) -> None:
        """Until no channel is at work."""
        while tasks := set(self._state.tasks.values()):
            await asyncio.wait(tasks)

    async def round(self) -> None:
        """Set every channel to work that has something to send, and that works here."""
        means, state, now = self._means, self._state, self._means.clock()
        if abs(now - state.kept_house_at) >= HOUSEKEEPING_S:
            mine = [one for one in means.carriers if ":" in one]  # of the others everybody knows
            await means.writer.make(partial(means.desk.keep_house, mine, now), is_urgent=False)
            state.kept_house_at = now
        for channel in await due_channels(means.reader, now):
            carrier = means.carriers.get(channel) or means.carriers.get(channel.partition(":")[0])
            is_busy = channel in state.tasks or len(state.tasks) >= _AT_ONCE
            failed_at, rest_s = state.resting.get(channel, (now, 0.0))
            # A clock that was set back must not make a rest of seconds one of hours.
            if carrier and not is_busy and abs(now - failed_at) >= rest_s:
                task = asyncio.get_running_loop().create_task(self._work(channel, carrier))
                state.tasks[channel] = task
                task.add_done_callback(partial(self._worked, channel))

    async def _follow(self) -> None:
        while True:
            try:
                await self.round()
                self._state.is_failing = False
                self._means.beat()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next round tries again
                if not self._state.is_failing:
                    log.alerts_failed(error)
                self._state.is_failing = True
            await asyncio.sleep(self._means.period_s)

    def _worked(self, channel: str, task: asyncio.Task[None]) -> None:
        self._state.tasks.pop(channel, None)
        if not task.cancelled() and (error := task.exception()):
            log.alerts_failed(error)

    async def _work(self, channel: str, carrier: Carrier) -> None:
        """One message after the other, until there is none, or one was not taken."""
        means = self._means
        while True:
            claim = partial(means.desk.claim, channel, carrier.pace, means.clock())
            parcel = await means.writer.make(claim, is_urgent=False)
            if not parcel or not await self._is_carried(parcel, carrier):
                return

    async def _is_carried(self, parcel: Parcel, carrier: Carrier) -> bool:
        means, numbers = self._means, [one.id for one in parcel.notices]
        if parcel.channel == ADMINISTRATOR:
            for one in parcel.notices:
                if one.tries == 1:
                    log.alert(one.kind, one.subject)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await carrier.carry(parcel)
        except (OSError, ValueError, NotTaken) as error:
            await self._note_failed(parcel, error)
            return False
        await means.writer.make(partial(means.desk.note_sent, numbers, means.clock()), is_urgent=False)
        return True

    async def _note_failed(self, parcel: Parcel, error: Exception) -> None:
        means, now, tries = self._means, self._means.clock(), parcel.newest.tries
        told = error if isinstance(error, NotTaken) else NotTaken(_in_words(error))
        is_given_up = told.is_final or tries > len(RETRY_AFTER_S)
        pause_s = 0.0
        if not is_given_up:
            pause_s = max(told.retry_after_s, RETRY_AFTER_S[tries - 1]) * (0.8 + 0.4 * means.jitter())
            pause_s = min(pause_s, _LONGEST_WAIT_S)
            self._state.resting[parcel.channel] = now, min(pause_s, _REST_S)
        numbers = [one.id for one in parcel.notices]
        given_up_at = now if is_given_up else None
        note = partial(means.desk.note_failed, numbers, told.sentence, now + pause_s, given_up_at)
        await means.writer.make(note, is_urgent=False)
        if not told.is_expected:
            log.alert_not_sent(parcel.newest.kind, parcel.channel, str(told), is_given_up=is_given_up)


def _in_words(error: Exception) -> Sentence:
    """Without what the other side wrote."""
    if isinstance(error, TimeoutError):
        return Undelivered.NO_ANSWER.of()
    strerror = getattr(error, "strerror", None)
    return Undelivered.UNREACHABLE.of(error=str(strerror or type(error).__name__))
