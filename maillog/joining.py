"""Events to messages, joined by host and queue id. Pure.

A message is handed in when the queue manager takes it, and its recipients are only named when they are tried. So it
waits until all of them were tried once, at most `PATIENCE_S` of the log's time, and messages are told in the order in
which they were handed in. What becomes of a recipient later is told as it comes.

Lines of different processes may come in any order: what is known of a queue id is put together as it comes.
"""

from collections import deque
from collections.abc import Iterable, Iterator

from maillog.events import (
    Deleted,
    Delivered,
    Event,
    Expired,
    Freed,
    Held,
    LoggedDelivery,
    LoggedMessage,
    LoggedRecipient,
    LoginFailed,
    Named,
    Queued,
    Received,
    Refused,
    Removed,
    Renewed,
    Reported,
    Told,
)

PATIENCE_S = 600.0
OPEN_LIMIT = 50_000  # messages that were begun and did not leave the queue; the oldest is forgotten
_RECIPIENTS_LIMIT = 20_000  # of one message that are kept until it is told
_LOOPBACK = ("[127.", "[::1]")
_NOT_JOINED = (Expired, Renewed, Held, Freed, Reported)  # what they say of a message is in no told message


class _Open:
    """What is known of one queue id until it is removed."""

    __slots__ = (
        "at", "expected", "host", "is_done", "is_told", "name", "queue_id", "received", "recipients", "size", "tried",
        "whose",
    )  # fmt: skip

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
        elif isinstance(event, _NOT_JOINED):
            pass  # who was deferred is told already, and what is queued anew was handed in before
        elif later := self._note(host, event):
            yield later
        yield from self._due()

    def rest(self) -> Iterator[LoggedMessage]:
        """At the end of the log: what still waits."""
        for one in self._waiting:
            one.is_done = True
        yield from self._due()

    def _note(
        self, host: str, event: Received | Named | Queued | Delivered | Removed | Deleted
    ) -> LoggedDelivery | None:
        key = (host, event.queue_id)
        one = self._open.get(key)
        if isinstance(event, Removed | Deleted):
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

    def _begin(self, key: tuple[str, str]) -> _Open:
        before = self._open.pop(key, None)
        if before:
            before.is_done = True
        if len(self._open) >= self._open_limit:
            self._open.pop(next(iter(self._open)))
        one = self._open[key] = _Open(*key)
        return one

    def _queue(self, one: _Open, event: Queued) -> None:
        if not one.expected:
            one.whose, one.size, one.expected = event.reverse_path, event.size, event.recipients
        self._enter(one, event.at)

    def _enter(self, one: _Open, at: float) -> None:
        if not one.at:
            one.at = at
            self._waiting.append(one)

    def _deliver(self, one: _Open, event: Delivered) -> LoggedDelivery | None:
        self._enter(one, event.at)
        recipient = _recipient_of(event)
        if one.is_told:
            username = one.received.sasl_username if one.received else ""
            return LoggedDelivery(
                host=one.host,
                queue_id=one.queue_id,
                sasl_username=username,
                reverse_path=one.whose,
                recipient=recipient,
            )
        one.tried += 1
        if len(one.recipients) < _RECIPIENTS_LIMIT or recipient.address in one.recipients:
            one.recipients[recipient.address] = recipient
        if one.tried >= one.expected > 0:
            one.is_done = True
        return None

    def _with_original(self, host: str, event: Received) -> Received:
        """What a content filter gives back has no login of its own."""
        original = self._open.get((host, event.original_queue_id))
        if original and original.received and not event.sasl_username:
            return event._replace(sasl_username=original.received.sasl_username)
        return event

    def _due(self) -> Iterator[LoggedMessage]:
        while self._waiting and (self._waiting[0].is_done or self._waiting[0].at + self._patience_s < self._now):
            one = self._waiting.popleft()
            one.is_told = True
            yield _message_of(one)
            one.recipients = {}


def join(events: Iterable[tuple[str, Event]], patience_s: float = PATIENCE_S) -> Iterator[Told]:
    """All that a log tells."""
    joiner = Joiner(patience_s)
    for host, event in events:
        yield from joiner.take(host, event)
    yield from joiner.rest()


def _recipient_of(event: Delivered) -> LoggedRecipient:
    is_filtered = "queued as" in event.text and any(one in event.relay for one in _LOOPBACK)
    status = "filtered" if is_filtered else event.status
    return LoggedRecipient(event.original_recipient or event.recipient, event.at, status, event.dsn, event.text)


_NOBODY = Received(0.0, "", "", "")


def _message_of(one: _Open) -> LoggedMessage:
    received = one.received or _NOBODY
    return LoggedMessage(
        at=one.at,
        host=one.host,
        queue_id=one.queue_id,
        client_address=received.client_address,
        client_name=received.client_name,
        sasl_username=received.sasl_username,
        sasl_method=received.sasl_method,
        listener=received.listener,
        reverse_path=one.whose,
        size=one.size,
        message_id=one.name,
        recipients=tuple(one.recipients.values()),
        expected=one.expected,
        original_queue_id=received.original_queue_id,
    )
