"""What policy and the queue agent beside the next hop say to each other: frozen values, as in contract.py.

The agent reports what became of each recipient; policy answers 204 once it is on disk:

    POST /v1/deliveries     Deliveries -> 204

and policy tells it what to do with queued mail, by queue id alone. Asked again, each changes nothing more:

    POST /v1/hold           QueueIds -> QueueIds        those that are on hold now
    POST /v1/release        QueueIds -> QueueIds        those that are not on hold any more, and will be delivered
    POST /v1/requeue        QueueIds -> QueueIds        those that are queued anew (rewritten by cleanup)
    POST /v1/delete         QueueIds -> QueueIds        those that are gone; only what is on hold is ever deleted
    GET  /v1/queue          Queue                       all that is queued; ?queue=hold only that
    GET  /v1/queue/{id}     QueuedMessage               with its header section and first lines; 404 where it is gone
    GET  /v1/statistics     Statistics
    POST /v1/outside        OutsideQuestions -> OutsideAnswers      what the world knows of us, see below
    POST /v1/trail          TrailAsked -> TrailFound                what Postfix's log says of a few messages
    GET  /health/live, /health/ready

Both sides show the same bearer token. It is nobody else's. Any other answer is "not now": 401 another token, 413 a body
that is too long, 422 no question of this form, 503 a command of Postfix's failed, 500 an error of whoever is asked.
Moments are seconds since the epoch, sizes octets.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from policy.contract import OUTCOMES_LIMIT, Frozen

QUEUE_IDS_LIMIT = 50_000  # in one question
QUEUE_ID = r"^[0-9A-Za-z]{6,30}$"


class DeliveryOutcome(StrEnum):
    """What the world said of one recipient, RFC 3463."""

    DELIVERED = "delivered"
    UNKNOWN_RECIPIENT = "unknown-recipient"  # 5.1.1 and its like: nobody has this address
    SPAM = "spam"  # 5.7.1 and remote wordings: the content, or the sender
    BLOCKLISTED = "blocklisted"  # our address is on somebody's list
    OTHER = "other"  # deferred, mailbox full, and whatever else says nothing about the sender


class Delivery(Frozen):
    """Of one recipient of one submission. Reported at least once; the same one again changes nothing."""

    submission: str
    recipient: str
    outcome: DeliveryOutcome
    queue_id: str = ""
    status: str = ""  # Postfix's: sent, deferred, bounced, expired
    dsn: str = ""  # RFC 3463
    relay: str = ""  # which server said so; host and address, without the port
    at: float = 0.0  # when the log says it happened; 0 is not known


class Deliveries(Frozen):
    """Several at once."""

    deliveries: Annotated[tuple[Delivery, ...], Field(min_length=1, max_length=OUTCOMES_LIMIT)]


class QueueIds(Frozen):
    """Long ones (enable_long_queue_ids): no id comes twice."""

    queue_ids: Annotated[tuple[Annotated[str, Field(pattern=QUEUE_ID)], ...], Field(max_length=QUEUE_IDS_LIMIT)]


class QueueName(StrEnum):
    """Postfix's queues, as `postqueue -j` names them."""

    HOLD = "hold"
    DEFERRED = "deferred"
    ACTIVE = "active"
    INCOMING = "incoming"
    MAILDROP = "maildrop"


class Queued(Frozen):
    """One message in the queue."""

    queue_id: str
    queue: QueueName
    submission: str = ""  # empty where the agent never saw it come in
    at: float  # when it came
    message_bytes: int
    reverse_path: str
    recipients: tuple[str, ...]
    reason: str = ""  # why the last attempt at one of them failed


class Queue(Frozen):
    """What is queued at this moment."""

    messages: tuple[Queued, ...]


class QueuedMessage(Frozen):
    """One of them, opened by somebody who may."""

    queued: Queued
    head: str  # the header section, as text; at most 64 KiB
    start: str  # the first lines of the body; at most 4 KiB


class Statistics(Frozen):
    """How much is queued where, and since when."""

    messages: dict[QueueName, int]
    octets: int
    oldest_at: float | None  # of what is not on hold
    log_at: float | None  # of the last line of the log that was read
    unreported: int  # deliveries that policy does not have yet
    is_running: bool = True  # Postfix's master has its lock


TRAIL_LIMIT = 5000  # rows


