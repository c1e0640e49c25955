"""`sallyport network`: from where an identity has logged in."""

import time
from typing import Annotated

import typer

from policy.cli.arguments import Name
from policy.cli.output import JSON, print_rows, when
from policy.cli.store import open_identities
from policy.geo.opened import atlas_at
from policy.settings import Settings
from policy.store.rows import Network
from service.settings import load

network = typer.Typer(help="From where an identity has logged in: there it is never walled.", no_args_is_help=True)

Given = Annotated[
    str, typer.Argument(metavar="NETWORK", help="For example 192.0.2.0/24, or an address in it.", show_default=False)
]


@network.command("list")
def network_list(name: Name, json: JSON = False) -> None:
    """List the networks of an identity, the one used last first.

    Example: sallyport network list ada
    """
    _show(open_identities().networks(name), json)


@network.command("confirm")
def network_confirm(name: Name, given: Given, json: JSON = False) -> None:
    """Say that a network is the owner's, also before it was used.

    Example: sallyport network confirm ada 192.0.2.0/24
    """
    _show([open_identities().confirm_network(name, given, time.time())], json)


@network.command("forget")
def network_forget(name: Name, given: Given, json: JSON = False) -> None:
    """Take a network out: from there the identity is a stranger again.

    Example: sallyport network forget ada 192.0.2.0/24
    """
    _show([open_identities().forget_network(name, given, time.time())], json)


@network.command("distrust")
def network_distrust(name: Name, given: Given, json: JSON = False) -> None:
    """Say that it was not the owner who used a network: it is strange again, and what was used there is suspended.

    Suspended are the logins that were seen there, or all of them where nobody knows; `sallyport release` gives them
    back.

    Example: sallyport network distrust ada 192.0.2.0/24
    """
    settings = load(Settings)
    atlas = atlas_at(settings.geo_country_db, settings.geo_asn_db)
    incident = open_identities().distrust_network(name, given, atlas.origin, time.time())
    print_rows(
        [incident],
        ("incident", "identity", "suspended"),
        lambda one: (str(one.number), one.identity, ", ".join(one.suspended)),
        json,
    )


def _show(networks: list[Network], as_json: bool) -> None:
    print_rows(
        networks,
        ("network", "first used", "last used", "days", "confirmed"),
        lambda one: (
            one.network,
            when(one.first_used_at),
            when(one.last_used_at),
            str(one.days),
            when(one.confirmed_at),
        ),
        as_json,
    )
