"""`sallyport trap`: who did what no owner of a login has a reason to do."""

from typing import Annotated

import typer

from policy.cli.output import JSON, print_rows, when
from policy.location import open_existing
from policy.settings import Settings
from policy.store.traps import newest_traps
from service.settings import load

trap = typer.Typer(help="Traps that closed: addresses used as logins, old secrets, decoys.", no_args_is_help=True)


@trap.command("list")
def trap_list(
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=10_000)] = 20,
    json: JSON = False,
) -> None:
    """List the traps that closed, newest first. Hits of one kind from one network within an hour are one row.

    Example: sallyport trap list
    """
    print_rows(
        newest_traps(open_existing(load(Settings)), limit),
        ("at", "kind", "network", "client", "protocol", "identity", "label", "hits"),
        lambda one: (
            when(one.at), one.kind, one.network, one.client_address, one.protocol, one.identity, one.label,
            str(one.hits),
        ),
        json,
    )  # fmt: skip
