"""The first start: everything that is missing is made, and what is there is never touched.

Secrets are files of mode 0600 that appear complete or not at all, so that a start which was cut off is simply repeated.
"""

import contextlib
import os
import secrets
import socket
from pathlib import Path

from sqlalchemy import Engine

from policy import log
from policy.certificate import new_key, self_signed
from policy.location import location
from policy.settings import Settings
from policy.store.audit import Actor
from policy.store.database import migrate, open_database, wait_for
from policy.store.identities import IdentityStore, StoreError, read_key
from service.settings import SettingError

ADMINISTRATOR = "administrator"
ITSELF = Actor("sallyport", socket.gethostname())  # who acts where nobody asked


def init(settings: Settings, now: float) -> list[str]:
    """Make what is missing; the names of what was made. Safe to run before every start."""
    made = []
    random_files = (
        ("POLICY_STATE_DIR", settings.digest_key_file, "digest key"),
        ("POLICY_GATEWAY_TOKEN_FILE", settings.gateway_token_file, "token of the gateway"),
        ("POLICY_DOVECOT_TOKEN_FILE", settings.dovecot_token_file, "token of Dovecot"),
        ("POLICY_AUTH_POLICY_TOKEN_FILE", settings.auth_policy_token, "token of the auth-policy API"),
    )
    for setting, path, what in random_files:
        if _create(setting, path, secrets.token_hex(32).encode() + b"\n"):
            made.append(what)
    if _make_certificate(settings, now):
        made.append("self-signed certificate")
    where = location(settings)
    wait_for(where, log.database_awaited)
    engine = open_database(where)
    migrate(engine)
    if isinstance(where, Path):
        where.chmod(0o600)
    if _administrator_is_new(open_store(settings, engine), settings, now):
        made.append("administrator")
    engine.dispose()
    return made


def open_store(settings: Settings, engine: Engine, actor: Actor = ITSELF) -> IdentityStore:
    """The identity store on an open database, for whoever acts."""
    return IdentityStore(engine, digest_key(settings), actor)


def digest_key(settings: Settings) -> bytes:
    """The key without which no credential can be verified."""
    try:
        return read_key(settings.digest_key_file)
    except (OSError, ValueError):
        raise SettingError(
            "POLICY_STATE_DIR",
            f"{settings.digest_key_file} is not there or no key",
            "run `sallyport init`, or restore it",
        ) from None


def _administrator_is_new(store: IdentityStore, settings: Settings, now: float) -> bool:
    if store.identities(limit=1):
        return False
    try:
        store.add_identity(ADMINISTRATOR, (f"postmaster@{settings.domains[0]}",), now)
    except StoreError:  # another process was faster
        return False
    return True


def _make_certificate(settings: Settings, now: float) -> bool:
    """Key first, then the certificate of whatever key is there: a start that was cut off between them goes on here."""
    if settings.tls_cert.exists():
        return False
    _create("POLICY_TLS_KEY", settings.tls_key, new_key())
    try:
        certificate = self_signed(settings.hostname, settings.tls_key.read_bytes(), now)
    except (OSError, ValueError, TypeError):
        raise SettingError(
            "POLICY_TLS_CERT",
            f"{settings.tls_cert} is missing and {settings.tls_key} is not the key of a self-signed one",
            "put both files there, or remove the key, too",
        ) from None
    return _create("POLICY_TLS_CERT", settings.tls_cert, certificate)


def _create(setting: str, path: Path, content: bytes) -> bool:
    """Write a file of mode 0600 unless it exists. The link makes it appear whole, and only once."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        if path.exists():
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was faster
            os.link(draft, path)
        draft.unlink()
    except OSError as error:
        raise SettingError(
            setting, f"{path} cannot be written ({error.strerror})", "check the folder and its owner"
        ) from None
    return True
