"""`sallyport identity`, `address` and `credential`: the identity store from the command line."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Engine

from policy.certificate import fingerprint
from policy.cli.output import (
    JSON,
    show_certificate,
    show_credential,
    show_credentials,
    show_identities,
    show_identity,
)
from policy.settings import Settings
from policy.setup import open_store
from policy.store.database import open_database
from policy.store.identities import Identity, IdentityStore, StoreError
from service.settings import SettingError, load

identity = typer.Typer(help="Who may send: people, devices, applications.", no_args_is_help=True)
address = typer.Typer(help="As whom an identity may send.", no_args_is_help=True)
credential = typer.Typer(help="Logins and secrets, one for each device.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The identity's name, which is its mailbox, too.", show_default=False)]


def open_identities() -> IdentityStore:
    """The identity store that the settings name."""
    settings = load(Settings)
    return open_store(settings, open_existing(settings))


def open_existing(settings: Settings) -> Engine:
    """The database, which `sallyport init` must have made."""
    if not settings.database.exists():
        raise SettingError(
            "POLICY_STATE_DIR", f"there is no database in {settings.state_dir}", "run `sallyport init` first"
        )
    return open_database(settings.database)


def _tell_where_mail_goes(changed: Identity) -> None:
    """An address of a domain that is not kept here can send; people expect that it receives here, too."""
    domains = load(Settings).domains
    for one in changed.addresses:
        if one.rpartition("@")[2] not in domains:
            print(
                f"note: mail TO {one} is delivered elsewhere: this server keeps mail for {', '.join(domains)} alone "
                "(SALLYPORT_DOMAINS)",
                file=sys.stderr,
            )


@identity.command("add")
def identity_add(
    name: Name,
    addresses: Annotated[
        list[str] | None, typer.Option("--address", help="An address it may send as; repeat for more.")
    ] = None,
    json: JSON = False,
) -> None:
    """Add an identity.

    Example: sallyport identity add ada --address ada@example.org
    """
    added = open_identities().add_identity(name, tuple(addresses or ()), time.time())
    show_identity(added, json)
    _tell_where_mail_goes(added)


@identity.command("list")
def identity_list(json: JSON = False) -> None:
    """List the identities with their addresses."""
    show_identities(open_identities().identities(), json)


@address.command("add")
def address_add(
    name: Name,
    new: Annotated[str, typer.Argument(metavar="ADDRESS", help="For example ada@example.org.", show_default=False)],
    json: JSON = False,
) -> None:
    """Let an identity send as one more address.

    Example: sallyport address add ada countess@example.org
    """
    changed = open_identities().add_address(name, new)
    show_identity(changed, json)
    _tell_where_mail_goes(changed)


@credential.command("add")
def credential_add(
    name: Name,
    label: Annotated[str, typer.Option(help="The device, for example laptop.")],
    certificate: Annotated[
        Path | None,
        typer.Option(help="A client certificate (PEM) that proves the login in place of a secret.", show_default=False),
    ] = None,
    json: JSON = False,
) -> None:
    """Make a login for one device, with a secret that is shown this once, or with a certificate (AUTH EXTERNAL).

    Example: sallyport credential add ada --label laptop
    """
    identities = open_identities()
    if certificate:
        added = identities.add_certificate(name, label, _fingerprint_of(certificate), time.time())
        show_certificate(added, identities.identity(name).addresses, json)
    else:
        made = identities.add_credential(name, label, time.time())
        show_credential(made, identities.identity(name).addresses, json)


def _fingerprint_of(path: Path) -> str:
    """As the gateway tells it: SHA-256 in lower case, without colons."""
    try:
        return fingerprint(path.read_bytes()).replace(":", "").lower()
    except (OSError, ValueError):
        raise StoreError(f"{path} is no readable certificate; it must be a PEM file") from None


@credential.command("list")
def credential_list(
    name: Annotated[str | None, typer.Argument(help="Only this identity's.", show_default=False)] = None,
    json: JSON = False,
) -> None:
    """List credentials, revoked ones too; never a secret."""
    show_credentials(open_identities().credentials(name), json)


@credential.command("revoke")
def credential_revoke(
    login: Annotated[str, typer.Argument(help="For example fosem-4k7q-talir.", show_default=False)],
    json: JSON = False,
) -> None:
    """Refuse a login from now on, in sessions that are open, too. The other devices of its identity go on.

    Example: sallyport credential revoke fosem-4k7q-talir
    """
    show_credentials([open_identities().revoke(login, time.time())], json)
