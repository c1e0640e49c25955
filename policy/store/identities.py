"""The identity store: every change that an administrator makes, one method each, and the lists.

    identities.py   (you are here) identities, and the store as a whole
    addresses.py    as whom an identity may send
    credentials.py  logins, one for each device
    decoys.py       logins that nobody has
    networks.py     from where an identity has logged in
    walls.py        which networks are walled
    exemptions.py   what the gates let through for it, because it travels
    ladder_book.py  where identities stand on the ladder
    incidents.py    what happened to them: contained, released, purged; held_book.py: their mail that is on hold
    owner_answers.py  what owners say to an incident; owner_held.py: what they do with their held mail
    looks.py        looks at what is on hold
    policy_book.py  the policy file, put in its place
    logins.py       no login can be found from what is public
    changes.py      what those have in common
    listing.py      rows of the database as values
    rows.py         what lists show
    audit.py        who changed what

What the services ask is directory.py. A change that cannot be made raises StoreError with a sentence for the
administrator; clients never see it. A change and its row in the audit log are one transaction.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, delete, insert, or_, select, update

from policy.contract import canonical_address
from policy.people.roles import Role
from policy.store.addresses import Addressbook, add_address, refuse_whole_domains
from policy.store.changes import begins, checked_owner, end_sessions, identity_id
from policy.store.complaints import ComplaintBook
from policy.store.credentials import CredentialBook
from policy.store.decoys import DecoyBook
from policy.store.distrust import DistrustBook
from policy.store.errors import StoreError
from policy.store.exemptions import ExemptionBook
from policy.store.held import HeldState
from policy.store.incident_models import HeldMessages, Incidents
from policy.store.incident_notes import State
from policy.store.incident_story import StoryBook
from policy.store.ladder_book import LadderBook
from policy.store.listing import PAGE, read_identities
from policy.store.logins import of_name, of_owner, refuse_if_login
from policy.store.looks import LookBook
from policy.store.models import Addresses, ConsoleSessions, Credentials, Identities, Invites
from policy.store.networks import NetworkBook
from policy.store.notice_addresses import checked_notice_address, tell_of_change
from policy.store.owner_answers import AnswerBook
from policy.store.owner_held import OwnHeldBook
from policy.store.policy_book import PolicyBook
from policy.store.rows import Credential, Identity, NewCredential, Profile
from policy.store.schema import METADATA
from policy.store.walls import WallBook

__all__ = ["Credential", "Identity", "IdentityStore", "NewCredential", "Profile", "StoreError", "read_key"]

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_KEY_BYTES = 32


class IdentityStore(
    Addressbook,
    CredentialBook,
    DecoyBook,
    NetworkBook,
    WallBook,
    ExemptionBook,
    LadderBook,
    AnswerBook,
    DistrustBook,
    OwnHeldBook,
    LookBook,
    StoryBook,
    ComplaintBook,
    PolicyBook,
):
    """All of it, for one actor."""

    def add_identity(
        self,
        name: str,
        addresses: Sequence[str],
        now: float,
        *,
        profile: Profile = Profile.PERSON,
        owner: str = "",
        notice_address: str = "",
        role: Role = Role.OWNER,
    ) -> Identity:
        """A new identity with its addresses, all or nothing."""
        if not _NAME.fullmatch(name):
            raise StoreError(
                f"{name!r} cannot be a name: use 1 to 63 of a-z, 0-9, dot, underscore, hyphen, a letter or digit first"
            )
        values = {"profile": profile, "owner": checked_owner(owner), "role": role}
        with self._engine.begin() as connection:
            if connection.scalar(select(Identities.id).where(Identities.name == name)):
                raise StoreError(f"there is an identity {name!r} already")
            refuse_if_login(connection, of_name(name))
            refuse_if_login(connection, of_owner(values["owner"]))
            connection.execute(insert(Identities).values(name=name, created_at=now, **values))
            added = [add_address(connection, name, address) for address in addresses]
            if notice_address:
                number = identity_id(connection, name)
                values["notice_address"] = checked_notice_address(connection, number, notice_address)
                told = {"notice_address": values["notice_address"]}
                connection.execute(update(Identities).where(Identities.id == number).values(**told))
            self._record(connection, now, "identity-added", name, {}, {**values, "addresses": added})
        return self.identity(name)

    def change_identity(
        self,
        name: str,
        now: float,
        *,
        owner: str | None = None,
        profile: Profile | None = None,
        notice_address: str | None = None,
    ) -> Identity:
        """Another owner's name, another profile, another second address for notices; what is None stays."""
        wanted = {"owner": None if owner is None else checked_owner(owner), "profile": profile}
        values = {column: value for column, value in wanted.items() if value is not None}
        if not values and notice_address is None:
            raise StoreError("nothing to change: give an owner's name, a profile or a second address for notices")
        with self._engine.begin() as connection:
            number = identity_id(connection, name)
            known = select(Identities.owner, Identities.profile, Identities.notice_address)
            before = connection.execute(known.where(Identities.id == number)).mappings().one()
            if notice_address is not None:
                values["notice_address"] = checked_notice_address(connection, number, notice_address)
            if owner is not None:
                refuse_if_login(connection, of_owner(values["owner"]))
            if profile is not None and profile is not Profile.APP:
                refuse_whole_domains(connection, number)
            connection.execute(update(Identities).where(Identities.id == number).values(**values))
            were = {column: value for column, value in before.items() if column in values}
            if values.get("notice_address", before["notice_address"]) != before["notice_address"]:
                tell_of_change(connection, name, before["notice_address"], self._actor.name, now)
            self._record(connection, now, "identity-changed", name, were, values)
        return self.identity(name)

    def set_role(self, name: str, role: Role, now: float) -> Identity:
        """What it may do in the console from its next page on.

        An invitation that is open is worth nothing then: whoever made it may know the link, and got no such role.
        """
        with self._engine.begin() as connection:
            number = identity_id(connection, name)
            before = connection.scalar(select(Identities.role).where(Identities.id == number))
            if before == role:
                raise StoreError(f"{name!r} has the role {role} already")
            self._record(connection, now, "role-changed", name, {"role": before}, {"role": role})
            connection.execute(update(Identities).where(Identities.id == number).values(role=role))
            is_open = Invites.used_at.is_(None) & Invites.revoked_at.is_(None)
            connection.execute(update(Invites).where(Invites.identity_id == number, is_open).values(revoked_at=now))
        return self.identity(name)

    def suspend(self, name: str, now: float) -> Identity:
        """All of its logins are refused from now on and its sessions end, those of the console, too."""
        self._set_suspended(name, now, suspended_at=now)
        return self.identity(name)

    def resume(self, name: str, now: float) -> Identity:
        """Its logins work again, but for those that were revoked or have expired."""
        self._set_suspended(name, now, suspended_at=None)
        return self.identity(name)

    def remove_identity(self, name: str, now: float) -> None:
        """Forget it with its addresses, credentials and sign-in. What was written down by its name stays."""
        with self._engine.begin() as connection:
            number = identity_id(connection, name)
            _refuse_undecided(connection, name)
            gone = read_identities(connection, Identities.id == number)[0]
            logins = connection.execute(
                select(Credentials.id, Credentials.login).where(Credentials.identity_id == number)
            ).all()
            end_sessions(connection, name, [credential for credential, _ in logins], now)
            _delete(connection, number)
            before = {
                "profile": gone.profile,
                "owner": gone.owner,
                "addresses": gone.addresses,
                "logins": [login for _, login in logins],
            }
            self._record(connection, now, "identity-removed", name, before, {})

    def identities(self, *, search: str = "", after: str = "", limit: int = PAGE) -> list[Identity]:
        """By name; the page after the name `after`. `search` begins a name or an address, or is in an owner's name."""
        wanted = [Identities.name > after]
        if search:
            wanted.append(found_by(search))
        with self._reading.connect() as connection:
            return read_identities(connection, *wanted, limit=limit)

    def _set_suspended(self, name: str, now: float, suspended_at: float | None) -> None:
        with self._engine.begin() as connection:
            number = identity_id(connection, name)
            before = connection.scalar(select(Identities.suspended_at).where(Identities.id == number))
            if (before is None) == (suspended_at is None):
                raise StoreError(f"{name!r} is not suspended" if before is None else f"{name!r} was suspended already")
            connection.execute(update(Identities).where(Identities.id == number).values(suspended_at=suspended_at))
            if suspended_at is not None:
                working = select(Credentials.id).where(
                    Credentials.identity_id == number, Credentials.revoked_at.is_(None)
                )
                end_sessions(connection, name, connection.scalars(working), now)
                connection.execute(delete(ConsoleSessions).where(ConsoleSessions.identity_id == number))
            action = "identity-resumed" if suspended_at is None else "identity-suspended"
            self._record(connection, now, action, name, {"suspended_at": before}, {"suspended_at": suspended_at})


