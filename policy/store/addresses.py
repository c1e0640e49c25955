"""As whom an identity may send: its addresses, whole domains of an application, and addresses of others.

Which text is an address at all, and in which form it is kept, is policy/addresses.py's.
"""

from sqlalchemy import Connection, delete, insert, select, update

from policy.addresses import parsed_owner_address
from policy.contract import canonical_address
from policy.store.changes import Changes, begins, identity_id
from policy.store.errors import StoreError, Unknown
from policy.store.logins import of_address, refuse_if_login
from policy.store.models import Addresses, Identities, SendAs
from policy.store.rows import Identity, Profile


class Addressbook(Changes):
    """The part of the identity store that has the addresses."""

    def add_address(self, name: str, given: str, now: float, *, subaddresses: bool = False) -> Identity:
        """One more address of an identity."""
        with self._engine.begin() as connection:
            address = add_address(connection, name, given, subaddresses=subaddresses)
            after = {"identity": name, "subaddresses": subaddresses}
            self._record(connection, now, "address-added", address, {}, after)
        return self.identity(name)

    def change_address(self, given: str, subaddresses: bool, now: float) -> Identity:
        """Whether its owner has every local-part+detail@domain, too; the owner."""
        with self._engine.begin() as connection:
            row = _Row(connection, given)
            if subaddresses:
                _refuse_subaddresses(connection, row.address, row.identity)
            connection.execute(update(Addresses).where(Addresses.id == row.id).values(subaddresses=subaddresses))
            before, after = {"subaddresses": row.subaddresses}, {"subaddresses": subaddresses}
            self._record(connection, now, "address-changed", row.address, {"identity": row.owner, **before}, after)
        return self.identity(row.owner)

    def remove_address(self, given: str, now: float) -> Identity:
        """Nobody sends as it any more, neither its owner nor who was allowed to; who owned it."""
        with self._engine.begin() as connection:
            row = _Row(connection, given)
            allowed = list(
                connection.scalars(
                    select(Identities.name)
                    .join(SendAs, SendAs.identity_id == Identities.id)
                    .where(SendAs.address_id == row.id)
                )
            )
            connection.execute(delete(SendAs).where(SendAs.address_id == row.id))
            connection.execute(delete(Addresses).where(Addresses.id == row.id))
            before = {"identity": row.owner, "subaddresses": row.subaddresses, "allowed": allowed}
            self._record(connection, now, "address-removed", row.address, before, {})
        return self.identity(row.owner)

    def allow(self, given: str, name: str, now: float) -> Identity:
        """Let an identity send as another one's address. Mail to it stays its owner's."""
        with self._engine.begin() as connection:
            row, number = _Row(connection, given), identity_id(connection, name)
            if row.identity == number:
                raise StoreError(f"{row.address} belongs to {name!r} itself")
            if not row.address.rpartition("@")[0]:
                _refuse_unless_app(connection, row.address, number)
            pair = {"identity_id": number, "address_id": row.id}
            if connection.scalar(select(SendAs.id).filter_by(**pair)):
                raise StoreError(f"{name!r} may send as {row.address} already")
            connection.execute(insert(SendAs).values(**pair))
            self._record(connection, now, "send-as-allowed", row.address, {}, {"identity": name})
        return self.identity(name)

    def disallow(self, given: str, name: str, now: float) -> Identity:
        """Take that back."""
        with self._engine.begin() as connection:
            row, number = _Row(connection, given), identity_id(connection, name)
            done = connection.execute(delete(SendAs).where(SendAs.identity_id == number, SendAs.address_id == row.id))
            if not done.rowcount:
                raise StoreError(f"{name!r} was not allowed to send as {row.address}")
            self._record(connection, now, "send-as-disallowed", row.address, {"identity": name}, {})
        return self.identity(name)

    def owner_of(self, given: str) -> str | None:
        """The identity that an address belongs to, in whatever spelling; None where it is nobody's."""
        with self._reading.connect() as connection:
            return connection.scalar(
                select(Identities.name)
                .join(Addresses, Addresses.identity_id == Identities.id)
                .where(Addresses.address == canonical_address(given))
            )


