"""One thing after the other in a thread of its own; the event loop hears of each end in a single call.

An executor's futures, with their locks, and the copies that asyncio makes of them, take half as long again.
"""

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

Value = TypeVar("Value")
_Asked = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class Beside:
    """The thread begins with what is asked first, and ends with close()."""

    def __init__(self, name: str) -> None:
        self._asked: SimpleQueue[_Asked | None] = SimpleQueue()
        self._thread = Thread(target=self._go_on, name=name, daemon=True)

    def call(self, wanted: Callable[[], Value]) -> "asyncio.Future[Value]":
        """What `wanted` returns, or raises, there."""
        if not self._thread.ident:
            self._thread.start()
        done: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
        self._asked.put((wanted, done))
        return done

    def close(self) -> None:
        """When all that was asked has ended."""
        if self._thread.ident:
            self._asked.put(None)
            self._thread.join()

    def _go_on(self) -> None:
        while asked := self._asked.get():
            wanted, done = asked
            value = error = None
            try:
                value = wanted()
            except BaseException as raised:  # noqa: BLE001 - whoever asked deals with it
                error = raised
            if not done.get_loop().is_closed():  # nobody waits any more
                done.get_loop().call_soon_threadsafe(_settle, done, value, error)
            del asked, wanted, done, value, error  # not kept until something else is asked


def _settle(done: "asyncio.Future[Any]", value: Any, error: BaseException | None) -> None:  # noqa: ANN401 - anything
    if done.cancelled():
        return
    if error:
        done.set_exception(error)
    else:
        done.set_result(value)
