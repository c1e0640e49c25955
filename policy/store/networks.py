"""The networks from which an identity has logged in: IPv4 /24, IPv6 /48. From these its logins are never walled.

The services write them down at each login (records.py); here an administrator vouches for one, or takes it out.
"""

import ipaddress

from sqlalchemy import Connection, delete, insert, select, update

from policy.engine.sources import network_of
from policy.store.changes import Changes, identity_id
from policy.store.errors import StoreError, Unknown
from policy.store.models import Networks
from policy.store.rows import Network


class NetworkBook(Changes):
    """The part of the identity store that has the networks."""

    def networks(self, name: str) -> list[Network]:
        """Those of one identity, the one that was used last first."""
        with self._reading.connect() as connection:
            return read_networks(connection, identity_id(connection, name))

    def confirm_network(self, name: str, given: str, now: float) -> Network:
        """Vouch for a network, also for one that was not used yet; an address stands for its network."""
        network = checked_network(given)
        with self._engine.begin() as connection:
            number = identity_id(connection, name)
            vouch(connection, number, network, now)
            self._record(connection, now, "network-confirmed", network, {}, {"identity": name})
            return next(one for one in read_networks(connection, number) if one.network == network)

    def forget_network(self, name: str, given: str, now: float) -> Network:
        """From now on it is as foreign to the identity as any other."""
        network = checked_network(given)
        with self._engine.begin() as connection:
            number = identity_id(connection, name)
            for one in read_networks(connection, number):
                if one.network == network:
                    connection.execute(
                        delete(Networks).where(Networks.identity_id == number, Networks.network == network)
                    )
                    before = {"identity": name, "days": one.days, "confirmed_at": one.confirmed_at}
                    self._record(connection, now, "network-forgotten", network, before, {})
                    return one
        raise Unknown(f"{name!r} has no network {network}; `sallyport network list {name}` shows all")


def vouch(connection: Connection, identity: int, network: str, now: float) -> None:
    """The network is the identity's (its row), in the transaction of whoever says so."""
    this = (Networks.identity_id == identity, Networks.network == network)
    if not connection.execute(update(Networks).where(*this).values(confirmed_at=now)).rowcount:
        times = {"first_used_at": now, "last_used_at": now, "confirmed_at": now}
        connection.execute(insert(Networks).values(identity_id=identity, network=network, days=0, **times))


def checked_network(given: str) -> str:
    """The network that an address lies in, or that is given itself."""
    try:
        interface = ipaddress.ip_interface(given)
    except ValueError:
        raise StoreError(f"{given!r} is neither an address nor a network such as 192.0.2.0/24") from None
    network = network_of(str(interface.ip))
    if "/" in given and str(interface.network) != network:
        raise StoreError(f"networks are IPv4 /24 and IPv6 /48; did you mean {network}?")
    return network


def read_networks(connection: Connection, identity: int) -> list[Network]:
    question = (
        select(Networks.network, Networks.first_used_at, Networks.last_used_at, Networks.days, Networks.confirmed_at)
        .where(Networks.identity_id == identity)
        .order_by(Networks.last_used_at.desc(), Networks.id)
    )
    return [Network(*row) for row in connection.execute(question)]