def found_by(search: str) -> ColumnElement[bool]:
    """Begins a name or an address, or is in an owner's name."""
    start = canonical_address(search)
    having = select(Addresses.identity_id).where(begins(Addresses.address, start))
    return or_(
        begins(Identities.name, start),
        Identities.id.in_(having),
        Identities.owner.icontains(search, autoescape=True),
    )


def read_key(path: Path) -> bytes:
    """The digest key, 32 octets as 64 hexadecimal digits; ValueError where it is not that."""
    key = bytes.fromhex(path.read_text().strip())
    if len(key) != _KEY_BYTES:
        raise ValueError("not a digest key")
    return key


def _refuse_undecided(connection: Connection, name: str) -> None:
    """Or whoever gets the name next would be asked about it, and could let its mail go."""
    row = Incidents
    for number in connection.scalars(select(row.id).where(row.identity == name, row.state == State.OPEN)):
        raise StoreError(
            f"incident {number} of {name!r} is open: decide first, `sallyport release {number}` or `purge {number}`"
        )
    undecided = select(HeldMessages.id).where(HeldMessages.identity == name, HeldMessages.state == HeldState.HELD)
    if connection.scalar(undecided.limit(1)):
        raise StoreError(
            f"mail of {name!r} is on hold: `sallyport held list --identity {name}`, then release or purge it"
        )


def _delete(connection: Connection, number: int) -> None:
    """The identity, and every row that refers to it, to an address or to a credential of it; who refers goes first."""
    parts = {
        "address": select(Addresses.id).where(Addresses.identity_id == number),
        "credential": select(Credentials.id).where(Credentials.identity_id == number),
    }
    for table in reversed(METADATA.sorted_tables):
        for key in table.foreign_keys:
            owner = key.column.table.name
            if owner == "identity":
                connection.execute(delete(table).where(key.parent == number))
            elif owner in parts:
                connection.execute(delete(table).where(key.parent.in_(parts[owner])))
    connection.execute(delete(Identities).where(Identities.id == number))
