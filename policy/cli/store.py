"""The identity store for commands: opened as the settings say, for whoever calls."""

import os
import pwd
import socket

from policy.location import open_existing
from policy.opening import open_store
from policy.settings import Settings
from policy.store.audit import Actor
from policy.store.identities import IdentityStore
from service.settings import load


def open_identities() -> IdentityStore:
    """The identity store that the settings name."""
    settings = load(Settings)
    return open_store(settings, open_existing(settings), actor())


def actor() -> Actor:
    """Who the audit log says it was: the login name at this host, before sudo, and outside of the container.

    Whoever can run commands on the store can say that it was somebody else: this is for honest people to remember by.
    """
    outside, _, host = os.environ.get("SALLYPORT_CALLER", "").partition("@")  # stack/containers.sh
    if outside and host:
        return Actor(f"cli:{outside}", host)
    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:  # a container's user that has no name
        name = str(number)
    if number == 0:
        name = os.environ.get("SUDO_USER", name)
    return Actor(f"cli:{name}", socket.gethostname())
