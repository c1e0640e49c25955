"""`sallyport invite` and `person`: how people come to sign in to the console."""

import time
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from policy.cli.arguments import Name, Yes, confirm
from policy.cli.identities import tell_where_mail_goes
from policy.cli.output import JSON, print_rows, print_values, when
from policy.cli.store import actor
from policy.contract import canonical_address
from policy.location import open_existing
from policy.opening import digest_key
from policy.people.roles import Role
from policy.settings import Settings
from policy.store.errors import StoreError
from policy.store.identities import IdentityStore
from policy.store.people import Invite, NewInvite, People
from service.settings import load

Days = Annotated[int, typer.Option(help="How long the link is good for.", min=1, max=90)]
Number = Annotated[int, typer.Argument(metavar="ID", help="As `invite list` shows it.", show_default=False)]


class _InviteGroup(TyperGroup):
    """`invite NAME` is `invite add NAME`: it is what an administrator types most."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - Typer keeps its class to itself
        if args and args[0] not in (*self.commands, *ctx.help_option_names):
            args = ["add", *args]
        return super().parse_args(ctx, args)


invite = typer.Typer(cls=_InviteGroup, help="Links with which people begin, valid once.", no_args_is_help=True)
person = typer.Typer(help="People's sign-in to the console.", no_args_is_help=True)


def _open() -> tuple[Settings, IdentityStore, People]:
    settings = load(Settings)
    given = open_existing(settings), digest_key(settings), actor()
    return settings, IdentityStore(*given), People(*given)


@invite.command("add")
def invite_add(
    name: Name,
    addresses: Annotated[
        list[str] | None, typer.Option("--address", help="An address of theirs; repeat for more.")
    ] = None,
    owner: Annotated[str, typer.Option(help="The person's full name.")] = "",
    role: Annotated[Role, typer.Option(help="What they may do in the console.")] = Role.OWNER,
    days: Days = 7,
    json: JSON = False,
) -> None:
    """Print a link with which a person sets a password and a second factor and adds devices. `add` may be left out.

    An identity that does not exist yet is made. Whoever has the link is that person: hand it over as you would a key.

    Example: sallyport invite ada --address ada@example.org --owner "Ada Lovelace"
    """
    settings, identities, people = _open()
    if people.find(name) is None:
        tell_where_mail_goes(identities.add_identity(name, addresses or (), time.time(), owner=owner, role=role))
    else:
        _refuse_what_is_not_theirs(identities, name, addresses or [])
        if role is not Role.OWNER:
            raise StoreError(f"{name!r} is there; `sallyport person role {name} {role}` gives the role")
    _show(people.invite(name, days, time.time()), settings, json)


@invite.command("list")
def invite_list(json: JSON = False) -> None:
    """List the invitations, oldest first; never a link.

    Example: sallyport invite list
    """
    _, _, people = _open()
    now = time.time()
    print_rows(
        people.invites(),
        ("id", "identity", "owner", "made", "good until", "state"),
        lambda one: (
            str(one.id),
            one.identity,
            one.owner,
            when(one.created_at),
            when(one.expires_at),
            _state(one, now),
        ),
        json,
    )


@invite.command("revoke")
def invite_revoke(number: Number, json: JSON = False) -> None:
    """Make a link worthless that was not used yet.

    Example: sallyport invite revoke 12
    """
    _, _, people = _open()
    revoked = people.revoke_invite(number, time.time())
    print_values(revoked, json, f"invitation {revoked.id} of {revoked.identity}: revoked")


@person.command("reset")
def person_reset(name: Name, days: Days = 7, yes: Yes = False, json: JSON = False) -> None:
    """Let a person start over who lost password or second factor: both are gone, and a new link is printed.

    The person is signed out of the console everywhere. Devices go on sending mail; revoke their credentials where
    they may be in other hands.

    Example: sallyport person reset ada
    """
    settings, _, people = _open()
    confirm(f"Take password, second factors and recovery codes from {name}, and end all sessions?", yes)
    _show(people.reset(name, days, time.time()), settings, json)


@person.command("role")
def person_role(
    name: Name,
    role: Annotated[Role | None, typer.Argument(help="Left out: show it.", show_default=False)] = None,
    json: JSON = False,
) -> None:
    """Say what a person may do in the console: see docs/console.md.

    Example: sallyport person role ada help-desk
    """
    _, identities, _ = _open()
    changed = identities.set_role(name, role, time.time()) if role else identities.identity(name)
    print_values(changed, json, f"{changed.name}: {changed.role}")


def _refuse_what_is_not_theirs(identities: IdentityStore, name: str, addresses: list[str]) -> None:
    theirs = identities.identity(name).addresses
    for address in addresses:
        if canonical_address(address) not in theirs:
            raise StoreError(
                f"{name!r} is there and has no {address}; `sallyport address add {name} {address}` adds it"
            )


def _show(made: NewInvite, settings: Settings, as_json: bool) -> None:
    """The one time that a link is shown."""
    url = settings.invite_url(made.token)
    text = (
        f"link        {url}\nfor         {made.invite.identity}\ngood until  {when(made.invite.expires_at)}, once\n"
        "The link is shown this once. Whoever has it is that person: hand it over as you would a key."
    )
    print_values(made.invite, as_json, text, url=url)


def _state(one: Invite, now: float) -> str:
    if one.used_at:
        return f"used {when(one.used_at)}"
    if one.revoked_at:
        return f"revoked {when(one.revoked_at)}"
    return "open" if one.expires_at > now else "expired"
