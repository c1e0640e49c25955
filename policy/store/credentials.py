"""The logins of an identity, one for each device: made, limited, renewed, revoked, listed.

What proves one is its kind: a generated secret, a client certificate, a token of an OIDC issuer, a bind at an LDAP
server, or a secret that another server kept a hash of (until a date). A narrower limit ends the sessions that are open.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import TypedDict, Unpack

from sqlalchemy import Connection, delete, insert, select, update

from policy.contract import canonical_login
from policy.store.changes import Changes, begins, checked_label, end_sessions, identity_id
from policy.store.errors import LabelTaken, StoreError, Unknown
from policy.store.handles import Kind, Scope, digest, new_scram_keys, new_secret, sealed
from policy.store.listing import PAGE, read_credentials
from policy.store.logins import refuse_ldap_login, refuse_migrated_login, unused_login
from policy.store.models import Credentials, Identities, RetiredSecrets
from policy.store.rows import EVERYWHERE, Credential, NewCredential, Terms

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_TYPED_LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_SUBJECT_LIMIT = 1000
_OLD_LOGIN_LIMIT = 255  # a name as long as an address may be
_NETWORKS_LIMIT = 32
_LATEST = 253_402_300_799.0  # 9999-12-31T23:59:59Z

_Kept = Mapping[str, bytes | str | float | None]  # columns


class CredentialChanges(TypedDict, total=False):
    """What of a credential can be changed; what is left out stays."""

    label: str
    scopes: tuple[Scope, ...]
    networks: tuple[str, ...]
    expires_at: float | None


class CredentialBook(Changes):
    """The part of the identity store that has the credentials."""

    def add_credential(
        self, name: str, label: str, now: float, terms: Terms = EVERYWHERE, *, is_only_one: bool = False
    ) -> NewCredential:
        """A login and a secret for one device. The secret is in the answer and nowhere else.

        `is_only_one`: LabelTaken where the identity has one of this label that is not revoked.
        """
        secret = new_secret()
        with self._engine.begin() as connection:
            if is_only_one:
                _refuse_label(connection, identity_id(connection, name), label)
            login = unused_login(connection)
            self._add(connection, name, login, label, now, Kind.SECRET, terms, self._proof_of(secret))
        return NewCredential(login=login, secret=secret, identity=name, label=label)

    def add_certificate(
        self, name: str, label: str, fingerprint: str, now: float, terms: Terms = EVERYWHERE
    ) -> Credential:
        """A login that the key of a client certificate proves. `fingerprint` is SHA-256, lower-case hexadecimal."""
        if not _FINGERPRINT.fullmatch(fingerprint):
            raise StoreError("a certificate is named by its SHA-256 fingerprint, 64 hexadecimal digits")
        with self._engine.begin() as connection:
            taken = connection.scalar(select(Credentials.login).where(Credentials.certificate == fingerprint))
            if taken:
                raise StoreError(
                    f"this certificate belongs to the login {taken!r} already, or did until it was revoked"
                )
            login = unused_login(connection)
            self._add(connection, name, login, label, now, Kind.CERTIFICATE, terms, {"certificate": fingerprint})
        return self.credential(login)

    def issue_certificate(
        self, name: str, label: str, issue: Callable[[str], str], now: float, terms: Terms = EVERYWHERE
    ) -> Credential:
        """The same for a certificate that is made for its login: `issue` makes it, and returns its fingerprint."""
        with self._engine.begin() as connection:
            login = unused_login(connection)
            proof = {"certificate": issue(login)}
            self._add(connection, name, login, label, now, Kind.CERTIFICATE, terms, proof)
        return self.credential(login)

    def add_oidc(self, name: str, label: str, subject: str, now: float, terms: Terms = EVERYWHERE) -> Credential:
        """A login that a token of the organisation's issuer proves, if the token's claim is `subject`."""
        with self._engine.begin() as connection:
            _take_subject(connection, _checked_subject(subject, "the claim of a token"))
            login = unused_login(connection)
            self._add(connection, name, login, label, now, Kind.OIDC, terms, {"subject": subject})
        return self.credential(login)

    def add_ldap(
        self, name: str, label: str, login: str, subject: str, now: float, terms: Terms = EVERYWHERE
    ) -> Credential:
        """A login that people type and that a bind at the LDAP server proves, as the DN `subject` where it is given."""
        if not _TYPED_LOGIN.fullmatch(login):
            raise StoreError(f"{login!r} cannot be a login: use 1 to 63 of a-z, 0-9, dot, underscore, hyphen")
        with self._engine.begin() as connection:
            # The same person has the same name again; what the revoked one was is in the audit log.
            connection.execute(
                delete(Credentials).where(
                    Credentials.login == login, Credentials.kind == Kind.LDAP, Credentials.revoked_at.is_not(None)
                )
            )
            refuse_ldap_login(connection, login)
            if subject:
                _take_subject(connection, _checked_subject(subject, "a DN"))
            self._add(connection, name, login, label, now, Kind.LDAP, terms, {"subject": subject or None})
        return self.credential(login)

    def add_migrated(self, name: str, login: str, label: str, hashed: str, expires_at: float, now: float) -> Credential:
        """A login with its secret's hash as another server had both; they work until `expires_at`."""
        login = canonical_login(login)
        if not login or len(login) > _OLD_LOGIN_LIMIT or not login.isprintable():
            raise StoreError(f"{login!r} cannot be a login: it has 1 to 255 printable characters")
        with self._engine.begin() as connection:
            refuse_migrated_login(connection, login, identity_id(connection, name))
            self._add(
                connection, name, login, label, now, Kind.MIGRATED, Terms(expires_at=expires_at), {"password": hashed}
            )
        return self.credential(login)

    def change_credential(self, login: str, now: float, **wanted: Unpack[CredentialChanges]) -> Credential:
        """Another label, other limits. Who loses something by it has to log in again."""
        with self._engine.begin() as connection:
            number, before = _working(connection, login)
            after = Terms(
                wanted.get("scopes", before.scopes),
                wanted.get("networks", before.networks),
                wanted.get("expires_at", before.expires_at),
            )
            values = {"label": checked_label(wanted.get("label", before.label)), **_columns(after, now, before)}
            were = {"label": before.label, **_as_columns(Terms(before.scopes, before.networks, before.expires_at))}
            changed = {column: value for column, value in values.items() if value != were[column]}
            if not changed:
                raise StoreError(f"nothing to change: the login {login!r} is so already")
            connection.execute(update(Credentials).where(Credentials.id == number).values(**changed))
            if _is_narrower(before, after, changed):
                end_sessions(connection, before.identity, [number], now)
            old = {"identity": before.identity} | {column: were[column] for column in changed}
            self._record(connection, now, "credential-changed", login, old, changed)
        return self.credential(login)

    def renew(self, login: str, now: float) -> NewCredential:
        """Another secret for the same device. The one before is refused from now on, and using it is a trap."""
        secret = new_secret()
        with self._engine.begin() as connection:
            number, before = _working(connection, login)
            if before.kind is not Kind.SECRET:
                raise StoreError(
                    f"the login {login!r} has no secret that could be renewed (its kind is {before.kind}); "
                    "revoke it and add another one"
                )
            old = connection.scalar(select(Credentials.digest).where(Credentials.id == number))
            connection.execute(insert(RetiredSecrets).values(credential_id=number, digest=old, retired_at=now))
            connection.execute(update(Credentials).where(Credentials.id == number).values(**self._proof_of(secret)))
            end_sessions(connection, before.identity, [number], now)
            self._record(connection, now, "credential-renewed", login, {"identity": before.identity}, {})
        return NewCredential(login=login, secret=secret, identity=before.identity, label=before.label)

    def revoke(self, login: str, now: float) -> Credential:
        """From now on the login is refused, and the sessions that it opened end."""
        with self._engine.begin() as connection:
            number, before = _working(connection, login)
            connection.execute(update(Credentials).where(Credentials.id == number).values(revoked_at=now))
            end_sessions(connection, before.identity, [number], now)
            self._record(
                connection, now, "credential-revoked", login, {"identity": before.identity}, {"revoked_at": now}
            )
        return self.credential(login)

    def credential(self, login: str) -> Credential:
        """StoreError where there is no such login."""
        with self._reading.connect() as connection:
            return _known(connection, login)

    def credentials(
        self,
        name: str | None = None,
        *,
        unused_since: float | None = None,
        expired_at: float | None = None,
        after: str = "",
        limit: int = PAGE,
    ) -> list[Credential]:
        """Of all or of one identity, oldest first, revoked ones too; the page after the login `after`.

        `unused_since`: only those that could be used and were not since. `expired_at`: only those that are by then.
        """
        row, wanted = Credentials, []
        with self._reading.connect() as connection:
            if name is not None:
                wanted.append(row.identity_id == identity_id(connection, name))
            if unused_since is not None:
                idle = row.last_used_at.is_(None) & (row.created_at < unused_since)
                wanted.append(row.revoked_at.is_(None) & (idle | (row.last_used_at < unused_since)))
            if expired_at is not None:
                wanted.append(row.revoked_at.is_(None) & (row.expires_at <= expired_at))
            if after:
                _known(connection, after)
                wanted.append(row.id > select(row.id).where(row.login == after).scalar_subquery())
            return read_credentials(connection, *wanted, limit=limit)

    def logins(self, prefix: str, limit: int) -> list[str]:
        """Those that begin so and that were not revoked."""
        question = select(Credentials.login).where(begins(Credentials.login, prefix), Credentials.revoked_at.is_(None))
        with self._reading.connect() as connection:
            return list(connection.scalars(question.order_by(Credentials.login).limit(limit)))

    def _proof_of(self, secret: str) -> dict[str, bytes]:
        keys = sealed(new_scram_keys(secret), self._key)
        return {
            "digest": digest(secret, self._key),
            "scram_salt": keys.salt,
            "scram_stored_key": keys.stored_key,
            "scram_server_key": keys.server_key,
        }

    def _add(  # noqa: PLR0913, PLR0917 - a row has that many columns
        self,
        connection: Connection,
        name: str,
        login: str,
        label: str,
        now: float,
        kind: Kind,
        terms: Terms,
        proof: Mapping[str, bytes | str | None],
    ) -> None:
        """`proof` is never in the audit log, but for what is public of it."""
        values: _Kept = {"kind": kind, "label": checked_label(label), **_columns(terms, now)}
        connection.execute(
            insert(Credentials).values(
                identity_id=identity_id(connection, name), login=login, created_at=now, **values, **proof
            )
        )
        public = {column: proof[column] for column in ("certificate", "subject") if column in proof}
        self._record(connection, now, "credential-added", login, {}, {"identity": name, **values, **public})


