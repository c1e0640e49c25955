"""What people are told of. docs/alerts.md says of each when it comes, and what to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Severity(IntEnum):
    """How much it presses. A graver one does not wait for its turn in a conversation."""

    INFO = 1  # to know
    WARNING = 2  # today
    URGENT = 3  # now


class Kind(StrEnum):
    """What happened."""

    INCIDENT_OPENED = "incident-opened"
    INCIDENT_ESCALATED = "incident-escalated"
    INCIDENT_CONTAINED = "incident-contained"
    INCIDENT_RELEASED = "incident-released"
    INCIDENT_PURGED = "incident-purged"
    INCIDENT_CLOSED = "incident-closed"
    TRAP_HIT = "trap-hit"
    SIGNAL = "signal"
    BUDGET_90 = "budget-90"
    SERVER_BUDGET_SPENT = "server-budget-spent"
    GATEWAY_DEGRADED = "gateway-degraded"
    SCANNER_DEGRADED = "scanner-degraded"
    CERTIFICATE_ENDING = "certificate-ending"
    GEO_DATABASE_OLD = "geo-database-old"
    QUEUE_GROWING = "queue-growing"
    BLOCKLISTED = "blocklisted"
    HELD_EXPIRING = "held-expiring"
    HELD_GONE = "held-gone"
    NOTICE_ADDRESS_CHANGED = "notice-address-changed"
    NETWORK_TRUSTED = "network-trusted"
    SECOND_FACTOR_WRONG = "second-factor-wrong"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class About:
    """What a kind means, and what to do about it; both stand in each mail of it, and in docs/alerts.md."""

    severity: Severity
    means: str
    todo: str


ABOUT: Mapping[Kind, About] = {
    Kind.INCIDENT_OPENED: About(
        Severity.WARNING,
        "An identity sends as its owner does not, and mail of it is held.",
        "look at it: sallyport incident NUMBER",
    ),
    Kind.INCIDENT_ESCALATED: About(
        Severity.URGENT,
        "The same went on: the identity is restricted or locked now, or held at home as well.",
        "look at it, and contain it unless it was the owner: sallyport contain NAME",
    ),
    Kind.INCIDENT_CONTAINED: About(
        Severity.URGENT,
        "Somebody contained a credential or an identity: its credentials are suspended, its queued mail is held.",
        "decide: sallyport release NUMBER, or sallyport purge NUMBER",
    ),
    Kind.INCIDENT_RELEASED: About(
        Severity.INFO, "An incident was nothing, or is over: held mail leaves, credentials work again.", "nothing"
    ),
    Kind.INCIDENT_PURGED: About(
        Severity.INFO,
        "What an incident held is deleted.",
        "give the owner a new credential, if he has none",
    ),
    Kind.INCIDENT_CLOSED: About(Severity.INFO, "An incident is closed.", "nothing"),
    Kind.TRAP_HIT: About(
        Severity.WARNING,
        "Somebody used a login that no owner has a reason to use; its network is walled.",
        "if it was an owner, let the network in: sallyport network confirm NAME NETWORK",
    ),
    Kind.SIGNAL: About(
        Severity.INFO,
        "Something speaks against an identity, and nothing is held for it yet.",
        "look at it: sallyport standing show NAME",
    ),
    Kind.BUDGET_90: About(
        Severity.INFO,
        "An identity has used nine tenths of what it may send in a day.",
        "ask whether it needs more, and say so in the policy file",
    ),
    Kind.SERVER_BUDGET_SPENT: About(
        Severity.WARNING,
        "The whole server, or a domain, has sent as much as it may: what is more is deferred, whoever sends it.",
        "look who sends: sallyport top; many logins that are each quiet may be stolen together",
    ),
    Kind.GATEWAY_DEGRADED: About(
        Severity.URGENT,
        "No gateway has asked policy anything for some minutes, or one says that it cannot work: nobody can send."
        " Or one of several is not heard of for three minutes (it is forgotten after an hour).",
        "sallyport status; then the gateway's log, and the network between the two",
    ),
    Kind.SCANNER_DEGRADED: About(
        Severity.URGENT,
        "Messages pass or wait without having been scanned.",
        "look at the scanner's log; it may need memory",
    ),
    Kind.CERTIFICATE_ENDING: About(
        Severity.WARNING,
        "The certificate ends soon, or cannot be read: mail programs will refuse to connect.",
        "replace it; it is taken over without a restart",
    ),
    Kind.GEO_DATABASE_OLD: About(
        Severity.INFO,
        "A database of addresses is old: more and more networks are in another country than it says.",
        "put a newer one there: docs/gates.md",
    ),
    Kind.QUEUE_GROWING: About(
        Severity.WARNING,
        "Mail comes faster than it leaves.",
        "look why it is deferred: sallyport incidents, and the log of Postfix",
    ),
    Kind.BLOCKLISTED: About(
        Severity.URGENT,
        "A server refuses mail because this one is on a blocklist.",
        "find who sent what (sallyport incidents), then ask the list to take the address off",
    ),
    Kind.HELD_EXPIRING: About(
        Severity.WARNING,
        "Held mail that nobody has decided about is deleted soon.",
        "decide: sallyport held list, then release or purge",
    ),
    Kind.HELD_GONE: About(
        Severity.WARNING,
        "Held mail is not in Postfix's queue any more, and nobody here released or deleted it.",
        "if nobody did so at Postfix itself, give back the queue that has it: docs/operating.md (Another machine);"
        " sallyport held list --all says which",
    ),
    Kind.NOTICE_ADDRESS_CHANGED: About(
        Severity.INFO,
        "Somebody changed where an owner is told.",
        "if the owner does not know of it: sallyport contain NAME",
    ),
    Kind.NETWORK_TRUSTED: About(
        Severity.INFO,
        "Quiet days alone, or a new device, made a network one of an owner's: it is on probation no more, or home.",
        "if the owner does not know it: sallyport network distrust NAME NETWORK",
    ),
    Kind.SECOND_FACTOR_WRONG: About(
        Severity.INFO,
        "Somebody has the password of a person for the console, and not the second factor: five wrong codes.",
        "if it was not the person: sallyport person reset NAME",
    ),
    Kind.TEST: About(Severity.INFO, "Somebody asked for it: sallyport alert test.", "nothing"),
}
