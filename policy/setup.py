"""The first start: everything that is missing is made, and what is there is never touched, but for the self-signed
certificate of a host that has another name since.

Secrets are files of mode 0600 that appear complete or not at all, so that a start which was cut off is simply repeated.
"""

import secrets
from pathlib import Path

from sqlalchemy import Engine

from policy import log
from policy.certificate import made_here_for, new_key, self_signed
from policy.dkim.domains import key_book, make_missing, our_domains
from policy.location import location
from policy.opening import ADMINISTRATOR, ITSELF, open_store
from policy.people.roles import Role
from policy.secret_files import create_file, replace_file
from policy.service_tokens import token_places
from policy.settings import Settings
from policy.store.database import open_database, wait_for
from policy.store.identities import IdentityStore, StoreError
from policy.store.migrating import migrate
from service.settings import SettingError


def init(settings: Settings, now: float) -> list[str]:
    """Make what is missing; the names of what was made. Safe to run before every start."""
    made = []
    digest_key = (settings.digest_key_setting, settings.digest_key_file, "digest key")
    for setting, path, what in (digest_key, *((one.setting, one.path, one.what) for one in token_places(settings))):
        if create_file(setting, path, secrets.token_hex(32).encode() + b"\n"):
            made.append(what)
    if _make_certificate(settings, now):
        made.append("self-signed certificate")
    elif before := _renamed_certificate(settings, now):
        made.append(f"self-signed certificate for {settings.hostname}, in place of the one for {before}")
    where = location(settings)
    wait_for(where, log.database_awaited)
    engine = open_database(where)
    migrate(engine)
    if isinstance(where, Path):
        where.chmod(0o600)
    store = open_store(settings, engine)
    if _administrator_is_new(store, settings, now):
        made.append("administrator")
    elif _postmaster_is_new(store, settings, now):
        made.append(f"postmaster@{settings.domains[0]} of the administrator")
    made += [f"DKIM keys of {domain}" for domain in _make_dkim_keys(settings, engine, now)]
    engine.dispose()
    return made


def _administrator_is_new(store: IdentityStore, settings: Settings, now: float) -> bool:
    if store.identities(limit=1):
        return False
    try:
        store.add_identity(ADMINISTRATOR, (f"postmaster@{settings.domains[0]}",), now, role=Role.ADMINISTRATOR)
    except StoreError:  # another process was faster
        return False
    return True


def _postmaster_is_new(store: IdentityStore, settings: Settings, now: float) -> bool:
    """After another first domain was set: alerts go to its postmaster, and come back where that is nobody."""
    postmaster = f"postmaster@{settings.domains[0]}"
    if settings.alert_to or store.owner_of(postmaster):
        return False
    try:
        store.add_address(ADMINISTRATOR, postmaster, now)
    except StoreError:  # there is no such identity any more, or another process was faster
        return False
    return True


def _make_dkim_keys(settings: Settings, engine: Engine, now: float) -> list[str]:
    return make_missing(key_book(settings, engine, ITSELF), our_domains(settings), engine, now)


def _make_certificate(settings: Settings, now: float) -> bool:
    """Key first, then the certificate of whatever key is there: a start that was cut off between them goes on here."""
    if settings.tls_cert.exists():
        return False
    create_file("POLICY_TLS_KEY", settings.tls_key, new_key())
    try:
        certificate = self_signed(settings.hostname, settings.tls_key.read_bytes(), now)
    except (OSError, ValueError, TypeError):
        raise SettingError(
            "POLICY_TLS_CERT",
            f"{settings.tls_cert} is missing and {settings.tls_key} is not the key of a self-signed one",
            "put both files there, or remove the key, too",
        ) from None
    return create_file("POLICY_TLS_CERT", settings.tls_cert, certificate)


def _renamed_certificate(settings: Settings, now: float) -> str:
    """For the name that the host has now, with the key from before; the former name, or empty where nothing was done.

    Whoever has put a certificate there goes on with it, and so does a folder that cannot be written: doctor tells.
    """
    try:
        key = settings.tls_key.read_bytes()
        before = made_here_for(settings.tls_cert.read_bytes(), key)
        if before in ("", settings.hostname):
            return ""
        replace_file("POLICY_TLS_CERT", settings.tls_cert, self_signed(settings.hostname, key, now), "")
    except (OSError, SettingError):
        return ""
    return before
