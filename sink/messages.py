"""What the sink received: kept in memory, exactly as it came, bounded in number and octets.

When a bound is reached the oldest go first, and `dropped` says how many, so that nobody is fooled by their absence.
"""

import asyncio
import email.policy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.parser import BytesParser

_PARSER = BytesParser(policy=email.policy.default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One accepted transaction. `content` is what came between DATA and the final dot, without transparency dots."""

    id: str
    received_at: datetime
    sender: str
    recipients: tuple[str, ...]
    content: bytes = field(repr=False)

    def parsed(self) -> EmailMessage:
        return _PARSER.parsebytes(self.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which messages are meant; what is empty does not restrict."""

    recipient: str = ""
    sender: str = ""
    subject: str = ""

    def matches(self, message: Message) -> bool:
        if self.recipient and self.recipient.lower() not in (one.lower() for one in message.recipients):
            return False
        if self.sender and self.sender.lower() != message.sender.lower():
            return False
        return not self.subject or self.subject in str(message.parsed()["subject"] or "")


class Messages:
    """All messages, oldest first."""

    def __init__(self, max_messages: int, max_bytes: int, clock: Callable[[], datetime]) -> None:
        self.dropped = 0
        self._max_messages, self._max_bytes, self._clock = max_messages, max_bytes, clock
        self._kept: dict[str, Message] = {}
        self._bytes = 0
        self._received = 0
        self._news = asyncio.Condition()

    def __len__(self) -> int:
        return len(self._kept)

    async def add(self, sender: str, recipients: tuple[str, ...], content: bytes) -> Message:
        self._received += 1
        message = Message(
            id=str(self._received), received_at=self._clock(), sender=sender, recipients=recipients, content=content
        )
        self._kept[message.id] = message
        self._bytes += len(content)
        while len(self._kept) > 1 and (len(self._kept) > self._max_messages or self._bytes > self._max_bytes):
            self.remove(next(iter(self._kept)))
            self.dropped += 1
        async with self._news:
            self._news.notify_all()
        return message

    def get(self, number: str) -> Message | None:
        return self._kept.get(number)

    def matching(self, wanted: Filter) -> list[Message]:
        return [message for message in self._kept.values() if wanted.matches(message)]

    def remove(self, number: str) -> bool:
        gone = self._kept.pop(number, None)
        if gone:
            self._bytes -= len(gone.content)
        return gone is not None

    async def wait_for(self, wanted: Filter, count: int, timeout_s: float) -> list[Message]:
        """The messages that match, as soon as there are `count` of them, or when the time is over."""
        try:
            async with asyncio.timeout(timeout_s), self._news:
                await self._news.wait_for(lambda: len(self.matching(wanted)) >= count)
        except TimeoutError:
            pass  # fewer came: the caller sees how many
        return self.matching(wanted)
