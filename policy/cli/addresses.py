"""`sallyport address`: as whom an identity may send."""

import time
from typing import Annotated

import typer

from policy.cli.arguments import Name, Yes, confirm
from policy.cli.identities import show_identity, tell_where_mail_goes
from policy.cli.output import JSON
from policy.cli.store import open_identities
from policy.store.errors import StoreError

address = typer.Typer(help="As whom an identity may send.", no_args_is_help=True)

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="For example ada@example.org.", show_default=False)]


@address.command("add")
def address_add(
    name: Name,
    new: Annotated[
        str,
        typer.Argument(
            metavar="ADDRESS",
            help="For example ada@example.org; @example.org is the whole domain, for an application.",
            show_default=False,
        ),
    ],
    subaddresses: Annotated[bool, typer.Option("--subaddresses", help="ada+anything@example.org, too.")] = False,
    json: JSON = False,
) -> None:
    """Let an identity send as one more address.

    Example: sallyport address add ada countess@example.org
    """
    changed = open_identities().add_address(name, new, time.time(), subaddresses=subaddresses)
    show_identity(changed, json)
    tell_where_mail_goes(changed)


@address.command("change")
def address_change(
    changed: Address,
    subaddresses: Annotated[
        bool, typer.Option("--subaddresses/--no-subaddresses", help="Whether ada+anything@example.org is its owner's.")
    ],
    json: JSON = False,
) -> None:
    """Give an address its subaddresses, or take them away.

    Example: sallyport address change ada@example.org --subaddresses
    """
    show_identity(open_identities().change_address(changed, subaddresses, time.time()), json)


@address.command("remove")
def address_remove(gone: Address, yes: Yes = False, json: JSON = False) -> None:
    """Take an address away from its owner, and from all who were allowed to send as it.

    Example: sallyport address remove countess@example.org
    """
    store = open_identities()
    owner = store.owner_of(gone)
    if owner is None:
        raise StoreError(f"the address {gone!r} belongs to nobody; `sallyport identity list` shows all")
    confirm(f"Take {gone} away from {owner!r}, and from all who were allowed to send as it?", yes)
    show_identity(store.remove_address(gone, time.time()), json)


@address.command("allow")
def address_allow(shared: Address, name: Name, json: JSON = False) -> None:
    """Let another identity send as an address. Mail to it stays its owner's.

    Example: sallyport address allow sales@example.org ada
    """
    show_identity(open_identities().allow(shared, name, time.time()), json)


@address.command("disallow")
def address_disallow(shared: Address, name: Name, json: JSON = False) -> None:
    """Let it send as that address no more.

    Example: sallyport address disallow sales@example.org ada
    """
    show_identity(open_identities().disallow(shared, name, time.time()), json)
