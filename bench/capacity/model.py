"""From the costs that were measured and a demand to what each part needs, and which of them is at its end first.

Everything is linear in messages, sessions and identities, because no time that is measured grows with what was there
before (docs/budgets.md, docs/history.md); room does, up to what a day's messages take in Valkey. Two parts are not
shared out by adding machines: one database has one writer at a time, and one Valkey runs one script at a time. They
make the number of cells: a cell has a database and a Valkey of its own, and holds a part of the identities.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

DAY_S = 86400
_MIB, _GIB = 1024, 1024 * 1024  # in KiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Of one message, unless the name says of what. `_ms` is CPU of one core; `lock_ms` is how long it is held."""

    gateway_session_ms: float
    gateway_message_ms: float
    gateway_mb_ms: float
    postfix_session_ms: float
    postfix_message_ms: float
    postfix_mb_ms: float
    scan_ms: float  # rspamd, a letter
    policy_session_ms: float
    policy_message_ms: float
    database_message_ms: float
    lock_ms: float
    valkey_message_ms: float
    wal_kib: float
    submission_kib: float  # on disk, with its indexes
    identity_kib: float
    known_recipient_kib: float
    valkey_identity_kib: float  # of one that sends
    valkey_message_kib: float  # while it counts: a day
    idle_session_kib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """At the busiest moment, but for `mean_share`: what the whole day has of it on average."""

    identities: int
    messages_per_s: float
    messages_per_session: float = 1.5
    octets_per_message: int = 75_000
    idle_sessions: int = 0
    known_recipients: int = 300  # of one identity
    active_share: float = 0.3  # of the identities, in a month: they have budgets
    mean_share: float = 0.35
    kept_days: int = 30  # of submissions
    headroom: float = 0.6  # of a core, a lock, a script's time: what may be used


@dataclass(frozen=True, slots=True)
class Need:
    """`amount` of `unit`; `cells` is how many of the part it takes where one alone has an end, else 1."""

    part: str
    amount: float
    unit: str
    cells: int = 1


def needs(costs: Costs, demand: Demand) -> list[Need]:
    """What each part needs for the demand."""
    return [*_of_processors(costs, demand), *_of_one_at_a_time(costs, demand), *_of_room(costs, demand)]


def cells(costs: Costs, demand: Demand) -> int:
    """Databases and Valkeys that share the identities among them."""
    return max(need.cells for need in needs(costs, demand))


def most_per_s(costs: Costs) -> dict[str, float]:
    """Messages a second at which one of each is at its end, however many gateways and policies there are."""
    return {"PostgreSQL's writer": 1000 / costs.lock_ms, "Valkey's thread": 1000 / costs.valkey_message_ms}


def per_core(costs: Costs, messages_per_session: float, octets: int) -> dict[str, float]:
    """CPU of one message by part, in ms, its share of a session in it."""
    share, megabytes = 1 / messages_per_session, octets / 1e6
    return {
        "gateway": costs.gateway_message_ms + share * costs.gateway_session_ms + megabytes * costs.gateway_mb_ms,
        "policy": costs.policy_message_ms + share * costs.policy_session_ms,
        "rspamd": costs.scan_ms,
        "Postfix": costs.postfix_message_ms + share * costs.postfix_session_ms + megabytes * costs.postfix_mb_ms,
        "PostgreSQL": costs.database_message_ms,
        "Valkey": costs.valkey_message_ms,
    }


def _of_processors(costs: Costs, demand: Demand) -> Iterator[Need]:
    for part, cost in per_core(costs, demand.messages_per_session, demand.octets_per_message).items():
        yield Need(part, demand.messages_per_s * cost / 1000 / demand.headroom, "cores")


def _of_one_at_a_time(costs: Costs, demand: Demand) -> Iterator[Need]:
    for part, most in most_per_s(costs).items():
        busy = demand.messages_per_s / most
        yield Need(part, busy, "of one", math.ceil(busy / demand.headroom))


def _of_room(costs: Costs, demand: Demand) -> Iterator[Need]:
    a_day = demand.messages_per_s * demand.mean_share * DAY_S
    yield Need("gateway, idle sessions", demand.idle_sessions * costs.idle_session_kib / _GIB, "GiB of memory")
    of_identities = demand.identities * demand.active_share * costs.valkey_identity_kib
    yield Need("Valkey, budgets", (of_identities + a_day * costs.valkey_message_kib) / _GIB, "GiB of memory")
    yield Need("PostgreSQL, submissions", a_day * demand.kept_days * costs.submission_kib / _GIB, "GiB of disk")
    yield Need("PostgreSQL, identities", demand.identities * costs.identity_kib / _GIB, "GiB of disk")
    known = demand.identities * demand.known_recipients * costs.known_recipient_kib
    yield Need("PostgreSQL, history", known / _GIB, "GiB of disk")
    yield Need("PostgreSQL, log", demand.messages_per_s * costs.wal_kib / _MIB, "MiB/s written")
