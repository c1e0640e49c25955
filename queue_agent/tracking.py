"""What a line of Postfix's log changes: whose message it is, and what policy is told of its recipients.

    client=..., orig_queue_id=SUBMISSION     a message of the gateway's has come (XFORWARD IDENT is the submission id)
    to=<...>, status=...                     delivered or bounced: told; deferred: told once, and it waits
    status=expired                           all that waits was not reached: told
    removed (qmgr)                           it has left the queue
    removed (postsuper)                      somebody has deleted it: all that waits is told as deleted
    orig_id=... (pickup)                     it is queued anew, under another id

Messages without a submission (Postfix's own reports, policy's mails to the administrator) concern nobody.
"""

from collections.abc import Callable, Mapping
from typing import Any

from maillog.events import Deleted, Delivered, Event, Expired, LogLine, Received, Removed, Renewed
from maillog.outcomes import outcome_of
from maillog.wording import read_event
from policy.queue_contract import Delivery, DeliveryOutcome
from queue_agent.store import DELETED, LEFT, Store, Waiting

_DEFERRED = "deferred"


def track(store: Store, line: LogLine) -> None:
    """Within a transaction of the store."""
    event = read_event(line)
    if event is not None and (taken := _TAKEN_BY.get(type(event))):
        taken(store, event)


def _come(store: Store, event: Received) -> None:
    if event.original_queue_id:
        store.begin(event.queue_id, event.original_queue_id, event.at)


def _tried(store: Store, event: Delivered) -> None:
    outcome = outcome_of(event.status, event.dsn, event.text)
    if outcome is None:
        return
    recipient = event.original_recipient or event.recipient
    waiting = Waiting(recipient, event.dsn, _without_port(event.relay))
    if store.known(event.queue_id) is None:
        return
    if event.status == _DEFERRED:
        if store.wait(event.queue_id, waiting):
            _report(store, event, waiting, outcome, event.status)
    else:
        store.reach(event.queue_id, recipient)
        _report(store, event, waiting, outcome, event.status)


def _expired(store: Store, event: Expired) -> None:
    for waiting in store.waiting(event.queue_id):
        _report(store, event, waiting, DeliveryOutcome.OTHER, "expired")
        store.reach(event.queue_id, waiting.recipient)


def _deleted(store: Store, event: Deleted) -> None:
    for waiting in store.waiting(event.queue_id):
        _report(store, event, waiting, DeliveryOutcome.OTHER, "deleted")
    store.end(event.queue_id, DELETED)


def _removed(store: Store, event: Removed) -> None:
    store.end(event.queue_id, LEFT)


def _renewed(store: Store, event: Renewed) -> None:
    store.renew(event.original_queue_id, event.queue_id, event.at)


_TAKEN_BY: Mapping[type[Event], Callable[[Store, Any], None]] = {
    Received: _come,
    Delivered: _tried,
    Expired: _expired,
    Deleted: _deleted,
    Removed: _removed,
    Renewed: _renewed,
}


def _report(
    store: Store, event: Delivered | Expired | Deleted, waiting: Waiting, outcome: DeliveryOutcome, status: str
) -> None:
    known = store.known(event.queue_id)
    if known is None:
        return
    store.report(
        Delivery(
            submission=known.submission,
            recipient=waiting.recipient,
            outcome=outcome,
            queue_id=event.queue_id,
            status=status,
            dsn=waiting.dsn,
            relay=waiting.relay,
            at=event.at,
        )
    )


def _without_port(relay: str) -> str:
    """`mx.example.org[192.0.2.1]:25` and `none`."""
    host, bracket, _ = relay.rpartition("]:")
    return host + "]" if bracket else relay
