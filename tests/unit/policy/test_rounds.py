"""What goes on beside the questions survives its failures, and says each of them once."""

import asyncio

import pytest

from policy.rounds import Rounds


class Played(Rounds):
    """Rounds that end as they are told to; the last one never ends."""

    period_s = 0.0

    def __init__(self, *ends: Exception | None) -> None:
        self._ends = list(ends)
        self.told: list[Exception] = []
        self.is_at_the_last = asyncio.Event()
        self.is_broken_off = False

    async def round(self) -> None:
        if self._ends:
            if error := self._ends.pop(0):
                raise error
            return
        self.is_at_the_last.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.is_broken_off = True
            raise

    def failed(self, error: Exception) -> None:
        self.told.append(error)


async def test_a_failure_is_told_once_until_a_round_succeeds() -> None:
    first, again, later = OSError("first"), OSError("again"), RuntimeError("later")
    played = Played(None, first, again, None, later)
    played.start()
    await asyncio.wait_for(played.is_at_the_last.wait(), 60)
    assert played.told == [first, later]
    assert not played.is_broken_off
    await played.close()
    assert played.is_broken_off


async def test_what_was_never_started_is_closed() -> None:
    """A start that breaks off in the middle closes all that there is."""
    await Played().close()


async def test_a_loop_that_is_late_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something else takes three seconds in the pause behind the first round."""
    loop, ahead_s = asyncio.get_running_loop(), 0.0
    seconds = loop.time

    def work() -> None:
        nonlocal ahead_s
        ahead_s = 3.0

    monkeypatch.setattr(loop, "time", lambda: seconds() + ahead_s)
    played = Played(None)
    played.start()
    loop.call_soon(work)  # the first round is over by then
    await asyncio.wait_for(played.is_at_the_last.wait(), 60)
    assert 3.0 <= played.late_s < 60.0
    await played.close()
