"""A network that days of quiet use made one of an identity's, and whose owner says that it was not him.

From then on it is as strange as any other, and the credentials that were used from there are suspended, in an incident
that asks the owner what is to become of what they held (owner_answers.py). Its yes undoes the suspension.
"""

from collections.abc import Callable, Iterable

from sqlalchemy import Connection, delete, select

from policy.engine.ladder import SignalKind
from policy.engine.sources import Origin, network_of
from policy.store.changes import identity_id
from policy.store.errors import Unknown
from policy.store.incidents import IncidentBook, StoredIncident
from policy.store.models import Areas, Credentials, Identities, Networks, Signals, Submissions
from policy.store.networks import checked_network, read_networks
from policy.store.rows import Network

OriginOf = Callable[[str], Origin]

_BEFORE_S = 60.0  # a login is written down a little later than what follows it


class DistrustBook(IncidentBook):
    """The part of the identity store that takes a network from an identity."""

    def trusted_since(self, name: str) -> dict[str, float]:
        """When the networks of an identity became its own by use alone; home, where they became that as well."""
        row = Signals
        wanted = (
            select(row.client_address, row.at)
            .join(Identities, Identities.id == row.identity_id)
            .where(Identities.name == name, row.kind == SignalKind.TRUSTED_NETWORK.value)
            .order_by(row.at)
        )
        with self._reading.connect() as connection:
            return {network_of(address): at for address, at in connection.execute(wanted)}

    def distrust_network(self, name: str, given: str, origin_of: OriginOf, now: float) -> StoredIncident:
        """The incident that it is from now on. Where nobody knows what was used from there, all credentials are."""
        network = checked_network(given)
        with self._engine.begin() as connection:
            number = identity_id(connection, name)
            every = read_networks(connection, number)
            this = next((one for one in every if one.network == network), None)
            if this is None:
                raise Unknown(f"{name!r} has no network {network}; `sallyport network list {name}` shows all")
            connection.execute(delete(Networks).where(Networks.identity_id == number, Networks.network == network))
            if area := _area_of_its_own(this, every, origin_of):
                connection.execute(delete(Areas).where(Areas.identity_id == number, Areas.area == area))
            before: dict[str, object] = {"identity": name, "days": this.days, "confirmed_at": this.confirmed_at}
            before |= {"first_used_at": this.first_used_at, "last_used_at": this.last_used_at}
            self._record(connection, now, "network-distrusted", network, before, {"area": area})
            return self._contain(connection, name, _used_from(connection, number, name, this), "", now)


def _area_of_its_own(this: Network, every: Iterable[Network], origin_of: OriginOf) -> str:
    """Empty where the owner was in the area before, or from a network that somebody vouched for."""
    area = _area(this, origin_of)
    others = (one for one in every if one.network != this.network and _area(one, origin_of) == area)
    is_shared = any(one.confirmed_at is not None or one.first_used_at < this.first_used_at for one in others)
    return "" if is_shared else area


def _area(one: Network, origin_of: OriginOf) -> str:
    return origin_of(one.network.partition("/")[0]).area


def _used_from(connection: Connection, number: int, name: str, this: Network) -> dict[int, str]:
    """The credentials that work, by their rows, as far as they were seen there: last, with a signal, or sending."""
    row, signal, sent = Credentials, Signals, Submissions
    wanted = select(row.id, row.login, row.last_used_from).where(row.identity_id == number, row.revoked_at.is_(None))
    working = list(connection.execute(wanted))
    raised = select(signal.credential_id, signal.client_address).where(signal.identity_id == number).distinct()
    numbers = {one for one, address in connection.execute(raised) if network_of(address) == this.network}
    handed_in = select(sent.login, sent.client_address).where(
        sent.identity == name, sent.at >= this.first_used_at - _BEFORE_S
    )
    logins = {one for one, address in connection.execute(handed_in.distinct()) if network_of(address) == this.network}
    seen = {
        one: login
        for one, login, last_from in working
        if one in numbers or login in logins or network_of(last_from or "") == this.network
    }
    return seen or {one: login for one, login, _ in working}
