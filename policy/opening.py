"""The identity store, opened as the settings say, for the services and for the command line.

Where the database is says location.py; what makes it is setup.py.
"""

import socket

from sqlalchemy import Engine

from policy.settings import Settings
from policy.store.audit import Actor
from policy.store.identities import IdentityStore, read_key
from service.settings import SettingError

ADMINISTRATOR = "administrator"
ITSELF = Actor("sallyport", socket.gethostname())  # who acts where nobody asked


def open_store(settings: Settings, engine: Engine, actor: Actor = ITSELF) -> IdentityStore:
    """The identity store on an open database, for whoever acts."""
    return IdentityStore(engine, digest_key(settings), actor)


def digest_key(settings: Settings) -> bytes:
    """The key without which no credential can be verified."""
    try:
        return read_key(settings.digest_key_file)
    except (OSError, ValueError):
        raise SettingError(
            settings.digest_key_setting,
            f"{settings.digest_key_file} is not there or no key",
            "run `sallyport init`, or restore it",
        ) from None
