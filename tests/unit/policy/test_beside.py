"""What runs beside the event loop: in order, in one thread, and whoever asked hears how it ended."""

import asyncio
import threading
from collections.abc import AsyncIterator
from functools import partial

import pytest

from policy.store.beside import Beside


@pytest.fixture
async def beside() -> AsyncIterator[Beside]:
    made = Beside("test")
    yield made
    made.close()


async def test_what_it_returns_comes_back_from_one_other_thread_in_order(beside: Beside) -> None:
    done = list[int]()

    def note(number: int) -> int:
        done.append(number)
        return threading.get_ident()

    threads = await asyncio.gather(*(beside.call(partial(note, number)) for number in range(5)))
    assert done == [0, 1, 2, 3, 4]
    assert len(set(threads)) == 1
    assert threading.get_ident() not in threads


async def test_what_it_raises_is_raised_and_the_next_one_runs(beside: Beside) -> None:
    def fail() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await beside.call(fail)
    assert await beside.call(lambda: 7) == 7


async def test_whoever_asked_may_have_gone(beside: Beside) -> None:
    may_go_on = threading.Event()
    gone = beside.call(may_go_on.wait)
    gone.cancel()
    may_go_on.set()
    assert await beside.call(lambda: 7) == 7
    assert gone.cancelled()


def test_whoever_asked_may_have_gone_with_his_loop() -> None:
    may_go_on, beside = threading.Event(), Beside("test")

    async def ask() -> None:
        beside.call(may_go_on.wait)

    asyncio.run(ask())
    may_go_on.set()
    beside.close()  # pytest tells of a thread that ended with an exception


async def test_to_close_waits_for_what_was_asked() -> None:
    beside, done = Beside("test"), list[int]()
    asked = beside.call(lambda: done.append(1))
    beside.close()
    assert done == [1]
    await asked


def test_to_close_what_was_never_asked_does_nothing() -> None:
    before = threading.active_count()
    Beside("test").close()
    assert threading.active_count() == before
