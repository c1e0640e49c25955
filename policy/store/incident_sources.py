"""From where an identity was used during an incident: one row for each source network, from records and signals."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, select

from policy.contract import Action, RelayOutcome
from policy.engine.sources import NOWHERE, network_of
from policy.store.models import Credentials, Identities, Signals, Submissions

MOST_RECORDS = 10_000  # that are looked at, the newest
_NAMES_SHOWN = 5  # of a network: what clients call themselves, a thief may choose anew each time


@dataclass(slots=True)
class Source:
    """One network. Messages are counted; `recipients` are those who were reached."""

    network: str
    client_address: str  # the last one
    area: str = ""  # `AS3320 DE`; empty where no message was handed in from there
    is_home: bool = False
    sent: int = 0
    held: int = 0
    refused: int = 0
    recipients: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    logins: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)  # of the client (EHLO)


def sources_of(connection: Connection, identity: str, since: float, until: float | None) -> list[Source]:
    """Those that are not home first, each lot with what was used first on top."""
    found: dict[str, Source] = {}
    for row in _records(connection, identity, since, until):
        _add_record(_source(found, row.client_address, row.at), row)
    for at, address, login, is_home in _signals(connection, identity, since, until):
        source = _source(found, address, at)
        source.is_home |= is_home
        source.logins |= {login} if login else set()
    return sorted(found.values(), key=lambda one: (one.is_home, one.first_at))


def is_from_home(evidence: str) -> bool:
    """Whether a submission was handed in from a network that was its owner's beyond doubt, as its record says."""
    place: Sequence[Any] | None = (json.loads(evidence) if evidence else {}).get("place")
    return bool(place and place[3])


def _source(found: dict[str, Source], address: str, at: float) -> Source:
    network = network_of(address)
    source = found.setdefault(network, Source(network, address, first_at=at, last_at=at))
    source.first_at, source.last_at = min(source.first_at, at), max(source.last_at, at)
    if at == source.last_at:
        source.client_address = address
    return source


def _add_record(source: Source, row: Row[Any]) -> None:
    source.area = row.origin or source.area
    source.is_home |= is_from_home(row.evidence)
    source.logins.add(row.login)
    if row.client_name and len(source.names) < _NAMES_SHOWN:
        source.names.add(row.client_name)
    is_sent = row.action == Action.ACCEPT and row.outcome != RelayOutcome.FAILED
    source.sent += is_sent
    source.held += row.held > 0
    source.refused += row.action in {Action.DEFER, Action.REJECT}
    source.recipients += row.recipients - row.held if is_sent else 0


def _records(connection: Connection, identity: str, since: float, until: float | None) -> Iterable[Row[Any]]:
    row = Submissions
    wanted = (
        select(
            row.at, row.client_address, row.client_name, row.origin, row.evidence, row.login, row.action, row.outcome,
            row.held, row.recipients,
        )
        .where(row.identity == identity, row.at >= since)
        .order_by(row.at.desc())
        .limit(MOST_RECORDS)
    )  # fmt: skip
    return connection.execute(wanted if until is None else wanted.where(row.at <= until))


def _signals(
    connection: Connection, identity: str, since: float, until: float | None
) -> Iterable[tuple[float, str, str | None, bool]]:
    wanted = (
        select(Signals.at, Signals.client_address, Credentials.login, Signals.at_home)
        .join(Identities, Identities.id == Signals.identity_id)
        .outerjoin(Credentials, Credentials.id == Signals.credential_id)
        .where(Identities.name == identity, Signals.at >= since)
        .order_by(Signals.at)
    )
    rows = connection.execute(wanted if until is None else wanted.where(Signals.at <= until))
    return [(at, address, login, at_home) for at, address, login, at_home in rows if network_of(address) != NOWHERE]
