"""What the parts of the identity store have in common: the database, the digest key, who acts, and a few questions."""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, Engine, and_, insert, select
from sqlalchemy.orm import InstrumentedAttribute

from policy.people.roles import Role
from policy.store import audit
from policy.store.audit import Actor, Values
from policy.store.errors import RoleChanged, StoreError, Unknown
from policy.store.listing import read_identities
from policy.store.models import Identities, Revocations
from policy.store.rows import Identity

_LABEL_LIMIT = 100  # what a list can show
_LAST = "\U0010ffff"  # no letter comes after it


class Changes:
    """A part of the identity store. `key` is the digest key; whatever `actor` changes is in the audit log."""

    def __init__(self, engine: Engine, key: bytes, actor: Actor) -> None:
        self._engine = engine
        self._reading = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._key = key
        self._actor = actor

    def identity(self, name: str) -> Identity:
        """StoreError where there is none of that name."""
        with self._reading.connect() as connection:
            return read_identities(connection, Identities.id == identity_id(connection, name))[0]

    def _record(
        self, connection: Connection, now: float, action: str, subject: str, before: Values, after: Values
    ) -> None:
        """Before roles are changed: they are what it is allowed by, and were looked at before the transaction."""
        if roles := self._actor.roles:
            wanted = select(Identities.name, Identities.role).where(Identities.name.in_(roles))
            now_are = {one.name: one.role for one in connection.execute(wanted)}
            if any(now_are.get(name, Role.OWNER) != role for name, role in roles.items()):  # who is gone has none
                raise RoleChanged
        audit.record(connection, self._actor, now, action, subject, before, after)


def identity_id(connection: Connection, name: str) -> int:
    """The identity's row; StoreError where there is none."""
    found = connection.scalar(select(Identities.id).where(Identities.name == name))
    if found is None:
        raise Unknown(f"there is no identity {name!r}; `sallyport identity list` shows all")
    return found


def end_sessions(connection: Connection, identity: str, credentials: Iterable[int], now: float) -> None:
    """Whoever has sessions of these credentials open ends them (see Revocations)."""
    rows = [{"at": now, "credential_id": credential, "identity": identity} for credential in credentials]
    if rows:
        connection.execute(insert(Revocations), rows)


def begins(column: InstrumentedAttribute[str], prefix: str) -> ColumnElement[bool]:
    """Whether it starts with `prefix`, as a range, which an index serves; LIKE is not in SQLite."""
    return and_(column >= prefix, column <= prefix + _LAST)


def checked_label(label: str) -> str:
    """A label that a list can show on a terminal."""
    if not label or len(label) > _LABEL_LIMIT or not label.isprintable():
        raise StoreError("a label is 1 to 100 printable characters, for example 'laptop'")
    return label


def checked_owner(owner: str) -> str:
    """The name of a person, or what an application is; may be empty."""
    if len(owner) > _LABEL_LIMIT or not owner.isprintable():
        raise StoreError("an owner's name is at most 100 printable characters, for example 'Ada Lovelace'")
    return owner.strip()
