"""`sallyport service-token`: the tokens that our services show each other, and their rotation."""

import time
from typing import Annotated

import typer

from policy.cli.output import JSON, print_rows, print_values, when
from policy.cli.store import actor
from policy.location import open_existing
from policy.service_tokens import TokenKeeper
from policy.settings import Settings
from service.settings import load

service_token = typer.Typer(
    help="The tokens that our services show each other, and their rotation.", no_args_is_help=True
)

Whose = Annotated[str, typer.Argument(help="gateway, dovecot, queue-agent or auth-policy.", show_default=False)]


@service_token.command("list")
def service_token_list(json: JSON = False) -> None:
    """List the tokens: where each is, and whether the one before it is still taken.

    Example: sallyport service-token list
    """
    print_rows(
        _keeper().states(),
        ("token", "file", "changed", "the one before"),
        lambda one: (one.name, one.path, when(one.changed_at), "is still taken" if one.is_rotating else ""),
        json,
    )


@service_token.command("rotate")
def service_token_rotate(name: Whose, json: JSON = False) -> None:
    """Make a new token. The one before is taken until it is retired, so that nobody is shut out.

    Example: sallyport service-token rotate gateway
    """
    print_values(
        _keeper().rotate(name),
        json,
        f"{name}: there is a new token, and the one before is still taken. After a minute:\n"
        f"  sallyport service-token retire {name}",
    )


@service_token.command("retire")
def service_token_retire(
    name: Whose,
    at_once: Annotated[bool, typer.Option("--at-once", help="Also within the minute after `rotate`.")] = False,
    json: JSON = False,
) -> None:
    """Take the token before the newest one no more. Do it when all parts that have it have read the new one.

    Example: sallyport service-token retire gateway
    """
    print_values(_keeper().retire(name, is_at_once=at_once), json, f"{name}: only the new token is taken")


def _keeper() -> TokenKeeper:
    settings = load(Settings)
    return TokenKeeper(settings, open_existing(settings), actor(), time.time)
