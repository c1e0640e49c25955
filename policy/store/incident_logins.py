"""The networks of an incident, those too from which nobody handed anything in. incident_story.py has the rest.

A thief may have logged in to look around, from somewhere else, before he sent anything; a signal may tell of a login
that was refused; and the owner may have said of a network that it was not him, which is none of his from then on.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from policy.engine.sources import NOWHERE, network_of
from policy.store.incident_traffic import HOME, UNKNOWN, SeenNetwork, Span, Traffic, traffic_in
from policy.store.models import Credentials, Identities, Networks, Signals

_SIGNALS_READ = 5000


@dataclass(frozen=True, slots=True)
class Sources:
    """All networks of an incident, those that are not the owner's home first; and what went in all."""

    networks: tuple[SeenNetwork, ...]
    traffic: Traffic
    disowned: frozenset[str] = frozenset()  # of which the owner, or somebody for him, has said that it is not his

    @property
    def strange(self) -> int:
        return sum(not one.is_home for one in self.networks)


def sources_of(connection: Connection, incident: int, span: Span) -> Sources:
    """For its owner, who knows his own: of networks with logins alone those that are new, or that a signal tells of."""
    counted = traffic_in(connection, span, incident)
    found = with_logins(connection, span, counted.networks, is_new=True)
    networks = sorted(found, key=lambda one: (one.is_home, one.first_used_at))
    return Sources(tuple(networks), counted.strange + counted.own, frozenset(one.network for one in span.disowned))


def with_logins(
    connection: Connection, span: Span, counted: Iterable[SeenNetwork], *, is_new: bool = False
) -> list[SeenNetwork]:
    """`counted`, and the others; with `is_new` no network that was the identity's before."""
    found = {one.network: one for one in counted}
    used = _logged_in(connection, span, is_new)
    for seen in (*_signals(connection, span), *used, *_disowned(span)):
        known = found.get(seen.network, seen)
        found[seen.network] = replace(known, logins=tuple(sorted({*known.logins, *seen.logins})))
    return list(found.values())


def _signals(connection: Connection, span: Span) -> Iterator[SeenNetwork]:
    """Where something was suspicious, also about a login that was refused."""
    wanted = (
        select(Signals.at, Signals.client_address, Credentials.login, Signals.at_home)
        .join(Identities, Identities.id == Signals.identity_id)
        .outerjoin(Credentials, Credentials.id == Signals.credential_id)
        .where(Identities.name == span.identity, Signals.at >= span.begin, Signals.at <= span.end)
        .order_by(Signals.at)
        .limit(_SIGNALS_READ)
    )
    for at, address, login, at_home in connection.execute(wanted):
        if (network := network_of(address)) != NOWHERE:
            whose, logins = HOME if at_home else UNKNOWN, (login,) if login else ()
            yield SeenNetwork(network, whose, "", "", at, at, client_address=address, logins=logins)


def _logged_in(connection: Connection, span: Span, is_new: bool) -> Iterator[SeenNetwork]:
    """What is in use, and what was new on the day before: a thief who only looked around is not there any more.

    New is not what was vouched for from its first moment on, where a device was enrolled, nor from where the owner
    came to look at the incident.
    """
    row = Networks
    is_there = row.first_used_at >= span.edge
    if is_new:
        is_there &= row.first_used_at < span.begin
        is_there &= row.confirmed_at.is_(None) | (row.confirmed_at > row.first_used_at)
    else:
        is_there |= row.last_used_at >= span.begin
    wanted = (
        select(row.network, row.first_used_at, row.last_used_at)
        .join(Identities, Identities.id == row.identity_id)
        .where(Identities.name == span.identity, is_there, row.first_used_at <= span.end)
        .order_by(row.first_used_at, row.id)
    )
    for network, first, last in connection.execute(wanted):
        yield SeenNetwork(network, UNKNOWN, "", "", first, last, client_address=_first_address(network))


def _disowned(span: Span) -> Iterator[SeenNetwork]:
    """Of which somebody has said that it was not the owner, and from which nothing was handed in."""
    for one in span.disowned:
        first, last = one.first_used_at, one.last_used_at
        yield SeenNetwork(one.network, UNKNOWN, "", "", first, last, client_address=_first_address(one.network))


def _first_address(network: str) -> str:
    return network.partition("/")[0]