def _refuse_label(connection: Connection, number: int, label: str) -> None:
    row = Credentials
    its = (row.identity_id == number, row.label == label, row.revoked_at.is_(None))
    if connection.scalar(select(row.id).where(*its).limit(1)) is not None:
        raise LabelTaken(f"there is a credential {label!r} already")


def _known(connection: Connection, login: str) -> Credential:
    for found in read_credentials(connection, Credentials.login == login):
        return found
    raise Unknown(f"there is no login {login!r}; `sallyport credential list` shows all")


def _working(connection: Connection, login: str) -> tuple[int, Credential]:
    """Its row's number and what it is; StoreError where it was revoked."""
    found = _known(connection, login)
    if found.revoked_at is not None:
        raise StoreError(f"the login {login!r} was revoked already")
    number = connection.execute(select(Credentials.id).where(Credentials.login == login)).scalar_one()
    return number, found


def _checked_subject(subject: str, what: str) -> str:
    if not subject or len(subject) > _SUBJECT_LIMIT or not subject.isprintable():
        raise StoreError(f"{what} is 1 to {_SUBJECT_LIMIT} printable characters")
    return subject


def _take_subject(connection: Connection, subject: str) -> None:
    """A subject is a person and not a key: once revoked, it may be given again."""
    connection.execute(
        update(Credentials)
        .where(Credentials.subject == subject, Credentials.revoked_at.is_not(None))
        .values(subject=None)
    )
    taken = connection.execute(
        select(Credentials.login, Identities.name)
        .join(Identities, Identities.id == Credentials.identity_id)
        .where(Credentials.subject == subject)
    )
    for login, owner in taken:
        raise StoreError(f"{subject!r} is the login {login!r} of {owner!r} already")


