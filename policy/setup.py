"""The first start: everything that is missing is made, and what is there is never touched.

Secrets are files of mode 0600 that appear complete or not at all, so that a start which was cut off is simply repeated.
"""

import os
import secrets
from pathlib import Path

from sqlalchemy import Engine

from policy.certificate import self_signed
from policy.settings import Settings
from policy.store.database import migrate, open_database
from policy.store.identities import IdentityStore, StoreError, read_key
from service.settings import SettingError

ADMINISTRATOR = "administrator"


def init(settings: Settings, now: float) -> list[str]:
    """Make what is missing; the names of what was made. Safe to run before every start."""
    made = []
    random_files = {
        settings.digest_key_file: "digest key",
        settings.gateway_token_file: "token of the gateway",
        settings.dovecot_token_file: "token of Dovecot",
    }
    for path, what in random_files.items():
        if _create("POLICY_STATE_DIR", path, secrets.token_hex(32).encode() + b"\n"):
            made.append(what)
    if not settings.tls_cert.exists() and not settings.tls_key.exists():
        certificate, key = self_signed(settings.hostname, now)
        _create("POLICY_TLS_KEY", settings.tls_key, key)
        _create("POLICY_TLS_CERT", settings.tls_cert, certificate)
        made.append("self-signed certificate")
    engine = open_database(settings.database)
    migrate(engine)
    settings.database.chmod(0o600)
    if _administrator_is_new(open_store(settings, engine), settings, now):
        made.append("administrator")
    engine.dispose()
    return made


def open_store(settings: Settings, engine: Engine) -> IdentityStore:
    """The identity store on an open database."""
    try:
        key = read_key(settings.digest_key_file)
    except (OSError, ValueError):
        raise SettingError(
            "POLICY_STATE_DIR",
            f"{settings.digest_key_file} is not there or no key",
            "run `sallyport init`, or restore it",
        ) from None
    return IdentityStore(engine, key, settings.recipients_per_message)


def _administrator_is_new(store: IdentityStore, settings: Settings, now: float) -> bool:
    if store.identities():
        return False
    try:
        store.add_identity(ADMINISTRATOR, (f"postmaster@{settings.domains[0]}",), now)
    except StoreError:  # another process was faster
        return False
    return True


def _create(setting: str, path: Path, content: bytes) -> bool:
    """Write a file of mode 0600 unless it exists. The link makes it appear whole, and only once."""
    if path.exists():
        return False
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError as error:
        raise SettingError(
            setting, f"{path} cannot be written ({error.strerror})", "check the folder and its owner"
        ) from None
    finally:
        draft.unlink(missing_ok=True)
    return True