class TrailAsked(Frozen):
    """Of a submission, of queue ids, or both; what the log says that belongs to them (queued anew, split) is found."""

    submission: Annotated[str, Field(pattern=r"^[0-9A-Za-z]{0,64}$")] = ""
    queue_ids: Annotated[tuple[Annotated[str, Field(pattern=QUEUE_ID)], ...], Field(max_length=20)] = ()
    since: float = 0.0  # files that end before are not looked at


class Step(StrEnum):
    """What happened to a message at Postfix."""

    RECEIVED = "received"  # from the gateway
    HELD = "held"
    FREED = "freed"  # not on hold any more
    QUEUED = "queued"
    TRIED = "tried"  # a recipient: status, dsn, relay and what the other server said
    RENEWED = "renewed"  # queued anew, under this id
    EXPIRED = "expired"
    REPORTED = "reported"  # a message about it went back
    REFUSED = "refused"
    DELETED = "deleted"
    LEFT = "left"


class TrailRow(Frozen):
    """One line of the log; of the same said again, `last_at` is when the last time."""

    at: float
    last_at: float
    times: int = 1
    queue_id: str
    step: Step
    recipient: str = ""  # as it was in the envelope
    status: str = ""  # Postfix's: sent, deferred, bounced
    dsn: str = ""  # RFC 3463
    relay: str = ""
    text: str = ""  # what the other server said, cut; or the other queue id


class TrailFound(Frozen):
    """In the order of the log. `submission` is what the log says; `is_whole` False: time or room was too small."""

    submission: str = ""
    rows: Annotated[tuple[TrailRow, ...], Field(max_length=TRAIL_LIMIT)] = ()
    is_whole: bool = True
    log_from: float | None = None  # of the oldest line that is still there; None: there is no log


# What `sallyport doctor` asks of the world. policy has no way out: the agent asks these few questions for it.

OUTSIDE_LIMIT = 400  # of DNS questions at once
_DOMAIN = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")]


class RecordType(StrEnum):
    """Of the DNS. PTR is asked for by the name below in-addr.arpa or ip6.arpa."""

    A = "A"
    AAAA = "AAAA"
    CNAME = "CNAME"
    MX = "MX"
    PTR = "PTR"
    SRV = "SRV"
    TLSA = "TLSA"
    TXT = "TXT"


class Asked(StrEnum):
    """What came of a question."""

    FOUND = "found"
    NONE = "none"  # no such name, or no record of this type
    FAILED = "failed"  # nobody answered, or the answer was an error


class DnsQuestion(Frozen):
    name: _DOMAIN
    type: RecordType


class DnsAnswer(Frozen):
    """`data` is as a zone file has it, names with a dot at the end; of TXT its strings joined."""

    name: str
    type: RecordType
    asked: Asked
    data: tuple[str, ...] = ()
    is_secure: bool = False  # the resolver says that DNSSEC proves it


class PortAnswer(Frozen):
    """Of port 25 of the first host that takes mail for a domain."""

    domain: str
    host: str = ""
    is_open: bool = False  # it greeted as an SMTP server does
    seen_as: str = ""  # the address it says that we have, where it does (reply to EHLO)
    problem: str = ""  # why not


class PolicyAnswer(Frozen):
    """What https://mta-sts.DOMAIN/.well-known/mta-sts.txt says, with a certificate that the world trusts (RFC 8461)."""

    domain: str
    text: str = ""  # at most 64 KiB
    problem: str = ""


class OutsideQuestions(Frozen):
    """All at once. Ports are 25 alone, of hosts in a domain's MX records; policies are fetched from that one place."""

    dns: Annotated[tuple[DnsQuestion, ...], Field(max_length=OUTSIDE_LIMIT)] = ()
    mail_of: Annotated[tuple[_DOMAIN, ...], Field(max_length=5)] = ()
    greeting_as: _DOMAIN = "localhost"  # what we call ourselves there
    policies_of: Annotated[tuple[_DOMAIN, ...], Field(max_length=50)] = ()
    is_time_wanted: bool = False


class OutsideAnswers(Frozen):
    """In the order of the questions."""

    dns: tuple[DnsAnswer, ...] = ()
    ports: tuple[PortAnswer, ...] = ()
    policies: tuple[PolicyAnswer, ...] = ()
    clock_ahead_s: float | None = None  # of the agent's host, by a time server (RFC 5905); None: nobody answered
