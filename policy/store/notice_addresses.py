"""The second address of an identity's owner: where he is told of an incident while a thief may read his mailbox.

Whoever could change it quietly could keep the owner from hearing of a theft: each change is told to the mailbox, to the
new address and to the one before.
"""

from sqlalchemy import Connection, select

from policy.addresses import parsed_owner_address
from policy.alerting.kinds import Kind
from policy.store.errors import StoreError
from policy.store.models import Addresses
from policy.store.notices import NoticeBook
from policy.store.statements import OnConnection


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


def tell_of_change(connection: Connection, identity: str, before: str, actor: str, now: float) -> None:
    """Each change is a conversation of its own: two in a row must not become one that leaves the first address out."""
    notices, kind = NoticeBook(OnConnection(connection)), Kind.NOTICE_ADDRESS_CHANGED
    subject = f"{identity}: second address for notices changed by {actor}"
    notices.add(kind, subject, [f"Whose: {identity}.", f"By: {actor}."], now, facts={"identity": identity})
    facts = {"identity": identity, "also_to": [before] if before else []}
    notices.add_for_owner(identity, kind, subject, now, thread=f"{kind.value}:{now}", facts=facts)