class _Row:
    """An address that is there, in whatever spelling; StoreError where it is nobody's."""

    def __init__(self, connection: Connection, given: str) -> None:
        self.address = canonical_address(given)
        found = connection.execute(
            select(Addresses.id, Addresses.identity_id, Addresses.subaddresses, Identities.name)
            .join(Identities, Identities.id == Addresses.identity_id)
            .where(Addresses.address == self.address)
        ).one_or_none()
        if found is None:
            raise Unknown(f"the address {given!r} belongs to nobody; `sallyport identity list` shows all")
        self.id, self.identity, self.subaddresses, self.owner = found


def add_address(connection: Connection, name: str, given: str, *, subaddresses: bool = False) -> str:
    """In the transaction of whoever adds it; the form in which it is kept."""
    address = parsed_owner_address(given)
    if address is None:
        raise StoreError(
            f"{given!r} is not an address of the form local-part@domain.example or @domain.example "
            "that every mail server reads alike"
        )
    number = identity_id(connection, name)
    owner = connection.scalar(
        select(Identities.name)
        .join(Addresses, Addresses.identity_id == Identities.id)
        .where(Addresses.address == address)
    )
    if owner:
        raise StoreError(f"{address} belongs to {owner!r} already")
    if address.startswith("@"):
        _refuse_unless_app(connection, address, number)
    if subaddresses:
        _refuse_subaddresses(connection, address, number)
    _refuse_somebodys_subaddress(connection, address, number)
    refuse_if_login(connection, of_address(address, number))
    connection.execute(insert(Addresses).values(address=address, identity_id=number, subaddresses=subaddresses))
    return address


def refuse_whole_domains(connection: Connection, identity: int) -> None:
    """StoreError where it has a whole domain, which only an application may."""
    whole = (
        select(Addresses.address)
        .where(Addresses.identity_id == identity, begins(Addresses.address, "@"))
        .union(
            select(Addresses.address)
            .join(SendAs, SendAs.address_id == Addresses.id)
            .where(SendAs.identity_id == identity, begins(Addresses.address, "@"))
        )
    )
    for address in connection.scalars(whole):
        raise StoreError(f"it may send as all of {address}, which only an application may; remove that address first")


def _refuse_unless_app(connection: Connection, address: str, identity: int) -> None:
    name, profile = connection.execute(
        select(Identities.name, Identities.profile).where(Identities.id == identity)
    ).one()
    if profile != Profile.APP:
        raise StoreError(
            f"{name!r} is of profile {profile!r}, and only an application (app) may send as all of {address}; "
            "give it single addresses"
        )


def _refuse_subaddresses(connection: Connection, address: str, identity: int) -> None:
    """They must have a base, and none of them may be another identity's."""
    local, at, domain = address.rpartition("@")
    if not local or "+" in local:
        raise StoreError(f"{address} can have no subaddresses: they are for a single address without a '+'")
    taken = connection.execute(
        select(Addresses.address, Identities.name)
        .join(Identities, Identities.id == Addresses.identity_id)
        .where(
            begins(Addresses.address, f"{local}+"),
            Addresses.address.endswith(at + domain, autoescape=True),
            Addresses.identity_id != identity,
        )
    )
    for other, owner in taken:
        raise StoreError(f"{address} cannot have all its subaddresses: {other} belongs to {owner!r}")


def _refuse_somebodys_subaddress(connection: Connection, address: str, identity: int) -> None:
    local, at, domain = address.rpartition("@")
    base = local.partition("+")[0]
    if base == local:
        return
    owner = connection.scalar(
        select(Identities.name)
        .join(Addresses, Addresses.identity_id == Identities.id)
        .where(Addresses.address == base + at + domain, Addresses.subaddresses, Addresses.identity_id != identity)
    )
    if owner:
        raise StoreError(f"{address} is a subaddress of {base}{at}{domain}, of which {owner!r} has all")
