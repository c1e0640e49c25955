"""A future that wakes its task within the call that settles it."""

import asyncio
from contextvars import ContextVar

import pytest

from gateway.prompt import Prompt

_WHERE: ContextVar[str] = ContextVar("_WHERE", default="nowhere")


async def _told(prompt: Prompt[int], heard: list[object]) -> None:
    try:
        heard.append(await prompt)
    except ValueError as error:
        heard.append(error)
    heard.append(_WHERE.get())


def _awaiting(prompt: Prompt[int], heard: list[object]) -> "asyncio.Task[None]":
    async def inside() -> None:
        _WHERE.set("inside")
        await _told(prompt, heard)

    return asyncio.get_running_loop().create_task(inside())


async def _settled_in_a_callback(prompt: Prompt[int], heard: list[object]) -> list[object]:
    """What the task has done when settle() returns."""
    seen: asyncio.Future[list[object]] = asyncio.get_running_loop().create_future()

    def settle() -> None:
        prompt.settle(7)
        seen.set_result(list(heard))

    asyncio.get_running_loop().call_soon(settle)
    return await seen


async def test_the_task_goes_on_at_once_and_in_its_own_context() -> None:
    prompt, heard = Prompt[int](), list[object]()
    task = _awaiting(prompt, heard)
    assert await _settled_in_a_callback(prompt, heard) == [7, "inside"]
    await task
    assert heard == [7, "inside"]


async def test_what_is_settled_before_anybody_waits_is_not_lost() -> None:
    prompt, heard = Prompt[int](), list[object]()
    prompt.settle(7)
    await _awaiting(prompt, heard)
    assert heard[0] == 7


async def test_only_the_first_word_counts() -> None:
    """An interruption that is on its way is not overtaken by octets that come."""
    prompt, heard = Prompt[int](), list[object]()
    task = _awaiting(prompt, heard)
    await asyncio.sleep(0)
    error = ValueError()
    prompt.set_exception(error)
    prompt.settle(7)
    await task
    assert heard[0] is error


async def test_a_task_that_is_cancelled_hears_nothing() -> None:
    prompt, heard = Prompt[int](), list[object]()
    task = _awaiting(prompt, heard)
    await asyncio.sleep(0)
    task.cancel()
    prompt.settle(7)  # too late: the future is cancelled
    with pytest.raises(asyncio.CancelledError):
        await task
    assert heard == []


async def test_a_deadline_ends_the_wait() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await Prompt[int]()
