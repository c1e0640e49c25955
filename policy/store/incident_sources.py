"""From where an identity was used during an incident, for its owner: by network, with devices and the names of clients.

incident_traffic.py has the numbers; here networks are added from which nobody came further than a login.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from policy.engine.sources import NOWHERE, network_of
from policy.store.incident_traffic import HOME, UNKNOWN, SeenNetwork, Span, Traffic, span_of, traffic_in
from policy.store.incidents import StoredIncident
from policy.store.models import Credentials, Identities, Signals, Submissions

_READ = 5000  # different clients that are looked at
_NAMES_SHOWN = 5  # of a network: a thief may call himself anew each time


@dataclass(slots=True)
class Source:
    """One network of an incident."""

    seen: SeenNetwork
    client_address: str = ""  # one of those that came from there
    logins: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)  # of the clients (EHLO): a stranger's words

    @property
    def is_home(self) -> bool:
        return self.seen.whose == HOME


@dataclass(frozen=True, slots=True)
class Sources:
    """All of them, those that are not the owner's home first; and what went in all."""

    networks: tuple[Source, ...]
    traffic: Traffic

    @property
    def strange(self) -> int:
        return sum(not one.is_home for one in self.networks)


def sources_of(connection: Connection, incident: StoredIncident, end: float) -> Sources:
    """Until `end`, or until the incident was closed."""
    until = end if incident.closed_at is None else incident.closed_at
    span = span_of(connection, incident.identity, incident.since, until)
    counted = traffic_in(connection, span, incident.number)
    found = {one.network: Source(one) for one in counted.networks}
    for address, login, name in _clients(connection, span):
        if source := found.get(network_of(address)):
            source.client_address = address
            source.logins.add(login)
            source.names |= {name} if name and len(source.names) < _NAMES_SHOWN else set()
    for at, address, used, at_home in _signals(connection, span):
        network = network_of(address)
        whose = HOME if at_home else UNKNOWN
        source = found.setdefault(network, Source(SeenNetwork(network, whose, "", "", at, at), address))
        source.client_address = source.client_address or address
        source.logins |= {used} if used else set()
    networks = sorted(found.values(), key=lambda one: (one.is_home, one.seen.first_used_at))
    return Sources(tuple(networks), counted.strange + counted.own)


def _clients(connection: Connection, span: Span) -> Iterable[tuple[str, str, str]]:
    row = Submissions
    wanted = (
        select(row.client_address, row.login, row.client_name)
        .where(row.identity == span.identity, row.at >= span.begin, row.at <= span.end)
        .distinct()
        .order_by(row.client_address, row.login, row.client_name)
        .limit(_READ)
    )
    return [(row.client_address, row.login, row.client_name) for row in connection.execute(wanted)]


def _signals(connection: Connection, span: Span) -> list[tuple[float, str, str | None, bool]]:
    wanted = (
        select(Signals.at, Signals.client_address, Credentials.login, Signals.at_home)
        .join(Identities, Identities.id == Signals.identity_id)
        .outerjoin(Credentials, Credentials.id == Signals.credential_id)
        .where(Identities.name == span.identity, Signals.at >= span.begin, Signals.at <= span.end)
        .order_by(Signals.at)
    )
    rows = connection.execute(wanted)
    return [(*row,) for row in rows if network_of(row.client_address) != NOWHERE]
