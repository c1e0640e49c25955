"""What an identity handed in during an incident, added up by network and by login. incident_story.py has the rest.

The database adds up, in one pass over the messages, so that an incident of a hundred thousand is a few thousand rows
here. Whose a network was is what was written down with each message: it may be the owner's by now, or a thief's no
more. Only where somebody has said since of a network that it was not the owner (distrust.py), all that is on record of
it is a strange network's, also from before the incident: it looked like the owner's, and was not.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

from sqlalchemy import Connection, func, select

from policy.engine.sources import network_of
from policy.store.audit import is_about
from policy.store.incident_models import Incidents
from policy.store.models import Audit
from policy.store.statements import OnConnection, Prepared, prepared
from policy.store.transactions import Statements
from service.spans import MINUTE_S

HOME, SETTLED, STRANGE, UNKNOWN = "home", "settled", "strange", "unknown"
_GRAVEST = (STRANGE, UNKNOWN, SETTLED, HOME)
_BEFORE_S = 60.0  # a login is written down a little later than what follows it
BACK_S = 86400.0  # how long before the incident a strange network belongs to it
COUNTED_NETWORKS = 1000  # the others are added up as one: nobody reads on, and memory is bounded
_NAMES_SHOWN = 5  # of clients in a network: a thief may call himself anew each time


def in_both(words: str) -> Prepared:
    """SQL of ours in the words of both databases: PLACE_TAIL(), instr() and whole() are written as each has them."""
    sqlite = words.replace("PLACE_TAIL()", "substr(evidence, -160)").replace("whole(", "(")
    postgresql = words.replace("PLACE_TAIL()", "right(evidence, 160)").replace("instr(", "strpos(")
    return Prepared(prepared(sqlite).sqlite, prepared(postgresql.replace("whole(", "floor(")).postgresql)


def rows_of(connection: Connection, question: Prepared, values: Mapping[str, object]) -> Sequence[tuple[Any, ...]]:
    statements: Statements = OnConnection(connection)
    return statements.execute(question, values).fetchall()


# As records.py writes the place: at the end of the evidence. No text within it looks so: its quotes are escaped.
IS_HOME = """instr(PLACE_TAIL(), '"settled",true]') > 0"""
_IS_STRANGE = """instr(PLACE_TAIL(), '"probation",false]') > 0"""
_WHOSE = f"""CASE WHEN instr(place, '"probation",false]') > 0 THEN '{STRANGE}'
 WHEN instr(place, '"settled",true]') > 0 THEN '{HOME}'
 WHEN instr(place, '"settled",false]') > 0 THEN '{SETTLED}' ELSE '{UNKNOWN}' END"""
_BEGINS = '"place":["'
_NETWORK = f"""CASE WHEN instr(PLACE, '{_BEGINS}') = 0 THEN client_address ELSE substr(PLACE,
 instr(PLACE, '{_BEGINS}') + {len(_BEGINS)}, instr(substr(PLACE, instr(PLACE, '{_BEGINS}') + {len(_BEGINS)}), '"') - 1)
 END"""  # the address where none was written down
# Nearly always there is none, and nothing is looked for.
_DISOWNED = "(CAST(:disowned AS TEXT) <> '' AND instr(CAST(:disowned AS TEXT), ' ' || NETWORK || ' ') > 0)"
IS_DISOWNED = _DISOWNED.replace("NETWORK", f"({_NETWORK.replace('PLACE', 'PLACE_TAIL()')})")  # of a submission
# Of what was held back later: those who had it by then have it.
_CAUGHT = "CASE WHEN caught IS NULL OR room <= 0 THEN 0 WHEN caught > room THEN room ELSE caught END"
_GOES = f"action = 'accept' AND outcome <> 'failed' AND recipients > held + {_CAUGHT}"
_SUMS = ", ".join(f"sum({one}) AS {one}" for one in ("sent", "reached", "stays", "stay", "refused"))
# All of the span, a row for each message; what was held back and is still held, or was deleted. PLACE and WHERE_FROM
# are filled in below.
_MESSAGES = f"""
WITH retro AS (
 SELECT submission AS caught_of, max(recipients) AS caught FROM held
 WHERE incident_id = :incident AND reason = 'retro-hold' AND state NOT IN ('releasing', 'released', 'gone')
 GROUP BY submission),
 got AS (SELECT submission AS got_of, count(*) AS got FROM reached WHERE identity = :identity GROUP BY submission),
 each AS MATERIALIZED (
 SELECT at, client_address, client_name, origin, login, PLACE action, outcome, recipients,
 submission.held AS held, caught, recipients - submission.held - coalesce(got, 0) AS room
 FROM submission LEFT JOIN retro ON caught_of = id LEFT JOIN got ON got_of = id
 WHERE identity = :identity AND at >= :earliest AND at <= :end),
 counted AS (
 SELECT at, client_address, client_name, origin, login, WHERE_FROM CASE WHEN {_GOES} THEN 1 ELSE 0 END AS sent,
 CASE WHEN {_GOES} THEN recipients - held - ({_CAUGHT}) ELSE 0 END AS reached,
 CASE WHEN outcome <> 'failed' AND (action = 'hold' OR held > 0 OR {_CAUGHT} > 0) THEN 1 ELSE 0 END AS stays,
 CASE WHEN outcome = 'failed' THEN 0 WHEN action = 'hold' THEN recipients ELSE held + {_CAUGHT} END AS stay,
 CASE WHEN action IN ('defer', 'reject') THEN 1 ELSE 0 END AS refused FROM each)"""  # noqa: S608 - constants of this module
_PLACED = _MESSAGES.replace("PLACE ", "PLACE_TAIL() AS place, ").replace(
    "WHERE_FROM ", f"{_NETWORK.replace('PLACE', 'place')} AS network, {_WHOSE} AS of_whom, "
)
_TRAFFIC = in_both(f"""{_PLACED}, per AS MATERIALIZED (
 SELECT network, origin, login, whose, min(at) AS first, max(at) AS last,
 min(client_address) AS address, min(client_name) AS name, max(client_name) AS other_name, {_SUMS}
 FROM (SELECT counted.*, CASE WHEN {_DISOWNED.replace("NETWORK", "network")} THEN '{STRANGE}' ELSE of_whom END AS whose,
  {_DISOWNED.replace("NETWORK", "network")} AS is_disowned FROM counted) AS told
 WHERE at >= :begin OR is_disowned GROUP BY network, origin, login, whose)
