"""The second address of an identity's owner: where he is told of an incident while a thief may read his mailbox."""

from sqlalchemy import Connection, select

from policy.addresses import parsed_owner_address
from policy.store.errors import StoreError
from policy.store.models import Addresses


def checked_notice_address(connection: Connection, identity: int, given: str) -> str:
    """Canonical, empty for none. One of its own would be the mailbox once more."""
    if not given.strip():
        return ""
    address = parsed_owner_address(given.strip())
    if address is None or address.startswith("@"):
        raise StoreError(f"{given!r} is not an address of the form local-part@domain.example")
    local, _, domain = address.rpartition("@")
    own = (address, f"{local.partition('+')[0]}@{domain}", f"@{domain}")
    if connection.scalar(select(Addresses.id).where(Addresses.identity_id == identity, Addresses.address.in_(own))):
        raise StoreError(f"{address} is an address of this identity itself: take one that is read elsewhere")
    return address
