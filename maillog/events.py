"""What a log tells, one event for each line that matters. `at` is seconds since the epoch."""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias


class LogLine(NamedTuple):
    """One line, whatever it was written in. `program` is what stands before the process id: postfix/smtpd."""

    at: float
    host: str
    program: str
    text: str


class Received(NamedTuple):
    """smtpd has begun to take a message: the first that is known of its queue id."""

    at: float
    queue_id: str
    client_name: str
    client_address: str
    sasl_method: str = ""
    sasl_username: str = ""  # empty: without authentication
    listener: str = ""  # what stands between postfix and smtpd: submission, smtps
    original_queue_id: str = ""  # of the message that a content filter has given back


class Named(NamedTuple):
    """cleanup has seen its header section."""

    at: float
    queue_id: str
    message_id: str


class Queued(NamedTuple):
    """It is in the queue: it was accepted. Told again with each attempt at those that were deferred."""

    at: float
    queue_id: str
    reverse_path: str
    size: int
    recipients: int  # after aliases


class Delivered(NamedTuple):
    """What became of one recipient in one attempt."""

    at: float
    queue_id: str
    recipient: str
    original_recipient: str  # as it was in the envelope, where an alias changed it; otherwise empty
    relay: str
    dsn: str  # RFC 3463; empty in logs of Postfix before 2.3
    status: str  # sent, bounced, deferred, ...
    text: str  # what the other server said


class Removed(NamedTuple):
    """It has left the queue."""

    at: float
    queue_id: str


class Expired(NamedTuple):
    """It was too long in the queue: nobody tries those again that were deferred, and it goes back."""

    at: float
    queue_id: str


class Deleted(NamedTuple):
    """postsuper has removed it: who was not tried gets nothing, and nobody is told."""

    at: float
    queue_id: str


class Renewed(NamedTuple):
    """postsuper has had it queued anew, under another id."""

    at: float
    queue_id: str
    original_queue_id: str


class Held(NamedTuple):
    """It is kept in the queue until somebody decides."""

    at: float
    queue_id: str


class Freed(NamedTuple):
    """It is on hold no more."""

    at: float
    queue_id: str


class Reported(NamedTuple):
    """A message about it goes back to its sender, or to the postmaster."""

    at: float
    queue_id: str
    report_queue_id: str


class Refused(NamedTuple):
    """A recipient, or a whole message, was not taken. `queue_id` is empty where there was none yet."""

    at: float
    queue_id: str
    is_whole: bool  # the message is gone, and not one of its recipients alone
    client_name: str
    client_address: str
    reverse_path: str
    recipient: str
    sasl_username: str
    text: str
    times: int = 1


class LoginFailed(NamedTuple):
    """A SASL exchange that came to nothing."""

    at: float
    client_name: str
    client_address: str
    method: str
    sasl_username: str  # Postfix 3.5 and later say it
    times: int = 1


Event: TypeAlias = (
    Received
    | Named
    | Queued
    | Delivered
    | Removed
    | Expired
    | Deleted
    | Renewed
    | Held
    | Freed
    | Reported
    | Refused
    | LoginFailed
)


@dataclass(frozen=True, slots=True)
class LoggedRecipient:
    """One recipient and what became of it by the time the message was told; `status` is the newest."""

    address: str  # as it was in the envelope
    at: float
    status: str  # filtered: it went to a content filter of this host, which gives it back
    dsn: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedMessage:
    """A message that was accepted. `recipients` are those that the log has named so far, each once."""

    at: float  # when it was handed in
    host: str
    queue_id: str
    client_address: str  # empty: written by a program on the server itself, or the log begins later
    client_name: str
    sasl_username: str
    sasl_method: str
    listener: str
    reverse_path: str  # empty is the null reverse-path
    size: int
    message_id: str
    recipients: tuple[LoggedRecipient, ...]
    expected: int  # recipients after aliases, as the queue manager counted them
    original_queue_id: str = ""  # given back by a content filter: the same message as that one, and the same login


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedDelivery:
    """What became of a recipient of a message that was told before."""

    host: str
    queue_id: str
    sasl_username: str
    reverse_path: str
    recipient: LoggedRecipient


Told: TypeAlias = LoggedMessage | LoggedDelivery | Refused | LoginFailed