SELECT count(*), '', '', login, whose, min(first), max(last), '', '', '', {_SUMS} FROM per GROUP BY login, whose
UNION ALL SELECT * FROM (
 SELECT 0, network, origin, login, whose, first, last, address, name, other_name, sent, reached, stays, stay, refused
 FROM per ORDER BY first LIMIT :most) AS places
""")  # noqa: S608 - the same
_UNPLACED = _MESSAGES.replace("PLACE ", "").replace("WHERE_FROM ", "")  # it takes half the time
_PACE = in_both(f"""{_UNPLACED}
SELECT CAST(whole((at - :begin) / :width) AS INTEGER) AS bar, {_SUMS} FROM counted GROUP BY bar ORDER BY bar
""")  # noqa: S608 - the same
_FIRST_STRANGE = in_both(
    f"SELECT min(at) FROM submission WHERE identity = :identity AND at >= :edge AND at < :since AND {_IS_STRANGE}"  # noqa: S608 - a constant of this module
)
# The area in which a fresh credential is used first counts as its owner's by that alone, and may be the thief's.
_FIRST_FRESH = in_both(
    "SELECT min(submission.at) FROM submission JOIN identity ON identity.name = submission.identity"  # noqa: S608 - the same
    " JOIN area ON area.identity_id = identity.id AND area.area = submission.origin"
    " WHERE submission.identity = :identity AND submission.at >= :edge AND submission.at < :since"
    " AND area.confirmed_at = area.first_used_at AND area.first_used_at >= :edge"
    f" AND NOT ({IS_HOME})"
)
_FIRST_BAD = in_both(
    "SELECT at, id, client_address, client_name, origin, login, action, reason FROM submission"  # noqa: S608 - the same
    " WHERE identity = :identity AND at >= :earliest AND at <= :end"
    f" AND (at >= :begin AND ({_IS_STRANGE} OR action <> 'accept' OR held > 0) OR {IS_DISOWNED})"
    " ORDER BY at, id LIMIT 1"
)
_BARS = 60  # at most, on a page


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
    client_address: str = ""  # one of those that came from there
    logins: tuple[str, ...] = ()
    names: tuple[str, ...] = ()  # of the clients (EHLO), a few: a stranger's words

    @property
    def is_home(self) -> bool:
        return self.whose == HOME

    def joined(self, more: Self) -> Self:
        """What was strange once is shown as that, though it has become the owner's."""
        return replace(
            self,
            whose=min(self.whose, more.whose, key=_GRAVEST.index),
            client_address=self.client_address or more.client_address,
            logins=tuple(sorted({*self.logins, *more.logins})),
            names=tuple(sorted({*self.names, *more.names}))[:_NAMES_SHOWN],
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


class Disowned(NamedTuple):
    """A network of which somebody has said that it was not the owner."""

    network: str
    first_used_at: float
    last_used_at: float


class Span(NamedTuple):
    """Which messages are the incident's: those of the identity in this time, and all of a network that is disowned."""

    identity: str
    begin: float
    end: float
    edge: float = 0.0  # where it was looked for the beginning: a day before it, or when the last incident was closed
    disowned: tuple[Disowned, ...] = ()

    @property
    def values(self) -> dict[str, object]:
        """For the questions: networks are one text, as both databases search it."""
        firsts = [one.first_used_at - _BEFORE_S for one in self.disowned]
        networks = "".join(f" {one.network} " for one in self.disowned)
        return self._asdict() | {"disowned": networks, "earliest": min([self.begin, *firsts])}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All of it; `others` is how many places are beyond those that are counted one by one."""

    networks: tuple[SeenNetwork, ...]
    logins: tuple[SeenLogin, ...]
    strange: Traffic  # from strange networks
    own: Traffic  # from all others
    others: int


@dataclass(frozen=True, slots=True)
class Pace:
    """Messages over time: each of `bars` is `width_s` long, the first begins at `begin`."""

    begin: float
    width_s: float
    bars: tuple[Traffic, ...]


def span_of(connection: Connection, identity: str, since: float, end: float) -> Span:
    """From the first message out of a strange network on: it was let through before anything was suspicious.

    Or out of the first network of a fresh credential, which is strange to nobody.
    """
    edge = max(since - BACK_S, decided_before(connection, identity, since))
    values = {"identity": identity, "edge": edge, "since": since}
    firsts = [at for one in (_FIRST_STRANGE, _FIRST_FRESH) for (at,) in rows_of(connection, one, values)]
    begin = min([since, *(at for at in firsts if at is not None)])
    return Span(identity, begin, end, edge, tuple(_disowned(connection, identity, begin, end)))


def _disowned(connection: Connection, identity: str, begin: float, end: float) -> Iterator[Disowned]:
    row = Audit
    wanted = (
        select(row.at, row.subject, row.before)
        .where(row.action == "network-distrusted", row.at >= begin, row.at <= end, is_about(identity))
        .order_by(row.id)
    )
    for at, network, before in connection.execute(wanted):
        kept = json.loads(before)
        yield Disowned(network, kept.get("first_used_at", at), kept.get("last_used_at", at))


def decided_before(connection: Connection, identity: str, at: float) -> float:
    """When the last incident was closed before that: what belongs to it is decided, and is not asked about again."""
    row = Incidents
    return (
        connection.scalar(select(func.max(row.closed_at)).where(row.identity == identity, row.closed_at <= at)) or 0.0
    )


def first_bad_use(connection: Connection, span: Span) -> FirstUse | None:
    """None where all was good."""
    for at, submission, address, name, area, login, action, reason in rows_of(connection, _FIRST_BAD, span.values):
        return FirstUse(at, submission, address, name, area, login, f"{action} ({reason})" if reason else action)
    return None


def traffic_in(connection: Connection, span: Span, incident: int) -> Seen:
    """What the database has added up; those that began first before the others."""
    networks, logins = dict[str, SeenNetwork](), dict[str, SeenLogin]()
    strange, own, others = Traffic(), Traffic(), 0
    values = {**span.values, "incident": incident, "most": COUNTED_NETWORKS}
    for groups, *row in rows_of(connection, _TRAFFIC, values):
        if groups:  # a sum over all networks
            login, whose, first, last = row[2:6]
            numbers = row[9:]
            traffic = Traffic(*map(int, numbers))
            strange, own = (strange + traffic, own) if whose == STRANGE else (strange, own + traffic)
            by_login = SeenLogin(login, whose == STRANGE, first, last, traffic)
            logins[login] = logins[login].joined(by_login) if login in logins else by_login
            others += groups
        else:
            by_network = _network(row)
            known = networks.get(by_network.network)
            networks[by_network.network] = known.joined(by_network) if known else by_network
            others -= 1
    return Seen(
        networks=tuple(networks.values()), logins=tuple(logins.values()), strange=strange, own=own, others=others
    )


def _network(row: Sequence[Any]) -> SeenNetwork:
    network, area, login, whose, first, last, address, name, other_name, *numbers = row
    return SeenNetwork(
        network=network if "/" in network else network_of(network),
        whose=whose,
        area=area,
        country=country_of(area),
        first_used_at=first,
        last_used_at=last,
        traffic=Traffic(*map(int, numbers)),
        client_address=address,
        logins=(login,),
        names=tuple(sorted({name, other_name} - {""})),
    )


def pace_in(connection: Connection, span: Span, incident: int) -> Pace:
    """How many messages in how short a time; `span` ends with the last of them, or not long after it."""
    lasts_s = max(0.0, span.end - span.begin)
    width = MINUTE_S * math.ceil((lasts_s // MINUTE_S + 1) / _BARS)
    values = {**span.values, "incident": incident, "width": width}
    bars = [Traffic()] * (int(lasts_s // width) + 1)
    for at, *numbers in rows_of(connection, _PACE, values):
        bars[at] += Traffic(*map(int, numbers))
    return Pace(span.begin, width, tuple(bars))


def country_of(area: str) -> str:
    """`DE` of `AS3320 DE`; empty where there is no area."""
    return area.rpartition(" ")[2]
