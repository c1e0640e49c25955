"""What an identity handed in during an incident, added up by network and by login. incident_story.py has the rest.

The database adds up, so that an incident of a hundred thousand messages is a few hundred rows here. Whose a network was
is what was written down with each message: it may be the owner's by now, or a thief's no more.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from sqlalchemy import Connection, text

from policy.engine.sources import network_of

HOME, SETTLED, STRANGE, UNKNOWN = "home", "settled", "strange", "unknown"
_GRAVEST = (STRANGE, UNKNOWN, SETTLED, HOME)
BACK_S = 86400.0  # how long before the incident a strange network belongs to it
COUNTED_NETWORKS = 5000  # the others are added up as one: nobody reads on, and memory is bounded

# As records.py writes the place into the evidence. No text within it looks so: its quotes are escaped.
_WHOSE = f"""CASE WHEN evidence LIKE '%"settled",true]%' THEN '{HOME}'
 WHEN evidence LIKE '%"settled",false]%' THEN '{SETTLED}'
 WHEN evidence LIKE '%"probation",false]%' THEN '{STRANGE}' ELSE '{UNKNOWN}' END"""
_IS_STRANGE = """evidence LIKE '%"probation",false]%'"""
_GOES = "action = 'accept' AND outcome <> 'failed'"
_TRAFFIC = text(f"""
SELECT client_address, origin, login, {_WHOSE} AS whose, min(at), max(at),
 sum(CASE WHEN {_GOES} AND recipients > submission.held + coalesce(caught, 0) THEN 1 ELSE 0 END),
 sum(CASE WHEN {_GOES} AND recipients > submission.held + coalesce(caught, 0)
  THEN recipients - submission.held - coalesce(caught, 0) ELSE 0 END),
 sum(CASE WHEN outcome <> 'failed' AND (action = 'hold' OR submission.held > 0 OR caught > 0) THEN 1 ELSE 0 END),
 sum(CASE WHEN outcome = 'failed' THEN 0 WHEN action = 'hold' THEN recipients
  ELSE submission.held + coalesce(caught, 0) END),
 sum(CASE WHEN action IN ('defer', 'reject') THEN 1 ELSE 0 END)
FROM submission LEFT JOIN (
 SELECT submission AS caught_of, max(recipients) AS caught FROM held
 WHERE incident_id = :incident AND reason = 'retro-hold' AND state NOT IN ('releasing', 'released', 'gone')
 GROUP BY submission) AS retro ON caught_of = submission.id
WHERE identity = :identity AND at >= :begin AND at <= :end
GROUP BY client_address, origin, login, whose ORDER BY min(at)
""")  # noqa: S608 - constants of this module
_FIRST_STRANGE = text(
    f"SELECT min(at) FROM submission WHERE identity = :identity AND at >= :edge AND at < :since AND {_IS_STRANGE}"  # noqa: S608 - a constant of this module
)
_FIRST_BAD = text(
    "SELECT at, id, client_address, client_name, origin, login, action, reason FROM submission"  # noqa: S608 - the same
    " WHERE identity = :identity AND at >= :begin AND at <= :end"
    f" AND ({_IS_STRANGE} OR action <> 'accept' OR held > 0) ORDER BY at, id LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Messages and recipients. What is on hold in part counts as both sent and held."""

    sent: int = 0  # messages that went to at least one recipient
    reached: int = 0  # recipients that they went to; some may have bounced
    held: int = 0  # messages, those too that were released or deleted since
    held_recipients: int = 0
    refused: int = 0  # messages

    def __add__(self, other: "Traffic") -> "Traffic":
        return Traffic(
            self.sent + other.sent,
            self.reached + other.reached,
            self.held + other.held,
            self.held_recipients + other.held_recipients,
            self.refused + other.refused,
        )


@dataclass(frozen=True, slots=True)
class SeenNetwork:
    """A network that the identity used. `area` and `country` are empty where nobody knows."""

    network: str
    whose: str  # home, settled, strange; unknown: nothing came from there but logins
    area: str
    country: str
    first_used_at: float
    last_used_at: float
    traffic: Traffic = Traffic()

    def joined(self, more: Self) -> Self:
        """What was strange once is shown as that, though it has become the owner's."""
        return replace(
            self,
            whose=min(self.whose, more.whose, key=_GRAVEST.index),
            first_used_at=min(self.first_used_at, more.first_used_at),
            last_used_at=max(self.last_used_at, more.last_used_at),
            traffic=self.traffic + more.traffic,
        )


@dataclass(frozen=True, slots=True)
class SeenLogin:
    """A login that handed something in."""

    login: str
    is_strange: bool  # from a strange network, among others
    first_used_at: float
    last_used_at: float
    traffic: Traffic

    def joined(self, more: Self) -> Self:
        return replace(
            self,
            is_strange=self.is_strange or more.is_strange,
            first_used_at=min(self.first_used_at, more.first_used_at),
            last_used_at=max(self.last_used_at, more.last_used_at),
            traffic=self.traffic + more.traffic,
        )


@dataclass(frozen=True, slots=True)
class FirstUse:
    """The first message that was bad."""

    at: float
    submission: str
    client_address: str
    client_name: str  # as the client said in EHLO
    area: str
    login: str
    verdict: str


class Span(NamedTuple):
    """Which messages are the incident's: those of the identity in this time."""

    identity: str
    begin: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All of it; `others` is how many places are beyond those that are counted one by one."""

    networks: tuple[SeenNetwork, ...]
    logins: tuple[SeenLogin, ...]
    strange: Traffic  # from strange networks
    own: Traffic  # from all others
    others: int


def span_of(connection: Connection, identity: str, since: float, end: float) -> Span:
    """From the first message out of a strange network on: it was let through before anything was suspicious."""
    values = {"identity": identity, "edge": since - BACK_S, "since": since}
    earlier = connection.scalar(_FIRST_STRANGE, values)
    return Span(identity, since if earlier is None else earlier, end)


def first_bad_use(connection: Connection, span: Span) -> FirstUse | None:
    """None where all was good."""
    for at, submission, address, name, area, login, action, reason in connection.execute(_FIRST_BAD, span._asdict()):
        return FirstUse(at, submission, address, name, area, login, f"{action} ({reason})" if reason else action)
    return None


def traffic_in(connection: Connection, span: Span, incident: int) -> Seen:
    """What the database has added up; those that began first before the others."""
    networks, logins = dict[str, SeenNetwork](), dict[str, SeenLogin]()
    strange, own, others = Traffic(), Traffic(), 0
    for address, area, login, whose, first, last, *numbers in connection.execute(
        _TRAFFIC, {**span._asdict(), "incident": incident}
    ):
        traffic = Traffic(*(int(number or 0) for number in numbers))
        strange, own = (strange + traffic, own) if whose == STRANGE else (strange, own + traffic)
        by_login = SeenLogin(login, whose == STRANGE, first, last, traffic)
        logins[login] = logins[login].joined(by_login) if login in logins else by_login
        network = network_of(address)
        by_network = SeenNetwork(network, whose, area, country_of(area), first, last, traffic)
        if network in networks:
            networks[network] = networks[network].joined(by_network)
        elif len(networks) < COUNTED_NETWORKS:
            networks[network] = by_network
        else:
            others += 1
    return Seen(
        networks=tuple(networks.values()), logins=tuple(logins.values()), strange=strange, own=own, others=others
    )


def country_of(area: str) -> str:
    """`DE` of `AS3320 DE`; empty where there is no area."""
    return area.rpartition(" ")[2]