def _columns(terms: Terms, now: float, before: Credential | None = None) -> dict[str, str | float | None]:
    """Terms as they are stored; StoreError where they make no sense."""
    if not terms.scopes:
        raise StoreError(f"a credential without a scope is good for nothing: use one or more of {', '.join(Scope)}")
    is_new = before is None or terms.expires_at != before.expires_at
    if is_new and terms.expires_at is not None and terms.expires_at <= now:
        raise StoreError("this expiry is in the past; `sallyport credential revoke` ends a login at once")
    if is_new and terms.expires_at is not None and terms.expires_at > _LATEST:  # a list could not write it
        raise StoreError("this expiry is after the year 9999; leave it out for never")
    networks = tuple(dict.fromkeys(_network(given) for given in terms.networks))
    if len(networks) > _NETWORKS_LIMIT:
        raise StoreError(f"a credential has at most {_NETWORKS_LIMIT} networks")
    return _as_columns(Terms(terms.scopes, networks, terms.expires_at))


def _as_columns(terms: Terms) -> dict[str, str | float | None]:
    return {
        "scopes": " ".join(scope for scope in Scope if scope in terms.scopes),
        "networks": " ".join(terms.networks),
        "expires_at": terms.expires_at,
    }


def _network(given: str) -> str:
    """In the one form in which it is compared; an address alone is a network of one."""
    try:
        network = ipaddress.ip_network(given, strict=False)
    except ValueError:
        network = None
    if network is None or "%" in given:  # an interface of this machine says nothing of a client
        raise StoreError(f"{given!r} is not a network such as 192.0.2.0/24 or 2001:db8::/48")
    exact = str(network)
    if "/" in given and ipaddress.ip_interface(given).ip != network.network_address:
        raise StoreError(f"{given!r} is not the beginning of a network; did you mean {exact}?")
    if network.version == 6 and network.network_address.ipv4_mapped:  # noqa: PLR2004 - IPv6
        raise StoreError(f"{given!r} is IPv4 written as IPv6; write it as IPv4")
    return exact


def _is_narrower(before: Credential, after: Terms, changed: Mapping[str, object]) -> bool:
    """Whether an open session may go on that it would no longer let in."""
    is_sooner = after.expires_at is not None and (before.expires_at is None or after.expires_at < before.expires_at)
    return bool(set(before.scopes) - set(after.scopes)) or is_sooner or bool(changed.get("networks"))
