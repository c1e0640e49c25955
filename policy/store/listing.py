"""Rows of the database as the values of rows.py, a page at a time."""

from sqlalchemy import ColumnElement, Connection, select

from policy.people.roles import Role
from policy.store.handles import Kind, Scope
from policy.store.models import Addresses, Credentials, Identities, SendAs
from policy.store.rows import Credential, Identity, Profile

PAGE = 1000


def read_identities(connection: Connection, *wanted: ColumnElement[bool], limit: int = 1) -> list[Identity]:
    """Identities by name with their addresses, in three questions however many they are."""
    found = connection.execute(
        select(
            Identities.id,
            Identities.name,
            Identities.profile,
            Identities.owner,
            Identities.notice_address,
            Identities.role,
            Identities.created_at,
            Identities.suspended_at,
        )
        .where(*wanted)
        .order_by(Identities.name)
        .limit(limit)
    ).all()
    numbers = [row.id for row in found]
    own: dict[int, list[str]] = {number: [] for number in numbers}
    subaddressed: dict[int, list[str]] = {number: [] for number in numbers}
    others: dict[int, list[str]] = {number: [] for number in numbers}
    for number, address, with_details in connection.execute(
        select(Addresses.identity_id, Addresses.address, Addresses.subaddresses)
        .where(Addresses.identity_id.in_(numbers))
        .order_by(Addresses.id)
    ):
        own[number].append(address)
        if with_details:
            subaddressed[number].append(address)
    for number, address in connection.execute(
        select(SendAs.identity_id, Addresses.address)
        .join(Addresses, Addresses.id == SendAs.address_id)
        .where(SendAs.identity_id.in_(numbers))
        .order_by(SendAs.id)
    ):
        others[number].append(address)
    return [
        Identity(
            name=row.name,
            profile=Profile(row.profile),
            owner=row.owner,
            addresses=tuple(own[row.id]),
            subaddressed=tuple(subaddressed[row.id]),
            sends_as=tuple(others[row.id]),
            notice_address=row.notice_address,
            role=Role(row.role),
            created_at=row.created_at,
            suspended_at=row.suspended_at,
        )
        for row in found
    ]


def read_credentials(connection: Connection, *wanted: ColumnElement[bool], limit: int = 1) -> list[Credential]:
    """Credentials, oldest first, revoked ones too."""
    row = Credentials
    question = (
        select(
            row.login, row.kind, row.certificate, row.subject, Identities.name, row.label, row.scopes, row.networks,
            row.created_at, row.expires_at, row.last_used_at, row.last_used_from, row.revoked_at,
            row.contained_by,
        )
        .join(Identities, Identities.id == row.identity_id)
        .where(*wanted)
        .order_by(row.id)
        .limit(limit)
    )  # fmt: skip
    return [
        Credential(
            login=found.login,
            kind=Kind(found.kind),
            certificate=found.certificate,
            subject=found.subject,
            identity=found.name,
            label=found.label,
            scopes=tuple(Scope(word) for word in found.scopes.split()),
            networks=tuple(found.networks.split()),
            created_at=found.created_at,
            expires_at=found.expires_at,
            last_used_at=found.last_used_at,
            last_used_from=found.last_used_from,
            revoked_at=found.revoked_at,
            contained_by=found.contained_by,
        )
        for found in connection.execute(question)
    ]
