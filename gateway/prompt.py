"""A future that wakes its one task within the call that settles it.

asyncio's own lets the task wait for the next turn of the loop, which is a system call and some twenty Python calls
later: for each command of a client and for each answer of policy and the next hop. Measured, with wire.py: a tenth of
what a message costs the gateway.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeVar

Value = TypeVar("Value")


class Prompt(asyncio.Future[Value]):
    """Awaited by one task. An exception or a cancellation reaches it in the loop's own time, as ever."""

    _wake: Callable[[Any], object] | None = None
    _context: Context | None = None

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: Context | None = None) -> None:
        """Called by the task that awaits."""
        self._wake, self._context = fn, context
        super().add_done_callback(fn, context=context)

    def settle(self, value: Value) -> None:
        """For a callback of the loop: a task cannot wake another one while it runs itself."""
        if self.done():
            return
        if self._wake and self._context:
            self.remove_done_callback(self._wake)
            self.set_result(value)
            self._context.run(self._wake, self)
        else:
            self.set_result(value)
