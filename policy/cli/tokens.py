"""`sallyport token`: what programs may do through the API."""

import time
from typing import Annotated

import typer

from policy.cli.output import JSON, print_rows, print_values, when
from policy.cli.store import actor
from policy.location import open_existing
from policy.opening import digest_key
from policy.settings import Settings
from policy.store.tokens import TokenBook, TokenScope
from service.settings import load

token = typer.Typer(help="Tokens for programs that use the REST API.", no_args_is_help=True)

TokenName = Annotated[str, typer.Argument(help="For whom, for example provisioning.", show_default=False)]


@token.command("add")
def token_add(
    name: TokenName,
    scope: Annotated[list[TokenScope], typer.Option(help="What it is good for; may be repeated.", show_default=False)],
    days: Annotated[int, typer.Option(help="For how long.", min=1, max=366)] = 90,
    json: JSON = False,
) -> None:
    """Make a token. It is shown this once.

    Example: sallyport token add provisioning --scope read --scope write --days 30
    """
    made = _book().add_token(name, scope, days, time.time())
    print_values(
        made, json, f"token    {made.token}\nscopes   {', '.join(made.scopes)}\nexpires  {when(made.expires_at)}"
    )


@token.command("list")
def token_list(json: JSON = False) -> None:
    """List all tokens, oldest first, also those that are worth nothing any more.

    Example: sallyport token list
    """
    print_rows(
        _book().tokens(),
        ("name", "scopes", "created", "expires", "last used", "revoked"),
        lambda one: (
            one.name,
            " ".join(one.scopes),
            when(one.created_at),
            when(one.expires_at),
            when(one.last_used_at),
            when(one.revoked_at),
        ),
        json,
    )


@token.command("revoke")
def token_revoke(name: TokenName, json: JSON = False) -> None:
    """Refuse a token from now on.

    Example: sallyport token revoke provisioning
    """
    print_values(_book().revoke_token(name, time.time()), json, f"{name}: revoked")


def _book() -> TokenBook:
    settings = load(Settings)
    return TokenBook(open_existing(settings), digest_key(settings), actor())
