"""The messages: in memory, newest last, bounded in number and in octets.

Over a bound the oldest are dropped and counted in `dropped`, so that a test whose message is missing can see why.
Everything is gone with the process. One event loop, no locks: nothing here waits but `wait`, between two looks.
"""

import asyncio
import contextlib
from collections import OrderedDict
from dataclasses import dataclass, field

from sink.message import Message, read_headers
from sink.query import Filter, Wait


@dataclass(slots=True)
class Store:
    max_messages: int
    max_bytes: int
    held_bytes: int = 0
    dropped: int = 0  # since the start of the process
    _last_id: int = 0
    _messages: OrderedDict[int, Message] = field(default_factory=OrderedDict)
    _arrival: asyncio.Event = field(default_factory=asyncio.Event)  # a new one after each arrival
    _closed: bool = False

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, mail_from: str, recipients: tuple[str, ...], raw: bytes, received_at: float) -> Message:
        self._last_id += 1
        message = Message(
            id=self._last_id,
            received_at=received_at,
            mail_from=mail_from,
            recipients=recipients,
            headers=read_headers(raw),
            raw=raw,
        )
        self._messages[message.id] = message
        self.held_bytes += len(raw)
        while len(self) > self.max_messages or self.held_bytes > self.max_bytes:
            self.delete(next(iter(self._messages)))
            self.dropped += 1
        self._wake()
        return message

    def get(self, number: int) -> Message | None:
        return self._messages.get(number)

    def select(self, wanted: Filter) -> list[Message]:
        return [message for message in self._messages.values() if wanted.matches(message)]

    def delete(self, number: int) -> bool:
        message = self._messages.pop(number, None)
        if message is None:
            return False
        self.held_bytes -= len(message.raw)
        return True

    async def wait(self, wanted: Filter, wait: Wait) -> list[Message]:
        """What matches, as soon as it is enough; what there is when the time is over or the sink stops."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait.seconds):
                while len(self.select(wanted)) < wait.count and not self._closed:
                    await self._arrival.wait()
        return self.select(wanted)

    def close(self) -> None:
        """Let everybody go who waits."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        self._arrival.set()
        self._arrival = asyncio.Event()
