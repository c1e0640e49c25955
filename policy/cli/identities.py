"""`sallyport identity`: who may send."""

import sys
import time
from typing import Annotated

import typer

from policy.cli.arguments import Name, Yes, confirm
from policy.cli.output import JSON, TABLE_ROWS, Limit, all_pages, print_rows, print_values, when
from policy.cli.store import open_identities
from policy.contract import canonical_address
from policy.setting_names import set_as
from policy.settings import Settings
from policy.store.identities import Identity, Profile
from service.settings import load

_NOTICE_ADDRESS = "Where its owner is told of incidents, beside his mailbox."

identity = typer.Typer(help="Who may send: people, devices, applications.", no_args_is_help=True)


def show_identity(one: Identity, as_json: bool) -> None:
    """One identity after a change, in a line."""
    note = " (suspended)" if one.suspended_at else ""
    text = f"{one.name}{note}: {', '.join((*one.addresses, *one.sends_as)) or 'no address yet'}"
    print_values(one, as_json, text)


def tell_where_mail_goes(changed: Identity) -> None:
    """An address of a domain that is not kept here can send; people expect that it receives here, too."""
    domains = load(Settings).domains
    kept = {canonical_address(f"@{domain}") for domain in domains}
    for one in changed.addresses:
        if f"@{one.rpartition('@')[2]}" not in kept:
            print(
                f"note: mail TO {one} is delivered elsewhere: this server keeps mail for {', '.join(domains)} alone "
                f"({set_as('DOMAINS')})",
                file=sys.stderr,
            )


@identity.command("add")
def identity_add(
    name: Name,
    addresses: Annotated[
        list[str] | None, typer.Option("--address", help="An address it may send as; repeat for more.")
    ] = None,
    profile: Annotated[Profile, typer.Option(help="What sort of sender it is.")] = Profile.PERSON,
    owner: Annotated[str, typer.Option(help="The person's name, or what the application is.")] = "",
    notice_address: Annotated[str, typer.Option(metavar="ADDRESS", help=_NOTICE_ADDRESS)] = "",
    json: JSON = False,
) -> None:
    """Add an identity.

    Example: sallyport identity add ada --address ada@example.org --owner "Ada Lovelace"
    """
    added = open_identities().add_identity(
        name, addresses or (), time.time(), profile=profile, owner=owner, notice_address=notice_address
    )
    show_identity(added, json)
    tell_where_mail_goes(added)


@identity.command("list")
def identity_list(
    search: Annotated[
        str, typer.Option(help="Only those whose name or address begins so, or whose owner's name contains it.")
    ] = "",
    after: Annotated[str, typer.Option(help="Go on after this name.")] = "",
    limit: Limit = None,
    json: JSON = False,
) -> None:
    """List the identities with their addresses, by name.

    Example: sallyport identity list --search ada
    """
    store = open_identities()
    rows = all_pages(
        lambda last, most: store.identities(search=search, after=last, limit=most), lambda one: one.name, after, limit
    )
    print_rows(
        rows,
        ("name", "profile", "owner", "addresses", "created", "suspended"),
        lambda one: (
            one.name,
            one.profile,
            one.owner,
            "\n".join((*one.addresses, *one.sends_as)),
            when(one.created_at),
            when(one.suspended_at),
        ),
        json,
        None if limit else TABLE_ROWS,
    )


@identity.command("show")
def identity_show(name: Name, json: JSON = False) -> None:
    """Show all that is known of one identity.

    Example: sallyport identity show ada
    """
    print_values(open_identities().identity(name), json)


@identity.command("change")
def identity_change(
    name: Name,
    owner: Annotated[str | None, typer.Option(help="Another name of its owner.", show_default=False)] = None,
    profile: Annotated[Profile | None, typer.Option(help="Another sort of sender.", show_default=False)] = None,
    notice_address: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help=f"{_NOTICE_ADDRESS} '' is none.", show_default=False),
    ] = None,
    json: JSON = False,
) -> None:
    """Change the owner's name, the profile or the second address. The name of an identity is its mailbox and stays.

    Example: sallyport identity change ada --owner "Ada King"
    """
    changed = open_identities().change_identity(
        name, time.time(), owner=owner, profile=profile, notice_address=notice_address
    )
    show_identity(changed, json)


@identity.command("suspend")
def identity_suspend(name: Name, json: JSON = False) -> None:
    """Refuse all its logins until it is resumed, and end its sessions.

    Example: sallyport identity suspend ada
    """
    show_identity(open_identities().suspend(name, time.time()), json)


@identity.command("resume")
def identity_resume(name: Name, json: JSON = False) -> None:
    """Let its logins work again, but for revoked ones.

    Example: sallyport identity resume ada
    """
    show_identity(open_identities().resume(name, time.time()), json)


@identity.command("remove")
def identity_remove(name: Name, yes: Yes = False, json: JSON = False) -> None:
    """Remove an identity for good, with its logins and addresses. Mail in its mailbox, records and audit log stay.

    Example: sallyport identity remove ada
    """
    store = open_identities()
    gone = store.identity(name)
    confirm(f"Remove {name!r} with its logins and addresses for good?", yes)
    store.remove_identity(name, time.time())
    print_values(gone, json, f"{name}: removed")
