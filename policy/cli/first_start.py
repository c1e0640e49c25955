"""`sallyport init`, `first-login` and `certificate`: the commands of the first start."""

import time
from typing import Annotated

import typer

from policy.certificate import fingerprint
from policy.cli import store
from policy.cli.credentials import show_new
from policy.cli.output import JSON
from policy.opening import ADMINISTRATOR
from policy.settings import Settings
from policy.setup import init
from policy.store.errors import StoreError
from service.settings import SettingError, load


def make_what_is_missing() -> None:
    """Make what is missing: secrets, self-signed certificate, database, first administrator.

    Example: sallyport init
    """
    made = init(load(Settings), time.time())
    print(f"made: {', '.join(made)}" if made else "nothing was missing")


def first_login(json: JSON = False) -> None:
    """Show the first administrator's credential, once.

    Example: sallyport first-login
    """
    opened = store.open_identities()
    if opened.credentials(ADMINISTRATOR, limit=1):
        raise StoreError(
            "the first credential was shown already; "
            f"`sallyport credential add {ADMINISTRATOR} --label LABEL` makes another one"
        )
    made = opened.add_credential(ADMINISTRATOR, "first login", time.time())
    show_new(made, opened.identity(ADMINISTRATOR).addresses, json)


def certificate(
    show_fingerprint: Annotated[bool, typer.Option("--fingerprint", help="Only its SHA-256 fingerprint.")] = False,
) -> None:
    """Print the certificate that the gateway and Dovecot present, as PEM.

    Example: sallyport certificate > sallyport.pem
    """
    settings = load(Settings)
    try:
        pem = settings.tls_cert.read_bytes()
        print(fingerprint(pem) if show_fingerprint else pem.decode().strip())
    except (OSError, ValueError):
        raise SettingError(
            "POLICY_TLS_CERT",
            f"{settings.tls_cert} is no readable certificate",
            "replace it, or remove it and run init",
        ) from None
