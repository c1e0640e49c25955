"""`sallyport wall`: which networks are walled, and letting one in."""

import time

import typer

from policy.cli.networks import Given
from policy.cli.output import JSON, TABLE_ROWS, Limit, print_rows, print_values, when
from policy.cli.store import open_identities

wall = typer.Typer(help="Networks that are walled after guesses or a trap, and letting one in.", no_args_is_help=True)


@wall.command("list")
def wall_list(limit: Limit = None, json: JSON = False) -> None:
    """List the networks that are walled, the newest first: since when, until when, why, how many in a row.

    Example: sallyport wall list
    """
    print_rows(
        open_identities().walls(time.time(), limit),
        ("network", "since", "until", "why", "in a row"),
        lambda one: (one.network, when(one.since_at), when(one.ends_at), one.why, str(one.times)),
        json,
        None if limit else TABLE_ROWS,
    )


@wall.command("lift")
def wall_lift(given: Given, json: JSON = False) -> None:
    """Let a network in: its wall falls, and what was tried from it is forgotten.

    Example: sallyport wall lift 198.51.100.0/24
    """
    lifted = open_identities().lift_wall(given, time.time())
    print_values(
        lifted,
        json,
        f"{lifted.network} was walled since {when(lifted.since_at)} ({lifted.why}) and is let in: logins within a "
        "second, new connections within ten. What was tried from there is forgotten.",
    )
