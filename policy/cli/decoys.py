"""`sallyport decoy`: logins that nobody has, for thieves to find."""

import time
from typing import Annotated

import typer

from policy.cli.arguments import Yes, confirm
from policy.cli.output import JSON, print_rows, print_values, when
from policy.cli.store import open_identities
from policy.store.errors import StoreError

decoy = typer.Typer(help="Logins that nobody has: whoever uses one is a thief.", no_args_is_help=True)


@decoy.command("add")
def decoy_add(
    label: Annotated[str, typer.Option(help="Where it will lie, for example 'note in the wiki'.")],
    json: JSON = False,
) -> None:
    """Make a login that nobody has. Leave it where a thief looks, with any secret: an old mail, a file, a note.

    Example: sallyport decoy add --label "note in the wiki"
    """
    made = open_identities().add_decoy(label, time.time())
    print_values(made, json, f"login    {made.login}")


@decoy.command("list")
def decoy_list(json: JSON = False) -> None:
    """List the decoys, oldest first.

    Example: sallyport decoy list
    """
    print_rows(
        open_identities().decoys(),
        ("login", "label", "created"),
        lambda one: (one.login, one.label, when(one.created_at)),
        json,
    )


@decoy.command("remove")
def decoy_remove(
    login: Annotated[str, typer.Argument(help="The decoy.", show_default=False)], yes: Yes = False, json: JSON = False
) -> None:
    """Forget a decoy. Whoever uses it is then one of many who try a login that is none.

    Example: sallyport decoy remove fosem-4k7q-talir
    """
    store = open_identities()
    for one in store.decoys():
        if one.login == login:
            confirm(f"Remove the decoy {login} ({one.label})?", yes)
            print_values(store.remove_decoy(login, time.time()), json, f"{login}: removed")
            return
    raise StoreError(f"there is no decoy {login!r}; `sallyport decoy list` shows all")
