"""Nobody can find a login from what is public: logins on one side, addresses, names and owners on the other.

A login that was made by chance is part of no address, no name and no owner, and so is a decoy. A name that people type
for LDAP is no address, no local part and no identity's name: those are traps. A login that was brought along from
another server is what clients have stored, mostly an address, so it only must not be another identity's.

Both directions are here: a new login against what is public, and what becomes public against the logins.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, exists, func, or_, select

from policy.store.changes import begins
from policy.store.errors import StoreError
from policy.store.handles import Kind, logins_in, new_login
from policy.store.models import Addresses, Credentials, Decoys, Identities


@dataclass(frozen=True, slots=True)
class Public:
    """What is about to become public. `names` are what somebody could type as a login that is none."""

    text: str
    identity: int | None  # whose it is; None where it is new
    whole: str = ""  # an address, or a name
    names: frozenset[str] = frozenset()  # with the local part


def of_name(name: str) -> Public:
    """An identity's name."""
    return Public(name, None, name, frozenset({name}))


def of_address(address: str, identity: int) -> Public:
    """An address, or a whole domain, of an identity."""
    local = address.rpartition("@")[0]
    return Public(address, identity, address, frozenset({address, local, local.partition("+")[0]}))


def of_owner(owner: str) -> Public:
    """The name of a person."""
    return Public(owner, None)


def refuse_if_login(connection: Connection, public: Public) -> None:
    """StoreError where a login would become public."""
    found = logins_in(public.text)
    for login in connection.scalars(select(Decoys.login).where(Decoys.login.in_(found))):
        raise StoreError(f"{public.text!r} contains the decoy {login!r}; a decoy must not be public")
    asked = select(Credentials.login, Credentials.kind).where(
        or_(
            Credentials.login.in_(found),
            Credentials.login.in_(public.names) & (Credentials.kind == Kind.LDAP),
            (Credentials.login == public.whole)
            & (Credentials.kind == Kind.MIGRATED)
            & Credentials.revoked_at.is_(None)
            & (Credentials.identity_id != (public.identity or 0)),
        )
    )
    for login, kind in connection.execute(asked):
        raise StoreError(_refusal(public.text, login, kind))


def _refusal(text: str, login: str, kind: str) -> str:
    if kind == Kind.MIGRATED:
        return f"{text!r} is a login of another identity until that is revoked: `sallyport credential revoke {login}`"
    if kind == Kind.LDAP:
        return f"{text!r} contains {login!r}, which is a login (of LDAP); a login must not be public"
    return f"{text!r} contains {login!r}, which is a login; a login must not be public"


def unused_login(connection: Connection) -> str:
    """A login that is nobody's, and in nothing public. Two tries would be one in 2^53 without malice."""
    while True:
        login = new_login()
        if not _is_taken(connection, login) and not _is_public(connection, login):
            return login


def refuse_ldap_login(connection: Connection, login: str) -> None:
    """StoreError for a name to be typed that is taken, or that is a trap."""
    if _is_taken(connection, login):
        raise StoreError(f"the login {login!r} is there already, or was until it was revoked")
    names = (
        exists().where(Identities.name == login),
        exists().where(begins(Addresses.address, f"{login}@")),
        exists().where(begins(Addresses.address, f"{login}+")),
    )
    if connection.scalar(select(or_(*names))):
        raise StoreError(
            f"{login!r} is an identity's name or the local part of an address, and so a trap as a login; "
            "choose another attribute of the directory, for example the employee number"
        )


def refuse_migrated_login(connection: Connection, login: str, identity: int) -> None:
    """StoreError for an old login that is taken, or that is what another identity is known by."""
    if _is_taken(connection, login):
        raise StoreError(f"the login {login!r} is there already, or was until it was revoked")
    others = (
        exists().where(Identities.name == login, Identities.id != identity),
        exists().where(Addresses.address == login, Addresses.identity_id != identity),
    )
    if connection.scalar(select(or_(*others))):
        raise StoreError(f"{login!r} is the name or an address of another identity")


def _is_taken(connection: Connection, login: str) -> bool:
    taken = (exists().where(Credentials.login == login), exists().where(Decoys.login == login))
    return bool(connection.scalar(select(or_(*taken))))


def _is_public(connection: Connection, login: str) -> bool:
    """Whether it occurs anywhere in an address (local part, domain or a label), a name or an owner's name."""
    public = (
        exists().where(Addresses.address.contains(login, autoescape=True)),
        exists().where(Identities.name.contains(login, autoescape=True)),
        exists().where(func.lower(Identities.owner).contains(login, autoescape=True)),
    )
    return bool(connection.scalar(select(or_(*public))))
