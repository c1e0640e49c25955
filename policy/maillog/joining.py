"""Events to messages, joined by host and queue id. Pure.

A message is handed in when the queue manager takes it, and its recipients are only named when they are tried. So it
waits until all of them were tried once, at most `PATIENCE_S` of the log's time, and messages are told in the order in
which they were handed in. What becomes of a recipient later is told as it comes.

Lines of different processes may come in any order: what is known of a queue id is put together as it comes.
"""

from collections import deque
from collections.abc import Iterable, Iterator

from policy.maillog.events import (
    Delivered,
    Event,
    LoggedDelivery,
    LoggedMessage,
    LoggedRecipient,
    LoginFailed,
    Named,
    Queued,
    Received,
    Refused,
    Removed,
    Told,
)

PATIENCE_S = 600.0
OPEN_LIMIT = 50_000  # messages that were begun and did not leave the queue; the oldest is forgotten
_RECIPIENTS_LIMIT = 20_000  # of one message that are kept until it is told
_LOOPBACK = ("[127.", "[::1]")


class _Open:
    """What is known of one queue id until it is removed."""

    __slots__ = ("at", "expected", "host", "is_done", "is_told", "name", "queue_id", "received", "recipients", "tried",
                 "whose")  # fmt: skip

    def __init__(self, host: str, queue_id: str) -> None:
        self.host = host
        self.queue_id = queue_id
        self.at = 0.0  # when it was handed in; 0 until that is known
        self.received: Received | None = None
        self.name = ""  # message-id
        self.whose = ""  # reverse-path
        self.expected = 0
        self.size = 0
        self.tried = 0  # attempts at recipients, before it is told
        self.recipients = dict[str, LoggedRecipient]()
        self.is_done = False  # nothing more has to be waited for
        self.is_told = False


class Joiner:
    """Takes the events of a log in their order."""

    def __init__(self, patience_s: float = PATIENCE_S, open_limit: int = OPEN_LIMIT) -> None:
        self._patience_s = patience_s
        self._open_limit = open_limit
        self._open = dict[tuple[str, str], _Open]()
        self._waiting = deque[_Open]()
        self._now = 0.0

    def take(self, host: str, event: Event) -> Iterator[Told]:
        """What can be told now that `event` is known."""
        self._now = max(self._now, event.at)
        if isinstance(event, Refused):
            yield event
            if event.is_whole and event.queue_id:
                self._open.pop((host, event.queue_id), None)
        elif isinstance(event, LoginFailed):
            yield event
        elif later := self._note(host, event):
            yield later
        yield from self._due()

    def rest(self) -> Iterator[LoggedMessage]:
        """At the end of the log: what still waits."""
        for one in self._waiting:
            one.is_done = True
        yield from self._due()

    def _note(self, host: str, event: Event) -> LoggedDelivery | None:
        key = (host, event.queue_id)
        one = self._open.get(key)
        if isinstance(event, Removed):
            if one:
                one.is_done = True
                del self._open[key]
            return None
        if one is None or (isinstance(event, Received) and one.received):  # queue ids come again
            one = self._begin(key)
        if isinstance(event, Queued):
            self._queue(one, event)
        elif isinstance(event, Delivered):
            return self._deliver(one, event)
        elif isinstance(event, Received):
            one.received = self._with_original(host, event)
        elif isinstance(event, Named):
            one.name = event.message_id
        return None
